//! The library with a node in the same process: a real socket, real memfds, real sleep.

use std::time::{Duration, Instant};

use open_mx::{Backend, Board, Buffer, Code, Endpoint, EndpointOptions, Error, Sleep};

const KEY: u32 = 7;

/// The node with two boards, for all tests of this process.
fn backend() -> Backend {
    let name = format!("open-mx-with-node-{}.sock", std::process::id());
    let socket = std::env::temp_dir().join(name);
    mx_testnode::of_two_boards(&socket);
    Backend::Socket(socket)
}

fn open(board: u32, endpoint: u32) -> Endpoint {
    let options = EndpointOptions {
        board: Some(board),
        endpoint: Some(endpoint),
        ..EndpointOptions::new(KEY)
    };
    Endpoint::open(&backend(), &options).expect("a free endpoint")
}

/// Connects by name and waits, asleep.
fn connect(endpoint: &Endpoint, name: &str, remote: u32) -> open_mx::Address {
    let nic = endpoint
        .with_board(|board| board.nic_id_by_hostname(name))
        .expect("a known name");
    endpoint
        .connect(nic, remote, KEY, Some(Duration::from_secs(10)))
        .expect("a connect")
}

#[test]
fn both_boards_know_each_other_by_name() {
    let boards = Board::all(&backend()).unwrap();
    assert_eq!(boards.len(), 2);
    for (_, board) in &boards {
        assert!(board.nic_id_by_hostname("left:0").is_ok());
        assert!(board.nic_id_by_hostname("right:0").is_ok());
        assert!(matches!(
            board.nic_id_by_hostname("nobody:0"),
            Err(Error::NoPeerName(_))
        ));
    }
    assert_eq!(Board::attach(&backend(), 2).err(), Some(Error::NoBoard(2)));
}

#[test]
fn an_endpoint_in_use_or_beyond_the_last_is_refused() {
    let _held = open(0, 1);
    let again = EndpointOptions {
        board: Some(0),
        endpoint: Some(1),
        ..EndpointOptions::new(KEY)
    };
    assert_eq!(
        Endpoint::open(&backend(), &again).err(),
        Some(Error::EndpointInUse(1))
    );
    let beyond = EndpointOptions {
        endpoint: Some(4000),
        ..again
    };
    assert_eq!(
        Endpoint::open(&backend(), &beyond).err().map(|e| e.code()),
        Some(Code::BadEndpoint)
    );
}

#[test]
fn two_threads_exchange_messages_of_all_kinds_asleep() {
    let lengths = [0, 32, 128, 20_000, 300_000];
    let echo = std::thread::spawn(move || {
        let endpoint = open(1, 2);
        let buffer = Buffer::new(300_000).unwrap();
        let mut to = None;
        for length in lengths {
            let receive = endpoint
                .irecv(buffer.part(0, length).unwrap(), 0, 0, 0)
                .unwrap();
            let status = endpoint.wait(receive, None).unwrap().unwrap();
            assert_eq!(status.code, Code::Success);
            let to = *to.get_or_insert_with(|| connect(&endpoint, "left:0", 2));
            let send = endpoint
                .isend(
                    buffer.part(0, length).unwrap(),
                    to,
                    status.match_info,
                    0,
                    false,
                )
                .unwrap();
            assert_eq!(
                endpoint.wait(send, None).unwrap().unwrap().code,
                Code::Success
            );
        }
        assert!(endpoint.settle(Duration::from_secs(5)).unwrap());
    });
    let endpoint = open(0, 2);
    let start = Instant::now();
    let to = loop {
        // The other thread may not have opened its endpoint yet.
        let nic = endpoint
            .with_board(|board| board.nic_id_by_hostname("right:0"))
            .unwrap();
        match endpoint.connect(nic, 2, KEY, Some(Duration::from_secs(5))) {
            Ok(to) => break to,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(10), "{error}"),
        }
    };
    let (out, back) = (Buffer::new(300_000).unwrap(), Buffer::new(300_000).unwrap());
    for (i, length) in (1..).zip(lengths) {
        let message: Vec<u8> = (0..length).map(|at| (at * 31 + i) as u8).collect();
        out.write(0, &message).unwrap();
        let receive = endpoint
            .irecv(back.part(0, length).unwrap(), i as u64, u64::MAX, 0)
            .unwrap();
        endpoint
            .isend(out.part(0, length).unwrap(), to, i as u64, 0, false)
            .unwrap();
        let status = endpoint.wait(receive, None).unwrap().unwrap();
        assert_eq!(
            (status.code, status.transferred as usize),
            (Code::Success, length)
        );
        let mut echoed = vec![0; length];
        back.read(0, &mut echoed).unwrap();
        assert!(echoed == message, "{length} bytes differ");
    }
    echo.join().unwrap();
}

#[test]
fn a_wait_ends_at_its_time_and_at_a_wakeup() {
    let endpoint = open(0, 3);
    let buffer = Buffer::new(1).unwrap();
    let receive = endpoint.irecv(buffer.part(0, 1).unwrap(), 0, 0, 0).unwrap();
    let start = Instant::now();
    let timeout = Some(Duration::from_millis(100));
    assert_eq!(endpoint.wait(receive, timeout).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(80));
    std::thread::scope(|scope| {
        let sleepers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| endpoint.wait(receive, Some(Duration::from_secs(60)))))
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        endpoint.wakeup();
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap().unwrap(), None);
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn many_threads_that_wait_on_one_endpoint_each_get_their_message() {
    let (from, to) = (open(0, 5), open(1, 5));
    let connecting = std::thread::scope(|scope| {
        let helper = scope.spawn(|| to.probe(u64::MAX, u64::MAX, Some(Duration::from_millis(500))));
        let address = connect(&from, "right:0", 5);
        helper.join().unwrap().unwrap();
        address
    });
    let out = Buffer::new(8).unwrap();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..6u64)
            .map(|i| {
                let to = &to;
                scope.spawn(move || {
                    for turn in 0..50 {
                        let buffer = Buffer::new(8).unwrap();
                        let memory = buffer.part(0, 8).unwrap();
                        let receive = to.irecv(memory, i, u64::MAX, 0).unwrap();
                        let limit = Some(Duration::from_secs(30));
                        let status = to.wait(receive, limit).unwrap();
                        assert!(status.is_some(), "thread {i} gets no message {turn}");
                    }
                })
            })
            .collect();
        for turn in 0..50u64 {
            for i in 0..6 {
                let memory = out.part(0, 8).unwrap();
                let send = from
                    .isend(memory, connecting, (i + turn) % 6, 0, false)
                    .unwrap();
                from.wait(send, None).unwrap().unwrap();
            }
        }
        from.settle(Duration::from_secs(20)).unwrap();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

/// Bytes that no other message of the same run has.
fn bytes_of(worker: u64, turn: u64, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at as u64 * 7 + worker * 31 + turn * 3) as u8)
        .collect()
}

/// Sends and receives messages of all classes under its own match info, each verified.
fn work(endpoint: &Endpoint, to: open_mx::Address, worker: u64) {
    let lengths = [0, 30, 100, 3000, 40_000];
    let (out, back) = (Buffer::new(40_000).unwrap(), Buffer::new(40_000).unwrap());
    for turn in 0..60 {
        let length = lengths[(turn + worker) as usize % lengths.len()];
        out.write(0, &bytes_of(worker, turn, length)).unwrap();
        let receive = endpoint
            .irecv(back.part(0, length).unwrap(), worker, u64::MAX, turn)
            .unwrap();
        let synchronous = turn % 5 == 0;
        let send = endpoint
            .isend(out.part(0, length).unwrap(), to, worker, turn, synchronous)
            .unwrap();
        for request in [receive, send] {
            let limit = Duration::from_secs(30);
            let start = Instant::now();
            // A wakeup ends a wait without result.
            let status = loop {
                assert!(
                    start.elapsed() < limit,
                    "worker {worker} is stuck at {turn}"
                );
                if let Some(status) = endpoint.wait(request, Some(limit)).unwrap() {
                    break status;
                }
            };
            assert_eq!((status.code, status.context), (Code::Success, turn));
        }
        let mut received = vec![0; length];
        back.read(0, &mut received).unwrap();
        assert!(
            received == bytes_of(worker, turn, length),
            "{worker} {turn}"
        );
    }
}

/// Calls everything else, on requests that come and go meanwhile.
fn disturb(endpoint: &Endpoint, over: &std::sync::atomic::AtomicBool) {
    const NOBODYS: u64 = 1 << 40;
    let buffer = Buffer::new(8).unwrap();
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        let memory = || buffer.part(0, 8).unwrap();
        let receive = endpoint.irecv(memory(), NOBODYS, u64::MAX, 0).unwrap();
        assert_eq!(endpoint.test(receive).unwrap(), None);
        assert!(endpoint.test_any(NOBODYS, u64::MAX).unwrap().is_none());
        assert!(endpoint.iprobe(NOBODYS, u64::MAX).unwrap().is_none());
        endpoint.ipeek().unwrap();
        assert!(endpoint.cancel(receive).unwrap());
        assert_eq!(endpoint.test(receive).err(), Some(Error::Request));
        let own = endpoint.address().unwrap();
        let forgotten = endpoint.irecv(memory(), NOBODYS, u64::MAX, 0).unwrap();
        endpoint.forget(forgotten).unwrap();
        endpoint.isend(memory(), own, NOBODYS, 0, false).unwrap();
        let sent = endpoint.wait_any(NOBODYS, u64::MAX, None).unwrap();
        assert_eq!(sent.map(|status| status.code), Some(Code::Success));
        endpoint.wakeup();
        endpoint.progress().unwrap();
    }
}

#[test]
fn any_thread_may_call_anything_at_any_time() {
    let (left, right) = (open(0, 6), open(1, 6));
    let over = std::sync::atomic::AtomicBool::new(false);
    let (to_right, to_left) = std::thread::scope(|scope| {
        let back = scope.spawn(|| connect(&right, "left:0", 6));
        let there = connect(&left, "right:0", 6);
        // It answers while the other one waits.
        let end = Instant::now() + Duration::from_secs(10);
        while !back.is_finished() && Instant::now() < end {
            left.progress().unwrap();
        }
        (there, back.join().unwrap())
    });
    std::thread::scope(|scope| {
        for endpoint in [&left, &right] {
            let over = &over;
            scope.spawn(move || disturb(endpoint, over));
        }
        let sides = [(&left, to_right), (&right, to_left)];
        let workers: Vec<_> = (0..4)
            .flat_map(|worker| sides.map(|(endpoint, to)| (worker, endpoint, to)))
            .map(|(worker, endpoint, to)| scope.spawn(move || work(endpoint, to, worker)))
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended.iter().all(|end| end.is_ok()));
    });
}

/// A descriptor that an endpoint makes readable, and whether it is within so many milliseconds.
fn polled(endpoint: &Endpoint) -> impl Fn(i64) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
    let descriptor = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    endpoint
        .add_to_poll(std::os::fd::AsFd::as_fd(&descriptor))
        .unwrap();
    move |milliseconds| {
        let time = Timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        };
        let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
        poll(&mut watched, Some(&time)).unwrap() == 1
    }
}

#[test]
fn who_sleeps_elsewhere_is_woken_by_a_message_and_by_another_thread_that_finds_it() {
    let (left, right) = (open(0, 20), open(1, 20));
    let readable = polled(&right);
    let to = connect(&left, "right:0", 20);
    for another in [false, true] {
        let (bytes, place) = (Buffer::new(1).unwrap(), Buffer::new(1).unwrap());
        let receive = right.irecv(place.part(0, 1).unwrap(), 5, !0, 0).unwrap();
        // What is left of the connect, or another thread of this process, may wake it a few times.
        let sleeps = || {
            let prepared = right.prepare_sleep().unwrap();
            let sleeps = matches!(prepared, Sleep::Until(_)) && !readable(50);
            if !sleeps {
                right.awake();
            }
            sleeps
        };
        assert!((0..200).any(|_| sleeps()), "nothing has come");
        let send = left
            .isend(bytes.part(0, 1).unwrap(), to, 5, 0, false)
            .unwrap();
        if another {
            // It takes the event that would have woken the sleeper.
            let waited = || right.wait(receive, Some(Duration::from_secs(10)));
            let status = std::thread::scope(|scope| scope.spawn(waited).join().unwrap());
            assert_eq!(
                status.unwrap().map(|status| status.code),
                Some(Code::Success)
            );
            assert!(readable(5000), "the sleeper may wait for what has ended");
            right.awake();
        } else {
            assert!(readable(5000), "a message has come");
            right.awake();
            let status = right.wait(receive, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(status.map(|status| status.code), Some(Code::Success));
        }
        left.wait(send, Some(Duration::from_secs(10))).unwrap();
    }
}
