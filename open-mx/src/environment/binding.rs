//! Processors for a process, by the endpoint that it opens: `OMX_PROCESS_BINDING`.

use std::path::PathBuf;

use mx_wire::MacAddress;
use rustix::thread::{CpuSet, sched_setaffinity};

const DEFAULT_FILE: &str = "/tmp/open-mx.bindings.dat";

/// Which processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// This one, whatever is opened.
    All(usize),
    /// One for each endpoint index.
    ByEndpoint(Vec<usize>),
    /// What a file says of the board and the endpoint, as `omx_prepare_binding` writes it.
    File(PathBuf),
}

impl Binding {
    /// `all:<cpu>`, `<cpu>,<cpu>,…` or `file[:path]`.
    pub fn parse(value: &str) -> Option<Self> {
        if let Some(processor) = value.strip_prefix("all:") {
            return Some(Self::All(processor.parse().ok()?));
        }
        match value.strip_prefix("file") {
            Some("") => return Some(Self::File(DEFAULT_FILE.into())),
            Some(path) => return Some(Self::File(path.strip_prefix(':')?.into())),
            None => {}
        }
        let processors: Result<_, _> = value.split(',').map(|cpu| cpu.trim().parse()).collect();
        Some(Self::ByEndpoint(processors.ok()?))
    }

    /// Binds the calling thread, and those that it will start, for an endpoint that it has opened.
    pub fn apply(&self, mac: MacAddress, endpoint: u32) -> Result<(), String> {
        let processors = match self {
            Self::All(processor) => Some(vec![*processor]),
            Self::ByEndpoint(processors) => processors.get(endpoint as usize).map(|cpu| vec![*cpu]),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                mask_of(&text, mac, endpoint)
            }
        };
        let Some(processors) = processors else {
            return Ok(());
        };
        let mut set = CpuSet::new();
        for processor in &processors {
            if *processor >= CpuSet::MAX_CPU {
                return Err(format!("there is no processor {processor}"));
            }
            set.set(*processor);
        }
        sched_setaffinity(None, &set)
            .map_err(|errno| format!("the process cannot be bound to {processors:?}: {errno}"))
    }
}

/// Processors of the line `board <mac> ep <n> irq <n> mask <hex>` for this endpoint.
fn mask_of(text: &str, mac: MacAddress, endpoint: u32) -> Option<Vec<usize>> {
    let (mac, endpoint) = (mac.to_string(), endpoint.to_string());
    let mask = text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["board", board, "ep", ep, "irq", _, "mask", mask] => {
                (board.eq_ignore_ascii_case(&mac) && ep == endpoint).then_some(mask)
            }
            _ => None,
        }
    })?;
    let mut processors = Vec::new();
    // The kernel puts commas between groups of 32.
    let digits = mask.trim_start_matches("0x").chars().rev();
    for (at, digit) in digits.filter(|digit| *digit != ',').enumerate() {
        let digit = digit.to_digit(16)?;
        processors.extend(
            (0..4)
                .filter(|bit| digit >> bit & 1 == 1)
                .map(|bit| at * 4 + bit),
        );
    }
    (!processors.is_empty()).then_some(processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_understood_and_nothing_else() {
        assert_eq!(Binding::parse("all:2"), Some(Binding::All(2)));
        let listed = Binding::ByEndpoint(vec![0, 3, 1]);
        assert_eq!(Binding::parse("0,3, 1"), Some(listed));
        assert_eq!(
            Binding::parse("file"),
            Some(Binding::File(DEFAULT_FILE.into()))
        );
        assert_eq!(
            Binding::parse("file:/a b"),
            Some(Binding::File("/a b".into()))
        );
        for nonsense in ["", "all:", "all:x", "1,,2", "files", "-1"] {
            assert_eq!(Binding::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_binding_file_is_asked_by_board_and_endpoint() {
        let text = "board 02:00:00:00:00:01 ep 0 irq 40 mask 1\n\
                    board 02:00:00:00:00:01 ep 1 irq 41 mask 1,80000002\n\
                    garbage\n";
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        assert_eq!(mask_of(text, mac, 0), Some(vec![0]));
        assert_eq!(mask_of(text, mac, 1), Some(vec![1, 31, 32]));
        assert_eq!(mask_of(text, mac, 2), None);
        assert_eq!(mask_of(text, MacAddress([9; 6]), 0), None);
    }
}
