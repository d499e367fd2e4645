//! What an interrupt of a board's channel brings.

use crate::link::InterruptView;

/// What it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// It was worth an interrupt. Xen's code slows down who sends others.
    pub useful: bool,
    /// Answers of the backend wait.
    pub answers: bool,
}

impl InterruptView {
    /// Takes the wake bits that the backend has set. `woken` is told each endpoint and how often it has been armed; it wakes
    /// those who sleep there, and says whether that was worth it.
    pub fn interrupt(&self, mut woken: impl FnMut(u8, u32) -> bool) -> Brought {
        let mut useful = false;
        for group in 0..4 {
            let mut bits = self.doorbells.take_woken(group);
            while bits != 0 {
                let endpoint = (group as u32 * 64 + bits.trailing_zeros()) as u8;
                bits &= bits - 1;
                useful |= woken(endpoint, self.armed.get(endpoint));
            }
        }
        let answers = self.responses.waiting();
        Brought {
            useful: useful | answers,
            answers,
        }
    }
}
