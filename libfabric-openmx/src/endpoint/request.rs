//! What a request says of another process's memory: a code in its match info, and its bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | key of the region |
//! | 8..16 | begin |
//! | 16..24 | length |
//! | 24..32 | data beside a write |
//! | 32.. | of an atomic operation, its values, then those to compare with |

use crate::atomic::{ATOMIC_MAX, Atomic, Form};

/// Bytes of the longest.
pub const REQUEST_MAX: usize = HEAD + 2 * ATOMIC_MAX;

/// Bytes of a read's or a write's.
const HEAD: usize = 32;

/// The lowest bits of the code.
const WRITES: u32 = 1;
const HAS_DATA: u32 = 2;
const ATOMIC: u32 = 4;
/// Where the numbers of an atomic operation stand there, and their bits.
const FORM: (u32, u32) = (3, 2);
const OPERATION: (u32, u32) = (5, 5);
const DATATYPE: (u32, u32) = (10, 4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub key: u64,
    pub begin: u64,
    pub length: u64,
    pub asked: Asked<'a>,
}

/// What is to be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    Read,
    Write {
        /// For the completion of whoever has the memory.
        data: Option<u64>,
    },
    /// Values of the request's length, as far as the operation has some.
    Atomic {
        atomic: Atomic,
        operands: &'a [u8],
        compares: &'a [u8],
    },
}

impl<'a> Request<'a> {
    /// Its code.
    pub fn code(&self) -> u32 {
        match self.asked {
            Asked::Read => 0,
            Asked::Write { data } => WRITES | data.map_or(0, |_| HAS_DATA),
            Asked::Atomic { atomic, .. } => {
                let at = |number: u32, (shift, _): (u32, u32)| number << shift;
                ATOMIC
                    | at(atomic.form as u32, FORM)
                    | at(atomic.operation as u32, OPERATION)
                    | at(atomic.datatype as u32, DATATYPE)
            }
        }
    }

    /// Its bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let (data, values) = match self.asked {
            Asked::Read => (0, [&[][..]; 2]),
            Asked::Write { data } => (data.unwrap_or(0), [&[][..]; 2]),
            Asked::Atomic {
                operands, compares, ..
            } => (0, [operands, compares]),
        };
        let words = [self.key, self.begin, self.length, data];
        let head = words.iter().flat_map(|word| word.to_le_bytes());
        head.chain(values.concat()).collect()
    }

    /// From both, as whoever asks has sent them; nothing for what is no request.
    pub fn parse(code: u32, bytes: &'a [u8]) -> Option<Self> {
        let (head, values) = bytes.split_at_checked(HEAD)?;
        let word = |index: usize| {
            let word = head[index * 8..].first_chunk();
            word.map_or(0, |word| u64::from_le_bytes(*word))
        };
        let length = word(2);
        let asked = if code & ATOMIC != 0 {
            let at = |(shift, bits): (u32, u32)| code >> shift & ((1 << bits) - 1);
            let form = Form::from_number(at(FORM))?;
            let atomic = Atomic::new(form, at(OPERATION), at(DATATYPE))?;
            let length = usize::try_from(length).ok()?;
            if length > ATOMIC_MAX || !length.is_multiple_of(atomic.datatype.size()) {
                return None;
            }
            let operands = if atomic.has_operand() { length } else { 0 };
            let compares = if form == Form::Compare { length } else { 0 };
            if values.len() != operands + compares {
                return None;
            }
            let (operands, compares) = values.split_at(operands);
            Asked::Atomic {
                atomic,
                operands,
                compares,
            }
        } else if !values.is_empty() {
            return None;
        } else if code & WRITES != 0 {
            let data = (code & HAS_DATA != 0).then_some(word(3));
            Asked::Write { data }
        } else {
            Asked::Read
        };
        Some(Self {
            key: word(0),
            begin: word(1),
            length,
            asked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{Datatype, Operation};

    #[test]
    fn a_request_comes_out_again_as_it_was() {
        let values: Vec<u8> = (0..=255).cycle().take(2 * ATOMIC_MAX).collect();
        let mut all = vec![Asked::Read];
        all.extend([None, Some(0), Some(u64::MAX)].map(|data| Asked::Write { data }));
        for &form in Form::ALL {
            for operation in 0..Operation::ALL.len() as u32 {
                for &datatype in Datatype::ALL {
                    let Some(atomic) = Atomic::new(form, operation, datatype as u32) else {
                        continue;
                    };
                    for count in [0, 1, atomic.count_max()] {
                        let length = count * datatype.size();
                        let of = |is: bool| if is { &values[..length] } else { &[] };
                        all.push(Asked::Atomic {
                            atomic,
                            operands: of(atomic.has_operand()),
                            compares: of(form == Form::Compare),
                        });
                    }
                }
            }
        }
        for asked in all {
            let length = match asked {
                Asked::Atomic {
                    atomic, operands, ..
                } if atomic.has_operand() => operands.len() as u64,
                Asked::Atomic { .. } => 8,
                _ => u64::MAX,
            };
            let request = Request {
                key: 1,
                begin: u64::MAX,
                length,
                asked,
            };
            let (code, bytes) = (request.code(), request.to_bytes());
            assert!(code < 1 << 18 && bytes.len() <= REQUEST_MAX);
            assert_eq!(Request::parse(code, &bytes), Some(request));
            assert_eq!(Request::parse(code, &bytes[..bytes.len() - 1]), None);
            assert_eq!(Request::parse(code, &[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn whatever_a_peer_sends_is_no_request_or_one_whose_values_are_all_there() {
        let mut seed = 1_u64;
        let mut random = move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let mut taken = 0;
        for _ in 0..50_000 {
            let values = [0, 1, 8, 16, 2 * ATOMIC_MAX][random() % 5] + random() % 3;
            let mut bytes: Vec<u8> = (0..HEAD + values).map(|_| random() as u8).collect();
            // Mostly a length that may fit.
            if !random().is_multiple_of(4) {
                let length = [values, values / 2, ATOMIC_MAX][random() % 3] as u64;
                bytes[16..24].copy_from_slice(&length.to_le_bytes());
            }
            bytes.truncate(random() % 50 + bytes.len().saturating_sub(25));
            let code = random() as u32 & 0x3_ffff;
            let Some(request) = Request::parse(code, &bytes) else {
                continue;
            };
            if let Asked::Atomic {
                atomic,
                operands,
                compares,
            } = request.asked
            {
                taken += 1;
                let length = request.length as usize;
                assert!(length <= ATOMIC_MAX && length.is_multiple_of(atomic.datatype.size()));
                let wanted = |is: bool| if is { length } else { 0 };
                assert_eq!(operands.len(), wanted(atomic.has_operand()));
                assert_eq!(compares.len(), wanted(atomic.form == Form::Compare));
                assert!(
                    Atomic::new(atomic.form, atomic.operation as u32, atomic.datatype as u32)
                        .is_some()
                );
            } else {
                assert_eq!(bytes.len(), HEAD);
            }
        }
        assert!(taken > 100, "{taken}");
    }
}
