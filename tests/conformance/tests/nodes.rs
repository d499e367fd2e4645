//! The conformance programs on nodes of this machine: on one node with two boards, and on two nodes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use lossy::{End, LossyWire};

/// Every way on one node: by the board, the short way, within the library. Programs that take long do less than by
/// themselves.
const ON_ONE_NODE: [&str; 36] = [
    "loopback -N 2",
    "loopback -s -N 1",
    "loopback -S -N 1",
    "vectors",
    "vectors -s",
    "vectors -S",
    "unexpected",
    "unexpected -s",
    "unexpected -S",
    "unexpected -c 10,10",
    "unexpected -S -c 10,10",
    "unexpected_handler",
    "unexpected_handler -S",
    "truncated",
    "truncated -S",
    "cancel -N 1",
    "cancel -S -N 1",
    "wait_any -b 1",
    "wakeup -N 1",
    "wakeup -S -N 1",
    "address_context",
    "address_context -S",
    "rails -R 4 -E 1048576",
    "rails_waiting -R 4 -E 1048576",
    "many -N 200",
    "many -S -N 200",
    "threads_endpoints",
    "threads_wait_any -b 1 -N 200",
    "cache -N 10",
    "cache -S -N 10",
    "message_loop -I 997",
    "message_loop -S -t 1 -P 11 -E 300000",
    "wrong_pointers",
    "wrong_pointers -S",
    "orphans",
    "raw",
];

/// Against `conformance peer` on the other node.
const ON_TWO_NODES: [&str; 13] = [
    "loopback -N 1",
    "vectors",
    "unexpected",
    "unexpected -c 10,10",
    "unexpected_handler",
    "truncated",
    "cancel -N 1",
    "wait_any",
    "address_context",
    "rails -E 65536",
    "rails_waiting -E 65536",
    "many -N 100",
    "cache -N 5",
];

/// Over a wire that loses frames, each with three endpoints or one.
const ON_A_LOSSY_WIRE: [&str; 7] = [
    "loopback -N 1",
    "unexpected",
    "wait_any",
    "rails -N 2 -E 1048576",
    "rails_waiting -N 2 -E 1048576",
    "many -N 50",
    "cache -N 3",
];

/// The programs, built once for all tests of this process.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // Beside the test's own file lie the libraries that were built for it.
        let built = std::env::current_exe().expect("a path");
        let library = built
            .ancestors()
            .map(|directory| directory.join("libopen_mx_c.so"))
            .find(|library| library.exists())
            .expect("the shared library");
        match conformance::build(&library, Path::new(env!("CARGO_TARGET_TMPDIR"))) {
            Ok(program) => program,
            Err(error) => panic!("{error}"),
        }
    })
}

/// A directory where the nodes' sockets are.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a node in this process that listens at a socket of its first board's name.
    fn start_node(&self, options: &str) -> PathBuf {
        let arguments = options
            .split(' ')
            .map(|word| word.replace("DIR", &self.path("").to_string_lossy()));
        let arguments: Vec<String> = arguments.collect();
        let name = arguments.last().expect("a name");
        let socket = self.path(name).with_extension("sock");
        mx_testnode::start(&socket, arguments);
        socket
    }

    fn command(&self, socket: &Path, arguments: &str) -> Command {
        // What hangs ends by itself, so that the test tells which program it was.
        let mut command = Command::new("timeout");
        command
            .args(["-k", "1", "120"])
            .arg(program())
            .args(arguments.split(' '))
            .env("OMX_SOCKET", socket);
        command
    }

    /// Runs a program; messages that it has verified.
    fn run(&self, socket: &Path, arguments: &str) -> u64 {
        let begun = Instant::now();
        let output = self
            .command(socket, arguments)
            .output()
            .expect("timeout and the program");
        let printed = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "conformance {arguments}: {}\n{printed}{said}",
            output.status
        );
        let verified = conformance::verified(&printed).expect("a last line that counts");
        println!(
            "{arguments}: {verified} messages in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        verified
    }
}

fn names(runs: &[&str]) -> BTreeSet<String> {
    let name = |run: &&str| run.split(' ').next().unwrap_or_default().to_owned();
    runs.iter().map(name).collect()
}

/// `conformance peer` on a node, until it is told to stop.
struct Peer(Child);

impl Peer {
    fn start(place: &Place, socket: &Path, program: &str) -> io::Result<Self> {
        place
            .command(socket, program)
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; `timeout` takes the program along.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_program_verifies_its_messages_on_one_node_by_every_way() {
    let place = Place::new();
    let listed = place
        .command(Path::new(""), "--list")
        .output()
        .expect("the program");
    let listed = String::from_utf8(listed.stdout).expect("names");
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    assert_eq!(
        names(&ON_ONE_NODE),
        listed,
        "every program of the suite is run"
    );
    let socket = place.start_node("--alone --log error --board two --name one");
    let verified: u64 = ON_ONE_NODE.iter().map(|run| place.run(&socket, run)).sum();
    let programs = listed.len();
    println!(
        "{programs} programs, {} runs on one node: {verified} messages verified",
        ON_ONE_NODE.len()
    );
}

/// With a handler that lets no system call restart, one signal a millisecond for each thread, and more.
const UNDER_SIGNALS: [&str; 22] = [
    "loopback -N 1",
    "loopback -s -N 1",
    "loopback -S -N 1",
    "vectors",
    "unexpected",
    "unexpected -c 10,10",
    "unexpected_handler",
    "truncated",
    "cancel -N 1",
    "wait_any -b 1 -N 2",
    "wakeup -N 1",
    "address_context",
    "rails -R 4 -N 1 -E 65536",
    "rails_waiting -R 2 -N 1 -E 65536",
    "many -N 50",
    "threads_endpoints",
    "threads_wait_any -b 1 -N 50",
    "cache -N 5",
    "message_loop -I 9973",
    "wrong_pointers",
    "orphans",
    "raw",
];

#[test]
fn every_program_verifies_its_messages_under_a_storm_of_signals() {
    let place = Place::new();
    let socket = place.start_node("--alone --log error --board two --name one");
    assert_eq!(
        names(&UNDER_SIGNALS),
        names(&ON_ONE_NODE),
        "every program is run"
    );
    for every in [1000, 50] {
        for run in UNDER_SIGNALS {
            place.run(&socket, &format!("{run} --signals {every}"));
        }
    }
}

#[test]
fn programs_verify_their_messages_between_two_nodes_in_both_directions() {
    let place = Place::new();
    let left = place.start_node("--log error --dgram DIR/left.wire,DIR/right.wire --name left");
    let right = place.start_node("--log error --dgram DIR/right.wire,DIR/left.wire --name right");
    let mut verified = 0;
    for (from, to, name) in [(&left, &right, "right:0"), (&right, &left, "left:0")] {
        let mut peer = Peer::start(&place, to, "peer").expect("a program that starts");
        for run in ON_TWO_NODES {
            verified += place.run(from, &format!("{run} -d {name}"));
        }
        place.run(from, &format!("stop -d {name}"));
        let ended = peer.0.wait().expect("a child");
        assert!(ended.success(), "the peer: {ended}");
        let mut peer = Peer::start(&place, to, "raw_peer").expect("a program that starts");
        verified += place.run(from, &format!("raw -d {name}"));
        let ended = peer.0.wait().expect("a child");
        assert!(ended.success(), "the raw peer: {ended}");
    }
    // And `raw`.
    let programs = names(&ON_TWO_NODES).len() + 1;
    println!(
        "{programs} programs, {} runs on two nodes: {verified} messages verified",
        2 * (ON_TWO_NODES.len() + 1)
    );
}

#[test]
fn programs_verify_their_messages_over_a_wire_that_loses_5_percent() {
    let place = Place::new();
    let end = |name: &str| End::Unix {
        local: place.path(&format!("{name}.far")),
        remote: place.path(&format!("{name}.wire")),
    };
    let wire = LossyWire::start([&end("left"), &end("right")], 5, 1).expect("a wire");
    let left = place.start_node("--log error --dgram DIR/left.wire,DIR/left.far --name left");
    let right = place.start_node("--log error --dgram DIR/right.wire,DIR/right.far --name right");
    let mut peer = Peer::start(&place, &right, "peer").expect("a program that starts");
    let runs = ON_A_LOSSY_WIRE.map(|run| format!("{run} -d right:0"));
    let verified: u64 = runs.iter().map(|run| place.run(&left, run)).sum();
    place.run(&left, "stop -d right:0");
    let ended = peer.0.wait().expect("a child");
    assert!(ended.success(), "the peer: {ended}");
    let lost = wire.lost();
    assert!(lost > 100, "only {lost} frames were lost");
    println!(
        "{} runs over a wire that lost {lost} frames: {verified} messages verified",
        runs.len()
    );
}

#[test]
fn every_program_explains_itself_and_refuses_what_it_does_not_know() {
    let place = Place::new();
    let nowhere = place.path("nobody.sock");
    let mut programs = names(&ON_ONE_NODE);
    programs.extend(["peer", "raw_peer", "stop"].map(str::to_owned));
    for program in programs {
        let help = place
            .command(&nowhere, &format!("{program} --help"))
            .output()
            .expect("the program");
        assert!(
            help.status.success() && help.stdout.len() > 100,
            "{program}"
        );
        let unknown = place
            .command(&nowhere, &format!("{program} -z"))
            .output()
            .expect("the program");
        assert_eq!(unknown.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&unknown.stderr).starts_with("Unknown option -z\n"));
        let alone = place
            .command(&nowhere, &program)
            .output()
            .expect("the program");
        assert_eq!(alone.status.code(), Some(1), "{program} without a board");
        assert!(String::from_utf8_lossy(&alone.stderr).contains("no board can be used"));
    }
}

#[test]
fn the_programs_end_quietly_without_a_reader_and_fail_with_a_word_on_a_full_disk() {
    let program = program().to_str().expect("a plain path");
    for arguments in [&["--help"][..], &["--list"], &["loopback", "--help"]] {
        omx_output::trial::judge(program, arguments, &[]);
    }
}
