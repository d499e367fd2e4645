//! virtio-net with several pairs of queues, on a tap that has as many.

use std::time::Duration;

use mx_nic::virtio::{Interrupts, VirtioOptions, open};
use mx_nic::{Armed, Fragment, Nic, Token};

use super::machine::{Machine, Messages};
use super::virtio::{Card, Wired, start};
use super::wire::Wire;
use super::{frame, until};

/// The card's end of the wire and the other one: an Ethernet and an IPv4 address.
type End = ([u8; 6], [u8; 4]);
const CARD: End = ([0x52, 0x54, 0, 0x12, 0x34, 0x56], [10, 0, 0, 1]);
const FAR: End = ([0x52, 0x54, 0, 0, 0, 2], [10, 0, 0, 2]);

/// The port of the far end.
const SERVICE: u16 = 7;

/// Bytes of the headers of a datagram.
const HEADERS: usize = 14 + 20 + 8;

/// Lengths of frames: the shortest, one of 1500 bytes, and jumbo ones.
const LENGTHS: [usize; 5] = [60, 1514, 6014, 8999, 9014];

/// A frame with a UDP datagram: by its addresses and ports the kernel knows which flow it belongs to.
fn datagram(from: (End, u16), to: (End, u16), number: u64, len: usize) -> Vec<u8> {
    let mut bytes = [to.0.0, from.0.0].concat();
    bytes.extend([0x08, 0x00]);
    let mut header = vec![0x45, 0];
    header.extend((len as u16 - 14).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend([from.0.1, to.0.1].concat());
    let checksum = checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes.extend(header);
    bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    bytes.extend((len as u16 - 34).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(&frame(number, len)[HEADERS..]);
    bytes
}

/// The checksum of an IPv4 header whose own is 0 (RFC 791 §3.1).
fn checksum(header: &[u8]) -> u16 {
    let words = header.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(folded + (folded >> 16)) as u16
}

fn outgoing(port: u16, len: usize) -> Vec<u8> {
    datagram((CARD, port), (FAR, SERVICE), port.into(), len)
}

fn incoming(port: u16, len: usize) -> Vec<u8> {
    datagram((FAR, SERVICE), (CARD, port), port.into(), len)
}

/// Whether a frame is one of the test's: the kernel's own talk on the bridge is to groups.
fn is_ours(frame: &[u8]) -> bool {
    frame[0] & 1 == 0
}

/// A card of QEMU's with several pairs of queues, and its driver.
struct Bench<'a> {
    machine: &'a Machine,
    nic: Card<'a>,
    messages: Messages,
    /// Each frame has a port of its own, so that each is a flow of its own.
    port: u16,
}

impl<'a> Bench<'a> {
    /// Opens the card, asks for `pairs`, and waits until frames pass.
    fn new(machine: &'a Machine, pairs: u16) -> Self {
        let messages = machine.enable_msi_x(1);
        let options = VirtioOptions {
            queue_pairs: pairs,
            interrupts: Interrupts::Vectors {
                configuration: 0,
                receive: 0,
                transmit: 0,
            },
            ..VirtioOptions::default()
        };
        let mut bench = Self {
            machine,
            nic: open(Wired(machine), machine, &options).expect("the card opens"),
            messages,
            port: 1024,
        };
        // The kernel's bridge hears only some time later that QEMU holds the taps.
        bench.settle();
        bench
    }

    /// Waits until a frame goes through, and forgets what came before it.
    fn settle(&mut self) {
        until("the bridge forwards", || {
            let frame = self.send_out(0, 60);
            self.nic.flush(0);
            self.take_token(0);
            std::iter::from_fn(|| self.come()).any(|came| came == frame)
        });
    }

    fn pairs(&self) -> u16 {
        let capabilities = self.nic.capabilities();
        assert_eq!(capabilities.receive_queues, capabilities.transmit_queues);
        capabilities.receive_queues
    }

    fn next_port(&mut self) -> u16 {
        self.port += 1;
        self.port
    }

    /// Puts a frame of the next port into a queue: its headers are copied, the card reads the rest in up to three pieces.
    fn send_out(&mut self, queue: u16, len: usize) -> Vec<u8> {
        let port = self.next_port();
        let frame = outgoing(port, len);
        let (head, rest) = frame.split_at(60);
        let pieces: Vec<Fragment> = rest
            .chunks(4000)
            .map(|piece| self.machine.buffer(piece))
            .collect();
        self.nic
            .transmit(queue, &[head], &pieces, Token(port.into()))
            .expect("there is room");
        frame
    }

    /// Puts a frame onto the wire, towards the card.
    fn send_in(&self, frame: &[u8]) {
        until("QEMU takes a frame", || self.machine.send(frame));
    }

    /// Waits for a token of a queue.
    fn take_token(&mut self, queue: u16) -> Token {
        let mut token = [Token::default()];
        until("a token comes back", || {
            self.nic.completed(queue, &mut token) == 1
        });
        token[0]
    }

    /// The next frame of the card's, if it comes in time.
    fn come(&self) -> Option<Vec<u8>> {
        std::iter::from_fn(|| self.machine.come_soon()).find(|frame| is_ours(frame))
    }

    /// Frames that came in, each with its queue.
    fn take(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut frames = Vec::new();
        for queue in 0..self.pairs() {
            self.nic.receive(queue, 64, &mut |frame| {
                if is_ours(frame) {
                    frames.push((queue, frame.to_vec()));
                }
            });
        }
        frames
    }

    /// Waits for a number of frames.
    fn take_all(&mut self, count: usize) -> Vec<(u16, Vec<u8>)> {
        let mut frames = Vec::new();
        until("the frames come in", || {
            frames.extend(self.take());
            frames.len() >= count
        });
        frames
    }

    /// By every pair, frames of all lengths one by one: each goes out, its token comes back by its pair, and the answer comes
    /// in by the same one (as virtio 1.2 §5.1.6.5.6 wants it), with an interrupt.
    fn question_and_answer(&mut self) {
        for (queue, len) in (0..self.pairs()).flat_map(|queue| LENGTHS.map(|len| (queue, len))) {
            let frame = self.send_out(queue, len);
            self.nic.flush(queue);
            assert_eq!(self.come(), Some(frame), "{len} bytes by pair {queue}");
            assert_eq!(self.take_token(queue), Token(self.port.into()));

            until("nothing waits", || {
                assert_eq!(self.take(), []);
                self.nic.arm(queue) == Armed::Quiet
            });
            let before = self.messages.count();
            let answer = incoming(self.port, len);
            self.send_in(&answer);
            until("the card interrupts", || self.messages.count() > before);
            self.nic.disarm(queue);
            assert_eq!(self.take_all(1), [(queue, answer)], "{len} bytes");
        }
    }

    /// On all pairs at the same time, more frames than a ring has places.
    fn bursts(&mut self) {
        for round in 0..10 {
            let mut sent: Vec<Vec<u8>> = Vec::new();
            for number in 0..32 * usize::from(self.pairs()) {
                let queue = number as u16 % self.pairs();
                sent.push(self.send_out(queue, LENGTHS[(number / 4 + round) % LENGTHS.len()]));
            }
            (0..self.pairs()).for_each(|queue| self.nic.flush(queue));
            let mut came: Vec<_> = sent.iter().map_while(|_| self.come()).collect();
            // One pair may be quicker than another.
            sent.sort_unstable();
            came.sort_unstable();
            assert!(came == sent, "{} of {} came", came.len(), sent.len());
            for number in 0..sent.len() {
                self.take_token(number as u16 % self.pairs());
            }
        }
    }

    /// Frames of many flows that the card has sent nothing of; how many came in by each pair.
    fn strangers(&mut self, flows: usize) -> Vec<usize> {
        let sent: Vec<Vec<u8>> = (0..flows)
            .map(|flow| incoming(self.next_port(), LENGTHS[flow % LENGTHS.len()]))
            .collect();
        let mut frames = Vec::new();
        for some in sent.chunks(8) {
            some.iter().for_each(|frame| self.send_in(frame));
            frames.extend(self.take_all(some.len()));
        }
        std::thread::sleep(Duration::from_millis(10));
        frames.extend(self.take());
        let mut by_pair = vec![0; self.pairs().into()];
        for (queue, _) in &frames {
            by_pair[usize::from(*queue)] += 1;
        }
        let mut came: Vec<_> = frames.into_iter().map(|(_, frame)| frame).collect();
        let mut sent = sent;
        came.sort_unstable();
        sent.sort_unstable();
        assert!(came == sent, "{} of {flows} came", came.len());
        by_pair
    }
}

/// A machine whose card and wire have that many pairs of queues.
fn machine(queues: u16) -> Machine {
    let card = "mac=52:54:00:12:34:56,mq=on,vectors=10";
    start(card, Wire::Tap { queues })
}

#[test]
fn frames_of_all_lengths_go_out_and_come_in_by_every_pair_of_qemus_card_also_after_a_recovery() {
    let machine = machine(4);
    let mut bench = Bench::new(&machine, 4);
    assert_eq!(bench.pairs(), 4);
    for recoveries in 0..3 {
        bench.question_and_answer();
        bench.bursts();
        let by_pair = bench.strangers(200);
        println!("200 flows from the wire, {recoveries} recoveries: {by_pair:?} by pair");
        assert!(by_pair.iter().all(|&frames| frames > 0), "{by_pair:?}");

        // What is on its way when the card is reset may be lost, but for the tokens.
        for queue in 0..4 {
            bench.send_out(queue, 9014);
            bench.nic.flush(queue);
        }
        bench.nic.recover().expect("it comes back");
        for queue in 0..4 {
            bench.take_token(queue);
        }
        bench.settle();
    }
    assert_eq!(bench.nic.fault(), None);
    let statistics = bench.nic.statistics();
    println!(
        "{} frames out and {} in, by 4 pairs",
        statistics.transmitted_frames, statistics.received_frames
    );
}

#[test]
fn qemus_card_gives_no_more_pairs_than_it_has_and_uses_no_more_than_were_asked_for() {
    for (has, asked, used) in [(2, 8, 2), (4, 2, 2), (4, 1, 1), (3, 4, 3)] {
        let machine = machine(has);
        let mut bench = Bench::new(&machine, asked);
        assert_eq!(bench.pairs(), used, "{asked} asked for, of {has}");
        bench.question_and_answer();
        bench.strangers(40);
        assert_eq!(bench.nic.fault(), None);
    }
}
