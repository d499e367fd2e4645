//! What verified messages contain: big-endian numbers of 32 bits that count up from 1 over all messages (api.md §8).

use omx_tools::line::Failure;
use omx_tools::zeroed;
use open_mx::Buffer;

const WORD: usize = 4;

/// The number before the next message's first.
#[derive(Default)]
pub struct Count(u32);

impl Count {
    /// Fills the next message. Bytes after its last whole number stay.
    pub fn fill(&mut self, buffer: &Buffer, offset: usize, length: usize) -> Result<(), Failure> {
        Ok(buffer.write(offset, &self.next(length)?)?)
    }

    /// Numbers of the next message that are wrong, in bytes.
    pub fn wrong(&mut self, buffer: &Buffer, offset: usize, length: usize) -> Result<u64, Failure> {
        let expected = self.next(length)?;
        let mut found = zeroed(expected.len())?;
        buffer.read(offset, &mut found)?;
        let pairs = found.iter().zip(&expected);
        Ok(pairs.filter(|(found, expected)| found != expected).count() as u64)
    }

    fn next(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = zeroed(length / WORD * WORD)?;
        for word in bytes.chunks_exact_mut(WORD) {
            self.0 = self.0.wrapping_add(1);
            word.copy_from_slice(&self.0.to_be_bytes());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_on_over_messages_and_a_wrong_byte_is_found() {
        let buffer = Buffer::new(16).unwrap();
        let mut count = Count::default();
        count.fill(&buffer, 0, 7).unwrap();
        count.fill(&buffer, 8, 8).unwrap();
        let mut bytes = [0; 16];
        buffer.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3]);
        let mut count = Count::default();
        assert_eq!(count.wrong(&buffer, 0, 7).unwrap(), 0);
        buffer.write(13, &[1]).unwrap();
        assert_eq!(count.wrong(&buffer, 8, 8).unwrap(), 1);
    }
}
