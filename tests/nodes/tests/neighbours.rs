//! Processes of one machine that share a node: what one of them does costs nobody else anything.

mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use common::liar::{Liar, alone};
use mx_ring::call::{ANY_ENDPOINT, Request};
use nodes::{Node, PATIENCE};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::process::{Pid, Signal, kill_process};

const HELLO: Request = Request::Hello {
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
    fn send(&self, liar: &Liar, request: &Request) {
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
    set_socket_timeout(&other.0, Timeout::Recv, Some(PATIENCE)).unwrap();
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
    w.area().write(2 * 4096, &entry).unwrap();
    serves_on(node);
}

#[test]
fn a_descriptor_that_takes_an_hour_to_close_stops_nobody() {
    let (_directory, node) = alone();
    let [heard, unread, raw] = std::array::from_fn(|_| Liar::connect(&node));
    unread.open(ANY_ENDPOINT).unwrap();
    raw.ask(&Request::OpenRaw { board: 0 }, &[]).unwrap();
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
