//! What an engine is told once.

use core::time::Duration;

use mx_wire::SMALL_MAX;

use crate::state::contexts::ContextIds;

/// Fragments of a medium message (the receiver keeps a 32-bit mask).
pub const FRAGMENTS_MAX: u32 = 32;

/// Sizes and times of an endpoint's protocol.
#[derive(Clone, Debug)]
pub struct Config {
    /// The endpoint's session, chosen by its backend.
    pub session: u32,
    /// The generation of the backend, as it was before the endpoint was opened.
    pub backend: u32,
    /// What a peer must present to connect.
    pub key: u32,
    /// M: payload bytes of each fragment of a medium message but the last.
    pub medium_fragment: u32,
    /// Whether the wire speaks MX's layout, whose libraries want an ack for each NOTIFY at once.
    pub mx_wire: bool,
    /// Messages longer than this are large.
    pub rendezvous_threshold: u32,
    /// Completed sends that may wait for their acknowledgement (OMX_ZOMBIE_SEND).
    pub zombies_max: usize,
    /// Messages received before an acknowledgement is sent at once (OMX_NOTACKED_MAX).
    pub not_acked_max: u16,
    /// How long a message waits for its acknowledgement before it is sent again, at most and as long as nothing is
    /// known about the partner.
    pub resend_delay: Duration,
    /// How long it waits at least, for the partner's own delay of acknowledgements and two ticks of the clock.
    pub resend_delay_min: Duration,
    /// How long a connect waits for its answer before it is repeated, as long as nothing is known about the partner.
    pub connect_wait: Duration,
    /// How long it waits at most, doubled each time.
    pub connect_wait_max: Duration,
    /// How long an acknowledgement waits for a message that carries it.
    pub ack_delay: Duration,
    /// How long a message is sent again before the partner is given up (OMX_RESENDS_MAX half seconds).
    pub give_up: Duration,
    /// Bytes of the transmit area.
    pub transmit_bytes: u32,
    /// Pulls that may run: each will need an entry of the expected event queue.
    pub pulls_max: usize,
    /// Bytes of unexpected and early messages that are kept; more are not received, hence sent again later.
    pub kept_bytes_max: usize,
    /// Which bits of the match info are the context id.
    pub context_ids: ContextIds,
    /// How long to wait before memory whose registration was refused is tried again.
    pub registration_pause: Duration,
}

impl Config {
    /// The protocol's own values (protocol.md §4 to §8) for an endpoint of default size.
    pub fn new(session: u32, key: u32, medium_fragment: u32, mx_wire: bool) -> Self {
        let fragments = fragments_max(mx_wire);
        let medium_fragment = medium_fragment.max(SMALL_MAX as u32);
        Self {
            session,
            backend: 0,
            key,
            medium_fragment,
            mx_wire,
            rendezvous_threshold: medium_fragment.saturating_mul(fragments).min(32 << 10),
            zombies_max: 512,
            not_acked_max: 4,
            resend_delay: Duration::from_millis(500),
            resend_delay_min: Duration::from_millis(40),
            connect_wait: Duration::from_millis(100),
            connect_wait_max: Duration::from_secs(4),
            ack_delay: Duration::from_millis(16),
            give_up: Duration::from_secs(500),
            transmit_bytes: 512 << 10,
            pulls_max: 256,
            kept_bytes_max: 256 << 20,
            context_ids: ContextIds::default(),
            registration_pause: Duration::from_millis(5),
        }
    }

    /// Makes messages that are longer than this large; those of more fragments than the protocol has are in any case.
    pub fn limit_eager(&mut self, threshold: u32) {
        let fragments = fragments_max(self.mx_wire);
        self.rendezvous_threshold = threshold.min(self.medium_fragment.saturating_mul(fragments));
    }
}

/// Fragments of a medium message. MX's own libraries take no more than 8.
fn fragments_max(mx_wire: bool) -> u32 {
    if mx_wire { 8 } else { FRAGMENTS_MAX }
}
