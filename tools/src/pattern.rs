//! What messages contain that `mx_pingpong` verifies.

use open_mx::Buffer;

use super::line::Failure;
use super::zeroed;

/// The byte at a place of the message of this number.
fn pattern(number: u64, at: usize) -> u8 {
    (at as u64 ^ at as u64 >> 8)
        .wrapping_mul(31)
        .wrapping_add(number) as u8
}

/// Fills a message with bytes that tell its number and their places.
pub fn fill(buffer: &Buffer, offset: usize, length: usize, number: u64) -> Result<(), Failure> {
    let mut bytes = zeroed(length)?;
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = pattern(number, at);
    }
    Ok(buffer.write(offset, &bytes)?)
}

/// Bytes that are not as [`fill`] makes them.
pub fn wrong(buffer: &Buffer, offset: usize, length: usize, number: u64) -> Result<u64, Failure> {
    let mut bytes = zeroed(length)?;
    buffer.read(offset, &mut bytes)?;
    let wrong = |(at, byte): &(usize, &u8)| **byte != pattern(number, *at);
    Ok(bytes.iter().enumerate().filter(wrong).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_and_another_message_are_found() {
        let buffer = Buffer::new(3000).unwrap();
        fill(&buffer, 100, 2900, 7).unwrap();
        assert_eq!(wrong(&buffer, 100, 2900, 7).unwrap(), 0);
        assert_eq!(wrong(&buffer, 100, 2900, 8).unwrap(), 2900);
        buffer.write(2000, &[0, 0]).unwrap();
        assert!((1..=2).contains(&wrong(&buffer, 100, 2900, 7).unwrap()));
    }
}
