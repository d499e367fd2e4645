//! Lies, one after the other, the same for the same seed. After each the liar mends what it has broken, as far as its next
//! lie needs it.
//!
//! | file | lies about |
//! |---|---|
//! | `kinds` | (which kinds there are, how often each is told) |
//! | `values` | (values that are likely to be believed too much) |
//! | `queues` | commands, indices and windows of an endpoint, before and after they are looked at; half-open connects |
//! | `control` | requests, control pages, staged lists, regions in a storm, forged frames and peers |
//! | `grants` | grants that are revoked, missing, foreign, or of another access than said |
//! | `adoption` | what an earlier backend is said to have left |
//! | `keys` | states and keys in xenstore; event channels |
//! | `pair` | what takes two |

mod adoption;
mod control;
mod grants;
mod keys;
mod kinds;
mod pair;
mod queues;
mod values;

use alloc::vec::Vec;
use core::time::Duration;

use fastrand::Rng;
use mx_ring::control::{ControlRequest, Status};
use mx_ring::{PAGE_SIZE, RegionKey};
use mx_wire::MacAddress;

use crate::device::{Device, Failure};
use crate::domain::{Domain, Granted};
use crate::endpoint::{Endpoint, Manner, session_of};
pub use kinds::{Counts, Kind};

/// Pages of the memory that is registered and dropped.
const REGION_PAGES: usize = 16;
/// Endpoints of a liar.
const ENDPOINTS: u8 = 2;
/// Turns of patience with a queue that stays full.
const FULL_MAX: u32 = 50;

/// A guest that lies.
pub struct Liar<D: Domain> {
    device: Device<D>,
    endpoints: Vec<Endpoint>,
    /// How often in a row the queue of an endpoint was found full.
    full: [u32; ENDPOINTS as usize],
    /// Memory that is registered and dropped.
    memory_granted: Vec<Granted>,
    partner: MacAddress,
    /// The partner's index, once it is known.
    peer: Option<u16>,
    rng: Rng,
    counts: Counts,
    /// Connections that were closed, by whomever, and made anew.
    reconnects: u64,
    /// The keys may be wrong: the device has to be published anew.
    stale: bool,
}

impl<D: Domain> Liar<D> {
    /// Takes memory and opens endpoints.
    pub fn new(mut device: Device<D>, seed: u64, partner: MacAddress) -> Result<Self, Failure> {
        let endpoints: Result<Vec<_>, _> = (0..ENDPOINTS)
            .map(|number| Endpoint::new(&mut device, number, Manner::Draft))
            .collect();
        let memory = device
            .domain
            .allocate(REGION_PAGES)
            .ok_or(Failure::NoMemory)?;
        let memory_granted: Option<Vec<_>> = (0..REGION_PAGES)
            .map(|page| device.domain.grant(memory, page, false))
            .collect();
        let mut liar = Self {
            device,
            endpoints: endpoints?,
            full: [0; ENDPOINTS as usize],
            memory_granted: memory_granted.ok_or(Failure::NoMemory)?,
            partner,
            peer: None,
            rng: Rng::with_seed(seed),
            counts: Counts::default(),
            reconnects: 0,
            stale: false,
        };
        liar.open_all()?;
        Ok(liar)
    }

    /// What was told so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How often the device had to be connected anew.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// The domain.
    pub fn domain(&mut self) -> &mut D {
        &mut self.device.domain
    }

    /// The device, for whoever goes on with it honestly.
    pub fn into_device(self) -> Device<D> {
        self.device
    }

    /// Tells a lie of some kind, and mends what that needs.
    pub fn lie(&mut self) -> Result<Kind, Failure> {
        let kind = Kind::any(&mut self.rng);
        self.tell(kind)?;
        Ok(kind)
    }

    /// Tells a lie of this kind.
    pub fn tell(&mut self, kind: Kind) -> Result<(), Failure> {
        self.mend()?;
        let told = match kind {
            Kind::Command => self.command(),
            Kind::CommandInUse => self.command_in_use(),
            Kind::Index => self.index(),
            Kind::Window => self.window(),
            Kind::HalfOpen => self.half_open(),
            Kind::Request => self.request(),
            Kind::RequestInUse => self.request_in_use(),
            Kind::ControlPage => self.control_page(),
            Kind::StagingInUse => self.staging_in_use(),
            Kind::RegionStorm => self.region_storm(),
            Kind::Doorbell => self.doorbells(),
            Kind::EventStorm => self.events(),
            Kind::ForgedFrame => self.forged_frame(),
            Kind::ForgedPeer => self.forged_peer(),
            Kind::GrantRevoked => self.grant_revoked(),
            Kind::GrantMissing => self.grant_missing(),
            Kind::GrantAccess => self.grant_access(),
            Kind::GrantForeign => self.grant_foreign(),
            Kind::Pair => self.pair(),
            Kind::Adoption => self.adoption(),
            Kind::Channel => self.channel(),
            Kind::State => self.state(),
            Kind::Keys => self.keys(),
            Kind::Name => self.name(),
        };
        match told {
            Ok(true) => self.counts.add(kind),
            // No room for it now, or nothing there to lie about.
            Ok(false) => {}
            // The driver domain has closed what the lie was about.
            Err(Failure::NoAnswer | Failure::Refused(_)) => self.counts.add(kind),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Connects what is no longer connected, and opens what is no longer open.
    fn mend(&mut self) -> Result<(), Failure> {
        if self.stale || !self.device.domain.is_connected() {
            return self.renew();
        }
        while self.device.answer().is_some() {}
        for index in 0..self.endpoints.len() {
            let broken = self.endpoints[index].process.status() != 0;
            if !broken && self.full[index] < FULL_MAX {
                continue;
            }
            self.full[index] = 0;
            if self.reopen(index).is_err() {
                // Another endpoint may have been opened in its place by a changed request, or the ring is broken.
                return self.renew();
            }
        }
        Ok(())
    }

    fn reopen(&mut self, index: usize) -> Result<(), Failure> {
        let session = session_of(self.device.mac());
        let Self {
            device, endpoints, ..
        } = self;
        let endpoint = &mut endpoints[index];
        endpoint.close(device)?;
        endpoint.open(device, session)
    }

    fn renew(&mut self) -> Result<(), Failure> {
        self.stale = false;
        self.reconnects += 1;
        self.device.reconnect()?;
        self.peer = None;
        self.open_all()
    }

    fn open_all(&mut self) -> Result<(), Failure> {
        let session = session_of(self.device.mac());
        for endpoint in &mut self.endpoints {
            endpoint.open(&mut self.device, session)?;
        }
        self.full = [0; ENDPOINTS as usize];
        Ok(())
    }

    /// One of the endpoints.
    fn any_endpoint(&mut self) -> usize {
        self.rng.usize(..self.endpoints.len())
    }

    /// Lets the driver domain look, for a short time.
    fn pause(&mut self) {
        let until = self.device.domain.now() + Duration::from_millis(1);
        self.device.domain.wait(until);
    }

    /// Asks for something and does not care for the answer, unless the ring is full.
    fn post(&mut self, request: &ControlRequest) -> bool {
        if self.device.post(request).is_some() {
            return true;
        }
        self.device.domain.notify();
        self.pause();
        while self.device.answer().is_some() {}
        self.device.post(request).is_some()
    }

    /// The registration of the memory, honest.
    fn registration(&mut self, slot: u16, writable: bool) -> ControlRequest {
        ControlRequest::Register {
            endpoint: 0,
            region: RegionKey {
                slot,
                generation: 1,
            },
            writable,
            offset: 0,
            length: (REGION_PAGES * PAGE_SIZE) as u32,
            first_page: 0,
            pages: REGION_PAGES as u32,
            staging: 0,
        }
    }

    /// Registers the memory under a slot, honestly; whether it was taken.
    fn register(&mut self, slot: u16) -> Result<bool, Failure> {
        self.device.stage(0, &self.memory_granted);
        let request = self.registration(slot, true);
        Ok(self.device.ask(&request)? == Status::Ok)
    }

    fn deregister(&mut self, slot: u16) -> Result<(), Failure> {
        let request = ControlRequest::Deregister {
            endpoint: 0,
            region: RegionKey {
                slot,
                generation: 1,
            },
        };
        self.device.ask(&request).map(drop)
    }
}
