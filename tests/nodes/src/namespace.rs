//! A network of one's own: a namespace of the kernel, with interfaces that nobody else sees and that end with it.

use std::path::Path;
use std::process::Command;

use crate::{Child, Node};

/// A network namespace, as long as this lives.
pub struct Namespace {
    /// It does nothing but hold the namespace.
    holder: Child,
    /// It is in a user namespace of its own, too.
    own_user: bool,
}

/// What `unshare` is given by root, and what by everybody else. Root needs no user namespace, which is refused to it in
/// many a container, and inside of a changed root.
const AS_ROOT: &[&str] = &["--net"];
const AS_USER: &[&str] = &["--user", "--map-root-user", "--net"];
/// What a namespace lives by.
const HOLD: &[&str] = &["sh", "-c", "echo ready; exec sleep 1000000"];

impl Namespace {
    /// A new one; only its loopback is in it.
    ///
    /// # Panics
    /// When this machine does not let this user make one: what is missing.
    pub fn new() -> Self {
        let ways = if rustix::process::geteuid().is_root() {
            &[AS_ROOT, AS_USER][..]
        } else {
            &[AS_USER]
        };
        let mut refused = String::new();
        for way in ways {
            let tried = Command::new("unshare").args(*way).arg("true").output();
            let tried = tried.unwrap_or_else(|error| {
                panic!("this machine lacks unshare, of the package util-linux: {error}")
            });
            if tried.status.success() {
                let mut holder = Child::start("unshare", &[*way, HOLD].concat(), &[]);
                holder.wait_for_word("ready");
                let own_user = *way == AS_USER;
                return Self { holder, own_user };
            }
            refused += &String::from_utf8_lossy(&tried.stderr);
        }
        panic!(
            "this machine lacks leave to make a network namespace (run the tests as root, or allow user namespaces): {refused}"
        );
    }

    /// Another one, between which and this one interfaces may be moved.
    pub fn another(&self) -> Self {
        let entered = self.entered();
        let entered: Vec<&str> = entered.iter().map(String::as_str).collect();
        let unshare = [&["unshare"], AS_ROOT, HOLD].concat();
        let mut holder = Child::start("nsenter", &[&entered[..], &unshare].concat(), &[]);
        holder.wait_for_word("ready");
        Self { holder, ..*self }
    }

    /// Number of a process in it, by which `ip link set … netns` finds it.
    pub fn pid(&self) -> u32 {
        self.holder.pid()
    }

    fn entered(&self) -> Vec<String> {
        let mut arguments = vec![format!("--target={}", self.pid()), "--net".to_owned()];
        if self.own_user {
            arguments.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        arguments
    }

    /// Runs lines of a shell in it, which use `ip`.
    ///
    /// # Panics
    /// When one of them fails: with what it said.
    pub fn run(&self, lines: &str) {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("nsenter")
            .args(self.entered())
            .args(["sh", "-e", "-c", lines])
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .output()
            .expect("nsenter, of the package util-linux");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "this kernel or its tools (package iproute2) cannot do `{lines}`: {said}"
        );
    }

    /// Sends a frame from one of its interfaces, so often.
    ///
    /// # Panics
    /// When it cannot.
    pub fn send(&self, interface: &str, frame: &[u8], times: usize) {
        let digits: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let sender = std::env::current_exe().expect("this test");
        let sender = sender.parent().and_then(Path::parent);
        let sender = sender
            .expect("programs lie above tests")
            .join("frame-sender");
        let sender = sender.display();
        self.run(&format!("{sender} {interface} {times} {digits}"));
    }

    /// Starts a program in it.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Child {
        let entered = self.entered();
        let entered: Vec<&str> = entered.iter().map(String::as_str).collect();
        Child::start(
            "nsenter",
            &[&entered[..], &[program], arguments].concat(),
            &[],
        )
    }

    /// Starts a node in it, and waits until it listens. What it says is appended to `log`.
    pub fn node(&self, program: &str, socket: &Path, log: &Path, options: &[&str]) -> Node {
        let entered = self.entered();
        let (socket, log) = (socket.to_string_lossy(), log.to_string_lossy());
        let shell = [
            "sh",
            "-c",
            "log=$1; shift; exec \"$@\" 2>>\"$log\"",
            "sh",
            &log,
            program,
            "--socket",
            &socket,
        ];
        let entered: Vec<&str> = entered.iter().map(String::as_str).collect();
        let arguments = [&entered[..], &shell, options].concat();
        Node::of(
            Child::start("nsenter", &arguments, &[]),
            socket.as_ref().into(),
        )
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}
