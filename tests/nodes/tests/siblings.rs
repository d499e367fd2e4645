//! Processes with several endpoints that wait on one of them.

mod common;

use std::time::Duration;

use common::{connect, open, pair, process};
use lossy::LossyWire;
use nodes::{Child, Pair, TIMEOUT};
use open_mx::{Address, Buffer, Code, Endpoint};

/// Two endpoints of this process, towards a process that returns on its first endpoint what it receives on its second.
struct Rails {
    first: Endpoint,
    second: Endpoint,
    to: Address,
    buffer: Buffer,
    _far: Child,
}

const LONGEST: usize = 300_000;

impl Rails {
    fn of(pair: &Pair) -> Self {
        let far = process(&["return", pair.right.socket(), "3"]);
        let (first, second) = (open(&pair.left, 0), open(&pair.left, 0));
        let to = connect(&second, "right", 4);
        Self {
            first,
            second,
            to,
            buffer: Buffer::new(2 * LONGEST).unwrap(),
            _far: far,
        }
    }

    /// Sends on the second endpoint and waits on the first one alone for what comes back.
    fn exchange(&self, length: usize, timeout: Duration) {
        let pattern: Vec<u8> = (0..length).map(|i| (i * 3 + length) as u8).collect();
        let out = self.buffer.part(0, length).unwrap();
        self.buffer.write(0, &pattern).unwrap();
        self.buffer.write(LONGEST, &vec![0; length]).unwrap();
        let own = self.first.address().unwrap().endpoint.into();
        let back = self.buffer.part(LONGEST, length).unwrap();
        let receive = self.first.irecv(back, 0, 0, 0).unwrap();
        let send = self.second.isend(out, self.to, own, 0, false).unwrap();
        let status = self.first.wait(receive, Some(timeout)).unwrap();
        let status = status.expect("an answer on the other endpoint, in time");
        assert_eq!(
            (status.code, status.transferred as usize),
            (Code::Success, length)
        );
        let mut came = vec![0; length];
        self.buffer.read(LONGEST, &mut came).unwrap();
        assert!(came == pattern, "{length} bytes came back changed");
        let sent = self
            .second
            .wait(send, Some(timeout))
            .unwrap()
            .expect("in time");
        assert_eq!(sent.code, Code::Success);
    }
}

#[test]
fn a_process_that_waits_on_one_endpoint_answers_connects_and_sends_long_messages_on_another() {
    let pair = pair(&[]);
    let rails = Rails::of(&pair);
    for length in [8, 300, 40_000, LONGEST, 8] {
        rails.exchange(length, TIMEOUT);
    }
}

#[test]
fn on_a_wire_that_loses_5_percent_what_another_endpoint_lost_is_sent_again_while_a_process_waits() {
    let pair = Pair::over(common::NODE, &[], 5);
    let rails = Rails::of(&pair);
    for round in 0..150 {
        let length = if round % 10 == 0 { 40_000 } else { 8 };
        rails.exchange(length, TIMEOUT);
    }
    let lost = pair.wire.as_ref().map_or(0, LossyWire::lost);
    assert!(lost > 10, "only {lost} frames were lost");
}
