//! A block of a pull: which of its frames are missing, and which of them are to be asked for.

use core::ops::Range;

use crate::time::Instant;

/// Requests at most by which the missing frames of a block are asked for again.
const PIECES: usize = 4;

/// Consecutive frames. The first request asks for all of them, later ones only for those that are missing: to a replier
/// any run of frames is a block (wire.md §6.8).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub start: u32,
    frames: u8,
    /// A bit per frame. Zero: the block is complete.
    pub missing: u64,
    /// The frames that are still to be asked for.
    pub wanted: u64,
    /// It was asked for early, for the second time within a retry period.
    pub again: bool,
    /// When it was asked for, until the first answer; unknown once it was asked for twice.
    pub asked_at: Option<Instant>,
    repeated: bool,
}

impl Block {
    pub fn new(start: u32, frames: u32) -> Self {
        let all = u64::MAX.checked_shr(64 - frames).unwrap_or(0);
        Self {
            start,
            frames: frames as u8,
            missing: all,
            wanted: all,
            ..Self::default()
        }
    }

    const fn end(&self) -> u32 {
        self.start + self.frames as u32
    }

    pub fn bit(&self, frame: u32) -> Option<u64> {
        (self.start..self.end())
            .contains(&frame)
            .then(|| 1 << (frame - self.start))
    }

    pub fn ask_again(&mut self) {
        self.wanted = in_few_pieces(self.missing);
        self.repeated = true;
        self.asked_at = None;
    }

    /// The first run of frames that are to be asked for.
    pub fn next_run(&self) -> Option<Range<u32>> {
        let run = runs(self.wanted).next()?;
        let first = self.start + run.trailing_zeros();
        Some(first..first + run.count_ones())
    }

    /// These frames were asked for.
    pub fn asked(&mut self, now: Instant, run: &Range<u32>) {
        for frame in run.clone() {
            self.wanted &= !self.bit(frame).unwrap_or(0);
        }
        if !self.repeated {
            self.asked_at = Some(now);
        }
    }
}

/// The same frames, and others between them, so that there are at most [`PIECES`] runs.
fn in_few_pieces(missing: u64) -> u64 {
    let mut wanted = missing;
    while runs(wanted).count() > PIECES {
        let inside = u64::MAX << wanted.trailing_zeros() & u64::MAX >> wanted.leading_zeros();
        let gap = runs(!wanted & inside).min_by_key(|gap| gap.count_ones());
        wanted |= gap.unwrap_or(inside);
    }
    wanted
}

/// The runs of ones in a word, each as a word.
fn runs(mut bits: u64) -> impl Iterator<Item = u64> {
    core::iter::from_fn(move || {
        let lowest = bits & bits.wrapping_neg();
        // The carry of the addition runs through the run and clears it.
        let run = bits & !bits.wrapping_add(lowest);
        bits &= !run;
        (run != 0).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_asked_for_again_by_at_most_four_requests() {
        let all = |frames: u64| runs(frames).count();
        for missing in [
            0x5555_5555_5555_5555,
            0x8000_0000_0000_0001,
            0xf0f0_0001_0101_0101,
            u64::MAX,
            1 << 63,
            0b1101_1011_0111_0000_0001,
        ] {
            let wanted = in_few_pieces(missing);
            assert_eq!(wanted & missing, missing);
            assert!((1..=4).contains(&all(wanted)), "{missing:x}: {wanted:x}");
            if all(missing) <= 4 {
                assert_eq!(wanted, missing);
            }
        }
        // The smallest gaps are filled, the large one stays.
        assert_eq!(
            in_few_pieces(0b1_0000_1010_1010_1001),
            0b1_0000_1011_1111_1001
        );
    }
}
