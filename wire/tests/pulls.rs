//! Puller and replier cut a transfer in the same way, and every byte of it is carried once.

use mx_wire::{Ends, Format, Pull, PullBlock, PullError, PullFrames, PullReply, PullReplyError};
use proptest::prelude::*;

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::native(9000).expect("in range")),
        (1500..=9000_u16).prop_map(|mtu| Format::native(mtu).expect("in range")),
        Just(Format::mx_wire()),
    ]
}

fn pull(window_offset: u32, total: u32) -> Pull {
    Pull {
        ends: Ends {
            destination: 1,
            source: 2,
        },
        session: 0,
        total,
        window: 0,
        window_seqnum: 0,
        window_offset,
        handle: 0x23,
        magic: Pull::MAGIC ^ 2,
        first_frame_offset: 0,
        block_length: 0,
        frame_index: 0,
    }
}

/// The pull for some frames of a transfer.
fn pull_for(frames: &PullFrames, template: Pull, asked: std::ops::Range<u32>) -> Pull {
    let frame_index = asked.start;
    let (first_frame_offset, block_length) = frames.block(asked).expect("frames of the transfer");
    Pull {
        first_frame_offset,
        block_length,
        frame_index,
        ..template
    }
}

fn native() -> Format {
    Format::native(9000).expect("in range")
}

proptest! {
    #[test]
    fn a_transfer_in_blocks_carries_every_byte_once(
        format in format(),
        window_offset in 0..=0xffff_u32,
        total in 1..2_000_000_u32,
        frames_per_block in 1..=32_u32,
    ) {
        let frames = PullFrames::new(&format, window_offset, total);
        let per_block = frames_per_block.min(format.replies_per_block());
        let template = pull(window_offset, total);
        let mut next = 0;
        let mut first = 0;
        while first < frames.count() {
            let asked = first..(first + per_block).min(frames.count());
            let pull = pull_for(&frames, template, asked.clone());
            let block = PullBlock::new(&format, &pull).expect("servable");
            prop_assert_eq!(block.replies(), asked.end - asked.start);
            prop_assert_eq!(block.window().start, window_offset + next);
            for place in 0..block.replies() {
                let reply = block.reply(place).expect("one of them");
                prop_assert_eq!(reply.message_offset, next);
                prop_assert_eq!(reply.window_offset, window_offset + next);
                prop_assert!(reply.length > 0 && reply.length <= format.pull_reply());
                next += u32::from(reply.length);

                let mut answer = PullReply {
                    frame_seqnum: reply.frame_seqnum,
                    length: reply.length,
                    message_offset: reply.message_offset,
                    handle: pull.handle,
                    magic: pull.magic,
                };
                // A puller locates it from any earlier frame that it still misses.
                prop_assert_eq!(frames.locate(asked.clone(), &answer), Ok(first + place));
                let later = first + place + 1..asked.end;
                prop_assert!(frames.locate(later, &answer).is_err());
                answer.length -= 1;
                prop_assert_eq!(frames.locate(asked.clone(), &answer), Err(PullReplyError::Extent));
            }
            prop_assert_eq!(block.window().end, window_offset + next);
            prop_assert_eq!(block.reply(block.replies()), None);
            first = asked.end;
        }
        prop_assert_eq!(next, total);
        prop_assert_eq!(frames.frame(frames.count()), None);
    }

    #[test]
    fn any_pull_is_refused_or_stays_within_32_bits(
        format in format(),
        window_offset in any::<u32>(),
        first_frame_offset in prop_oneof![0..9000_u32, any::<u32>()],
        block_length in prop_oneof![0..300_000_u32, any::<u32>()],
        frame_index in any::<u32>(),
    ) {
        let pull = Pull { first_frame_offset, block_length, frame_index, ..pull(window_offset, 0) };
        if let Ok(block) = PullBlock::new(&format, &pull) {
            prop_assert!((1..=format.replies_per_block()).contains(&block.replies()));
            let mut next = block.window().start;
            for place in 0..block.replies() {
                let reply = block.reply(place).expect("one of them");
                prop_assert_eq!(reply.window_offset, next);
                next += u32::from(reply.length);
            }
            prop_assert_eq!(next, block.window().end);
            prop_assert_eq!(next - block.window().start, block_length);
        }
    }

    #[test]
    fn any_reply_is_refused_or_carries_its_frame(
        format in format(),
        window_offset in any::<u32>(),
        total in any::<u32>(),
        start in any::<u32>(),
        count in 0..=256_u32,
        (frame_seqnum, length, message_offset) in any::<(u8, u16, u32)>(),
    ) {
        let frames = PullFrames::new(&format, window_offset, total);
        let asked = start..start.saturating_add(count);
        let reply = PullReply { frame_seqnum, length, message_offset, handle: 0, magic: 0 };
        if let Ok(index) = frames.locate(asked.clone(), &reply) {
            prop_assert!(asked.contains(&index));
            let end = message_offset + u32::from(length);
            prop_assert_eq!(frames.frame(index), Some(message_offset..end));
        }
        prop_assert!(frames.block(asked).is_none_or(|(_, bytes)| bytes > 0 && bytes <= total));
    }
}

#[test]
fn a_pull_asks_for_at_most_one_block() {
    let whole = Pull {
        block_length: 32 * 8968,
        ..pull(0, 1 << 20)
    };
    let block = PullBlock::new(&native(), &whole).expect("a whole block");
    assert_eq!(block.replies(), 32);
    let too_much = Pull {
        block_length: 32 * 8968 + 1,
        ..whole
    };
    let (replies, max) = (33, 32);
    assert_eq!(
        PullBlock::new(&native(), &too_much),
        Err(PullError::TooManyReplies { replies, max })
    );
}

#[test]
fn a_pull_of_nothing_or_of_impossible_bytes_is_refused() {
    let good = Pull {
        block_length: 100,
        ..pull(0, 100)
    };
    let bad = [
        Pull {
            block_length: 0,
            ..good
        },
        // Within frame 0, but before the message starts.
        Pull {
            window_offset: 10,
            first_frame_offset: 9,
            ..good
        },
        Pull {
            first_frame_offset: 8968,
            ..good
        },
        Pull {
            frame_index: u32::MAX,
            ..good
        },
        Pull {
            window_offset: u32::MAX - 50,
            first_frame_offset: (u32::MAX - 50) % 8968,
            ..good
        },
    ];
    for pull in bad {
        assert_eq!(
            PullBlock::new(&native(), &pull),
            Err(PullError::OffsetOrLength)
        );
    }
}

#[test]
fn a_message_that_starts_within_a_frame_of_the_window_has_a_shorter_first_frame() {
    let frames = PullFrames::new(&Format::mx_wire(), 4096 + 96, 10_000);
    assert_eq!(frames.count(), 3);
    assert_eq!(frames.frame(0), Some(0..4000));
    assert_eq!(frames.frame(1), Some(4000..8096));
    assert_eq!(frames.frame(2), Some(8096..10_000));
    assert_eq!(frames.block(0..3), Some((96, 10_000)));
    assert_eq!(frames.block(1..3), Some((0, 6000)));
    assert_eq!(frames.block(2..2), None);
    assert_eq!(frames.block(2..4), None);
}

#[test]
fn an_empty_transfer_has_no_frames() {
    assert_eq!(PullFrames::new(&native(), 5, 0).count(), 0);
}

#[test]
fn frame_numbers_wrap_and_are_told_apart_by_their_offsets() {
    let frames = PullFrames::new(&Format::mx_wire(), 0, 4096 * 600);
    let reply = |frame: u32| PullReply {
        frame_seqnum: frame as u8,
        length: 4096,
        message_offset: frame * 4096,
        handle: 0,
        magic: 0,
    };
    assert_eq!(frames.locate(250..282, &reply(260)), Ok(260));
    assert_eq!(
        frames.locate(250..282, &reply(4)),
        Err(PullReplyError::WrapAround)
    );
    assert_eq!(
        frames.locate(250..258, &reply(260)),
        Err(PullReplyError::FrameSeqnum)
    );
}
