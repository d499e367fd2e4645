//! Which message lengths a run measures.

/// From a first length up to an end, which is not reached; each is the last times a factor plus an increment.
#[derive(Clone, Debug)]
pub struct Lengths {
    next: Option<u64>,
    end: u64,
    factor: u64,
    increment: u64,
}

impl Lengths {
    /// After a length of 0 comes the increment, or 1 if that is 0 too.
    pub fn new(first: u64, end: u64, factor: u64, increment: u64) -> Self {
        Self {
            next: Some(first),
            end,
            factor,
            increment,
        }
    }
}

impl Iterator for Lengths {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let length = self.next.filter(|length| *length < self.end)?;
        let following = match length {
            0 => Some(self.increment.max(1)),
            _ => length
                .checked_mul(self.factor)
                .and_then(|l| l.checked_add(self.increment)),
        };
        // A factor of 1 without increment would measure one length for ever.
        self.next = following.filter(|following| *following > length);
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_go_from_0_to_4_mib_by_doubling() {
        let lengths: Vec<u64> = Lengths::new(0, 4_194_305, 2, 0).collect();
        assert_eq!(lengths.len(), 24);
        assert_eq!(&lengths[..4], [0, 1, 2, 4]);
        assert_eq!(lengths.last(), Some(&(4 << 20)));
    }

    #[test]
    fn a_run_that_does_not_grow_ends() {
        assert_eq!(Lengths::new(8, 100, 1, 0).count(), 1);
        assert_eq!(Lengths::new(8, 100, 0, 0).count(), 1);
        assert_eq!(Lengths::new(u64::MAX - 1, u64::MAX, 2, 0).count(), 1);
    }
}
