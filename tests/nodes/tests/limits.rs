//! Limits of a process, from too small to enough: whoever lacks something says so, or does without. No signal ends him, he
//! does not wait for ever, and nobody else notices.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::NODE;
use common::bounded::{conformance, ended_well, run, run_within, text};
use nodes::{Child, Node, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const INFO: &str = env!("CARGO_BIN_EXE_info-under-test");
const PERF: &str = env!("CARGO_BIN_EXE_perf-under-test");

/// Messages of every length.
const LENGTHS: &str = "vectors";
/// One long one.
const LONG: &str = "loopback -N 1 -P 1 -l 3000000";
const KIB: u64 = 1 << 10;

/// A node on its own, and a place for its files.
struct Alone {
    node: Node,
    _directory: tempfile::TempDir,
}

impl Alone {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = ["--alone", "--name", "one", "--board", "two"];
        let node = Node::start(NODE, directory.path().join("sock"), &options);
        node.wait_for_peers(0, &["one", "two"]);
        Self {
            node,
            _directory: directory,
        }
    }

    /// A program under each value of a limit: the smallest is too small, the last is enough, and the node serves others
    /// as before. Which of them were enough.
    fn walk(&self, program: &str, arguments: &str, limit: &str, values: &[u64]) -> Vec<bool> {
        let mut well = Vec::new();
        for value in values {
            let limit = format!("--{limit}={value}");
            let ended = run(&limit, program, arguments, &self.node.socket);
            let step = format!("{program} {arguments} with {limit}");
            well.push(ended_well(&step, &ended));
        }
        let outcome = format!("{program} {arguments}: {limit} {values:?}: {well:?}");
        assert!(!well[0] && well[well.len() - 1], "{outcome}");
        let other = run("--core=0", conformance(), LONG, &self.node.socket);
        assert!(other.status.success(), "after {outcome}: {}", text(&other));
        well
    }
}

/// With how many addresses a program can do this, and none of what it is for.
fn begins_at(program: &str, arguments: &str, socket: &Path) -> u64 {
    let sizes = (1..128).map(|at| at * 512 * KIB);
    let mut begins = sizes.filter(|size| {
        let ended = run(&format!("--as={size}"), program, arguments, socket);
        ended.status.success()
    });
    begins.next().expect("it starts")
}

/// A node in the surroundings that another program makes for it says that it cannot start: false; or it serves: true; or
/// refuses: false, and ends when it is asked.
fn node_within(around: &[&str]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sock");
    let mut node = Command::new(around[0])
        .args(&around[1..])
        .args([NODE, "--alone", "--name", "one", "--socket"])
        .arg(&socket)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ended = None;
    wait_for("a node's start or end", || {
        ended = node.try_wait().unwrap();
        socket.exists() || ended.is_some()
    });
    let step = format!("a node within {around:?}");
    if ended.is_some() {
        ended_well(&step, &node.wait_with_output().unwrap());
        return false;
    }
    let clients = [LONG, "rails -R 4 -E 65536"];
    let served = clients.map(|arguments| {
        let client = run("--core=0", conformance(), arguments, &socket);
        ended_well(&format!("a client of {step}"), &client)
    });
    kill_process(Pid::from_child(&node), Signal::TERM).expect("it lives on");
    let ended = node.wait_with_output().unwrap();
    assert!(ended.status.success(), "{step}: {}", text(&ended));
    let lines = ended.stderr.split(|byte| *byte == b'\n').count();
    assert!(lines < 20, "{step} says {lines} lines: {}", text(&ended));
    served == [true; 2]
}

/// A node under each value of a limit: the smallest is too small, the last is enough.
fn walk_node(limit: &str, values: &[u64]) {
    let well = values.iter().map(|value| {
        let limit = format!("--{limit}={value}");
        node_within(&["prlimit", &limit])
    });
    let well: Vec<bool> = well.collect();
    let outcome = format!("nodes with {limit} {values:?}: {well:?}");
    assert!(!well[0] && well[well.len() - 1], "{outcome}");
}

/// Limits of nothing that library, tools and node need: none of it is enough.
fn nothing_is_enough(around: &[&str], alone: &Alone) {
    let few = "-d two:0 -r 3 -w -S 300000 -E 300001 -N 2 -W 1";
    let programs = [(conformance(), LENGTHS), (conformance(), LONG)];
    for (program, arguments) in programs.into_iter().chain([(INFO, ""), (PERF, few)]) {
        let ended = run_within(around, program, arguments, &alone.node.socket);
        let outcome = format!("{program} {arguments} within {around:?}");
        assert!(ended.status.success(), "{outcome}: {}", text(&ended));
    }
    assert!(node_within(around), "a node within {around:?}");
}

/// How a program becomes one of a user to whom the limits of users apply: they do not to root.
fn as_user() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        // The files under test may lie where only root finds them.
        true => &[
            "setpriv",
            "--reuid=65534",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ],
        false => &[],
    }
}

/// Makes a /dev/shm in which there is room for nothing, which only what it then starts sees.
const FULL: &str = "mount -t tmpfs -o size=4k,nr_inodes=2 none /dev/shm && head -c 4096 /dev/zero >/dev/shm/full \
                    && ! touch /dev/shm/more 2>/dev/null && exec \"$@\"";

/// How a program comes to see that one. Root needs no user namespace, which is refused to it in many a container.
fn within_full_shm() -> Vec<&'static str> {
    let as_user = ["unshare", "--user", "--map-root-user", "--mount"];
    let ways = [&["unshare", "--mount"][..], &as_user];
    let mut refused = String::new();
    for way in ways {
        let around = [way, &["sh", "-c", FULL, "sh"]].concat();
        let tried = run_within(&around, "true", "", Path::new(""));
        if tried.status.success() {
            return around;
        }
        refused += &text(&tried);
    }
    panic!(
        "this machine lacks leave to mount in a namespace (run the tests as root, or allow user namespaces): {refused}"
    );
}

/// An endpoint for `omx_perf`.
fn echo(alone: &Alone) -> Child {
    let echo = ["-s", "-b", "1", "-e", "3"];
    let echo = Child::start(PERF, &echo, &[("OMX_SOCKET", alone.node.socket())]);
    wait_for("the receiver's endpoint", || {
        let openers = open_mx::Board::openers(&alone.node.backend(), 1).unwrap();
        openers.iter().any(Option::is_some)
    });
    echo
}

#[test]
fn a_program_has_the_descriptors_that_it_needs_once_its_endpoint_is_open() {
    let alone = Alone::start();
    let values: Vec<u64> = (4..=12).collect();
    alone.walk(conformance(), LENGTHS, "nofile", &values);
}

#[test]
fn a_limit_of_files_ends_no_program_and_messages_pass_in_small_pieces() {
    let alone = Alone::start();
    let sizes = [0, 1, 4096, 64 * KIB, 100 * KIB, 300 * KIB, 4 << 20];
    let well = alone.walk(conformance(), LONG, "fsize", &sizes);
    let in_pieces = sizes
        .iter()
        .zip(well)
        .filter(|(size, _)| **size >= 64 * KIB);
    assert!(
        in_pieces.into_iter().all(|(_, well)| well),
        "a piece has room"
    );
}

#[test]
fn a_program_without_addresses_says_so() {
    let alone = Alone::start();
    let begins = begins_at(conformance(), "--list", &alone.node.socket);
    let values: Vec<u64> = (0..24).map(|at| begins + at * 512 * KIB).collect();
    alone.walk(conformance(), LONG, "as", &values);
}

#[test]
fn a_node_without_descriptors_refuses_those_for_whom_it_has_none() {
    walk_node(
        "nofile",
        &[4, 6, 8, 9, 10, 11, 12, 13, 14, 16, 20, 24, 40, 64],
    );
}

#[test]
fn a_limit_of_files_ends_no_node() {
    walk_node("fsize", &[0, 1, 4096, 100 * KIB, 1 << 20, 4 << 20]);
}

#[test]
fn a_node_without_addresses_says_so_or_refuses() {
    let begins = begins_at(NODE, "--help", Path::new(""));
    let values: Vec<u64> = (0..14).map(|at| begins + at * 2048 * KIB).collect();
    walk_node("as", &values);
}

#[test]
fn a_log_for_which_there_is_no_room_ends_no_node() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sock");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let long = std::fs::File::create(directory.path().join("log")).unwrap();
    long.set_len(4 << 20).unwrap();
    let long = std::fs::OpenOptions::new()
        .append(true)
        .open(directory.path().join("log"));
    for (log, limit) in [
        (full.unwrap(), "--core=0"),
        (long.unwrap(), "--fsize=4194304"),
    ] {
        let mut node = Command::new("prlimit")
            .args([limit, NODE])
            .args(["--alone", "--log", "debug", "--socket"])
            .arg(&socket)
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ended = None;
        wait_for("a node's start or end", || {
            ended = node.try_wait().unwrap();
            socket.exists() || ended.is_some()
        });
        assert_eq!(ended, None, "a node with a log under {limit}");
        // It may serve or refuse.
        let client = run(
            "--core=0",
            conformance(),
            "loopback -N 1 -P 1 -l 8",
            &socket,
        );
        ended_well("a client", &client);
        kill_process(Pid::from_child(&node), Signal::TERM).expect("it lives on");
        assert!(node.wait().unwrap().success());
    }
}

#[test]
fn tools_without_descriptors_files_or_addresses_say_so() {
    let alone = Alone::start();
    let _echo = echo(&alone);
    let few = "-d two:0 -r 3 -w -S 300000 -E 300001 -N 2 -W 1";
    alone.walk(INFO, "", "nofile", &[3, 4, 5, 6, 8]);
    alone.walk(PERF, few, "nofile", &[3, 4, 6, 8, 10, 12, 14]);
    alone.walk(PERF, few, "fsize", &[0, 4096, 100 * KIB, 1 << 20]);
}

#[test]
fn locked_memory_is_needed_by_nobody() {
    let alone = Alone::start();
    let _echo = echo(&alone);
    nothing_is_enough(&[as_user(), &["prlimit", "--memlock=0"]].concat(), &alone);
}

#[test]
fn processes_and_threads_are_needed_by_nobody() {
    let alone = Alone::start();
    let _echo = echo(&alone);
    let around = [as_user(), &["prlimit", "--nproc=0"]].concat();
    let threads = "threads_endpoints";
    let ended = run_within(&around, conformance(), threads, &alone.node.socket);
    let limited = !ended_well("a program that needs threads", &ended);
    assert!(limited, "the limit is none: {}", text(&ended));
    nothing_is_enough(&around, &alone);
}

#[test]
fn nothing_is_kept_in_dev_shm_and_a_socket_for_which_a_place_has_no_room_is_an_error() {
    let alone = Alone::start();
    let _echo = echo(&alone);
    let around = within_full_shm();
    nothing_is_enough(&around, &alone);
    let there = "--alone --name one --socket /dev/shm/sock";
    let ended = run_within(&around, NODE, there, Path::new(""));
    assert!(!ended_well("a node without room for its socket", &ended));
    assert!(text(&ended).contains("No space left"), "{}", text(&ended));
}

/// Programs of which each needs something that is limited.
const UNDER_LIMITS: [&str; 8] = [
    "loopback -N 1 -P 1",
    "vectors",
    "unexpected",
    "wakeup -N 1",
    "rails -R 3 -N 1 -E 300000",
    "rails_waiting -R 3 -N 1 -E 300000",
    "threads_endpoints",
    "cache -N 2",
];

#[test]
fn programs_work_with_the_least_of_everything() {
    let alone = Alone::start();
    let least = [
        "prlimit",
        "--nofile=24",
        "--fsize=65536",
        "--memlock=0",
        "--as=268435456",
        "--core=0",
    ];
    let around = [as_user(), &least].concat();
    for arguments in UNDER_LIMITS {
        let ended = run_within(&around, conformance(), arguments, &alone.node.socket);
        let verified = conformance::verified(&String::from_utf8_lossy(&ended.stdout));
        assert!(verified > Some(0), "{arguments}: {}", text(&ended));
    }
}
