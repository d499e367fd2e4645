//! `omx_check`: on a machine without boards, at a node that has no peers, and between two nodes whose wire loses long frames.

mod said;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use open_mx::{Backend, Board};
use said::Saying;

const CHECK: &str = env!("CARGO_BIN_EXE_omx_check");
const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const TIMEOUT: Duration = Duration::from_secs(60);

fn place(label: &str) -> PathBuf {
    let process = std::process::id();
    let place = std::env::temp_dir().join(format!("open-mx-check-{process}-{label}"));
    std::fs::create_dir_all(&place).unwrap();
    place
}

fn check(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(CHECK);
    command.args(arguments).env("OMX_SOCKET", socket);
    command.output().unwrap()
}

/// What it prints when it ends with this status.
fn said(socket: &Path, arguments: &[&str], status: i32) -> String {
    let output = check(socket, arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}{errors}");
    text
}

/// Has it run until it ends with this status and prints all of this: what is measured depends on how busy the machine is.
fn eventually(socket: &Path, arguments: &[&str], status: i32, words: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let output = check(socket, arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let is_said = words.iter().all(|words| text.contains(words));
        if is_said && output.status.code() == Some(status) {
            return text;
        }
        assert!(
            begun.elapsed() < TIMEOUT,
            "{arguments:?}, {}: {text}",
            output.status
        );
    }
}

/// Two nodes, `near` and `far`, and between them a wire that loses frames with more than so many bytes.
struct Wire {
    near: PathBuf,
    far: PathBuf,
    longest: Arc<AtomicUsize>,
}

impl Wire {
    fn new(label: &str) -> Self {
        let place = place(label);
        let at = |name: &str| place.join(name);
        let longest = Arc::new(AtomicUsize::new(usize::MAX));
        let ends = ["near", "far"].map(|name| {
            let end = UnixDatagram::bind(at(&format!("{name}.end"))).unwrap();
            (end, at(&format!("{name}.card")))
        });
        let [(near_end, near_card), (far_end, far_card)] = ends;
        carry(
            near_end.try_clone().unwrap(),
            far_end.try_clone().unwrap(),
            far_card,
            longest.clone(),
        );
        carry(far_end, near_end, near_card, longest.clone());
        for name in ["near", "far"] {
            let (card, end) = (at(&format!("{name}.card")), at(&format!("{name}.end")));
            let options = format!("--name {name} --dgram {},{}", card.display(), end.display());
            mx_testnode::start(&at(&format!("{name}.sock")), options.split(' '));
        }
        let wire = Self {
            near: at("near.sock"),
            far: at("far.sock"),
            longest,
        };
        let board = Board::attach(&Backend::Socket(wire.near.clone()), 0).unwrap();
        let begun = Instant::now();
        while board.nic_id_by_hostname("far:0").is_err() {
            assert!(begun.elapsed() < TIMEOUT, "the nodes do not see each other");
            thread::sleep(Duration::from_millis(5));
        }
        wire
    }

    /// `omx_check --answer` at the far node.
    fn answered(&self) -> Saying {
        let mut command = Command::new(CHECK);
        command
            .args(["--answer", "-e", "3"])
            .env("OMX_SOCKET", &self.far);
        let mut answering = Saying::start(&mut command);
        let line = answering.next_line();
        assert!(line.contains("waits at endpoint 3 of far:0"), "{line}");
        answering
    }

    fn loses_above(&self, bytes: usize) {
        self.longest.store(bytes, Ordering::Relaxed);
    }
}

/// Carries frames from one end to the card of the other, for ever.
fn carry(from: UnixDatagram, to: UnixDatagram, card: PathBuf, longest: Arc<AtomicUsize>) {
    thread::spawn(move || {
        let mut frame = [0; 1 << 16];
        while let Ok(length) = from.recv(&mut frame) {
            if length <= longest.load(Ordering::Relaxed) {
                // A node that has not begun yet hears nothing.
                let _ = to.send_to(&frame[..length], &card);
            }
        }
    });
}

#[test]
fn without_boards_it_says_how_they_come_to_a_guest_and_to_another_machine() {
    let text = said(Path::new("/nowhere/omxd.sock"), &[], 1);
    assert!(
        text.starts_with("to do    boards: nobody answers at /nowhere/omxd.sock"),
        "{text}"
    );
    for words in ["modprobe open-mx-frontend", "systemctl enable --now omxd@"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains(" limit open files: "), "{text}");
    assert!(!text.contains(" peer"), "{text}");
}

#[test]
fn a_node_that_sees_nobody_is_told_so() {
    let socket = place("alone").join("omxd.sock");
    mx_testnode::start(&socket, ["--alone", "--name", "lonely"]);
    let text = said(&socket, &[], 1);
    assert!(text.contains("fine     boards: by omxd at "), "{text}");
    assert!(
        text.contains("fine     board lonely:0: number 0 on "),
        "{text}"
    );
    assert!(
        text.contains("to do    peer: no other board was seen\n         -> "),
        "{text}"
    );
    let text = said(&socket, &["--peer", "nobody:0"], 1);
    assert!(
        text.contains("to do    peer nobody:0: no peer is called"),
        "{text}"
    );
    let text = said(&socket, &["-b", "7"], 1);
    assert!(
        text.contains("to do    boards: there is no board 7"),
        "{text}"
    );
}

#[test]
fn boards_of_one_machine_answer_each_other_without_a_frame() {
    let socket = place("two").join("omxd.sock");
    mx_testnode::start(&socket, ["--alone", "--name", "left", "--board", "right"]);
    let answers =
        ["left:0", "right:0"].map(|name| format!("fine     peer {name}: answers within "));
    let text = eventually(&socket, &[], 0, &answers.each_ref().map(String::as_str));
    assert!(text.lines().all(|line| line.starts_with("fine ")), "{text}");
    let json = eventually(&socket, &["--json"], 0, &[]);
    assert!(
        json.starts_with("[{") && json.contains("\"subject\":\"boards\""),
        "{json}"
    );
    let fine = json.matches("\"outcome\":\"fine\"").count();
    assert_eq!(fine, text.lines().count(), "{json}");
}

#[test]
fn a_full_frame_passes_a_whole_wire_and_the_longest_that_does_is_found_on_another() {
    let wire = Wire::new("frames");
    let _answering = wire.answered();
    let ask = |status, words: &str| {
        let answers = "fine     peer far:0: answers within ";
        eventually(
            &wire.near,
            &["--peer", "far:0", "-r", "3"],
            status,
            &[answers, words],
        );
    };
    ask(0, "fine     frames to far:0: 9000 bytes pass");
    for limit in [8999, 1514] {
        wire.loses_above(limit);
        let passes =
            format!("those of {limit} bytes pass, and the longest do not, which have 9000");
        ask(1, &format!("to do    frames to far:0: {passes}"));
    }
    wire.loses_above(80);
    ask(1, "to do    frames to far:0: only the shortest pass");
    wire.loses_above(usize::MAX);
    ask(0, "fine     frames to far:0: 9000 bytes pass");
}

#[test]
fn whoever_has_the_endpoint_its_board_answers_and_the_rest_is_left_open() {
    let wire = Wire::new("others");
    let answers = "fine     peer far:0: answers within ";
    let only = ["--peer", "far:0"];
    let open = "unknown  frames to far:0: nobody there says what comes\n         -> start omx_check --answer there";
    eventually(&wire.near, &only, 4, &[answers, open]);
    let all = eventually(&wire.near, &[], 0, &[answers]);
    assert!(!all.contains("frames to"), "{all}");
    let mut perf = Command::new(PERF);
    perf.args(["-e", "0"])
        .env("OMX_SOCKET", &wire.far)
        .stdout(Stdio::null());
    let mut perf = perf.spawn().unwrap();
    let far = Backend::Socket(wire.far.clone());
    let begun = Instant::now();
    while Board::openers(&far, 0).unwrap()[0].is_none() {
        assert!(begun.elapsed() < TIMEOUT, "omx_perf does not wait");
        thread::sleep(Duration::from_millis(5));
    }
    eventually(&wire.near, &only, 4, &[answers, open]);
    assert!(perf.try_wait().unwrap().is_none(), "it is not disturbed");
    perf.kill().unwrap();
    perf.wait().unwrap();
}

#[test]
fn a_peer_that_was_seen_and_is_silent_is_told() {
    let wire = Wire::new("silent");
    wire.loses_above(0);
    let text = said(&wire.near, &[], 1);
    assert!(
        text.contains("to do    peer far:0: does not answer within 3 s\n"),
        "{text}"
    );
}
