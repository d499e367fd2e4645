//! What the messages contain, and how it is checked.

use omx_tools::zeroed;
use open_mx::{Buffer, Error};

/// Bytes before and after a message that nobody may touch.
pub const GUARD: usize = 256;
const GUARD_BYTE: u8 = 0xa5;

/// Byte `i` of a message with this match info.
fn byte(i: usize, match_info: u64) -> u8 {
    (i ^ (i >> 8) ^ (i >> 16)) as u8 ^ match_info as u8
}

/// A message's place between two guards.
pub struct Guarded {
    pub buffer: Buffer,
    scratch: Vec<u8>,
}

impl Guarded {
    /// For messages of up to `longest` bytes.
    pub fn new(longest: u32) -> Result<Self, Error> {
        let size = longest as usize + 2 * GUARD;
        Ok(Self {
            buffer: Buffer::new(size)?,
            scratch: zeroed(size)?,
        })
    }

    /// Fills in a message and its guards.
    pub fn fill(&mut self, length: usize, match_info: u64) -> Result<(), Error> {
        let all = self.all(length)?;
        all.fill(GUARD_BYTE);
        for (i, place) in all[GUARD..GUARD + length].iter_mut().enumerate() {
            *place = byte(i, match_info);
        }
        self.buffer.write(0, &self.scratch[..length + 2 * GUARD])
    }

    /// Makes room for a message that differs from it in every byte, and sets the guards.
    pub fn clear(&mut self, length: usize, match_info: u64) -> Result<(), Error> {
        self.fill(length, match_info ^ 0xff)
    }

    /// The first position that is wrong, counted from the start of the message.
    pub fn first_error(&mut self, length: usize, match_info: u64) -> Result<Option<isize>, Error> {
        self.all(length)?;
        let all = &mut self.scratch[..length + 2 * GUARD];
        self.buffer.read(0, all)?;
        let wrong = all.iter().enumerate().position(|(at, found)| {
            let expected = if (GUARD..GUARD + length).contains(&at) {
                byte(at - GUARD, match_info)
            } else {
                GUARD_BYTE
            };
            *found != expected
        });
        Ok(wrong.map(|at| at.cast_signed() - GUARD.cast_signed()))
    }

    fn all(&mut self, length: usize) -> Result<&mut [u8], Error> {
        let end = length.checked_add(2 * GUARD).ok_or(Error::Memory)?;
        self.scratch.get_mut(..end).ok_or(Error::Memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_found_in_the_message_and_beside_it() {
        let mut place = Guarded::new(1000).unwrap();
        place.fill(700, 0x42).unwrap();
        assert_eq!(place.first_error(700, 0x42), Ok(None));
        assert_eq!(place.first_error(700, 0x43), Ok(Some(0)));
        place
            .buffer
            .write(GUARD + 699, &[byte(699, 0x42) ^ 1])
            .unwrap();
        assert_eq!(place.first_error(700, 0x42), Ok(Some(699)));
        place.fill(700, 0x42).unwrap();
        place.buffer.write(GUARD + 700, &[0]).unwrap();
        assert_eq!(place.first_error(700, 0x42), Ok(Some(700)));
        place.fill(700, 0x42).unwrap();
        place.buffer.write(GUARD - 1, &[0]).unwrap();
        assert_eq!(place.first_error(700, 0x42), Ok(Some(-1)));
    }

    #[test]
    fn a_cleared_place_has_no_right_byte() {
        let mut place = Guarded::new(64).unwrap();
        place.clear(64, 7).unwrap();
        let mut bytes = [0; 64];
        place.buffer.read(GUARD, &mut bytes).unwrap();
        assert!(
            bytes
                .iter()
                .enumerate()
                .all(|(i, found)| *found != byte(i, 7))
        );
    }
}
