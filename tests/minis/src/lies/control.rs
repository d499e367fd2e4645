//! Lies in the pages of a guest's kernel.

use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, DEVICE_PAGES, STAGING_PAGE};
use mx_ring::{Geometry, PAGE_SIZE, RegionKey};
use mx_wire::{Beacon, Format, MacAddress};

use super::values::{change, value};
use super::{Liar, REGION_PAGES};
use crate::device::Failure;
use crate::domain::Domain;
use crate::endpoint::SMALLEST;

/// Bells at a time.
const STORM: u32 = 64;
/// Events in a row, so many that a driver domain finds far more than it takes for an accident.
const EVENTS: u32 = 500;
/// Regions at a time.
const REGIONS: u16 = 6;
/// How often what is in use is changed.
const FLICKERS: u32 = 64;
/// Where D0 has its requests: behind the references and the indices.
const REQUESTS: usize = PAGE_SIZE / 4;

impl<D: Domain> Liar<D> {
    /// A request of some kind that could be meant.
    fn any_request(&mut self) -> ControlRequest {
        let rng = &mut self.rng;
        let endpoint = rng.u8(..4);
        let region = RegionKey {
            slot: rng.u16(..4),
            generation: 1,
        };
        match rng.u8(..9) {
            0 => ControlRequest::OpenEndpoint {
                endpoint,
                session: rng.u32(..),
                geometry: Geometry {
                    commands: 64 << rng.u32(..3),
                    ..SMALLEST
                },
                adopt: rng.bool(),
            },
            1 => ControlRequest::CloseEndpoint { endpoint },
            2 | 3 => {
                let slot = rng.u16(..4);
                let writable = rng.bool();
                self.registration(slot, writable)
            }
            4 => ControlRequest::Deregister { endpoint, region },
            5 => ControlRequest::Ready,
            6 => ControlRequest::Raw { open: rng.bool() },
            7 => ControlRequest::SendRaw {
                length: rng.u16(..1100),
            },
            _ => ControlRequest::TakeRaw,
        }
    }

    pub(super) fn request(&mut self) -> Result<bool, Failure> {
        self.device.stage(0, &self.memory_granted);
        let request = self.any_request();
        if !self.post(&request) {
            return Ok(false);
        }
        let rng = &mut self.rng;
        self.device.flush_changed(|_, line| {
            if rng.bool() {
                change(rng, line);
            }
        });
        self.device.domain.notify();
        self.pause();
        // What was changed and not looked at yet is honest from now on.
        self.restore();
        Ok(true)
    }

    pub(super) fn request_in_use(&mut self) -> Result<bool, Failure> {
        self.device.stage(0, &self.memory_granted);
        let request = self.any_request();
        if !self.post(&request) {
            return Ok(false);
        }
        let mut shown = None;
        self.device.flush_changed(|at, line| {
            if at >= REQUESTS {
                shown = Some((at, *line));
            }
        });
        self.device.domain.notify();
        if let (Some(page), Some((at, honest))) = (self.device.page(0), shown) {
            for flicker in 0..FLICKERS {
                let mut line = honest;
                if flicker % 2 == 0 {
                    change(&mut self.rng, &mut line);
                }
                let _ = page.write(at, &line);
            }
        }
        self.pause();
        self.restore();
        Ok(true)
    }

    pub(super) fn control_page(&mut self) -> Result<bool, Failure> {
        let page = match self.rng.u8(..4) {
            0 => 2,
            1 => 3,
            2 => self.rng.usize(STAGING_PAGE..DEVICE_PAGES),
            _ => 0,
        };
        let Some(slice) = self.device.page(page) else {
            return Ok(false);
        };
        // The words that decide lie in front.
        let words = if self.rng.bool() { 64 } else { PAGE_SIZE / 4 };
        let at = self.rng.usize(..words) * 4;
        let mut word = [0; 4];
        let _ = slice.read(at, &mut word);
        let lie = value(&mut self.rng, u32::from_le_bytes(word).into()) as u32;
        let _ = slice.write(at, &lie.to_le_bytes());
        self.device.domain.notify();
        self.pause();
        self.restore();
        Ok(true)
    }

    /// D0 is what it honestly is, as far as that is not too late.
    fn restore(&mut self) {
        self.device.flush();
    }

    pub(super) fn staging_in_use(&mut self) -> Result<bool, Failure> {
        let index = self.any_endpoint();
        self.device.stage(0, &self.endpoints[index].granted);
        let mut opening = self.endpoints[index].opening(1);
        if let ControlRequest::OpenEndpoint { endpoint, .. } = &mut opening {
            *endpoint = 4 + self.rng.u8(..4);
        }
        if !self.post(&opening) {
            return Ok(false);
        }
        self.device.flush();
        self.device.domain.notify();
        for _ in 0..FLICKERS {
            let entry = self.rng.usize(..self.endpoints[index].granted.len());
            let lie = value(&mut self.rng, 8) as u32;
            self.device.staging.set(entry, lie);
        }
        self.pause();
        Ok(true)
    }

    pub(super) fn region_storm(&mut self) -> Result<bool, Failure> {
        self.device.stage(0, &self.memory_granted);
        let first = self.rng.u16(..1000);
        let mut any = false;
        for slot in first..first + REGIONS {
            let writable = self.rng.bool();
            let register = self.registration(slot, writable);
            any |= self.post(&register);
            let region = RegionKey {
                slot,
                generation: 1,
            };
            any |= self.post(&ControlRequest::Deregister {
                endpoint: 0,
                region,
            });
            self.device.flush();
        }
        self.device.domain.notify();
        while self.device.answer().is_some() {}
        Ok(any)
    }

    pub(super) fn doorbells(&mut self) -> Result<bool, Failure> {
        for _ in 0..STORM {
            let endpoint = self.rng.u8(..);
            self.device.bells.ring(endpoint);
        }
        self.device.domain.notify();
        Ok(true)
    }

    pub(super) fn events(&mut self) -> Result<bool, Failure> {
        for _ in 0..EVENTS {
            self.device.domain.notify();
        }
        Ok(true)
    }

    /// Whose address a liar may take: its own, a neighbour's, anybody's.
    fn any_mac(&mut self) -> MacAddress {
        let index = self.rng.u16(..8);
        match (self.rng.u8(..4), self.device.board.peer(index)) {
            (0, _) => self.device.mac(),
            (1 | 2, Some(peer)) => peer.mac,
            _ => MacAddress(core::array::from_fn(|_| self.rng.u8(..))),
        }
    }

    pub(super) fn forged_frame(&mut self) -> Result<bool, Failure> {
        let board = self.any_mac();
        let serial = self.rng.u32(..);
        let mut frame = [0; mx_wire::RAW_FRAME_MAX];
        let payload = Beacon { board, serial }.payload();
        let beacon = Beacon::frame(self.any_mac(), &payload);
        let built = Format::native(9000).map(|format| beacon.emit(&format, &mut frame));
        let Ok(Ok(length)) = built else {
            return Ok(false);
        };
        let length = length.max(60).min(frame.len());
        if self.rng.bool() {
            change(&mut self.rng, &mut frame[..length]);
        }
        self.device.staging.put_frame(&frame[..length]);
        let open = ControlRequest::Raw { open: true };
        let send = ControlRequest::SendRaw {
            length: length as u16,
        };
        let posted = self.post(&open) && self.post(&send) && self.post(&ControlRequest::TakeRaw);
        self.device.flush();
        self.device.domain.notify();
        self.pause();
        Ok(posted)
    }

    pub(super) fn forged_peer(&mut self) -> Result<bool, Failure> {
        let mut name = [0; 80];
        let index = self.rng.u16(..8);
        if let Some(peer) = self.device.board.peer(index) {
            name = peer.hostname;
        }
        if self.rng.bool() {
            change(&mut self.rng, &mut name);
        }
        let change = match self.rng.u8(..8) {
            0 => Change::SetHostname(name),
            1 => Change::ClearPeerNames,
            2 => Change::ClearPeers,
            3 => Change::MarkPeersConfigured,
            4 => Change::ClearCounters,
            _ => Change::AddPeer {
                mac: self.any_mac(),
                name,
            },
        };
        let posted = self.post(&ControlRequest::Change(change));
        self.device.flush();
        self.device.domain.notify();
        Ok(posted)
    }

    /// Pages of the memory, for those who lie about its grants.
    pub(super) fn any_page(&mut self) -> usize {
        self.rng.usize(..REGION_PAGES)
    }
}
