//! Sequence numbers of the library: 2 bits that count the relations of a partner, 14 bits that count its messages.

/// Messages before a sequence repeats.
const MODULUS: u16 = 1 << 14;

/// A sequence number as it is on the wire (protocol.md §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(u16);

impl Sequence {
    /// A new relation starts here: session number 0, sequence 1.
    pub const FIRST: Self = Self(1);

    /// From the wire.
    #[inline]
    pub const fn from_wire(value: u16) -> Self {
        Self(value)
    }

    /// To the wire.
    #[inline]
    pub const fn to_wire(self) -> u16 {
        self.0
    }

    /// The number after this one, of the same relation.
    #[must_use]
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0 & !(MODULUS - 1) | (self.0.wrapping_add(1) & (MODULUS - 1)))
    }

    /// The number before this one, of the same relation.
    #[must_use]
    #[inline]
    pub const fn previous(self) -> Self {
        Self(self.0 & !(MODULUS - 1) | (self.0.wrapping_sub(1) & (MODULUS - 1)))
    }

    /// How far this number is after `earlier`, modulo 2^14.
    #[inline]
    pub const fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0) & (MODULUS - 1)
    }

    /// Whether this number comes before `other`: by less than half of all numbers.
    #[inline]
    pub const fn is_before(self, other: Self) -> bool {
        let ahead = other.since(self);
        ahead != 0 && ahead < MODULUS / 2
    }

    /// Whether both belong to the same relation.
    #[inline]
    pub const fn same_relation(self, other: Self) -> bool {
        self.0 & !(MODULUS - 1) == other.0 & !(MODULUS - 1)
    }

    /// Where a following relation starts: the session number is counted on and the low bits are scrambled, so that
    /// nothing of the old relation fits (protocol.md §9).
    #[must_use]
    #[inline]
    pub const fn next_relation(self, scramble: u16) -> Self {
        let relation = (self.0 & !(MODULUS - 1)).wrapping_add(MODULUS);
        Self(relation | ((self.0 ^ scramble) & (MODULUS - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_on_stays_in_the_relation() {
        let last = Sequence::from_wire(0x7fff);
        assert_eq!(last.next(), Sequence::from_wire(0x4000));
        assert!(last.next().same_relation(last));
        assert_eq!(last.next().previous(), last);
        assert_eq!(last.next().since(last), 1);
    }

    #[test]
    fn a_following_relation_has_the_next_session_number_modulo_4() {
        let next = Sequence::from_wire(0xc001).next_relation(0x30f0);
        assert_eq!(next, Sequence::from_wire(0x30f1));
        assert!(!next.same_relation(Sequence::from_wire(0xc001)));
    }
}
