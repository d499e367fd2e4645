//! The 44 bytes that the sender sends first. They come from the network: the receiver checks them.

use super::Lengths;

/// Bytes of the parameter message.
pub const PARAMETERS_SIZE: usize = 44;

/// A message length that a peer may ask for at most: Open-MX lengths have 32 bits.
const LENGTH_MAX: u64 = u32::MAX as u64;

/// What both ends must do alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Measured iterations per length.
    pub iterations: u32,
    /// Iterations before them.
    pub warmup: u32,
    /// First length.
    pub min: u64,
    /// End of the lengths, exclusive.
    pub max: u64,
    /// Factor between lengths.
    pub multiplier: u64,
    /// Added after it.
    pub increment: u64,
    /// Whether buffers start at a multiple of 64 KiB.
    pub align: bool,
    /// Whether replies are empty.
    pub unidirectional: bool,
    /// Whether sends are synchronous.
    pub synchronous: bool,
}

/// Why a peer's parameters cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParametersError {
    /// Not 44 bytes.
    Size(usize),
    /// Lengths beyond 32 bits.
    TooLong(u64),
}

impl std::fmt::Display for ParametersError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size(size) => write!(
                f,
                "a parameter message of {size} bytes instead of {PARAMETERS_SIZE}"
            ),
            Self::TooLong(length) => write!(f, "a peer that asks for messages of {length} bytes"),
        }
    }
}

impl std::error::Error for ParametersError {}

impl Parameters {
    /// The lengths to measure.
    pub fn lengths(&self) -> Lengths {
        Lengths::new(self.min, self.max, self.multiplier, self.increment)
    }

    /// As it is sent: two 32-bit and four 64-bit big-endian numbers, three flags, a pad (as
    /// native nodes do: capture 10-omx_perf).
    pub fn to_bytes(&self) -> [u8; PARAMETERS_SIZE] {
        let mut bytes = [0; PARAMETERS_SIZE];
        bytes[0..4].copy_from_slice(&self.iterations.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.warmup.to_be_bytes());
        let wide = [self.min, self.max, self.multiplier, self.increment];
        for (value, place) in wide.iter().zip(bytes[8..40].chunks_exact_mut(8)) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes[40] = self.align.into();
        bytes[41] = self.unidirectional.into();
        bytes[42] = self.synchronous.into();
        bytes
    }

    /// What a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParametersError> {
        let bytes: &[u8; PARAMETERS_SIZE] = bytes
            .try_into()
            .map_err(|_| ParametersError::Size(bytes.len()))?;
        let word = |i: usize| {
            u32::from_be_bytes([
                bytes[4 * i],
                bytes[4 * i + 1],
                bytes[4 * i + 2],
                bytes[4 * i + 3],
            ])
        };
        let wide = |i: usize| u64::from(word(i)) << 32 | u64::from(word(i + 1));
        let parameters = Self {
            iterations: word(0),
            warmup: word(1),
            min: wide(2),
            max: wide(4),
            multiplier: wide(6),
            increment: wide(8),
            align: bytes[40] != 0,
            unidirectional: bytes[41] != 0,
            synchronous: bytes[42] != 0,
        };
        match parameters.max {
            max if max > LENGTH_MAX + 1 => Err(ParametersError::TooLong(max)),
            _ => Ok(parameters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_native_senders_message_is_read_as_it_was_meant() {
        // The 44 bytes of `omx_perf -N 2 -W 1 -S 0 -E 40000 -M 8`, captured (the last byte is an uninitialised pad).
        let mut captured = [0; PARAMETERS_SIZE];
        for (at, byte) in [(3, 2), (7, 1), (22, 0x9c), (23, 0x40), (31, 8), (43, 0x0c)] {
            captured[at] = byte;
        }
        let parameters = Parameters::from_bytes(&captured).unwrap();
        assert_eq!((parameters.iterations, parameters.warmup), (2, 1));
        assert_eq!(
            parameters.lengths().collect::<Vec<_>>(),
            [0, 1, 8, 64, 512, 4096, 32768]
        );
        assert_eq!(parameters.to_bytes()[..43], captured[..43]);
    }

    proptest! {
        #[test]
        fn parameters_survive_the_message(
            iterations: u32, warmup: u32, min: u64, max in 0..=LENGTH_MAX + 1, multiplier: u64, increment: u64,
            flags: [bool; 3],
        ) {
            let [align, unidirectional, synchronous] = flags;
            let sent = Parameters {
                iterations, warmup, min, max, multiplier, increment, align, unidirectional, synchronous,
            };
            prop_assert_eq!(Parameters::from_bytes(&sent.to_bytes()), Ok(sent));
        }

        #[test]
        fn any_bytes_are_parameters_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(parameters) = Parameters::from_bytes(&bytes) {
                // Whatever a peer asks for, its lengths come to an end.
                prop_assert!(parameters.lengths().take(3).all(|length| length <= LENGTH_MAX));
            }
        }
    }
}
