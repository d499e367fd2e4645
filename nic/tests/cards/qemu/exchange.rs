//! Frames through a card of QEMU and back.

use mx_nic::{Fragment, Nic, Token};

use super::machine::Machine;
use super::{frame, until};

/// Sends 600 frames of all lengths, more than a ring has places, and receives each of them.
pub fn all_lengths(machine: &Machine, nic: &mut impl Nic, card: &str) {
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
        assert_eq!(machine.come(), expected, "{card}: frame {number}");
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
        assert_eq!(seen, [expected], "{card}: frame {number}");
    }
}
