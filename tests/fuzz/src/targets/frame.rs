//! Any bytes in any format: what is accepted comes back from the wire as what it was taken for.

use std::mem::discriminant;
use std::path::Path;

use mx_wire::{Beacon, Format, Frame, Mode, Packet, PullBlock, PullFrames};
use omx_captures::{Frames, capture_files};

/// The first two bytes choose the format, the rest is the frame.
pub fn run(bytes: &[u8]) -> u64 {
    let Some((choice, bytes)) = bytes.split_first_chunk() else {
        return 0;
    };
    // What is no MTU chooses MX-wire.
    let format = Format::native(u16::from_be_bytes(*choice)).unwrap_or(Format::mx_wire());
    let native = format.mode() == Mode::Native;
    let frame = match Frame::parse(&format, bytes) {
        Ok(frame) => frame,
        Err(error) => return super::kind((native, 1, discriminant(&error))),
    };
    let mut pull = 0;
    match frame.packet {
        Packet::Pull(request) => pull = cut(&format, &request),
        Packet::PullReply(reply) => {
            let frames = PullFrames::new(&format, 0, u32::MAX);
            let _refused = frames.locate(0..frames.count(), &reply);
        }
        Packet::Raw => {
            let _other = Beacon::parse(frame.payload);
        }
        _ => {}
    }
    let mut again = [0; 9100];
    let length = frame.emit(&format, &mut again).expect("accepted");
    let reparsed = Frame::parse(&format, &again[..length]).expect("just built");
    assert_eq!(reparsed.packet, frame.packet);
    assert!(reparsed.payload.starts_with(frame.payload));
    let size = frame.payload.len().checked_ilog2();
    super::kind((native, 2, discriminant(&frame.packet), pull, size))
}

/// All replies to a request together carry what was asked for.
fn cut(format: &Format, pull: &mx_wire::Pull) -> u32 {
    match PullBlock::new(format, pull) {
        Ok(block) => {
            let replies = (0..block.replies()).filter_map(|place| block.reply(place));
            let bytes: u32 = replies.map(|reply| u32::from(reply.length)).sum();
            assert_eq!(bytes, pull.block_length);
            assert!(block.replies() <= format.replies_per_block());
            block.replies()
        }
        Err(_) => u32::MAX,
    }
}

/// Recorded frames of native nodes.
pub fn seeds() -> Vec<Vec<u8>> {
    let selection = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire/tests/captures");
    let mut seeds = Vec::new();
    for file in capture_files(&selection, None).expect("the selection of captures") {
        let bytes = file.read().expect("the selection of captures");
        let mtu = match file.format.mode() {
            Mode::Native => file.format.mtu(),
            Mode::MxWire => 0,
        };
        for frame in Frames::new(&bytes).expect("a capture").flatten() {
            seeds.push([&mtu.to_be_bytes()[..], frame].concat());
        }
    }
    seeds
}
