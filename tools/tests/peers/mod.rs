#![allow(dead_code, reason = "each test uses its part")]
//! Other programs' side of a run: endpoints that say step by step what a description says, with bytes of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use open_mx::{Address, Backend, Board, Buffer, Code, Endpoint, EndpointOptions, Request, Status};

/// How long anything may take on a busy machine before it counts as hung.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The node of all tests of a process.
pub fn backend() -> &'static Backend {
    static BACKEND: OnceLock<Backend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        let place = std::env::temp_dir().join(format!("open-mx-peers-{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory");
        let socket = place.join("omxd.sock");
        mx_testnode::of_two_boards(&socket);
        Backend::Socket(socket)
    })
}

/// Where it listens.
fn socket() -> PathBuf {
    match backend() {
        Backend::Socket(path) | Backend::Device(path) => path.clone(),
    }
}

/// Starts a tool.
pub fn tool(program: &str, arguments: &[&str]) -> Running {
    let child = Command::new(program)
        .args(arguments)
        .env("OMX_SOCKET", socket())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Running(Some(child.expect("a tool that starts")))
}

/// Starts a tool that waits at an endpoint of the board `right`, and waits until it does.
pub fn receiver(program: &str, endpoint: u32, arguments: &[&str]) -> Running {
    let number = endpoint.to_string();
    let running = tool(program, &[&["-b", "1", "-e", &number], arguments].concat());
    until(|| Board::openers(backend(), 1).unwrap()[endpoint as usize].is_some());
    running
}

/// Waits until something holds.
pub fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIMEOUT, "it has not happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running tool, killed with its test.
pub struct Running(Option<Child>);

impl Running {
    /// Waits for its end.
    pub fn end(mut self) -> Output {
        let child = self.0.as_mut().expect("it runs");
        until(|| child.try_wait().expect("a child").is_some());
        let child = self.0.take().expect("it has run");
        child.wait_with_output().expect("a child")
    }

    /// Stops it, as Ctrl-Z does.
    pub fn stop(&self) {
        let pid = self.0.as_ref().expect("it runs").id().to_string();
        let stopped = Command::new("kill").args(["-STOP", &pid]).status();
        assert!(stopped.expect("kill").success());
    }

    /// Waits for its end, which is a success: what it printed.
    pub fn succeeds(self) -> String {
        let output = self.end();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Waits for its end, which is a failure with status 1: what it said.
    pub fn fails(self) -> String {
        let output = self.end();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An endpoint of the board `left` or `right`, and the other side of its run.
pub struct Peer {
    endpoint: Endpoint,
    key: u32,
}

impl Peer {
    /// Opens an endpoint.
    pub fn open(board: u32, endpoint: u32, key: u32) -> Self {
        let options = EndpointOptions {
            board: Some(board),
            endpoint: Some(endpoint),
            ..EndpointOptions::new(key)
        };
        let endpoint = Endpoint::open(backend(), &options).expect("a free endpoint");
        Self { endpoint, key }
    }

    /// The endpoint's own address.
    pub fn address(&self) -> Address {
        self.endpoint.address().unwrap()
    }

    /// Connects to an endpoint of a board.
    pub fn connect(&self, board: &str, endpoint: u32) -> Address {
        let nic = self
            .endpoint
            .with_board(|b| b.nic_id_by_hostname(&format!("{board}:0")));
        self.connect_to(nic.unwrap(), endpoint)
    }

    /// Connects to an endpoint of an address.
    pub fn connect_to(&self, nic: u64, endpoint: u32) -> Address {
        let timeout = Some(TIMEOUT);
        self.endpoint
            .connect(nic, endpoint, self.key, timeout)
            .unwrap()
    }

    /// Posts a receive of exactly this match info.
    pub fn post(&self, info: u64, room: usize) -> Posted {
        self.post_masked(info, u64::MAX, room)
    }

    /// Posts a receive.
    pub fn post_masked(&self, info: u64, mask: u64, room: usize) -> Posted {
        let buffer = Buffer::new(room).unwrap();
        let memory = buffer.part(0, room).unwrap();
        let request = self.endpoint.irecv(memory, info, mask, 0).unwrap();
        Posted { request, buffer }
    }

    /// Waits for a receive: its status and bytes.
    pub fn take(&self, posted: Posted) -> (Status, Vec<u8>) {
        let status = self.end_of(posted.request);
        assert_eq!(status.code, Code::Success);
        let mut bytes = vec![0; status.transferred as usize];
        posted.buffer.read(0, &mut bytes).unwrap();
        (status, bytes)
    }

    /// Sends.
    pub fn send(&self, to: Address, info: u64, bytes: &[u8], synchronous: bool) {
        let code = self.sent(to, info, bytes, synchronous);
        assert_eq!(code, Code::Success);
    }

    /// Sends, although the other side may not want it.
    pub fn send_whatever_becomes_of_it(&self, to: Address, info: u64, bytes: &[u8]) {
        self.sent(to, info, bytes, false);
    }

    fn sent(&self, to: Address, info: u64, bytes: &[u8], synchronous: bool) -> Code {
        let buffer = Buffer::new(bytes.len()).unwrap();
        buffer.write(0, bytes).unwrap();
        let memory = buffer.part(0, bytes.len()).unwrap();
        let request = self.endpoint.isend(memory, to, info, 0, synchronous);
        self.end_of(request.unwrap()).code
    }

    /// Lets the last messages be acknowledged.
    pub fn settle(&self) {
        assert!(self.endpoint.settle(TIMEOUT).unwrap(), "unacknowledged");
    }

    /// Answers connects for a while, and does nothing else.
    pub fn idle_until(&self, mut over: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !over() {
            assert!(begun.elapsed() < TIMEOUT, "it has not happened");
            self.endpoint.progress().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The same for so long.
    pub fn idle_for(&self, time: Duration) {
        let begun = Instant::now();
        self.idle_until(|| begun.elapsed() >= time);
    }

    /// Waits for a message that nobody has asked for.
    pub fn hears_something(&self) {
        let found = self.endpoint.probe(0, 0, Some(TIMEOUT)).unwrap();
        assert!(found.is_some(), "nothing came");
    }

    fn end_of(&self, request: Request) -> Status {
        let ended = self.endpoint.wait(request, Some(TIMEOUT)).unwrap();
        ended.expect("in time")
    }
}

/// A posted receive.
pub struct Posted {
    request: Request,
    buffer: Buffer,
}

/// Numbers of 32 bits, big-endian.
pub fn words(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// The number of 32 bits at a place.
pub fn word(bytes: &[u8], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The captures in this repository.
pub fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/captures")
}
