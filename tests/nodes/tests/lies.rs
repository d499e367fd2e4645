//! Processes that speak to a node without the library, and lie.

mod common;

use common::liar::{Liar, alone};
use common::{connect, echo, exchange, open};
use mx_ring::mapping::{Mapping, Memfd};
use mx_ring::uapi::{ANY_ENDPOINT, Call, CallReply, CallRequest};
use mx_ring::{Geometry, RegionKey};
use nodes::{KEY, Node, TIMEOUT, wait_for};
use rustix::io::Errno;

fn status(r: &Mapping) -> u32 {
    let mut status = [0; 4];
    r.slice().read(192, &mut status).unwrap();
    u32::from_le_bytes(status)
}

#[test]
fn garbage_in_the_pages_of_a_process_closes_its_endpoint_and_no_other() {
    let (_directory, node) = alone();
    let _echo = echo(&node, 3);
    let own = open(&node, 0);
    let to = connect(&own, "one", 3);
    for seed in 1_u32..6 {
        let liar = Liar::connect(&node);
        let (w, r, kick) = liar.open(ANY_ENDPOINT).unwrap();
        let mut noise = seed;
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        for entry in 0..256 {
            let mut bytes: [u8; 64] = std::array::from_fn(|_| next());
            bytes[60..].copy_from_slice(&1_u32.to_le_bytes());
            w.slice().write(2 * 4096 + entry * 64, &bytes).unwrap();
        }
        // A node that is awake may have seen it already, and hung up.
        let _ = rustix::io::write(&kick, &[1]);
        wait_for("the end of the liar's endpoint", || status(&r) != 0);
        exchange(&own, to, 100_000);
        wait_for("the end of the liar's connection", || liar.hear().is_none());
    }
}

#[test]
fn calls_that_make_no_sense_are_refused_and_the_next_one_is_served() {
    let (_directory, node) = alone();
    let liar = Liar::connect(&node);
    let region = RegionKey {
        slot: 0,
        generation: 0,
    };
    let register = CallRequest::Register {
        address: 0,
        length: 4096,
        writable: true,
        reserve: false,
    };
    let open_board = |board, endpoint, geometry| CallRequest::OpenEndpoint {
        board,
        endpoint,
        geometry,
    };
    let sizes = Geometry::default();
    let huge = Geometry {
        receive: u32::MAX,
        ..sizes
    };
    for (request, errno) in [
        (CallRequest::AttachBoard { board: 1 }, Errno::NODEV),
        (open_board(9, 0, sizes), Errno::NODEV),
        (open_board(0, 8, sizes), Errno::INVAL),
        (open_board(0, 0x100, sizes), Errno::INVAL),
        (open_board(0, 0, huge), Errno::INVAL),
        (register, Errno::BADF),
        (CallRequest::Deregister { region }, Errno::BADF),
        (CallRequest::Kick, Errno::OPNOTSUPP),
    ] {
        assert_eq!(liar.ask(&request, &[]).unwrap_err(), errno, "{request:?}");
    }
    let unknown = Call {
        kind: 77,
        ..Call::default()
    };
    liar.say(&unknown, &[]).unwrap();
    let (answer, _) = liar.hear().unwrap();
    assert_eq!(answer.error, Errno::NOSYS.raw_os_error() as u32);

    liar.open(2).unwrap();
    let other = Liar::connect(&node);
    assert_eq!(other.open(2).err(), Some(Errno::BUSY));
    assert_eq!(
        liar.ask(&CallRequest::Deregister { region }, &[]).err(),
        Some(Errno::NOENT)
    );
}

#[test]
fn memory_that_a_process_could_take_away_is_not_registered() {
    let (_directory, node) = alone();
    let liar = Liar::connect(&node);
    liar.open(2).unwrap();
    let register = |length| CallRequest::Register {
        address: 0,
        length,
        writable: true,
        reserve: false,
    };
    let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
    let other = Liar::connect(&node);
    other.open(3).unwrap();
    assert_eq!(
        other.ask(&register(4096), &[&pipe]).err(),
        Some(Errno::INVAL)
    );
    assert!(other.hear().is_none(), "what sends no memory is no library");
    let flags = rustix::fs::MemfdFlags::ALLOW_SEALING;
    let unsealed = rustix::fs::memfd_create("test", flags).unwrap();
    rustix::fs::ftruncate(&unsealed, 4096).unwrap();
    assert_eq!(
        liar.ask(&register(4096), &[&unsealed]).err(),
        Some(Errno::INVAL)
    );

    let memfd = Memfd::create("test", 8192).unwrap();
    let sealed = memfd.descriptor().try_clone_to_owned().unwrap();
    assert_eq!(
        liar.ask(&register(8193), &[&sealed]).err(),
        Some(Errno::INVAL)
    );
    assert_eq!(liar.ask(&register(0), &[&sealed]).err(), Some(Errno::INVAL));
    let (reply, _) = liar.ask(&register(8192), &[&sealed]).unwrap();
    let CallReply::Registered { region } = reply else {
        panic!("another reply: {reply:?}");
    };
    assert!(liar.ask(&CallRequest::Deregister { region }, &[]).is_ok());
    assert_eq!(
        liar.ask(&CallRequest::Deregister { region }, &[]).err(),
        Some(Errno::NOENT)
    );
}

#[test]
fn a_user_with_too_many_connections_is_turned_away_until_one_goes() {
    let (_directory, node) = alone();
    let hello = CallRequest::Hello {
        version: mx_ring::ABI_VERSION,
    };
    let serves = |node: &Node| {
        let liar = Liar::connect(node);
        liar.say(&hello.encode(), &[]).is_ok() && liar.hear().is_some()
    };
    let many: Vec<Liar> = (0..512).map(|_| Liar::connect(&node)).collect();
    wait_for("the last connection", || !serves(&node));
    drop(many);
    wait_for("room for connections", || serves(&node));
}

/// Processor time of a process so far, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    // User and system time are the fields 14 and 15; the name, cut off above, is the second.
    let times = fields.skip(11).take(2);
    times.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_process_that_closes_its_bell_costs_the_node_nothing() {
    let (_directory, node) = alone();
    let liar = Liar::connect(&node);
    drop(liar.open(2).unwrap());
    let before = ticks(node.pid());
    std::thread::sleep(std::time::Duration::from_secs(1));
    let spent = ticks(node.pid()) - before;
    assert!(spent < 20, "{spent} ticks of 10 ms in a second");
}

#[test]
fn random_calls_are_answered_or_end_the_connection_and_the_node_serves_on() {
    let (_directory, node) = alone();
    let _echo = echo(&node, 3);
    let memfd = Memfd::create("test", 8192).unwrap();
    let mut state = 7_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut liar = Liar::connect(&node);
    for _ in 0..3000 {
        let small = next() % 4 != 0;
        let call = Call {
            kind: (next() % 12) as u32,
            error: 0,
            number: next(),
            words: std::array::from_fn(|_| {
                if small {
                    next() % 9
                } else {
                    next() << (next() % 40)
                }
            }),
        };
        let descriptors = vec![memfd.descriptor(); (next() % 3) as usize];
        let answered = liar.say(&call, &descriptors).is_ok() && liar.hear().is_some();
        if !answered || next() % 50 == 0 {
            liar = Liar::connect(&node);
        }
    }
    let own = open(&node, 0);
    // Some of the calls have given the board another name: an administrator's may.
    let mac = own.with_board(|board| board.description()).unwrap().mac;
    let to = own.connect(mac.nic_id(), 3, KEY, Some(TIMEOUT)).unwrap();
    exchange(&own, to, 100_000);
}
