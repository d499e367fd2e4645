//! System calls that fail for want of memory or descriptors, each in its turn: whoever makes them says so, or does without.
//! No signal ends him, he does not wait for ever, and nobody else notices.
//!
//! `strace` makes them fail, since the library and the node make theirs without the C library. What the loader and the
//! language's start make before the program begins is left alone.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::NODE;
use common::bounded::{BOUND, conformance, ended_well, run, text};
use nodes::{Child, Node, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const INFO: &str = env!("CARGO_BIN_EXE_info-under-test");
const PERF: &str = env!("CARGO_BIN_EXE_perf-under-test");

/// Messages of 13, 95, 13274 and 9327485 bytes, two at a time.
const LOOPBACK: &str = "loopback -N 1 -P 2";
/// One long one.
const LONG: &str = "loopback -N 1 -P 1 -l 3000000";
/// Calls of one kind that are tried, one after the other; of those behind them only some.
const EACH: u32 = 10;
const BEHIND: [u32; 2] = [16, 24];
/// As many calls as `strace` counts; 65535 is no end of a range to it.
const FOR_GOOD: u32 = u16::MAX as u32 - 1;
/// From which call on all fail.
const LASTING: [u32; 3] = [1, 3, 8];

/// What may lack where, in the library and in the tools. `brk` is not among them: its failure is told by an old end, and not by a
/// number.
const OF_PROGRAMS: [(&str, &str); 18] = [
    ("mmap", "ENOMEM"),
    ("madvise", "ENOMEM"),
    ("memfd_create", "ENOMEM"),
    ("memfd_create", "EMFILE"),
    ("ftruncate", "ENOMEM"),
    ("fallocate", "ENOMEM"),
    ("fstatfs", "ENOMEM"),
    ("eventfd2", "ENOMEM"),
    ("eventfd2", "EMFILE"),
    ("socket", "ENOMEM"),
    ("socket", "EMFILE"),
    ("connect", "ENOMEM"),
    ("sendmsg", "ENOMEM"),
    ("recvmsg", "ENOMEM"),
    ("sendto", "ENOMEM"),
    ("recvfrom", "ENOMEM"),
    ("ppoll", "ENOMEM"),
    ("openat", "EMFILE"),
];
/// Of those, what a program makes that sleeps while messages come and go; such a run takes the better part of a second.
const OF_SLEEPERS: [(&str, &str); 2] = [("sendto", "ENOMEM"), ("ppoll", "ENOMEM")];
/// And in the node.
const OF_NODES: [(&str, &str); 20] = [
    ("mmap", "ENOMEM"),
    ("memfd_create", "ENOMEM"),
    ("memfd_create", "EMFILE"),
    ("ftruncate", "ENOMEM"),
    ("fallocate", "ENOMEM"),
    ("fstatfs", "ENOMEM"),
    ("socket", "EMFILE"),
    ("socketpair", "ENOMEM"),
    ("socketpair", "EMFILE"),
    ("accept4", "ENOMEM"),
    ("accept4", "EMFILE"),
    ("pidfd_open", "EMFILE"),
    ("signalfd4", "EMFILE"),
    ("epoll_create1", "EMFILE"),
    ("epoll_ctl", "ENOMEM"),
    ("epoll_pwait2", "ENOMEM"),
    ("clone3", "EAGAIN"),
    ("sendmsg", "ENOMEM"),
    ("recvmsg", "ENOMEM"),
    ("sendto", "ENOMEM"),
];
/// What a node asks for memory that it is shown, and of its watch over whom it keeps waiting.
const OF_SERVING_NODES: [(&str, &str); 2] = [("fcntl", "EMFILE"), ("epoll_ctl", "ENOMEM")];
/// Calls of those that are tried one after the other.
const EACH_OF_SERVING: u32 = 32;
/// Under which a message goes in pieces, each of which is registered and given back.
const PIECES: &str = "--fsize=102400";

/// System calls that fail.
struct Fault {
    call: &'static str,
    errno: &'static str,
    /// Number of the first one.
    at: u32,
    /// How many fail, one after the other.
    many: u32,
    /// What `strace` has seen.
    seen: PathBuf,
}

impl Fault {
    /// Of a call that is only watched.
    fn none(call: &'static str, seen: PathBuf) -> Self {
        Self {
            call,
            errno: "ENOMEM",
            at: FOR_GOOD,
            many: 1,
            seen,
        }
    }

    /// Makes it happen to a program, which stays the child of whoever starts this.
    fn strace(&self) -> Vec<String> {
        let last = (self.at + self.many - 1).min(FOR_GOOD);
        let inject = format!(
            "{}:error={}:when={}..{last}",
            self.call, self.errno, self.at
        );
        let seen = self.seen.display();
        let line = format!(
            "strace -D -f --seccomp-bpf -qq -o {seen} -e trace={} -e signal=none -e inject={inject}",
            self.call
        );
        line.split(' ').map(str::to_owned).collect()
    }

    /// Runs a program with it.
    fn run(&self, program: &str, arguments: &str, socket: &Path) -> Output {
        let ended = Command::new("timeout")
            .args(["-k", "1", BOUND])
            .args(self.strace())
            .arg(program)
            .args(arguments.split_whitespace())
            .env("OMX_SOCKET", socket)
            .output();
        ended.expect("timeout, and strace (Debian: strace)")
    }

    /// Whether all behind the first one fail, too.
    fn lasts(&self) -> bool {
        self.many == FOR_GOOD
    }

    fn seen(&self) -> String {
        std::fs::read_to_string(&self.seen).unwrap_or_default()
    }

    /// Whether it came to that.
    fn happened(&self) -> bool {
        self.seen().contains("(INJECTED)")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lasts = if self.lasts() {
            " and all behind it"
        } else {
            ""
        };
        write!(
            f,
            "{} {}{lasts} failing by {}",
            self.call, self.at, self.errno
        )
    }
}

/// How many such calls a program makes before it begins: as many as if it has nothing to do.
fn before(call: &'static str, program: &str, idle: &str, directory: &Path) -> u32 {
    let fault = Fault::none(call, directory.join("idle"));
    let ended = fault.run(program, idle, Path::new(""));
    assert!(ended.status.success(), "{program} {idle}: {}", text(&ended));
    let called = format!("{call}(");
    let lines = fault
        .seen()
        .lines()
        .filter(|line| line.contains(&called))
        .count();
    u32::try_from(lines).expect("few")
}

/// Makes the calls fail that are to be tried, until one is not made any more; how many were.
fn each_call(
    (call, errno): (&'static str, &'static str),
    (each, before): (u32, u32),
    directory: &Path,
    mut try_it: impl FnMut(&Fault) -> bool,
) -> usize {
    let behind = BEHIND.into_iter().filter(|at| *at > each);
    let once = (1..=each).chain(behind).map(|at| (at, 1_u32));
    let lasting = LASTING.map(|at| (at, FOR_GOOD));
    let mut tried = 0;
    for faults in [
        &mut once.into_iter() as &mut dyn Iterator<Item = _>,
        &mut lasting.into_iter(),
    ] {
        for (at, many) in faults {
            let fault = Fault {
                call,
                errno,
                at: before + at,
                many,
                seen: directory.join("seen"),
            };
            if !try_it(&fault) {
                break;
            }
            tried += 1;
        }
    }
    tried
}

/// A node on its own with two boards.
fn alone(directory: &Path) -> Node {
    let options = ["--alone", "--name", "one", "--board", "two"];
    let node = Node::start(NODE, directory.join("sock"), &options);
    node.wait_for_peers(0, &["one", "two"]);
    node
}

/// A program with each of these calls failing, beside a node that serves others as before. `idle` has it do nothing.
fn walk(
    (program, arguments, idle): (&str, &str, &str),
    kinds: &[(&'static str, &'static str)],
    node: &Node,
    least: usize,
) {
    let directory = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for kind in kinds.iter().copied() {
        let before = before(kind.0, program, idle, directory.path());
        tried += each_call(kind, (EACH, before), directory.path(), |fault| {
            // A node that is never woken brings nothing: who waits for something ends when it is given up, after minutes.
            if fault.lasts() && fault.call == "sendto" {
                return false;
            }
            let ended = fault.run(program, arguments, &node.socket);
            let step = format!("{program} {arguments} with {fault}");
            ended_well(&step, &ended);
            fault.happened()
        });
    }
    assert!(tried >= least, "only {tried} calls of {program} failed");
    let other = run("--core=0", conformance(), LONG, &node.socket);
    assert!(other.status.success(), "another one: {}", text(&other));
}

#[test]
fn calls_that_fail_under_a_program_of_the_library_end_it_with_a_word_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    walk((conformance(), LOOPBACK, "--list"), &OF_PROGRAMS, &node, 90);
}

#[test]
fn calls_that_fail_under_a_program_that_sleeps_end_it_with_a_word_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let echo = ["-s", "-b", "1", "-e", "3"];
    let _echo = Child::start(PERF, &echo, &[("OMX_SOCKET", node.socket())]);
    wait_for("the receiver's endpoint", || {
        let openers = open_mx::Board::openers(&node.backend(), 1).unwrap();
        openers.iter().any(Option::is_some)
    });
    // Lengths of 13, 390, 11 700 and 351 000 bytes.
    let few = "-d two:0 -r 3 -w -S 13 -M 30 -E 400000 -N 2 -W 1";
    walk((PERF, few, "--help"), &OF_SLEEPERS, &node, 20);
}

#[test]
fn calls_that_fail_under_a_tool_end_it_with_a_word_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    walk((INFO, "", "--help"), &OF_PROGRAMS, &node, 15);
}

/// A node with a fault that has begun to serve, or has ended.
fn begin(fault: &Fault, socket: &Path) -> (std::process::Child, bool) {
    let strace = fault.strace();
    let mut node = Command::new(&strace[0])
        .args(&strace[1..])
        .arg(NODE)
        .args(["--alone", "--name", "one", "--socket"])
        .arg(socket)
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace (Debian: strace)");
    let backend = open_mx::Backend::Socket(socket.into());
    let mut ended = false;
    wait_for("a node's start or end", || {
        ended = node.try_wait().unwrap().is_some();
        ended || open_mx::Board::all(&backend).is_ok()
    });
    (node, ended)
}

/// A node with each of these calls failing, of which a client under a limit needs some.
fn walk_node(kinds: &[(&'static str, &'static str)], each: u32, limit: &str, least: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for kind in kinds.iter().copied() {
        let before = before(kind.0, NODE, "--help", directory.path());
        tried += each_call(kind, (each, before), directory.path(), |fault| {
            if fault.lasts() {
                return false;
            }
            let step = format!("a node with {fault}");
            let socket = directory.path().join("sock");
            let _ = std::fs::remove_file(&socket);
            let _ = std::fs::remove_file(&fault.seen);
            let (mut node, ended) = begin(fault, &socket);
            if ended {
                ended_well(&step, &node.wait_with_output().unwrap());
                return fault.happened();
            }
            let client = run(limit, conformance(), LONG, &socket);
            ended_well(&format!("a client of {step}"), &client);
            let happened = fault.happened();
            if happened {
                let other = run("--core=0", conformance(), LONG, &socket);
                let served = other.status.success();
                assert!(served, "another client of {step}: {}", text(&other));
            }
            kill_process(Pid::from_child(&node), Signal::TERM).expect("it lives on");
            wait_for("a node's end", || node.try_wait().unwrap().is_some());
            let ended = node.wait_with_output().unwrap();
            assert!(ended.status.success(), "{step}: {}", text(&ended));
            happened
        });
    }
    assert!(tried >= least, "only {tried} calls of nodes failed");
}

#[test]
fn calls_that_fail_under_a_node_cost_whom_they_are_made_for_and_nobody_else() {
    walk_node(&OF_NODES, EACH, "--core=0", 40);
}

#[test]
fn calls_that_fail_under_a_node_that_serves_a_message_keep_nobody_waiting() {
    for limit in ["--core=0", PIECES] {
        walk_node(&OF_SERVING_NODES, EACH_OF_SERVING, limit, 20);
    }
}

#[test]
fn who_could_not_be_woken_for_a_while_is_woken_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut happened = 0;
    for at in 1..=5 {
        let fault = Fault {
            call: "sendto",
            errno: "ENOMEM",
            at,
            many: 40,
            seen: directory.path().join("seen"),
        };
        let socket = directory.path().join("sock");
        let _ = std::fs::remove_file(&socket);
        let (mut node, ended) = begin(&fault, &socket);
        assert!(!ended, "nobody is to be woken yet");
        let client = run("--core=0", conformance(), LONG, &socket);
        let served = client.status.success();
        kill_process(Pid::from_child(&node), Signal::TERM).expect("it lives on");
        wait_for("a node's end", || node.try_wait().unwrap().is_some());
        assert!(served, "a client of a node with {fault}: {}", text(&client));
        happened += usize::from(fault.happened());
    }
    assert!(happened > 0, "everybody was woken");
}
