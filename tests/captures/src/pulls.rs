//! Holds the replies of a capture against the pulls that asked for them.

use std::collections::HashMap;

use mx_wire::{
    BlockReply, Format, Frame, MacAddress, Packet, Pull, PullBlock, PullError, PullFrames,
    PullReply,
};

/// What makes a puller recognise a reply: its address, handle and magic.
type Puller = (MacAddress, u32, u32);

/// The pulls seen so far.
#[derive(Default)]
pub struct Pulls {
    seen: HashMap<Puller, Vec<(Pull, PullBlock)>>,
}

/// Why pull and reply do not fit.
#[derive(Debug, thiserror::Error)]
pub enum PullMismatch {
    /// No replier would serve it.
    #[error("the pull cannot be served: {0}")]
    Unservable(#[from] PullError),
    /// The pulls of that handle asked for other bytes.
    #[error(
        "no pull with handle {:08x} asked for frame {} at offset {} with {} bytes",
        .0.handle, .0.frame_seqnum, .0.message_offset, .0.length
    )]
    Unasked(PullReply),
}

impl Pulls {
    /// Takes note of a PULL, checks a PULL_REPLY. A reply whose pull is not in the capture is let pass.
    pub fn check(&mut self, format: &Format, frame: &Frame<'_>) -> Result<(), PullMismatch> {
        match frame.packet {
            Packet::Pull(pull) => {
                let block = PullBlock::new(format, &pull)?;
                let puller = (frame.source, pull.handle, pull.magic);
                self.seen.entry(puller).or_default().push((pull, block));
                Ok(())
            }
            Packet::PullReply(reply) => {
                let puller = (frame.destination, reply.handle, reply.magic);
                match self.seen.get(&puller) {
                    Some(pulls) if !pulls.iter().any(|pull| asks_for(format, pull, &reply)) => {
                        Err(PullMismatch::Unasked(reply))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Whether replier and puller agree that this is a reply to that pull.
fn asks_for(format: &Format, (pull, block): &(Pull, PullBlock), reply: &PullReply) -> bool {
    let carries = |asked: BlockReply| {
        asked.frame_seqnum == reply.frame_seqnum
            && asked.length == reply.length
            && asked.message_offset == reply.message_offset
    };
    let sent = (0..block.replies()).filter_map(|place| block.reply(place));
    let frames = PullFrames::new(format, pull.window_offset, pull.total);
    let asked = pull.frame_index..pull.frame_index.saturating_add(block.replies());
    sent.into_iter().any(carries) && frames.locate(asked, reply).is_ok()
}
