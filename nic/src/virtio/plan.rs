//! What a card is started with, agreed on in the order that virtio 1.2 §3.1.1 asks for.

use alloc::vec::Vec;
use core::time::Duration;

use super::control::{self, ControlQueue};
use super::features::{self, status};
use super::options::{Interrupts, VirtioOptions};
use super::receive::ReceiveQueue;
use super::ring::{MAX_SIZE, SplitRing};
use super::transmit::{PIECES, TransmitQueue};
use super::transport::Transport;
use super::{receive_queue, transmit_queue};
use crate::hang::Watch;
use crate::{ETHERNET_HEADER, MacAddress, OpenError, Platform};

/// Offsets of `mac`, `max_virtqueue_pairs` and `mtu` in `struct virtio_net_config` (§5.1.4).
const CONFIGURATION_MAC: usize = 0;
const CONFIGURATION_PAIRS: usize = 8;
const CONFIGURATION_MTU: usize = 10;
/// Least MTU that a card may have (§5.1.4.1).
const LEAST_MTU: u16 = 68;

/// How often, and for how long, a reset is waited for.
const RESET_TRIES: u32 = 1000;
const RESET_PAUSE_MICROSECONDS: u32 = 100;
/// How often a configuration that changes meanwhile is read.
const CONFIGURATION_TRIES: u32 = 8;

/// How long a card whose link is up may send none of its frames. Behind a virtual card there may be a socket of a
/// process that stands still for a while; that is no hang of the card.
const HANG: Duration = Duration::from_secs(10);

/// Device status when features are agreed upon.
pub(super) const AGREED: u8 = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;

/// What a card is started with, once and after each reset.
pub(super) struct Plan {
    pub(super) features: u64,
    pub(super) interrupts: Interrupts,
    pub(super) mac: MacAddress,
    pub(super) max_frame: usize,
    pub(super) pairs: Vec<Pair>,
    pub(super) control: Option<ControlQueue>,
}

/// A queue in each direction.
pub(super) struct Pair {
    pub(super) receive: ReceiveQueue,
    pub(super) transmit: TransmitQueue,
    pub(super) watch: Watch,
}

impl Pair {
    pub(super) const fn new(receive: ReceiveQueue, transmit: TransmitQueue) -> Self {
        Self {
            receive,
            transmit,
            watch: Watch::new(HANG),
        }
    }
}

/// Resets a card, agrees on features, and takes memory for what it has.
pub(super) fn plan(
    transport: &mut impl Transport,
    platform: &impl Platform,
    options: &VirtioOptions,
) -> Result<Plan, OpenError> {
    reset(transport, platform)?;
    let several = if options.queue_pairs > 1 {
        features::MULTI_QUEUE
    } else {
        0
    };
    let features = negotiate(transport, features::WANTED | several)?;
    let has = |feature| features & feature != 0;
    let mac = mac(transport, features)?;
    let max_frame = max_frame(transport, features, options.max_frame)?;
    // Without VIRTIO_NET_F_MQ the control queue follows the first pair (§5.1.2).
    let most_pairs = if has(features::MULTI_QUEUE) {
        most_pairs(transport)?
    } else {
        1
    };
    let mut ring = |queue, chain| {
        let event_index = has(features::EVENT_INDEX);
        new_ring(transport, platform, queue, chain, event_index)
    };
    let indirect = has(features::INDIRECT);
    let mut pairs = Vec::new();
    for pair in 0..options.queue_pairs.clamp(1, most_pairs) {
        let mergeable = has(features::MERGEABLE);
        let buffers = options.receive_buffers;
        let receive = ring(receive_queue(pair), 1)?;
        let receive = ReceiveQueue::new(receive, platform, buffers, max_frame, mergeable);
        let transmit = ring(transmit_queue(pair), TransmitQueue::chain(indirect))?;
        let transmit = TransmitQueue::new(transmit, platform, indirect, max_frame);
        let (Some(receive), Some(transmit)) = (receive, transmit) else {
            return Err(OpenError::OutOfMemory);
        };
        pairs.push(Pair::new(receive, transmit));
    }
    let wants_commands = has(features::CTRL_RX) || has(features::MULTI_QUEUE);
    let control = if has(features::CTRL_VQ) && wants_commands {
        let queue = receive_queue(most_pairs);
        let ring = ring(queue, control::CHAIN)?;
        let control = ControlQueue::new(ring, queue, platform);
        Some(control.ok_or(OpenError::OutOfMemory)?)
    } else {
        None
    };
    Ok(Plan {
        features,
        interrupts: options.interrupts,
        mac,
        max_frame,
        pairs,
        control,
    })
}

/// Ties changes of the configuration to their vector, if there are vectors.
pub(super) fn tie_configuration(
    transport: &mut impl Transport,
    interrupts: Interrupts,
) -> Result<(), OpenError> {
    match interrupts {
        Interrupts::Vectors { configuration, .. } => {
            let is_tied = transport.set_configuration_vector(configuration);
            is_tied.then_some(()).ok_or(NO_VECTOR)
        }
        Interrupts::None | Interrupts::Line => Ok(()),
    }
}

/// Vectors of the queues in each direction.
pub(super) const fn vectors(interrupts: Interrupts) -> (Option<u16>, Option<u16>) {
    match interrupts {
        Interrupts::Vectors {
            receive, transmit, ..
        } => (Some(receive), Some(transmit)),
        Interrupts::None | Interrupts::Line => (None, None),
    }
}

/// Gives a queue its memory and its vector.
pub(super) fn enable(
    transport: &mut impl Transport,
    queue: u16,
    ring: &SplitRing,
    vector: Option<u16>,
) -> Result<(), OpenError> {
    if let Some(vector) = vector
        && !transport.set_queue_vector(queue, vector)
    {
        return Err(NO_VECTOR);
    }
    transport.enable_queue(queue, ring.size(), ring.addresses())
}

/// A card that takes no vector.
const NO_VECTOR: OpenError = OpenError::Feature("room for an interrupt vector");

/// Whoever had the card before, it stops now.
fn reset(transport: &mut impl Transport, platform: &impl Platform) -> Result<(), OpenError> {
    transport.set_status(status::RESET);
    for _ in 0..RESET_TRIES {
        if transport.status() == status::RESET {
            return Ok(());
        }
        platform.pause(RESET_PAUSE_MICROSECONDS);
    }
    Err(OpenError::Reset)
}

/// Agrees on features with a card that was reset (§3.1.1, steps 2 to 6); which of those that are wanted.
pub(super) fn negotiate(transport: &mut impl Transport, wanted: u64) -> Result<u64, OpenError> {
    transport.set_status(status::ACKNOWLEDGE);
    transport.set_status(status::ACKNOWLEDGE | status::DRIVER);
    let mut features = transport.device_features() & wanted;
    if features & features::CTRL_VQ == 0 {
        // Commands need their queue (§5.1.3.1).
        features &= !(features::CTRL_RX | features::MULTI_QUEUE);
    }
    if features & features::VERSION_1 == 0 {
        return Err(OpenError::Feature(
            "the modern interface (VIRTIO_F_VERSION_1)",
        ));
    }
    transport.accept_features(features);
    transport.set_status(AGREED);
    if transport.status() & status::FEATURES_OK == 0 {
        return Err(OpenError::Negotiation);
    }
    Ok(features)
}

/// The card's address, read while it does not change.
fn mac(transport: &impl Transport, features: u64) -> Result<MacAddress, OpenError> {
    if features & features::MAC == 0 {
        return Err(OpenError::Feature(
            "an address of its own (VIRTIO_NET_F_MAC)",
        ));
    }
    for _ in 0..CONFIGURATION_TRIES {
        let generation = transport.configuration_generation();
        let mut mac = MacAddress::default();
        for (index, byte) in mac.iter_mut().enumerate() {
            *byte = transport
                .configuration8(CONFIGURATION_MAC + index)
                .ok_or(OpenError::Registers("its configuration has no address"))?;
        }
        if transport.configuration_generation() == generation {
            return Ok(mac);
        }
    }
    Err(OpenError::Registers("its configuration never settles"))
}

/// The longest frame that both the card and its owner want.
fn max_frame(transport: &impl Transport, features: u64, wanted: usize) -> Result<usize, OpenError> {
    if features & features::MTU == 0 {
        return Ok(wanted);
    }
    let mtu = transport
        .configuration16(CONFIGURATION_MTU)
        .filter(|&mtu| mtu >= LEAST_MTU)
        .ok_or(OpenError::Registers("it tells an MTU below 68"))?;
    Ok(wanted.min(usize::from(mtu) + ETHERNET_HEADER))
}

/// Pairs of queues that the card has (§5.1.4.1: 1 to 0x8000; with the last number, the control queue would have none).
fn most_pairs(transport: &impl Transport) -> Result<u16, OpenError> {
    transport
        .configuration16(CONFIGURATION_PAIRS)
        .filter(|pairs| (1..0x8000).contains(pairs))
        .ok_or(OpenError::Registers(
            "it tells an impossible number of queues",
        ))
}

/// Memory for a queue, as large as the card allows.
fn new_ring(
    transport: &mut impl Transport,
    platform: &impl Platform,
    queue: u16,
    chain: u16,
    event_index: bool,
) -> Result<SplitRing, OpenError> {
    let most = transport.queue_size(queue).min(MAX_SIZE);
    if usize::from(most) < PIECES {
        return Err(OpenError::Queue { queue, size: most });
    }
    let size = 1 << most.ilog2();
    SplitRing::new(platform, size, chain, event_index).ok_or(OpenError::OutOfMemory)
}
