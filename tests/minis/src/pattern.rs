//! What messages hold: bytes that depend on who sends them and on their place, so that whoever gets them knows each.

use mx_ring::PAGE_SIZE;

use crate::domain::Pages;

/// Pages of a large message.
pub const LARGE_PAGES: usize = 16;
/// Bytes of a word of a message.
const WORD: usize = 4;
/// Bytes of a large message of which one word is looked at.
const LINE: usize = 256;

/// Bytes of which every place depends on who sends and on the number.
pub fn pattern(from: u32, number: u32, bytes: &mut [u8]) {
    for (at, chunk) in bytes.chunks_mut(WORD).enumerate() {
        let word = word(from, number, at);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

/// One word of them, known without the others: whoever looks at few of many bytes has little to do.
fn word(from: u32, number: u32, at: usize) -> u32 {
    let mixed = from ^ number.wrapping_mul(0x9e37_79b9) ^ (at as u32).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d);
    mixed ^ mixed >> 12
}

/// Whether what was pulled is what the partner has: some words of each page, other ones each time.
pub fn is_whole(pages: &Pages, session: u32, number: u32) -> bool {
    (0..LARGE_PAGES).all(|page| {
        sampled(number).all(|at| {
            let mut found = [0; WORD];
            let read = pages.slice.read(page * PAGE_SIZE + at, &mut found);
            let wanted = word(session, page as u32, at / WORD);
            read.is_ok() && found == wanted.to_le_bytes()
        })
    })
}

/// Wherever [`is_whole`] will look, what an earlier message has left does not pass for the next one.
pub fn spoil(pages: &Pages, number: u32) {
    for page in 0..LARGE_PAGES {
        for at in sampled(number) {
            // The places are within the pages.
            let _ = pages.slice.write(page * PAGE_SIZE + at, &[0; WORD]);
        }
    }
}

/// The places of a page that are looked at.
fn sampled(number: u32) -> impl Iterator<Item = usize> {
    let first = number as usize * WORD % LINE;
    (0..PAGE_SIZE / LINE).map(move |line| line * LINE + first)
}
