//! Processes of one machine that share a node: what one of them does costs nobody else anything.

mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use common::liar::{Liar, alone};
use mx_ring::mapping::Memfd;
use mx_ring::uapi::{ANY_ENDPOINT, CallReply, CallRequest};
use nodes::{Node, TIMEOUT, wait_for};
use rustix::fs::{FallocateFlags, OFlags, SealFlags, fcntl_add_seals, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::process::{Pid, Signal, kill_process};

const HELLO: CallRequest = CallRequest::Hello {
    version: mx_ring::ABI_VERSION,
};

/// A socket that the last one to close it must wait for: its bytes go nowhere.
struct Lingering(Option<OwnedFd>);

impl Lingering {
    /// It, and who never reads.
    fn new() -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        set_socket_linger(&sender, Some(Duration::from_secs(3600))).unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.write(&[0; 65536]).is_ok() {}
        (Self(Some(sender.into())), receiver)
    }

    /// Sends it along with a call, or fails to.
    fn send(&self, liar: &Liar, request: &CallRequest) {
        let sender = self.0.as_ref().expect("not dropped");
        let _ = liar.say(&request.encode(), &[sender.as_fd()]);
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        // Should this be the last one after all, a thread waits.
        let sender = self.0.take();
        std::thread::spawn(move || drop(sender));
    }
}

/// Somebody else is answered, and the node ends when it is told to.
fn serves_on(mut node: Node) {
    let other = Liar::connect(&node);
    set_socket_timeout(&other.0, Timeout::Recv, Some(TIMEOUT)).unwrap();
    assert!(other.ask(&HELLO, &[]).is_ok(), "another process is served");
    assert!(node.terminate().success());
}

#[test]
fn a_bell_that_its_process_changes_fills_and_never_hears_stops_nobody() {
    let (_directory, node) = alone();
    let liar = Liar::connect(&node);
    let (w, _r, bell) = liar.open(ANY_ENDPOINT).unwrap();
    let flags = fcntl_getfl(&bell).unwrap();
    fcntl_setfl(&bell, flags | OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&bell, &[1; 4096]).is_ok() {}
    fcntl_setfl(&bell, flags - OFlags::NONBLOCK).unwrap();
    // An entry of no kind: the node closes the endpoint and wakes its process.
    let mut entry = [0xff; 64];
    entry[60..].copy_from_slice(&1_u32.to_le_bytes());
    w.slice().write(2 * 4096, &entry).unwrap();
    serves_on(node);
}

#[test]
fn a_descriptor_that_takes_an_hour_to_close_stops_nobody() {
    let (_directory, node) = alone();
    let [heard, unread, raw] = std::array::from_fn(|_| Liar::connect(&node));
    unread.open(ANY_ENDPOINT).unwrap();
    raw.ask(&CallRequest::OpenRaw { board: 0 }, &[]).unwrap();
    let (lingering, _receivers): (Vec<_>, Vec<_>) = (0..5).map(|_| Lingering::new()).unzip();
    // What is said while the node stands still is in its queue when the process goes.
    let pid = Pid::from_raw(node.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let [a, b, c, d, e] = &lingering[..] else {
        panic!("five");
    };
    a.send(&heard, &HELLO);
    b.send(&unread, &HELLO);
    c.send(&unread, &HELLO);
    d.send(&raw, &HELLO);
    e.send(&Liar::connect(&node), &HELLO);
    drop((unread, raw));
    drop(lingering);
    // The node has the only ones when it goes on.
    std::thread::sleep(Duration::from_millis(100));
    kill_process(pid, Signal::CONT).unwrap();
    serves_on(node);
}

const fn register(length: u32) -> CallRequest {
    CallRequest::Register {
        address: 0,
        length,
        writable: true,
        reserve: false,
    }
}

/// What the first thread of a process has run so far (proc(5), `schedstat`).
fn ran(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).unwrap();
    let nanoseconds = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds)
}

#[test]
fn much_memory_that_a_process_leaves_to_the_node_is_not_freed_by_the_thread_that_serves() {
    const MUCH: usize = 512 << 20;
    let (_directory, node) = alone();
    let much = || {
        let memory = Memfd::create("much", MUCH).unwrap();
        memory.descriptor().try_clone_to_owned().unwrap()
    };
    let threads = format!("/proc/{}/task", node.pid());
    let is_done = || std::fs::read_dir(&threads).unwrap().count() == 1;

    let refused = Liar::connect(&node);
    let (with_its_process, given_back) = (Liar::connect(&node), Liar::connect(&node));
    let mut regions = Vec::new();
    for liar in [&with_its_process, &given_back] {
        liar.open(ANY_ENDPOINT).unwrap();
        // Little of it counts.
        let (reply, _) = liar.ask(&register(4096), &[&much()]).unwrap();
        let CallReply::Registered { region } = reply else {
            panic!("another reply: {reply:?}");
        };
        regions.push(region);
    }
    let before = ran(node.pid());
    // The liar has closed it when the node does.
    let say = |request: &CallRequest| {
        let memory = much();
        refused.say(&request.encode(), &[memory.as_fd()]).unwrap();
    };
    say(&HELLO);
    refused.hear().unwrap();
    refused.ask(&HELLO, &[]).unwrap();
    let [_, region] = regions[..] else {
        panic!("two");
    };
    given_back
        .ask(&CallRequest::Deregister { region }, &[])
        .unwrap();
    drop(with_its_process);
    let other = Liar::connect(&node);
    wait_for("the end of its endpoint", || other.open(0).is_ok());
    wait_for("all memory to be freed", is_done);
    let spent = ran(node.pid()) - before;
    assert!(spent < Duration::from_millis(30), "{spent:?} of the node");
    serves_on(node);
}

#[test]
fn memory_that_is_registered_gets_no_holes_for_which_the_node_would_wait() {
    let (_directory, node) = alone();
    let liar = Liar::connect(&node);
    liar.open(ANY_ENDPOINT).unwrap();
    let memfd = Memfd::create("test", 8192).unwrap();
    let memory = memfd.descriptor().try_clone_to_owned().unwrap();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punch = || rustix::fs::fallocate(&memory, hole, 4096, 4096);
    punch().unwrap();
    assert!(liar.ask(&register(4096), &[&memory]).is_ok());
    assert_eq!(punch(), Err(Errno::PERM));
    // Nobody new may write it, so the node may not either.
    let again = liar.ask(&register(4096), &[&memory]);
    assert_eq!(again.err(), Some(Errno::PERM));
    let closed = Memfd::create("test", 4096).unwrap();
    fcntl_add_seals(closed.descriptor(), SealFlags::SEAL).unwrap();
    let closed = closed.descriptor().try_clone_to_owned().unwrap();
    let refused = liar.ask(&register(4096), &[&closed]);
    assert_eq!(refused.err(), Some(Errno::INVAL));
    serves_on(node);
}
