//! RAW frames of processes (wire.md §6.1): a program that maps the network in a way of its own sends them and gets them
//! whole, besides the discovery that each board does by itself.

use alloc::vec::Vec;
use core::ops::Range;

use mx_records::record;
use mx_ring::Counter;
use mx_wire::{Beacon, Frame, MacAddress, Packet};

use crate::error::RawError;
use crate::incoming::Incoming;
use crate::key::{BoardId, Source};
use crate::ports::{Ports, Taken};
use crate::switch::Switch;
use crate::time::Instant;

/// Where a frame has the sender's index at its receiver, which no one reads in RAW frames.
const SENDER_INDEX: Range<usize> = 14..16;

impl Switch {
    /// Sends a frame that a process wrote, from its first byte on. It may only be a RAW frame from the board's own
    /// address, and no beacon of somebody else; the index of the sender is not the process's to say, and becomes 0, as
    /// in beacons.
    pub fn send_raw<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        bytes: &[u8],
        ports: &mut P,
    ) -> Result<(), RawError> {
        let format = self.settings.format;
        let board = self.board_mut(id).ok_or(RawError::NoBoard)?;
        let frame = Frame::parse(&format, bytes).map_err(RawError::Unreadable)?;
        if frame.packet != Packet::Raw {
            return Err(RawError::OtherType);
        }
        if frame.source != board.mac {
            return Err(RawError::OtherSource(frame.source));
        }
        // All zeros are no board's address, and what a frame that is no beacon may well hold there.
        let beacon = Beacon::parse(frame.payload).map(|beacon| beacon.board);
        if let Some(other) = beacon.filter(|mac| *mac != board.mac && *mac != MacAddress::default())
        {
            return Err(RawError::OtherBeacon(other));
        }
        let mut stamped: Vec<u8> = bytes.into();
        if let Some(index) = stamped.get_mut(SENDER_INDEX) {
            index.fill(0);
        }
        let payload = Source::Bytes(frame.payload);
        let here = self.by_mac(frame.destination);
        let (to, from, length) = (frame.destination, frame.source, payload.length());
        let header = || frame.packet.header(&format, to, from, Some(0), length);
        if here.is_some() {
            ports.look(header, payload);
        } else {
            // What could be parsed can be built.
            if let Ok(header) = header() {
                let counter = match ports.transmit(&header, payload)? {
                    Taken::Sent => Counter::SendRaw,
                    Taken::Lost => Counter::SendSkbuffAllocFailed,
                };
                if let Some(board) = self.board_mut(id) {
                    board.count(counter);
                }
                self.counted.insert(id.0);
            }
        }
        let incoming = Incoming {
            source: frame.source,
            sender_index: Some(0),
            packet: &frame.packet,
            payload,
            local: true,
        };
        for to in self.addressed(frame.destination) {
            if to != id {
                self.receive(now, to, &incoming, ports);
            }
        }
        self.pass_raw(frame.destination, Some(id), &stamped, ports);
        Ok(())
    }

    /// Brings a whole RAW frame to the raw endpoints of the boards that it is for, but not to its sender's.
    pub(crate) fn pass_raw<P: Ports>(
        &mut self,
        destination: MacAddress,
        sender: Option<BoardId>,
        bytes: &[u8],
        ports: &mut P,
    ) {
        for id in self.addressed(destination) {
            if let Some(board) = self.board_mut(id)
                && !board.muted
                && Some(id) != sender
                && ports.raw(id, bytes).is_err()
            {
                board.count(Counter::DropRawQueueFull);
                record!(
                    debug,
                    "{}: {}",
                    board.name,
                    Counter::DropRawQueueFull.label()
                );
                self.counted.insert(id.0);
            }
        }
    }

    /// The numbers that boards with this destination may have: one, or all.
    fn addressed(&self, destination: MacAddress) -> impl Iterator<Item = BoardId> + use<> {
        let all = if destination.is_group() {
            0..self.boards.len() as u16
        } else {
            self.by_mac(destination).map_or(0..0, |id| id.0..id.0 + 1)
        };
        all.map(BoardId)
    }
}
