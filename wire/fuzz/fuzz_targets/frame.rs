#![no_main]
//! Any bytes in any format: nothing panics, and what is accepted comes back from the wire as what it was taken for.
//!
//! The first two bytes choose the format, the rest is the frame: `cargo +nightly fuzz run frame`.

use libfuzzer_sys::fuzz_target;
use mx_wire::{Format, Frame, Packet, PullBlock};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first_chunk() else {
        return;
    };
    // What is no MTU chooses MX-wire.
    let format = Format::native(u16::from_be_bytes(*choice)).unwrap_or(Format::mx_wire());
    let Ok(frame) = Frame::parse(&format, bytes) else {
        return;
    };
    if let Packet::Pull(pull) = frame.packet
        && let Ok(block) = PullBlock::new(&format, &pull)
    {
        let lengths = (0..block.replies()).filter_map(|place| block.reply(place));
        let bytes: u32 = lengths.map(|reply| u32::from(reply.length)).sum();
        assert_eq!(bytes, pull.block_length);
    }
    let mut again = [0; 9000];
    let length = frame.emit(&format, &mut again).expect("accepted");
    let reparsed = Frame::parse(&format, &again[..length]).expect("just built");
    assert_eq!(reparsed.packet, frame.packet);
    assert!(reparsed.payload.starts_with(frame.payload));
});
