//! The 82576.

use mx_nic::intel::{Igb, IntelNic, Mmio, Options, open};
use mx_nic::{Armed, Fragment, LinkState, Nic, Token};

use crate::machine::{BAR, Machine};
use crate::{frame, until};

/// The registers of the card.
pub struct Wired<'a>(pub &'a Machine);

impl Mmio for Wired<'_> {
    fn read(&self, register: u32) -> u32 {
        self.0
            .ask(&format!("readl {:#x}", BAR + u64::from(register))) as u32
    }

    fn write(&mut self, register: u32, value: u32) {
        let at = BAR + u64::from(register);
        self.0.ask(&format!("writel {at:#x} {value:#x}"));
    }
}

pub type Card<'a> = IntelNic<Igb, Wired<'a>, &'a Machine>;

pub fn start() -> Machine {
    Machine::start("igb,mac=52:54:00:12:34:56,romfile=", 0)
}

fn open_card(machine: &Machine) -> Card<'_> {
    let mut nic = open(Wired(machine), machine, &Options::default()).expect("the card opens");
    until("the link comes up", || nic.link() == LinkState::Up);
    nic
}

#[test]
fn qemu_sends_and_receives_frames_of_all_lengths_past_the_end_of_its_rings() {
    let machine = start();
    let mut nic = open_card(&machine);
    let capabilities = nic.capabilities();
    assert_eq!(capabilities.mac, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    let pieces = machine.buffer(&frame(0, 9014));
    for number in 0..600u64 {
        let head = frame(number, 60 + number as usize % 1800);
        let rest = number as usize * 37 % (9014 - head.len());
        let cut = rest.min(4000);
        let fragments: Vec<Fragment> = [(0, cut), (cut, rest - cut)]
            .into_iter()
            .filter(|&(_, len)| len > 0)
            .map(|(at, len)| Fragment {
                bus: pieces.bus + at as u64,
                len: len as u32,
            })
            .collect();
        nic.transmit(0, &[&head], &fragments, Token(number))
            .expect("there is room");
        nic.flush(0);
        let expected = [&head[..], &frame(0, 9014)[..rest]].concat();
        assert_eq!(machine.come(), expected, "frame {number}");
        let mut tokens = [Token::default(); 4];
        let mut count = 0;
        until("the token comes back", || {
            count = nic.completed(0, &mut tokens);
            count > 0
        });
        assert_eq!((count, tokens[0]), (1, Token(number)));

        // Its address is that of no card: the card takes it all the same.
        assert!(machine.send(&expected));
        let mut seen = Vec::new();
        until("the frame comes in", || {
            nic.receive(0, 8, &mut |frame| seen.push(frame.to_vec())) > 0
        });
        assert_eq!(seen, [expected], "frame {number}");
    }
    assert_eq!(nic.fault(), None);
    assert_eq!(nic.arm(0), Armed::Quiet);
}
