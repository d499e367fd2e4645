//! A child of the process that opened an endpoint: it has nothing of it, and does its parent no harm.
#![allow(unsafe_code, reason = "fork is offered to C alone")]

use std::time::Duration;

use open_mx::raw::RawEndpoint;
use open_mx::{Backend, Buffer, Endpoint, EndpointOptions, Error};

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

const KEY: u32 = 7;
const TIMEOUT: Option<Duration> = Some(Duration::from_secs(10));

fn backend() -> Backend {
    let name = format!("open-mx-fork-{}.sock", std::process::id());
    let socket = std::env::temp_dir().join(name);
    mx_testnode::of_two_boards(&socket);
    Backend::Socket(socket)
}

fn open(backend: &Backend, board: u32) -> Result<Endpoint, Error> {
    let options = EndpointOptions {
        board: Some(board),
        ..EndpointOptions::new(KEY)
    };
    Endpoint::open(backend, &options)
}

/// Runs in a child, which ends with the number that is given back.
fn in_child(run: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs what is given and ends, without the destructors and threads of the parent.
    let child = unsafe { fork() };
    assert!(child >= 0, "a child");
    if child == 0 {
        let status = run();
        // SAFETY: ends the child.
        unsafe { _exit(status) }
    }
    let mut status = 0;
    // SAFETY: the child exists, and the status may be written.
    let ended = unsafe { waitpid(child, &raw mut status, 0) };
    assert_eq!(
        (ended, status & 0x7f),
        (child, 0),
        "the child ends by itself"
    );
    status >> 8
}

#[test]
fn a_childs_calls_fail_and_what_it_drops_stays_its_parents() {
    let backend = backend();
    let left = open(&backend, 0).expect("an endpoint");
    let right = open(&backend, 1).expect("an endpoint");
    let raw = RawEndpoint::open(&backend, 0).expect("a raw endpoint");
    let nic = left
        .with_board(|board| board.nic_id_by_hostname("right:0"))
        .expect("a name");
    let remote = right.address().expect("an address").endpoint;
    let request = left.iconnect(nic, remote, KEY, 0, 0).expect("a request");
    let connected = loop {
        right.progress().expect("an open endpoint");
        if let Some(status) = left.test(request).expect("a request") {
            break status;
        }
    };
    let to = connected.address.expect("a connect");
    let (out, inbox) = (Buffer::new(9000).unwrap(), Buffer::new(9000).unwrap());
    out.write(0, &[7; 9000]).unwrap();
    let (out, whole) = (out.part(0, 9000).unwrap(), inbox.part(0, 9000).unwrap());
    let receive = right.irecv(whole, 1, !0, 0).unwrap();

    let mut held = Some((left, right, raw));
    let failed = in_child(|| {
        let (left, right, raw) = held.take().expect("a copy of all");
        let gone = Some(Error::NotOpen);
        let calls = [
            left.progress().err() == gone,
            left.isend(out.clone(), to, 1, 0, false).err() == gone,
            left.address().err() == gone,
            left.disable_progression().err() == gone,
            left.with_board(|board| board.description()).err() == gone,
            right.test(receive).err() == gone,
            right.wait(receive, TIMEOUT).err() == gone,
            right.context(receive).err() == gone,
            raw.send(&[0; 64], Some(1)).err() == gone,
            raw.next_event(&mut [0; 1024], TIMEOUT, true).err() == gone,
        ];
        right.wakeup();
        left.reenable_progression();
        drop((left, right, raw));
        let own = open(&backend, 0).and_then(|own| own.progress());
        let failed = calls.iter().position(|as_promised| !as_promised);
        failed.map_or(i32::from(own.is_err()) * 99, |at| at as i32 + 1)
    });
    assert_eq!(failed, 0, "the call of that number, from 1 on");

    let (left, right, raw) = held.expect("the child took its own copy");
    left.isend(out, to, 1, 0, false).unwrap();
    let received = loop {
        left.progress().expect("an open endpoint");
        if let Some(status) = right.test(receive).expect("a request") {
            break status;
        }
    };
    assert_eq!(received.transferred, 9000);
    let mut bytes = [0; 9000];
    inbox.read(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 7));
    raw.send(&[0; 64], Some(5)).expect("an open raw endpoint");
}
