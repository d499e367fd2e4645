//! Receivers that serve one sender after the other, whatever becomes of a sender.

mod peers;

use std::time::Duration;

use peers::{Peer, Running, receiver, tool, words};

const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");
const PINGPONG: &str = env!("CARGO_BIN_EXE_mx_pingpong");

const PERF_KEY: u32 = 0x1234_5678;
const FILTER: u32 = 0x12345;

/// A tool whose receivers serve one after the other.
#[derive(Clone, Copy)]
struct Served {
    program: &'static str,
    key: u32,
    endpoint: u32,
    /// Match info of a first message.
    first: u64,
    /// A sender's run that ends.
    short: &'static str,
    /// One that does not.
    endless: &'static str,
}

const ALL: [Served; 3] = [
    Served {
        program: PERF,
        key: PERF_KEY,
        endpoint: 20,
        first: 0x1234_5678_8765_4321,
        short: "-N 10 -W 0 -S 0 -E 70000 -M 200 -P 0",
        endless: "-N 100000000 -W 0 -S 4096 -E 4097",
    },
    Served {
        program: VERIFY,
        key: PERF_KEY,
        endpoint: 21,
        first: 1,
        short: "--iterations 3 -E 70000 -M 64",
        endless: "--iterations 100000000 -S 4096 -E 4097",
    },
    Served {
        program: PINGPONG,
        key: FILTER,
        endpoint: 22,
        first: 0x0000_2222_1111_0000,
        short: "-e 29 -N 10 -W 0 -S 0 -E 70000 -I 35000",
        endless: "-e 29 -N 100000000 -W 0 -S 4096 -E 4096",
    },
];

impl Served {
    fn sender(&self, run: &str) -> Running {
        let number = self.endpoint.to_string();
        let to = ["-w", "-d", "right:0", "-r", &number];
        tool(
            self.program,
            &[&to[..], &run.split(' ').collect::<Vec<_>>()].concat(),
        )
    }

    /// What a sender of many messages of 4096 bytes says first.
    fn parameters(&self) -> Vec<u8> {
        let (numbers, size): (&[u32], usize) = match self.program {
            PERF => (&[1000, 0, 4096, 0, 4097, 0, 2, 0, 0, 0], 44),
            VERIFY => (&[4096], 4),
            _ => (&[4096, 4097, 1, 0, 0, 1000, 0, 0, 0, 0], 108),
        };
        let mut bytes = words(numbers);
        bytes.resize(size, 0);
        bytes
    }

    /// A short run, from its begin to its end.
    fn serves(&self) {
        self.sender(self.short).succeeds();
    }
}

fn each(judge: impl Fn(Served) + Copy + Send + 'static) {
    std::thread::scope(|scope| {
        for served in ALL {
            scope.spawn(move || judge(served));
        }
    });
}

/// Long enough to be in the middle of a run; shorter or longer does no harm.
fn let_it_run() {
    std::thread::sleep(Duration::from_millis(500));
}

#[test]
fn a_receiver_serves_on_after_senders_that_are_killed_stopped_or_never_begin() {
    each(|served| {
        let _receiver = receiver(served.program, served.endpoint, &["-s", "-w"]);
        for _ in 0..3 {
            served.serves();
        }
        for _ in 0..2 {
            let killed = served.sender(served.endless);
            let_it_run();
            drop(killed);
            // At once, and from the endpoint that the other one had.
            served.serves();
        }
        let stopped = served.sender(served.endless);
        let_it_run();
        stopped.stop();
        let other_place = if served.program == PINGPONG {
            "-e 30 "
        } else {
            ""
        };
        let elsewhere = served.short.replace("-e 29 ", other_place);
        served.sender(&elsewhere).succeeds();
        drop(stopped);
        served.serves();
    });
}

#[test]
fn a_receiver_serves_on_after_senders_that_say_nothing_or_something_else_or_half() {
    each(|served| {
        let endpoint = served.endpoint + 5;
        let served = Served { endpoint, ..served };
        let short = served.short.replace("-e 29", "-e 31");
        let serves = || served.sender(&short).succeeds();
        let _receiver = receiver(served.program, endpoint, &["-s", "-w"]);
        // It connects, and never sends parameters.
        let silent = Peer::open(0, endpoint, served.key);
        silent.connect("right", endpoint);
        serves();
        drop(silent);
        // It sends something else, and something of the wrong length.
        let stranger = Peer::open(0, endpoint, served.key);
        let to = stranger.connect("right", endpoint);
        stranger.send_whatever_becomes_of_it(to, 0x5555, &[1; 100_000]);
        stranger.send(to, served.first, &[1; 3], false);
        serves();
        drop(stranger);
        // It sends a first message, and nothing more; it is gone at once, or when it has been answered.
        for seconds in [0, 1] {
            let half = Peer::open(0, endpoint, served.key);
            let to = half.connect("right", endpoint);
            half.send(to, served.first, &served.parameters(), false);
            half.idle_for(Duration::from_secs(seconds));
            drop(half);
            serves();
        }
    });
}
