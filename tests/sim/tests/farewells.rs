//! Endpoints that are closed as soon as they have received everything, on a bad wire.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Memory, PartnerKey, RequestKey, Selection};
use mx_ring::Geometry;
use mx_ring::mapping::Memfd;
use mx_testnet::Faults;
use mx_wire::Format;
use sim::{BoardPlace, Fabric, connect_all};

/// Endpoints of each side.
const PAIRS: usize = 12;
/// Bytes of the messages that each sends to the other side's endpoint of the same number: short, one that asks the
/// receiver first, and long ones, which are fetched.
const LENGTHS: [usize; 5] = [20, 0, 5_000, 40_000, 100_000];
const ASKS: usize = 1;
/// Long beyond what a lost acknowledgement may cost.
const WITHIN: Duration = Duration::from_secs(120);

fn memory(length: usize) -> Memory {
    let memory = Arc::new(Memfd::create("sim farewell", length.max(1)).expect("memory"));
    let part = memory.slice().part(0, length).expect("own memory");
    Memory::owned(part, memory).expect("less than 4 GiB")
}

struct Run {
    fabric: Fabric,
    /// What each sender waits for.
    sends: Vec<(usize, RequestKey)>,
    /// What each receiver waits for, until it closes.
    receives: Vec<(usize, Vec<RequestKey>)>,
}

impl Run {
    /// Senders in the first backend, receivers in the second one, connected by a good wire.
    fn start(format: Format, seed: u64) -> Self {
        let mut fabric = Fabric::new(format, &[1, 1], Faults::default(), seed);
        let open = |fabric: &mut Fabric, backend, pair: usize| {
            let place = BoardPlace { backend, board: 0 };
            let session = seed as u32 * 1000 + (backend * PAIRS + pair) as u32 + 1;
            fabric.open(place, pair as u8, session, Geometry::default())
        };
        let senders: Vec<usize> = (0..PAIRS).map(|pair| open(&mut fabric, 0, pair)).collect();
        let receivers: Vec<usize> = (0..PAIRS).map(|pair| open(&mut fabric, 1, pair)).collect();
        let pairs: Vec<(usize, usize)> = senders.into_iter().zip(receivers).collect();
        let partners = connect_all(&mut fabric, &pairs, WITHIN);
        let mut run = Self {
            fabric,
            sends: Vec::new(),
            receives: Vec::new(),
        };
        for pair in pairs {
            run.post(pair, partners[&pair]);
        }
        run
    }

    fn post(&mut self, (from, to): (usize, usize), partner: PartnerKey) {
        let receiver = &mut self.fabric.processes[to].1;
        let receive = |length: &usize| {
            let (engine, port) = (&mut receiver.engine, &mut receiver.port);
            engine.receive(memory(*length), Selection::new(0, 0), 0, port)
        };
        self.receives
            .push((to, LENGTHS.iter().map(receive).collect()));
        let sender = &mut self.fabric.processes[from].1;
        for (place, length) in LENGTHS.iter().enumerate() {
            let (engine, port) = (&mut sender.engine, &mut sender.port);
            let send = engine.send(partner, memory(*length), 0, 0, place == ASKS, port);
            self.sends.push((from, send));
        }
    }

    /// Lets every receiver close its endpoint as soon as it has everything; how the sends ended.
    fn finish(mut self) -> Vec<Option<Code>> {
        let mut codes = vec![None; self.sends.len()];
        let end = self.fabric.elapsed() + WITHIN;
        while codes.contains(&None) && self.fabric.elapsed() < end {
            self.fabric.step(Some(Duration::from_micros(200)));
            let fabric = &mut self.fabric;
            self.receives.retain(|(process, requests)| {
                let engine = &fabric.processes[*process].1.engine;
                let all = requests.iter().all(|it| engine.is_done(*it) == Some(true));
                if all {
                    fabric.close(*process);
                }
                !all
            });
            for (code, (process, request)) in codes.iter_mut().zip(&self.sends) {
                if code.is_none() {
                    let engine = &mut fabric.processes[*process].1.engine;
                    *code = engine.take_done(*request).map(|outcome| outcome.code);
                }
            }
        }
        assert!(self.receives.is_empty(), "something was not received");
        codes
    }
}

#[test]
fn no_sender_ends_with_an_error_when_its_receiver_has_everything_and_closes() {
    let formats = [
        Format::native(9000).unwrap(),
        Format::native(1500).unwrap(),
        Format::mx_wire(),
    ];
    for (seed, format) in (1..=12).zip(formats.into_iter().cycle()) {
        let mut run = Run::start(format, seed);
        run.fabric.set_faults(Faults {
            loss: 5,
            ..Faults::default()
        });
        let codes = run.finish();
        let wrong: Vec<_> = codes
            .iter()
            .filter(|it| **it != Some(Code::Success))
            .collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    }
}
