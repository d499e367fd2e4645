//! An endpoint: its pages, granted once and used again and again, and the process's side of its queues.

use alloc::vec::Vec;

use mx_ring::control::{ControlRequest, Status};
use mx_ring::{
    Command, Descriptor, EndpointLayout, Geometry, PAGE_SIZE, ProcessSide, VolatileSlice,
};
use mx_wire::MacAddress;

use crate::device::{Device, Failure, clear};
use crate::domain::{Domain, Granted, Pages, Twist};

/// The smallest endpoint.
pub const SMALLEST: Geometry = Geometry {
    commands: 64,
    unexpected: 64,
    expected: 64,
    transmit: 64 << 10,
    receive: 64 << 10,
};

/// The session of a mini's endpoint: who knows its address knows it. A mini has no library that would learn it by a connect.
pub fn session_of(mac: MacAddress) -> u32 {
    let MacAddress(bytes) = mac;
    let mixed = bytes.iter().fold(0x811c_9dc5_u32, |mixed, byte| {
        (mixed ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    mixed | 1
}

/// An endpoint.
pub struct Endpoint {
    /// Its number.
    pub number: u8,
    /// Sizes and places.
    pub layout: EndpointLayout,
    w: Pages,
    r: Pages,
    /// Pages of both areas, in the order in which they are staged.
    pub granted: Vec<Granted>,
    /// What the W area is to hold, of a liar, who copies it bit by bit.
    draft: Option<Pages>,
    /// The process's side. Of a liar it writes into the draft.
    pub process: ProcessSide,
}

/// How an endpoint's process shows what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Honest,
    /// By way of a draft.
    Draft,
}

impl Endpoint {
    /// Takes pages for an endpoint of the smallest size and grants them; it is not open yet.
    pub fn new<D: Domain>(
        device: &mut Device<D>,
        number: u8,
        manner: Manner,
    ) -> Result<Self, Failure> {
        Self::of_size(device, number, SMALLEST, manner)
    }

    /// The same for an endpoint of another size.
    pub fn of_size<D: Domain>(
        device: &mut Device<D>,
        number: u8,
        geometry: Geometry,
        manner: Manner,
    ) -> Result<Self, Failure> {
        let layout = EndpointLayout::new(geometry).map_err(|_| Failure::NoMemory)?;
        let (w_pages, r_pages) = (layout.w_size() / PAGE_SIZE, layout.r_size() / PAGE_SIZE);
        let domain = &mut device.domain;
        let mut allocate = |pages| domain.allocate(pages).ok_or(Failure::NoMemory);
        let (w, r) = (allocate(w_pages)?, allocate(r_pages)?);
        let draft = match manner {
            Manner::Honest => None,
            Manner::Draft => Some(allocate(w_pages)?),
        };
        let w_granted = (0..w_pages).map(|page| (w, page, true));
        let r_granted = (0..r_pages).map(|page| (r, page, false));
        let granted: Option<Vec<_>> = w_granted
            .chain(r_granted)
            .map(|(pages, page, read_only)| domain.grant(pages, page, read_only))
            .collect();
        Ok(Self {
            number,
            layout,
            w,
            r,
            granted: granted.ok_or(Failure::NoMemory)?,
            process: process(layout, &draft.unwrap_or(w), &r)?,
            draft,
        })
    }

    /// Cleans the pages and opens it.
    pub fn open<D: Domain>(&mut self, device: &mut Device<D>, session: u32) -> Result<(), Failure> {
        self.prepare(device)?;
        device.demand(&self.opening(session))
    }

    /// Cleans the pages and stages them.
    pub fn prepare<D: Domain>(&mut self, device: &mut Device<D>) -> Result<(), Failure> {
        for pages in [Some(self.w), Some(self.r), self.draft]
            .into_iter()
            .flatten()
        {
            clear(&pages.slice);
        }
        for granted in &self.granted {
            device.domain.twist(granted, Twist::Honest);
        }
        self.process = process(self.layout, &self.draft.unwrap_or(self.w), &self.r)?;
        device.stage(0, &self.granted);
        Ok(())
    }

    /// The request that opens it.
    pub fn opening(&self, session: u32) -> ControlRequest {
        ControlRequest::OpenEndpoint {
            endpoint: self.number,
            session,
            geometry: self.layout.geometry(),
            adopt: false,
        }
    }

    /// Closes it; that it is not open is no failure.
    pub fn close<D: Domain>(&mut self, device: &mut Device<D>) -> Result<(), Failure> {
        let request = ControlRequest::CloseEndpoint {
            endpoint: self.number,
        };
        match device.ask(&request)? {
            Status::Ok | Status::NotFound => Ok(()),
            status => Err(Failure::Refused(status)),
        }
    }

    /// Rings if the driver domain no longer looks.
    pub fn kick<D: Domain>(&self, device: &mut Device<D>) {
        if self.process.kick_needed() {
            device.bells.ring(self.number);
            device.domain.notify();
        }
    }

    /// The W area as the driver domain sees it.
    pub fn shown(&self) -> VolatileSlice {
        self.w.slice
    }

    /// The R area.
    pub fn events(&self) -> VolatileSlice {
        self.r.slice
    }

    /// Puts a command into the draft; where it lies in the W area, with the bytes of its descriptor. Nothing when the queue
    /// is full.
    pub fn draft(&mut self, command: &Command, data: &[u8]) -> Option<(usize, [u8; 64])> {
        let entries = self.layout.geometry().commands;
        let slot = (self.process.next_command_index() & (entries - 1)) as usize;
        if !self.process.post(command, data) {
            return None;
        }
        let at = EndpointLayout::COMMANDS + slot * Descriptor::SIZE;
        let mut bytes = [0; Descriptor::SIZE];
        let draft = self.draft?.slice;
        draft.read(at, &mut bytes).ok()?;
        let data_at = self.layout.command_data() + slot * EndpointLayout::COMMAND_DATA_SIZE;
        self.copy(data_at, EndpointLayout::COMMAND_DATA_SIZE);
        Some((at, bytes))
    }

    /// Shows a part of the draft as it is.
    pub fn copy(&self, at: usize, length: usize) {
        let part = self
            .draft
            .and_then(|draft| draft.slice.part(at, length).ok());
        if let Some(part) = part {
            let _ = self.w.slice.write_slice(at, &part);
        }
    }
}

fn process(layout: EndpointLayout, w: &Pages, r: &Pages) -> Result<ProcessSide, Failure> {
    ProcessSide::new(layout, w.slice, r.slice).map_err(|_| Failure::NoMemory)
}
