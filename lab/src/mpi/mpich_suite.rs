//! MPICH's own tests, built for Open MPI, over the provider: messages, collectives, one-sided communication, threads.

use super::case::Case;
use super::cases::{self, Group};
use super::provider::Provider;
use super::transport::Transport;
use super::veth::Veth;
use crate::build::Programs;
use crate::error::{At, Error};
use crate::node::{Node, free_wire};
use crate::prepare;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Its folders, by what they test. The list of each names tests, ranks and arguments; a second list those that go through types
/// of data.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("pt2pt", &["pt2pt"]),
    ("coll", &["coll"]),
    ("rma", &["rma"]),
    (
        "threads",
        &[
            "threads/pt2pt",
            "threads/comm",
            "threads/init",
            "threads/coll",
        ],
    ),
];
const LISTS: [&str; 2] = ["testlist", "testlist.dtp"];

/// The folder of one-sided communication, which Open MPI is to do by messages: what else it has for that goes by memory that ranks
/// share, or by TCP.
const ONE_SIDED: &str = "rma";
const BY_MESSAGES: (&str, &str) = ("OMPI_MCA_osc", "pt2pt");

/// Parts of names of tests of windows that are shared memory, so nothing of them goes by the provider.
const SHARED: [&str; 2] = ["shm", "shared"];

/// The most memory in GiB that a test may ask for.
const MEMORY: f64 = 2.0;

/// How long a test may say nothing, which most do until their end, with a processor for each of those who want to run: a minute for
/// four ranks on two processors that have nothing else to do.
const LIMIT: Duration = Duration::from_secs(30);

const FRAME: u16 = 9000;

/// Runs them on one node, and on two that a pair of interfaces joins; whether nothing fails but what fails elsewhere, too.
pub fn run(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let tests = prepare::mpich_suite()?;
    let mut groups = Vec::new();
    for (title, folders) in FOLDERS {
        groups.push(group(&tests, title, folders)?);
    }
    let alone = [Node::start(programs, "mpi", free_wire()?, FRAME, &[])?];
    let veth = Veth::new(FRAME)?;
    let pair = veth.nodes(programs, FRAME)?;
    let transports = [Transport::Provider(&alone), Transport::Provider(&pair)];
    cases::run(provider, &transports, &groups)
}

/// The tests that the lists of these folders name, each once.
fn group(tests: &Path, title: &str, folders: &[&str]) -> Result<Group, Error> {
    let mut group = Group {
        title: format!("MPICH's {title}"),
        cases: Vec::new(),
        left_out: Vec::new(),
    };
    for folder in folders {
        let within = tests.join(folder);
        let mut known = BTreeSet::new();
        for list in LISTS.map(|list| within.join(list)) {
            if !list.exists() {
                continue;
            }
            let text = fs::read_to_string(&list).at("read", &list)?;
            let entries = text.lines().filter_map(Entry::read);
            for entry in entries {
                let name = format!("{folder}/{}", entry.name());
                if !known.insert(name.clone()) {
                    continue;
                }
                match left_out(&entry, &within) {
                    Some(reason) => group.left_out.push((name, reason)),
                    None => group.cases.push(case(name, entry, &within)),
                }
            }
        }
    }
    Ok(group)
}

/// Why a test is not run, if it is not.
fn left_out(entry: &Entry, within: &Path) -> Option<&'static str> {
    if entry.may_fail {
        Some("MPICH's own list expects it to fail")
    } else if SHARED.iter().any(|part| entry.program.contains(part)) {
        Some("its windows are shared memory")
    } else if !within.join(&entry.program).exists() {
        Some("Open MPI has not all of MPI 4, which it calls")
    } else if entry.memory > MEMORY {
        Some("it asks for much memory")
    } else {
        None
    }
}

fn case(name: String, entry: Entry, within: &Path) -> Case {
    let mut variables = Vec::new();
    if within.ends_with(ONE_SIDED) {
        let (name, value) = BY_MESSAGES;
        variables.push((name, value.to_owned()));
    }
    let mut program = vec![format!("./{}", entry.program)];
    program.extend(entry.arguments);
    Case {
        name,
        ranks: entry.ranks,
        program,
        folder: within.to_owned(),
        variables,
        report: None,
        limit: LIMIT,
        judge,
    }
}

/// A line of a list.
struct Entry {
    program: String,
    ranks: u32,
    arguments: Vec<String>,
    memory: f64,
    may_fail: bool,
}

impl Entry {
    /// Reads `sendself 2 arg=-type=MPI_INT mem=1.5`; variables that it sets are MPICH's own, and say nothing to others.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let program = words.next().filter(|word| !word.starts_with('#'))?;
        let mut entry = Entry {
            program: program.to_owned(),
            ranks: words.next()?.parse().ok()?,
            arguments: Vec::new(),
            memory: 0.0,
            may_fail: false,
        };
        for word in words {
            if let Some(argument) = word.strip_prefix("arg=") {
                entry.arguments.push(argument.to_owned());
            } else if let Some(memory) = word.strip_prefix("mem=") {
                entry.memory = memory.parse().ok()?;
            } else if word.starts_with("xfail=") {
                entry.may_fail = true;
            }
        }
        Some(entry)
    }

    /// Tells it from others of its folder.
    fn name(&self) -> String {
        let arguments: String = self
            .arguments
            .iter()
            .map(|word| format!(" {word}"))
            .collect();
        format!("{}{arguments}, {} ranks", self.program, self.ranks)
    }
}

/// Each of them says that there were no errors, or how many.
fn judge(said: &str) -> Result<u64, String> {
    let found = |line: &&str| line.trim_start().starts_with("Found ") && line.contains(" error");
    match said.lines().find(found) {
        Some(line) => Err(format!("it says \"{}\"", line.trim())),
        None if said.contains("No Errors") => Ok(1),
        None => Err("it does not say that there were no errors".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_list_is_a_test_with_its_ranks_and_arguments() {
        let line = "bcast 4 env=MPIR_CVAR_X=1 arg=-type=MPI_INT arg=-count=17 timeLimit=300 mem=1.2 xfail=1";
        let entry = Entry::read(line).expect("it is one");
        assert_eq!(entry.name(), "bcast -type=MPI_INT -count=17, 4 ranks");
        assert_eq!((entry.ranks, entry.memory, entry.may_fail), (4, 1.2, true));
        assert!(Entry::read("# bcast 4").is_none() && Entry::read("").is_none());
    }

    #[test]
    fn only_no_errors_is_a_success() {
        assert_eq!(judge("[vm:1] a warning\n No Errors\n"), Ok(1));
        assert!(judge(" Found 3 errors\n No Errors\n").is_err());
        assert!(judge("").is_err());
    }
}
