//! Where our stack says something else than the native nodes, and why that is right. What is not here is a failure.

use mx_wire::{Connect, Content, Frame, Message, Packet, Pull};

/// A difference between what was recorded and what came out.
#[derive(Debug)]
pub enum Difference<'a> {
    /// The native node sent it, ours does not.
    Missing(&'a Frame<'a>),
    /// Ours sends it, the native node did not.
    Extra(&'a Frame<'a>),
    /// Both send a frame here, and they are not alike.
    Changed {
        /// The native node's.
        native: &'a Frame<'a>,
        /// Ours.
        ours: &'a Frame<'a>,
    },
}

/// A kind of difference that is meant to be.
#[derive(Debug)]
pub struct Rule {
    /// How reports call it.
    pub name: &'static str,
    /// Why it is right.
    pub reason: &'static str,
    /// The captures it applies to: file names without folder and ending.
    pub captures: &'static [&'static str],
    /// Whether a difference is of this kind.
    explains: fn(&Difference<'_>) -> bool,
}

/// All of them.
pub const RULES: &[Rule] = &[
    Rule {
        name: "dropped by the native driver",
        reason: "the native driver was told to drop some frames of this type before they reached the wire; ours sends them",
        captures: &[
            "26-peer-process-killed-mid-large",
            "27-sender-killed-mid-large",
            "35-loss-pull-reply",
        ],
        explains: |difference| matches!(extra(difference), Some(Packet::PullReply(_))),
    },
    Rule {
        name: "dropped by the native driver",
        reason: "likewise",
        captures: &["32-loss-medium-frag", "32-loss-medium-frag.first-12"],
        explains: |difference| is_extra(difference, "MEDIUM"),
    },
    Rule {
        name: "dropped by the native driver",
        reason: "likewise",
        captures: &["34-loss-pull-request"],
        explains: |difference| matches!(extra(difference), Some(Packet::Pull(_))),
    },
    Rule {
        name: "dropped by the native driver",
        reason: "likewise",
        captures: &["37-loss-connect"],
        explains: |difference| is_extra(difference, "CONNECT reply"),
    },
    Rule {
        name: "dropped by the native driver",
        reason: "likewise",
        captures: &["36-loss-notify"],
        explains: |difference| is_extra(difference, "NOTIFY"),
    },
    Rule {
        name: "answered at once",
        reason: "the daemon of the native node had not yet told its driver of the other one when that asked for the name; \
                 a board learns from the beacon itself and answers",
        captures: &["01-discovery"],
        explains: |difference| matches!(extra(difference), Some(Packet::HostReply(_))),
    },
    Rule {
        name: "names are asked for sooner",
        reason: "the original driver repeats its HOST_QUERYs every 5 s; a board does after a tenth of a second, then less \
                 and less often",
        captures: &["01-discovery"],
        explains: |difference| matches!(extra(difference), Some(Packet::HostQuery(_))),
    },
    Rule {
        name: "only what is missing is asked for again",
        reason: "the original asks for the whole block again of which a frame was lost (protocol.md §13); ours for the lost \
                 frames",
        captures: &["35-loss-pull-reply", "39-netem-loss-10pct-both"],
        explains: |difference| match difference {
            Difference::Changed { native, ours } => match (native.packet, ours.packet) {
                (Packet::Pull(native), Packet::Pull(ours)) => {
                    let whose = |p: Pull| (p.ends, p.session, p.window, p.window_seqnum, p.total);
                    whose(native) == whose(ours)
                        && ours.frame_index >= native.frame_index
                        && ours.block_length < native.block_length
                }
                _ => false,
            },
            // The second piece.
            _ => matches!(extra(difference), Some(Packet::Pull(_))),
        },
    },
    Rule {
        name: "lost before the wire",
        reason: "the recorded nodes lost a tenth of all frames on their way out, where a capture does not see them; ours \
                 sends them all",
        captures: &["39-netem-loss-10pct-both"],
        explains: |difference| extra(difference).is_some(),
    },
    Rule {
        name: "announced numbers stay true",
        reason: "at the first CONNECT of a node that has sent before, the original restarts its receive sequence at 1 and \
                 has the other side send again what it has; ours goes on with what it announced (protocol.md §3)",
        captures: &[
            "07-large",
            "08-issend",
            "10-omx_perf",
            "33-loss-rndv",
            "34-loss-pull-request",
            "36-loss-notify",
            "39-netem-loss-10pct-both",
            "40-late-connect-after-implicit-replies",
        ],
        explains: |difference| {
            same_but(difference, |packet| {
                if let Packet::Connect {
                    connect: Connect::Reply(reply),
                    ..
                } = packet
                {
                    reply.next_expected = 1;
                }
            })
        },
    },
    Rule {
        name: "no stuck stream after a late connect",
        reason: "the original, having answered before it connected, goes on with numbers that the other node refuses for \
                 ever; ours starts again with the number that the reply announces (protocol.md §3)",
        captures: &["40-late-connect-after-implicit-replies"],
        explains: |difference| {
            same_but(difference, |packet| {
                if let Packet::Message { message, .. } = packet
                    && let Content::Tiny(_) = message.content
                {
                    (message.seq, message.ack) = (0, 0);
                }
            })
        },
    },
    Rule {
        name: "session known by the reply alone",
        reason: "the original learns the session for PULL and NOTIFY from the other side's CONNECT request only and sends \
                 ffffffff before; ours takes it from the reply too (protocol.md §3)",
        captures: &[
            "11-quirk-no-connect-back",
            "11-quirk-no-connect-back.first-12",
            "11-quirk-no-connect-back.first-14",
        ],
        explains: |difference| {
            let unknown = matches!(
                difference,
                Difference::Changed { native, .. } if matches!(native.packet,
                    Packet::Pull(Pull { session: u32::MAX, .. })
                    | Packet::Message {
                        session: u32::MAX,
                        message: Message { content: Content::Notify(_), .. },
                        ..
                    })
            );
            unknown
                && same_but(difference, |packet| match packet {
                    Packet::Pull(pull) => (pull.session, pull.handle) = (0, 0),
                    Packet::Message {
                        session, message, ..
                    } if matches!(message.content, Content::Notify(_)) => *session = 0,
                    _ => {}
                })
        },
    },
    Rule {
        name: "a killed puller is silent",
        reason: "the pull of a killed process goes on in the original driver, which holds the endpoint open for it; a board \
                 ends pulls with their endpoint (protocol.md §13)",
        captures: &["26-peer-process-killed-mid-large"],
        explains: |difference| matches!(difference, Difference::Missing(native) if matches!(native.packet, Packet::Pull(_))),
    },
];

fn is_extra(difference: &Difference<'_>, name: &str) -> bool {
    extra(difference).is_some_and(|packet| packet.name() == name)
}

/// The packet that only ours sends.
fn extra(difference: &Difference<'_>) -> Option<Packet> {
    match difference {
        Difference::Extra(ours) => Some(ours.packet),
        _ => None,
    }
}

/// Whether both frames are the same once some fields of both are made alike.
fn same_but(difference: &Difference<'_>, edit: impl Fn(&mut Packet)) -> bool {
    let Difference::Changed { native, ours } = difference else {
        return false;
    };
    let [native, ours] = [native, ours].map(|frame| {
        let mut frame = **frame;
        edit(&mut frame.packet);
        frame
    });
    native == ours
}

/// The rule that explains a difference in the capture of that name.
pub fn rule_for(stem: &str, difference: &Difference<'_>) -> Option<&'static Rule> {
    RULES
        .iter()
        .find(|rule| rule.captures.contains(&stem) && (rule.explains)(difference))
}
