//! What a terminal sees. Names, addresses and reasons come from other domains: only here do they become output, as lines
//! that a terminal does not obey ([`crate::plain`]).

use crate::device::Listed;
use crate::error::Error;
use crate::plain::{is_plain, shown};

/// Tells on standard output what was done. Nothing is left undone because that cannot be written.
pub fn say(line: &str) {
    omx_output::offer(format_args!("{}\n", shown(line)));
}

/// Writes JSON as one line to standard output. What JSON would let through and a terminal would obey is escaped.
pub fn json(value: &serde_json::Value) {
    let mut line = String::new();
    for letter in value.to_string().chars() {
        if is_plain(letter) {
            line.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    omx_output::println!("{line}");
}

/// Writes a line to standard error, if that is possible.
pub fn note(line: &str) {
    omx_output::eprintln!("{}", shown(line));
}

/// Tells what went wrong.
pub fn complain(error: &Error) {
    note(&format!("xl-omx: {error}"));
}

/// The heading and a line per device, in the columns of `xl network-list`.
pub fn table(devices: &[Listed]) -> String {
    let mut text = format!(
        "{:<3} {:<2} {:<17} {:>6} {:>5} {:>6} {:>8} {}\n",
        "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "ring-ref", "BE-path"
    );
    let number = |value: Option<u32>| value.map_or_else(|| "-1".into(), |value| value.to_string());
    for d in devices {
        text.push_str(&format!(
            "{:<3} {:<2} {:<17} {:>6} {:>5} {:>6} {:>8} {}\n",
            d.index,
            number(d.backend_id),
            d.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            d.index,
            d.state as u8,
            number(d.event_channel),
            number(d.ring_ref),
            d.backend_path.as_deref().unwrap_or("-")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac;
    use crate::state::XenbusState;

    #[test]
    fn a_device_without_rings_shows_minus_one_as_xl_does() {
        let listed = Listed {
            index: 0,
            backend_id: Some(1),
            mac: Some(mac::generate([0, 0, 1])),
            state: XenbusState::Initialising,
            frontend_state: XenbusState::Initialising,
            event_channel: None,
            ring_ref: None,
            backend_path: Some("/local/domain/1/backend/omx/2/0".into()),
        };
        let text = table(&[listed]);
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            [
                "0",
                "1",
                "00:16:3e:00:00:01",
                "0",
                "1",
                "-1",
                "-1",
                "/local/domain/1/backend/omx/2/0"
            ]
        );
    }
}
