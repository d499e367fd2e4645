//! Commands (§5.1.6.5), and whose frames come in.

use super::{Device, F_CTRL_RX, F_MULTI_QUEUE, MAC};
use crate::model::{dma, refuse};

/// Answers of the device.
const OK: u8 = 0;
const ERROR: u8 = 1;

/// Addresses that the device compares with: as many as QEMU's. Beyond, it takes all of a kind.
const MOST: usize = 64;

/// Whose frames come in.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub promiscuous: bool,
    all_unicast: bool,
    all_multicast: bool,
    overflows: bool,
    pub unicast: Vec<[u8; 6]>,
    pub multicast: Vec<[u8; 6]>,
}

impl Device {
    /// Whether a frame comes in (§5.1.6.5.1, §5.1.6.5.2). Without receive modes, all do.
    pub(super) fn wants(&self, frame: &[u8]) -> bool {
        let wanted = &self.wanted;
        let Some(to) = frame.first_chunk::<6>() else {
            return false;
        };
        !self.has(F_CTRL_RX)
            || wanted.promiscuous
            || *to == [0xff; 6]
            || if to[0] & 1 != 0 {
                wanted.all_multicast || wanted.overflows || wanted.multicast.contains(to)
            } else {
                wanted.all_unicast || *to == MAC || wanted.unicast.contains(to)
            }
    }

    /// Obeys the commands that are there.
    pub(super) fn command(&mut self) {
        let number = self.control_queue();
        if !self.runs(number) || self.faults.silent {
            return;
        }
        while let Some((head, pieces)) = self.queues[number].pop() {
            let Some((answer, command)) = pieces.split_last() else {
                refuse!("a command without pieces");
            };
            if !answer.writable || answer.len != 1 {
                refuse!("the answer to a command is one byte to be written (§5.1.6.5)");
            }
            let Some(bytes) = self.read(command) else {
                return;
            };
            let obeyed = match self.faults.answer {
                Some(answer) => answer,
                None => self.obey(&bytes),
            };
            dma::write(answer.bus, &[obeyed]);
            self.queues[number].push(vec![(head.into(), 1)], false);
        }
        self.queues[number].fall_asleep();
    }

    fn obey(&mut self, command: &[u8]) -> u8 {
        let [class, number, argument @ ..] = command else {
            refuse!("a command of {} bytes (§5.1.6.5)", command.len());
        };
        let needed = match class {
            0 | 1 => F_CTRL_RX,
            4 => F_MULTI_QUEUE,
            _ => refuse!("a command of class {class}, which the driver knows nothing of"),
        };
        if !self.has(needed) {
            refuse!("a command of class {class} without its feature (§5.1.6.5)");
        }
        match (class, number, argument) {
            (0, 0, [on @ (0 | 1)]) => self.wanted.promiscuous = *on == 1,
            (0, 1, [on @ (0 | 1)]) => self.wanted.all_multicast = *on == 1,
            (1, 0, tables) => self.set_tables(tables),
            (4, 0, [low, high]) => {
                let pairs = usize::from(u16::from_le_bytes([*low, *high]));
                if !(1..=self.most_pairs).contains(&pairs) {
                    return ERROR;
                }
                self.pairs = pairs;
            }
            _ => refuse!("command {number} of class {class} with {argument:x?}"),
        }
        OK
    }

    /// Two tables, each with its length (§5.1.6.5.2).
    fn set_tables(&mut self, tables: &[u8]) {
        let (unicast, rest) = table(tables);
        let (multicast, rest) = table(rest);
        if !rest.is_empty() {
            refuse!("{} bytes behind the tables (§5.1.6.5.2)", rest.len());
        }
        if unicast.iter().any(|address| address[0] & 1 != 0)
            || multicast.iter().any(|address| address[0] & 1 == 0)
        {
            refuse!("an address in the wrong table (§5.1.6.5.2)");
        }
        self.wanted.all_unicast = unicast.len() > MOST;
        self.wanted.overflows = unicast.len() + multicast.len() > MOST;
        self.wanted.unicast = unicast;
        self.wanted.multicast = multicast;
    }
}

fn table(bytes: &[u8]) -> (Vec<[u8; 6]>, &[u8]) {
    let Some((count, rest)) = bytes.split_first_chunk::<4>() else {
        refuse!("a table of addresses without its length (§5.1.6.5.2)");
    };
    let count = u32::from_le_bytes(*count) as usize;
    if rest.len() < 6 * count {
        refuse!(
            "a table of {count} addresses in {} bytes (§5.1.6.5.2)",
            rest.len()
        );
    }
    let (addresses, rest) = rest.split_at(6 * count);
    let (addresses, _) = addresses.as_chunks::<6>();
    (addresses.to_vec(), rest)
}
