//! How long to look before sleeping, learnt from the own recent waits: a process cannot know whether what it waits for
//! runs on another processor, or waits for this one.

/// Looks of the longest spin.
const MOST: u32 = 2000;
/// Looks of the shortest.
const FEWEST: u32 = 8;
/// Every so many waits the longest spin is tried: the other side may have got a processor of its own.
const PROBE: u32 = 64;

/// The looks that the next wait may take.
#[derive(Debug)]
pub struct Spin {
    looks: u32,
    waits: u32,
}

impl Spin {
    /// Begins with the longest spin.
    pub fn new() -> Self {
        Self {
            looks: MOST,
            waits: 0,
        }
    }

    /// The looks of a wait that begins now.
    pub fn begin(&mut self) -> u32 {
        self.waits = self.waits.wrapping_add(1);
        if self.waits.is_multiple_of(PROBE) {
            MOST
        } else {
            self.looks
        }
    }

    /// That wait found what it waited for while it looked.
    pub fn paid(&mut self) {
        self.looks = (self.looks * 2).min(MOST);
    }

    /// That wait looked in vain, and slept.
    pub fn in_vain(&mut self) {
        self.looks = (self.looks / 2).max(FEWEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_in_vain_become_short_and_one_in_64_tries_the_longest() {
        let mut spin = Spin::new();
        for _ in 0..20 {
            spin.begin();
            spin.in_vain();
        }
        let looks: Vec<u32> = (0..64).map(|_| spin.begin()).collect();
        assert_eq!(looks.iter().filter(|looks| **looks == MOST).count(), 1);
        assert_eq!(looks.iter().filter(|looks| **looks == FEWEST).count(), 63);
    }

    #[test]
    fn waits_that_pay_become_long_again() {
        let mut spin = Spin::new();
        for _ in 0..20 {
            spin.in_vain();
        }
        for _ in 0..20 {
            spin.paid();
        }
        assert_eq!(spin.begin(), MOST);
    }
}
