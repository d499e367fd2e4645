//! The tools against a node of two boards: what they print, and how they end.

mod said;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use open_mx::raw::RawEndpoint;
use open_mx::{Backend, Board, Endpoint, EndpointOptions};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use said::Saying;

const INFO: &str = env!("CARGO_BIN_EXE_omx_info");
const ENDPOINT_INFO: &str = env!("CARGO_BIN_EXE_omx_endpoint_info");
const COUNTERS: &str = env!("CARGO_BIN_EXE_omx_counters");
const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");
const MX_PERF: &str = env!("CARGO_BIN_EXE_mx_perf");
const HOSTNAME: &str = env!("CARGO_BIN_EXE_omx_hostname");
const INIT_PEERS: &str = env!("CARGO_BIN_EXE_omx_init_peers");
const PINGPONG: &str = env!("CARGO_BIN_EXE_mx_pingpong");
const STREAM: &str = env!("CARGO_BIN_EXE_mx_stream");
const MPI_SETUP: &str = env!("CARGO_BIN_EXE_omx_mpi_setup");
const CHECK: &str = env!("CARGO_BIN_EXE_omx_check");
const TOOLS: [&str; 12] = [
    CHECK,
    INFO,
    ENDPOINT_INFO,
    COUNTERS,
    HOSTNAME,
    INIT_PEERS,
    PERF,
    MX_PERF,
    PINGPONG,
    STREAM,
    VERIFY,
    MPI_SETUP,
];

/// Starts a node of the boards `left` and `right`; where it listens.
fn start_node(label: &str) -> PathBuf {
    let process = std::process::id();
    let place = std::env::temp_dir().join(format!("open-mx-tools-{process}-{label}"));
    std::fs::create_dir_all(&place).expect("a directory for temporary files");
    let socket = place.join("omxd.sock");
    let options =
        "--alone --name left --mac 02:00:00:00:00:0a --board right,02:00:00:00:00:0b --endpoints 8";
    mx_testnode::start(&socket, options.split(' '));
    socket
}

/// The node of the tests that change nothing.
fn socket() -> &'static PathBuf {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| start_node("shared"))
}

/// Runs tools against one node.
struct Tools<'a>(&'a Path);

impl Tools<'_> {
    fn run(&self, tool: &str, arguments: &[&str]) -> Output {
        Command::new(tool)
            .args(arguments)
            .env("OMX_SOCKET", self.0)
            .output()
            .expect("a tool that starts")
    }

    /// What a tool prints that succeeds.
    fn printed(&self, tool: &str, arguments: &[&str]) -> String {
        let output = self.run(tool, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool} {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a tool says that fails with this exit status.
    fn refused(&self, tool: &str, arguments: &[&str], status: i32) -> String {
        let output = self.run(tool, arguments);
        assert_eq!(output.status.code(), Some(status), "{tool} {arguments:?}");
        String::from_utf8(output.stderr).expect("text")
    }
}

fn run(tool: &str, arguments: &[&str]) -> Output {
    Tools(socket()).run(tool, arguments)
}

fn printed(tool: &str, arguments: &[&str]) -> String {
    Tools(socket()).printed(tool, arguments)
}

/// Starts a tool that waits for a sender at an endpoint of board 1.
fn receiver(tool: &str, endpoint: usize, arguments: &[&str]) -> Child {
    let place = endpoint.to_string();
    let child = Command::new(tool)
        .args(["-b", "1", "-e", &place])
        .args(arguments)
        .env("OMX_SOCKET", socket())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a tool that starts");
    let backend = Backend::Socket(socket().clone());
    let start = Instant::now();
    while Board::openers(&backend, 1).unwrap()[endpoint].is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "no receiver");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn every_tool_explains_itself_and_names_an_option_that_it_does_not_have() {
    for tool in TOOLS {
        let manual = printed(tool, &["--help"]);
        assert!(manual.lines().count() > 5, "{manual}");
        let usage = run(tool, &["-h"]);
        assert_eq!(usage.status.code(), Some(255));
        assert_eq!(String::from_utf8_lossy(&usage.stderr), manual);
        let unknown = run(tool, &["-Z"]);
        assert_eq!(unknown.status.code(), Some(255));
        let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert!(said.starts_with("Unknown option -Z\n"), "{said}");
    }
}

#[test]
fn omx_info_prints_boards_and_peers_as_open_mx_does() {
    let all = printed(INFO, &[]);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines[0], "Open-MX version 1.5.4.90");
    assert!(lines[1].starts_with(" build: "));
    assert_eq!(lines[2], "");
    assert_eq!(
        lines[3],
        "Found 2 boards (32 max) supporting 8 endpoints each:"
    );
    assert!(lines[4].starts_with(" left:0 (board #0 name "));
    assert!(lines[4].ends_with(" addr 02:00:00:00:00:0a)"));
    assert!(all.contains("Peer table is ready, mapper is 00:00:00:00:00:00\n"));
    let separator = "=".repeat(48);
    assert!(all.contains(&format!("\n{separator}\n  0) 02:00:00:00:00:0a left:0\n")));
    let quiet = printed(INFO, &["-q", "-b", "1"]);
    assert_eq!(quiet.lines().count(), 2);
    assert!(quiet.contains(" right:0 (board #1 name "));
    assert_eq!(run(INFO, &["-b", "7"]).status.code(), Some(1));
}

#[test]
fn omx_endpoint_info_names_the_process_that_holds_an_endpoint() {
    let backend = Backend::Socket(socket().clone());
    let options = EndpointOptions {
        board: Some(1),
        endpoint: Some(5),
        ..EndpointOptions::new(1)
    };
    let _held = Endpoint::open(&backend, &options).unwrap();
    let pid = std::process::id();
    let printed_of = |arguments: &[&str]| printed(ENDPOINT_INFO, arguments);
    let open = printed_of(&["-b", "1"]);
    let lines: Vec<&str> = open.lines().collect();
    assert!(lines[0].starts_with("right:0 (board #1 name "));
    assert_eq!(lines[1], "=".repeat(46));
    let line = open.lines().find(|line| line.starts_with("  5\t"));
    let line = line.expect("the endpoint's line");
    assert!(
        line.starts_with(&format!("  5\topen by pid {pid} (")),
        "{line}"
    );
    assert!(line.ends_with("), 256 queue entries"), "{line}");
    assert!(open.ends_with(" regular endpoints open (out of 8)\n\n"));
    let verbose = printed_of(&["-b", "1", "-v"]);
    assert!(verbose.contains("\n  raw\tnot open\n  0\tnot open\n  1\tnot open\n"));
    let json = printed_of(&["--json"]);
    assert!(json.contains(&format!("\"endpoint\": 5, \"pid\": {pid}")));
    assert!(json.contains("\"queue_entries\": 256}"));
    assert!(json.contains("\"raw\": null"));
    let raw = RawEndpoint::open(&backend, 1).unwrap();
    let line = format!("\n  raw\topen by pid {pid} (");
    for arguments in [&["-b", "1"][..], &["-b", "1", "-v"]] {
        let open = printed_of(arguments);
        assert!(open.contains(&line), "{open}");
    }
    let json = printed_of(&["--json"]);
    assert!(json.contains(&format!("\"raw\": {{\"pid\": {pid}, ")));
    drop(raw);
}

#[test]
fn omx_counters_counts_what_omx_perf_sent() {
    let start = Instant::now();
    let mut receiver = receiver(PERF, 2, &[]);
    let run = [
        "-d", "right:0", "-r", "2", "-N", "20", "-S", "16", "-E", "17",
    ];
    let result = printed(PERF, &run);
    let line = result
        .lines()
        .find(|line| line.starts_with("length        16:\t"));
    let line = line.expect("a line for 16 bytes");
    assert!(line.contains(" us\t") && line.contains(" MB/s\t ") && line.ends_with(" MiB/s"));
    assert!(receiver.wait().expect("ends by itself").success());
    let value = |text: &str, label: &str| -> u32 {
        let line = text.lines().find(|line| line.ends_with(label));
        let words = line.and_then(|line| line.split_whitespace().nth(1));
        words.map_or(0, |word| word.parse().unwrap())
    };
    // A busy node publishes its counters now and then.
    while value(&printed(COUNTERS, &["-b", "0"]), " Shared Tiny") < 30 {
        assert!(start.elapsed() < Duration::from_secs(20), "not counted");
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = printed(COUNTERS, &[]);
    assert!(all.starts_with("Shared Communication (addr 00:00:00:00:00:00)\n"));
    assert!(all.contains(&format!("\n{}\n", "=".repeat(55))));
    let shared = printed(COUNTERS, &["-s"]);
    assert!(value(&shared, " Shared Tiny") >= 60);
    let verbose = printed(COUNTERS, &["-b", "0", "-v"]);
    assert_eq!(verbose.lines().count(), 2 + 85 + 1);
    assert!(printed(COUNTERS, &["--json"]).contains("\"Shared Rndv\": "));
}

#[test]
fn omx_perf_starts_again_for_a_sender_that_comes_while_it_is_done_with_the_last_one() {
    let mut receiver = receiver(PERF, 3, &["-s", "-w"]);
    let run = [
        "20", PERF, "-w", "-d", "right:0", "-r", "3", "-N", "10", "-S", "0", "-E", "1",
    ];
    for _ in 0..3 {
        let result = printed("timeout", &run);
        assert!(result.contains("length         0:\t"), "{result}");
    }
    receiver.kill().expect("it waits for more");
    receiver.wait().expect("killed");
}

#[test]
fn who_waits_for_a_board_that_nobody_serves_is_told_what_for() {
    let socket = std::env::temp_dir().join(format!("open-mx-tools-{}-mute", std::process::id()));
    // It is there and answers nothing, as a node that is stopped.
    let mute = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&mute, &SocketAddrUnix::new(&socket).unwrap()).unwrap();
    rustix::net::listen(&mute, 8).unwrap();
    for program in [PERF, VERIFY, PINGPONG, STREAM] {
        let mut run = Saying::start(Command::new(program).env("OMX_SOCKET", &socket));
        let line = run.next_line();
        assert!(
            line.contains("nobody serves the board at present"),
            "{line}"
        );
    }
}

#[test]
fn omx_hostname_shows_and_sets_the_name_that_peers_see() {
    let socket = start_node("hostname");
    let tools = Tools(&socket);
    let shown = tools.printed(HOSTNAME, &["-b", "1"]);
    assert!(shown.starts_with("Board #1 ("), "{shown}");
    assert!(
        shown.ends_with(" 02:00:00:00:00:0b) hostname was right:0\n"),
        "{shown}"
    );
    assert_eq!(tools.printed(HOSTNAME, &["-b", "1", "-n", "node7:1"]), "");
    let shown = tools.printed(HOSTNAME, &["-b", "1", "-v"]);
    assert!(shown.ends_with(" hostname was node7:1\n"), "{shown}");
    // The other board learns it at once.
    let info = tools.printed(INFO, &["-b", "0"]);
    assert!(info.contains("02:00:00:00:00:0b node7:1\n"), "{info}");
    let long = "n".repeat(80);
    for bad in ["", "two words", long.as_str()] {
        let said = tools.refused(HOSTNAME, &["-n", bad], 1);
        assert!(said.contains("a name needs"), "{said}");
    }
    assert!(
        tools
            .printed(HOSTNAME, &["--json"])
            .contains("\"name\": \"left:0\"")
    );
}

#[test]
fn omx_init_peers_adds_marks_and_forgets_peers() {
    let socket = start_node("peers");
    let tools = Tools(&socket);
    let knows = |peer: &str| tools.printed(INFO, &[]).contains(peer);
    let said = tools.printed(INIT_PEERS, &["-v", "00:11:22:33:44:55", "far:0"]);
    assert_eq!(said, "Adding peer far:0 address 00:11:22:33:44:55\n");
    assert!(knows("  2) 00:11:22:33:44:55 far:0\n"));
    let file = socket.with_extension("peers");
    std::fs::write(
        &file,
        "# two\n00:11:22:33:44:55 farther:0\n02:00:00:00:00:99\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let said = tools.printed(INIT_PEERS, &["-d", path]);
    let marked = "Marking the peer table configured as done...\n";
    assert_eq!(said, format!("Adding peers from file {path}...\n{marked}"));
    assert!(knows("  2) 00:11:22:33:44:55 farther:0\n"));
    assert!(knows("  3) 02:00:00:00:00:99 <unknown>\n"));
    assert!(knows("Peer table is ready, mapper is ff:ff:ff:ff:ff:ff\n"));
    let said = tools.printed(INIT_PEERS, &["-c"]);
    assert_eq!(said, "Clearing peers...\nNot adding any peer\n");
    assert!(!knows("00:11:22:33:44:55"));
    assert!(
        knows("02:00:00:00:00:0b right:0\n"),
        "boards of this node stay"
    );
    // A peer keeps its index for ever.
    tools.printed(INIT_PEERS, &["02:00:00:00:00:99", "again:0"]);
    assert!(knows("  3) 02:00:00:00:00:99 again:0\n"));
    assert!(
        tools
            .refused(INIT_PEERS, &["nowhere"], 1)
            .contains("cannot be read")
    );
    assert!(
        tools
            .refused(INIT_PEERS, &["1:2:3", "a:0"], 1)
            .contains("is no peer")
    );
    tools.refused(INIT_PEERS, &["ff:ff:ff:ff:ff:ff", "a:0"], 1);
}

#[test]
fn omx_counters_clears_what_was_counted() {
    let socket = start_node("clear");
    let tools = Tools(&socket);
    // Beacons have been counted by now.
    let start = Instant::now();
    while !tools
        .printed(COUNTERS, &["-b", "0"])
        .contains(" Send Raw\n")
    {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Until the burst of beacons is over, there is something to count each second.
    let cleared = |tools: &Tools| {
        let said = tools.printed(COUNTERS, &["-b", "0", "-c"]);
        assert!(said.ends_with(": counters are cleared\n"), "{said}");
        !tools
            .printed(COUNTERS, &["-b", "0"])
            .contains(" Send Raw\n")
    };
    assert!((0..3).any(|_| cleared(&tools)));
}

#[test]
fn mx_pingpong_prints_a_line_for_each_length_and_finds_all_bytes_right() {
    let answerer = receiver(PINGPONG, 6, &[]);
    let run = "-d right:0 -e 6 -r 6 -f 0x12345 -S 0 -E 65536 -M 16 -N 10 -W 2 -V";
    let run: Vec<&str> = run.split(' ').collect();
    let printed_lines = printed(PINGPONG, &run);
    let lines: Vec<&str> = printed_lines.lines().collect();
    assert_eq!(lines[0], "Running 10 iterations.");
    assert_eq!(lines[1], "   Length   Latency(us)    Bandwidth(MB/s)");
    let lengths: Vec<&str> = lines[2..].iter().map(|line| line[..9].trim()).collect();
    assert_eq!(lengths, ["0", "1", "16", "256", "4096", "65536"]);
    for line in &lines[2..] {
        assert_eq!(line.split_whitespace().count(), 3, "{line}");
    }
    let answered = answerer.wait_with_output().expect("ends by itself");
    assert!(answered.status.success());
}

#[test]
fn mx_stream_moves_messages_in_one_direction_and_in_both() {
    for (both, there, here) in [
        (false, &["Recv:"][..], &["Send:"][..]),
        (
            true,
            &["Send:", "Recv:", "Total:"],
            &["Send:", "Recv:", "Total:"],
        ),
    ] {
        let answerer = receiver(STREAM, 4, &["-w"]);
        let mut run = vec![
            "-d", "right:0", "-e", "4", "-r", "4", "-l", "40000", "-N", "50", "-V",
        ];
        if both {
            run.push("-x");
        }
        let first_words = |text: &str| -> Vec<String> {
            let word = |line: &str| line[..8].trim_end().to_owned();
            text.lines().map(word).collect()
        };
        let printed = printed(STREAM, &run);
        assert_eq!(first_words(&printed), here);
        let words: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(words[1], "40000");
        let answered = answerer.wait_with_output().expect("ends by itself");
        assert!(answered.status.success());
        assert_eq!(
            first_words(&String::from_utf8_lossy(&answered.stdout)),
            there
        );
    }
}

#[test]
fn a_sender_to_a_machine_that_is_gone_says_so_and_goes_on_trying() {
    let socket = start_node("gone");
    Tools(&socket).printed(INIT_PEERS, &["02:00:00:00:00:99", "gone:0"]);
    let senders = [(PERF, "0"), (VERIFY, "1"), (PINGPONG, "2"), (STREAM, "3")];
    let senders = senders.map(|(tool, endpoint)| {
        let mut command = Command::new(tool);
        let run = ["-w", "-d", "gone:0", "-e", endpoint];
        Saying::start(command.args(run).env("OMX_SOCKET", &socket))
    });
    for mut sender in senders {
        let said = sender.next_line();
        assert!(said.contains("gone:0 does not answer"), "{said}");
    }
}

#[test]
fn who_finds_all_endpoints_in_use_is_told_who_has_them_and_what_makes_more() {
    let socket = start_node("crowd");
    let backend = Backend::Socket(socket.clone());
    let options = EndpointOptions {
        board: Some(0),
        ..EndpointOptions::new(1)
    };
    let held: Vec<_> = (0..8)
        .map(|_| Endpoint::open(&backend, &options).unwrap())
        .collect();
    let tools = Tools(&socket);
    let said = tools.refused(PERF, &["-d", "right:0"], 1);
    for hint in ["omx_endpoint_info", "--endpoints", "endpoints="] {
        assert!(said.contains(hint), "{said}");
    }
    let said = tools.refused(PERF, &["-e", "3"], 1);
    assert!(said.contains("endpoint 3 is in use"), "{said}");
    drop(held);
}

#[test]
fn mx_perf_does_what_omx_perf_does() {
    let receiver = receiver(MX_PERF, 7, &[]);
    let run = "-d right:0 -r 7 -N 5 -W 0 -S 1 -E 5";
    let result = printed(PERF, &run.split(' ').collect::<Vec<_>>());
    assert_eq!(result.matches("length ").count(), 3, "{result}");
    let waited = receiver.wait_with_output().expect("ends by itself");
    assert!(waited.status.success());
    assert!(printed(MX_PERF, &["--help"]).starts_with("mx_perf [options]\n"));
}
