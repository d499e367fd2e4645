//! A heap that fails at its n-th allocation. What a user, a peer or a client chooses the length of is told by a code; what is
//! small may end the process that needs it, as the standard library and glibc have it, with a word; nobody waits for ever, and
//! nobody else notices.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use common::NODE;
use common::bounded::{conformance, ended_well, run, run_within, text};
use nodes::{Child, Node, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const PERF: &str = env!("CARGO_BIN_EXE_perf-under-test");
const VERIFY: &str = env!("CARGO_BIN_EXE_verify-under-test");

/// What is longer than anything whose length nobody chooses.
const CHOSEN: usize = 10_000;
/// The same in a tool, whose reader of options has tables of its own.
const CHOSEN_IN_TOOLS: usize = 40_000;
const LONG: &str = "loopback -N 1 -P 1 -l 3000000";

/// Compiles C of this folder's neighbour.
fn compiled(name: &str, options: &[&str]) -> PathBuf {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = directory.path().join(name);
    let compiled = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&made)
        .arg(here.join("c").join(name).with_extension("c"))
        .args(options)
        .output()
        .expect("cc");
    assert!(compiled.status.success(), "{}", text(&compiled));
    made
}

/// A failing allocation.
struct Fault {
    at: usize,
    /// Of allocations of so many bytes at least.
    from: usize,
    lasts: bool,
    seen: PathBuf,
}

impl Fault {
    /// What makes it happen to a program.
    fn around(&self) -> Vec<String> {
        static HEAP: OnceLock<PathBuf> = OnceLock::new();
        let heap = HEAP.get_or_init(|| compiled("fail_malloc", &["-shared", "-fPIC"]));
        let mut around = vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", heap.display()),
            format!("FAIL_AT={}", self.at),
            format!("FAIL_FROM={}", self.from),
            format!("FAIL_SEEN={}", self.seen.display()),
        ];
        around.extend(self.lasts.then(|| "FAIL_LASTS=1".to_owned()));
        let _ = std::fs::remove_file(&self.seen);
        around
    }

    fn run(&self, program: &str, arguments: &str, socket: &Path) -> Output {
        let around = self.around();
        let around: Vec<&str> = around.iter().map(String::as_str).collect();
        run_within(&around, program, arguments, socket)
    }

    fn happened(&self) -> bool {
        self.seen.exists()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lasts = if self.lasts { " and all behind it" } else { "" };
        write!(
            f,
            "allocation {}{lasts} of {} bytes or more failing",
            self.at, self.from
        )
    }
}

/// A program with each of these allocations failing, until one is not made any more; how many were.
fn walk(
    (program, arguments): (&str, &str),
    from: usize,
    places: impl Iterator<Item = usize>,
    node: &Node,
    judge: impl Fn(&str, &Output),
    lasting: &[bool],
) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for at in places {
        let mut happened = false;
        for lasts in lasting.iter().copied() {
            let fault = Fault {
                at,
                from,
                lasts,
                seen: directory.path().join("seen"),
            };
            let ended = fault.run(program, arguments, &node.socket);
            judge(&format!("{program} {arguments} with {fault}"), &ended);
            happened = fault.happened();
            tried += usize::from(happened);
        }
        if !happened {
            break;
        }
    }
    tried
}

/// It ends well, or with a code.
fn with_a_code(step: &str, ended: &Output) {
    ended_well(step, ended);
}

/// Who says that a small allocation failed, when they end a process for it.
const WORDS: [&str; 2] = [
    // The standard library.
    "memory allocation of ",
    // glibc, for what is to be done at a thread's end.
    "Fatal glibc error: failed to register TLS destructor: out of memory",
];

/// It has a code, or a word about a small allocation.
fn ended_or_aborted(step: &str, ended: &Output) {
    // As the shell tells it, or as it is.
    let aborted = ended.status.code() == Some(134) || ended.status.signal() == Some(6);
    let said = text(ended);
    if aborted {
        let told = WORDS.iter().any(|word| said.contains(word));
        assert!(told, "{step}: {said}");
    } else {
        ended_well(step, ended);
    }
}

fn alone(directory: &Path) -> Node {
    let options = ["--alone", "--name", "one", "--board", "two"];
    let node = Node::start(NODE, directory.join("sock"), &options);
    node.wait_for_peers(0, &["one", "two"]);
    node
}

fn serves(node: &Node) {
    let other = run("--core=0", conformance(), LONG, &node.socket);
    assert!(other.status.success(), "another one: {}", text(&other));
}

#[test]
fn messages_for_whose_length_there_is_no_heap_end_with_a_code_or_come_later() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    // What comes from a peer and finds no memory counts as lost, and comes again: for good, until its sender gives it up.
    let (once, both) = (&[false][..], &[false, true][..]);
    for (arguments, lasting, least) in [
        ("unexpected", once, 5),
        ("unexpected_handler", once, 2),
        ("loopback -S -N 2 -P 2", both, 8),
    ] {
        let program = (conformance(), arguments);
        let tried = walk(program, CHOSEN, 1..20, &node, with_a_code, lasting);
        assert!(tried >= least, "only {tried} allocations of {arguments}");
    }
    serves(&node);
}

#[test]
fn tools_whose_users_choose_more_than_the_heap_has_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let variables = [("OMX_SOCKET", node.socket())];
    let mut tried = 0;
    for (program, receives, sends) in [
        (
            PERF,
            "-s -b 1 -e 3",
            "-d two:0 -r 3 -w -S 300000 -E 300001 -N 2 -W 1",
        ),
        (
            VERIFY,
            "-s -b 1 -e 4",
            "-d two:0 -r 4 -w -S 200000 -E 300001 --iterations 1",
        ),
    ] {
        let arguments: Vec<&str> = receives.split(' ').collect();
        let _receiver = Child::start(program, &arguments, &variables);
        tried += walk(
            (program, sends),
            CHOSEN_IN_TOOLS,
            1..8,
            &node,
            with_a_code,
            &[false, true],
        );
    }
    assert!(tried >= 6, "only {tried} allocations of tools");
    serves(&node);
}

#[test]
fn receives_are_refused_before_there_is_no_memory_to_remember_them() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libopen-mx/include");
    let library = Path::new(conformance()).parent().expect("a directory");
    let program = compiled(
        "posts",
        &[
            &format!("-I{}", headers.display()),
            &format!("-L{}", library.display()),
            &format!("-Wl,-rpath,{}", library.display()),
            "-lopen-mx",
        ],
    );
    let program = program.display().to_string();
    // Its table alone has 32 MiB.
    for mebibytes in [80_u64, 120, 200] {
        let limit = format!("--as={}", mebibytes << 20);
        let around = ["env", "OMX_FATAL_ERRORS=0", "prlimit", &limit];
        let ended = run_within(&around, &program, "", &node.socket);
        assert!(ended.status.success(), "{limit}: {}", text(&ended));
    }
    serves(&node);
}

#[test]
fn small_allocations_that_fail_end_a_program_with_a_word_and_cost_nobody_else_anything() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let places = (1..40).chain((40..2000).step_by(23));
    let few = "loopback -N 1 -P 1 -l 40000";
    let tried = walk(
        (conformance(), few),
        0,
        places,
        &node,
        ended_or_aborted,
        &[false, true],
    );
    assert!(tried >= 60, "only {tried} allocations");
    serves(&node);
}

#[test]
fn a_node_whose_start_finds_no_heap_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for at in (1..30).chain((30..2000).step_by(19)) {
        let fault = Fault {
            at,
            from: 0,
            lasts: at % 2 == 0,
            seen: directory.path().join("seen"),
        };
        let socket = directory.path().join("sock");
        let _ = std::fs::remove_file(&socket);
        let around = fault.around();
        let mut node = Command::new(&around[0])
            .args(&around[1..])
            .args([NODE, "--alone", "--name", "one", "--socket"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ended = None;
        wait_for("a node's start or end", || {
            ended = node.try_wait().unwrap();
            ended.is_some() || fault.happened() || socket.exists()
        });
        let step = format!("a node with {fault}");
        if ended.is_none() {
            // It may not come so far that it can be asked to end.
            wait_for("a node's start or end", || {
                ended = node.try_wait().unwrap();
                ended.is_some()
                    || open_mx::Board::all(&open_mx::Backend::Socket(socket.clone())).is_ok()
            });
        }
        let happened = fault.happened();
        if ended.is_none() {
            kill_process(Pid::from_child(&node), Signal::TERM).expect("it lives on");
            wait_for("a node's end", || node.try_wait().unwrap().is_some());
        }
        ended_or_aborted(&step, &node.wait_with_output().unwrap());
        tried += usize::from(happened);
        if !happened {
            break;
        }
    }
    assert!(tried >= 40, "only {tried} allocations of a node's start");
}
