//! What the sender tells the receiver at the beginning (api.md §6).

/// Bytes of the parameter message.
pub const SIZE: usize = 44;

/// Lengths and counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub iterations: u32,
    pub warmup: u32,
    pub min: u64,
    /// Exclusive.
    pub max: u64,
    pub multiplier: u64,
    pub increment: u64,
    pub align: bool,
    pub unidirectional: bool,
    pub synchronous: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            iterations: 1000,
            warmup: 10,
            min: 0,
            max: 4_194_305,
            multiplier: 2,
            increment: 0,
            align: false,
            unidirectional: false,
            synchronous: false,
        }
    }
}

impl Parameters {
    /// As it is sent: two 32-bit and four 64-bit big-endian numbers, then the flags. (Native nodes send the high half of
    /// a long number first: capture 10-omx_perf.)
    pub fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..4].copy_from_slice(&self.iterations.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.warmup.to_be_bytes());
        let long = [self.min, self.max, self.multiplier, self.increment];
        for (place, value) in bytes[8..40].chunks_exact_mut(8).zip(long) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes[40..43].copy_from_slice(&[
            self.align.into(),
            self.unidirectional.into(),
            self.synchronous.into(),
        ]);
        bytes
    }

    /// As it came.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[index * 4..index * 4 + 4]);
            u32::from_be_bytes(word)
        };
        let long = |index| u64::from(word(index)) << 32 | u64::from(word(index + 1));
        Self {
            iterations: word(0),
            warmup: word(1),
            min: long(2),
            max: long(4),
            multiplier: long(6),
            increment: long(8),
            align: bytes[40] != 0,
            unidirectional: bytes[41] != 0,
            synchronous: bytes[42] != 0,
        }
    }

    /// The lengths of the run. It ends when the next length would not be larger.
    pub fn lengths(self) -> impl Iterator<Item = u64> {
        let next = move |length: u64| {
            let next = if length == 0 {
                self.increment.max(1)
            } else {
                length
                    .saturating_mul(self.multiplier)
                    .saturating_add(self.increment)
            };
            (next > length).then_some(next)
        };
        std::iter::successors(Some(self.min), move |length| next(*length))
            .take_while(move |length| *length < self.max)
    }

    /// The longest length of the run.
    pub fn longest(self) -> u64 {
        self.lengths().last().unwrap_or(0)
    }
}

impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "iter={}, warmup={}, min={}, max={}, mult={}, incr={}, unidir={}",
            self.iterations,
            self.warmup,
            self.min,
            self.max,
            self.multiplier,
            self.increment,
            u8::from(self.unidirectional)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_are_those_of_the_native_tool() {
        let parameters = Parameters {
            max: 40_000,
            multiplier: 8,
            ..Parameters::default()
        };
        let lengths: Vec<u64> = parameters.lengths().collect();
        assert_eq!(lengths, [0, 1, 8, 64, 512, 4096, 32768]);
        assert_eq!(Parameters::default().longest(), 4 << 20);
    }

    #[test]
    fn a_multiplier_of_1_without_increment_ends() {
        let parameters = Parameters {
            min: 5,
            multiplier: 1,
            ..Parameters::default()
        };
        assert_eq!(parameters.lengths().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_native_senders_message_is_read_as_it_was_meant() {
        // The 44 bytes of `omx_perf -N 2 -W 1 -S 0 -E 40000 -M 8`, captured (the last byte is an uninitialised pad).
        let mut captured = [0; SIZE];
        for (at, byte) in [(3, 2), (7, 1), (22, 0x9c), (23, 0x40), (31, 8), (43, 0x0c)] {
            captured[at] = byte;
        }
        let parameters = Parameters::from_bytes(&captured);
        assert_eq!((parameters.iterations, parameters.warmup), (2, 1));
        let lengths: Vec<u64> = parameters.lengths().collect();
        assert_eq!(lengths, [0, 1, 8, 64, 512, 4096, 32768]);
        assert_eq!(parameters.to_bytes()[..43], captured[..43]);
    }

    #[test]
    fn parameters_survive_the_message() {
        let parameters = Parameters {
            min: 0x1_0000_0002,
            unidirectional: true,
            ..Parameters::default()
        };
        assert_eq!(Parameters::from_bytes(&parameters.to_bytes()), parameters);
    }
}
