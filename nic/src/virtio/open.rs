//! Opening a card, in the order that virtio 1.2 §3.1.1 asks for.

use super::control::{self, ControlQueue};
use super::features::{self, status};
use super::net::{Parts, VirtioNet};
use super::receive::{LONGEST_FRAME, ReceiveQueue};
use super::ring::{MAX_SIZE, SplitRing};
use super::transmit::{MAX_FRAGMENTS, MAX_HEAD, PIECES, TransmitQueue};
use super::transport::Transport;
use super::{CONTROL, RECEIVE, TRANSMIT};
use crate::{Capabilities, MIN_FRAME, MacAddress, OpenError, Platform};

/// Bytes of an Ethernet header, which an MTU does not count.
const ETHERNET_HEADER: usize = 14;
/// Offsets of `mac` and `mtu` in `struct virtio_net_config` (§5.1.4).
const CONFIGURATION_MAC: usize = 0;
const CONFIGURATION_MTU: usize = 10;
/// Least MTU that a card may have (§5.1.4.1).
const LEAST_MTU: u16 = 68;

/// How often, and for how long, a reset is waited for.
const RESET_TRIES: u32 = 1000;
const RESET_PAUSE_MICROSECONDS: u32 = 100;
/// How often a configuration that changes meanwhile is read.
const CONFIGURATION_TRIES: u32 = 8;

/// How the card interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Not at all: the owner looks from time to time.
    None,
    /// By its line, which [`Nic::acknowledge`](crate::Nic::acknowledge) releases.
    Line,
    /// By MSI-X, which the owner has already enabled; the vectors may be the same.
    Vectors {
        /// Entry of the MSI-X table for changes of link and configuration.
        configuration: u16,
        /// Entry for frames that came in.
        receive: u16,
        /// Entry for frames that were sent.
        transmit: u16,
    },
}

/// How a card is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest frame in bytes, Ethernet header included. A card that takes less says so in its capabilities.
    pub max_frame: usize,
    /// Most receive buffers: 12 KiB each for frames of 9014 bytes, 2 KiB for frames of 1514.
    pub receive_buffers: u16,
    /// How it interrupts.
    pub interrupts: Interrupts,
}

impl Default for Options {
    /// Frames of an MTU of 9000, 256 buffers (3 MiB), no interrupts.
    fn default() -> Self {
        Self {
            max_frame: 9014,
            receive_buffers: MAX_SIZE,
            interrupts: Interrupts::None,
        }
    }
}

/// Resets the card behind `transport`, agrees on features, sets up its queues and starts it.
///
/// The card is told to take frames to all addresses. One without that command (no VIRTIO_NET_F_CTRL_RX) is believed
/// to take them anyway, as QEMU's does.
pub fn open<T: Transport>(
    mut transport: T,
    platform: &impl Platform,
    options: &Options,
) -> Result<VirtioNet<T>, OpenError> {
    if !(MIN_FRAME..=LONGEST_FRAME).contains(&options.max_frame) {
        return Err(OpenError::FrameSize {
            asked: options.max_frame,
        });
    }
    let prepared = prepare(&mut transport, platform, options).inspect_err(|_| {
        transport.set_status(status::RESET);
    })?;
    let Prepared {
        features,
        mac,
        max_frame,
        receive,
        transmit,
        mut control,
    } = prepared;
    transport
        .set_status(status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK);
    let promiscuous = match &mut control {
        Some(control) => control.make_promiscuous(&mut transport, platform),
        None => true,
    };
    if !promiscuous {
        log::warn!("the card does not agree to take frames to all addresses");
    }
    Ok(VirtioNet::new(Parts {
        capabilities: Capabilities {
            driver: "virtio-net",
            mac,
            max_frame,
            max_head: MAX_HEAD,
            max_fragments: MAX_FRAGMENTS,
            zero_copy: true,
            promiscuous,
            addresses: 0,
            recovers: false,
            interrupts: options.interrupts != Interrupts::None,
            transmit_queues: 1,
            receive_queues: 1,
            transmit_slots: transmit.slots().into(),
        },
        transport,
        tells_link: features & features::STATUS != 0,
        interrupt_line: options.interrupts == Interrupts::Line,
        receive,
        transmit,
        control,
    }))
}

/// A card that is ready to be started.
struct Prepared {
    features: u64,
    mac: MacAddress,
    max_frame: usize,
    receive: ReceiveQueue,
    transmit: TransmitQueue,
    control: Option<ControlQueue>,
}

fn prepare(
    transport: &mut impl Transport,
    platform: &impl Platform,
    options: &Options,
) -> Result<Prepared, OpenError> {
    reset(transport, platform)?;
    let features = negotiate(transport)?;
    let mac = mac(transport, features)?;
    let max_frame = max_frame(transport, features, options.max_frame)?;
    if let Interrupts::Vectors { configuration, .. } = options.interrupts
        && !transport.set_configuration_vector(configuration)
    {
        return Err(OpenError::Feature("room for an interrupt vector"));
    }
    let (receive_vector, transmit_vector) = match options.interrupts {
        Interrupts::Vectors {
            receive, transmit, ..
        } => (Some(receive), Some(transmit)),
        Interrupts::None | Interrupts::Line => (None, None),
    };
    let event_index = features & features::EVENT_INDEX != 0;
    let indirect = features & features::INDIRECT != 0;
    let mut ring = |queue, chain, vector| {
        let ring = new_ring(transport, platform, queue, chain, event_index)?;
        if let Some(vector) = vector
            && !transport.set_queue_vector(queue, vector)
        {
            return Err(OpenError::Feature("room for an interrupt vector"));
        }
        transport.enable_queue(queue, ring.size(), ring.addresses())?;
        Ok(ring)
    };
    let receive = ring(RECEIVE, 1, receive_vector)?;
    let transmit = ring(TRANSMIT, TransmitQueue::chain(indirect), transmit_vector)?;
    let has_receive_modes =
        features & (features::CTRL_VQ | features::CTRL_RX) == features::CTRL_VQ | features::CTRL_RX;
    let control = if has_receive_modes {
        let ring = ring(CONTROL, control::CHAIN, None)?;
        Some(ControlQueue::new(ring, platform).ok_or(OpenError::OutOfMemory)?)
    } else {
        None
    };
    Ok(Prepared {
        features,
        mac,
        max_frame,
        receive: ReceiveQueue::new(receive, platform, options.receive_buffers, max_frame)
            .ok_or(OpenError::OutOfMemory)?,
        transmit: TransmitQueue::new(transmit, platform, indirect, max_frame)
            .ok_or(OpenError::OutOfMemory)?,
        control,
    })
}

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

/// Agrees on features; which.
fn negotiate(transport: &mut impl Transport) -> Result<u64, OpenError> {
    transport.set_status(status::ACKNOWLEDGE);
    transport.set_status(status::ACKNOWLEDGE | status::DRIVER);
    let features = transport.device_features() & features::WANTED;
    if features & features::VERSION_1 == 0 {
        return Err(OpenError::Feature(
            "the modern interface (VIRTIO_F_VERSION_1)",
        ));
    }
    transport.accept_features(features);
    transport.set_status(status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK);
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
