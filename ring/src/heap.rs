//! Room on the heap for what is allocated without a way to fail.
//!
//! What a message's length or a peer decides is reserved in a way that can fail, and its failure is a code. The rest is small:
//! tables of requests, partners and regions, texts of errors; there a failed allocation ends the process, as the standard
//! library has it. So that this happens to nobody who merely starts with too little, each start, each opening and each
//! registration looks first whether there is room for many times what it takes.

/// An endpoint takes a third of it, a registration a hundredth.
pub const ROOM: usize = 64 << 10;

/// Whether there is room for so many bytes. The allocator keeps what it found for the next allocations.
pub fn has_room(bytes: usize) -> bool {
    let mut room: std::vec::Vec<u8> = std::vec::Vec::new();
    let reserved = room.try_reserve_exact(bytes).is_ok();
    // Else the compiler takes it for granted.
    core::hint::black_box(&room);
    reserved
}
