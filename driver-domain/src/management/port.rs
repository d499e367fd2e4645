//! Where the management's network stack meets the card: a few frames in, a few frames out, and no more.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Frames that wait to be looked at; beyond it they are dropped.
const INCOMING: usize = 32;
/// Frames that wait to be sent; beyond it the stack waits.
const OUTGOING: usize = 8;
/// Longest frame, in both directions: no jumbo frames, so that every station of the network is reached.
pub const LONGEST: usize = 1514;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];

/// Frames on their way in and out.
#[derive(Default)]
pub struct Port {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
    asked: u64,
}

/// Whether a frame asks a DHCP server: UDP to port 67, behind a header of IPv4 without options.
fn asks_for_address(frame: &[u8]) -> bool {
    frame.get(12..15) == Some(&[0x08, 0x00, 0x45])
        && frame.get(23) == Some(&17)
        && frame.get(36..38) == Some(&[0, 67])
}

/// Whether a frame is for the management: IPv4 or ARP, to this address or to all.
pub fn is_management(frame: &[u8], mac: [u8; 6]) -> bool {
    let (Some(destination), Some(kind)) = (frame.get(..6), frame.get(12..14)) else {
        return false;
    };
    (kind == ETHERTYPE_IPV4 || kind == ETHERTYPE_ARP)
        && (destination == mac || destination == [0xff; 6])
        && frame.len() <= LONGEST
}

impl Port {
    /// Keeps a frame for the stack; false when there is no room.
    pub fn push(&mut self, frame: &[u8]) -> bool {
        let room = self.incoming.len() < INCOMING;
        if room {
            self.incoming.push_back(frame.into());
        }
        room
    }

    /// Whether a frame waits for the stack.
    pub fn has_incoming(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// A frame to be sent.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let frame = self.outgoing.pop_front()?;
        self.asked += u64::from(asks_for_address(&frame));
        Some(frame)
    }

    /// How often a DHCP server was asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }
}

/// A frame for the stack.
pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// A place for a frame of the stack.
pub struct Place<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Place<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        // A card sends nothing shorter.
        let mut frame = vec![0; length.max(mx_nic::MIN_FRAME)];
        let result = f(&mut frame[..length]);
        self.0.push_back(frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Place<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Place<'_>)> {
        if self.outgoing.len() >= OUTGOING {
            return None;
        }
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Place(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Place<'_>> {
        (self.outgoing.len() < OUTGOING).then_some(Place(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST;
        capabilities.max_burst_size = Some(OUTGOING);
        capabilities
    }
}
