//! A backend, a device, and the guest's kernel behind it.

use std::time::Duration;

use driver_domain::device::{Device, Identity};
use std::rc::Rc;

use driver_domain::account::{Account, Limit};
use driver_domain::fake::{FIRST_REF, Guest, account};
use driver_domain::rounds::Turn;
use mx_backend::{
    Backend, BackendConfig, Completion, FrameSink, Handed, HostName, Instant, Payload, Sleepers,
    Token,
};
use mx_board::Full;
use mx_ring::control::{
    ControlError, ControlRequest, DEVICE_PAGES, ModuleControl, STAGING_PAGE, Staging, Status,
};
use mx_ring::{BackendSide, EndpointLayout, Geometry, PAGE_SIZE, RegionKey};
use mx_wire::{Format, MacAddress};

/// A wire without anybody at its other end: what went out.
#[derive(Default)]
pub struct Wire(pub Vec<Vec<u8>>);

impl FrameSink for Wire {
    fn transmit(&mut self, header: &[u8], payload: Payload<'_>, _: Token) -> Result<Handed, Full> {
        let mut frame = header.to_vec();
        if let Payload::Bytes(bytes) = payload {
            frame.extend_from_slice(bytes);
        }
        self.0.push(frame);
        Ok(Handed::Copied)
    }
}

pub struct Wakes<'a>(&'a mut Device<Guest>);

impl Sleepers for Wakes<'_> {
    fn wake_if_armed(&mut self, endpoint: mx_backend::EndpointKey, side: &mut BackendSide) {
        self.0.wake_if_armed(endpoint.endpoint, side);
    }
}

/// A backend, a device, and the guest's kernel behind it.
pub struct World {
    pub guest: Guest,
    pub backend: Backend,
    pub wire: Wire,
    pub account: Rc<Account>,
    pub device: Device<Guest>,
    pub kernel: ModuleControl,
    pub staging: Staging,
    pub time: u64,
    pub next_id: u32,
    pub removed: bool,
}

pub fn backend() -> Backend {
    Backend::new(BackendConfig {
        format: Format::native(9000).unwrap(),
        generation: 1,
        endpoint_max: 8,
        queue_entries: mx_ring::QUEUE_ENTRIES,
        interface: [0; 16],
        driver: [0; 16],
        idle_spell: Duration::from_micros(50),
        seed: 7,
    })
}

pub fn identity() -> Identity {
    Identity {
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        name: HostName::new(b"guest1:0"),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(account())
    }

    pub fn with(account: Rc<Account>) -> Self {
        let guest = Guest::new().unwrap();
        let kernel = guest.format();
        let mut backend = backend();
        let device = Device::connect(
            guest.clone(),
            &account,
            FIRST_REF,
            identity(),
            8,
            Instant::from_nanos(1),
            &mut backend,
        )
        .unwrap();
        let staging = Staging::new(guest.slice(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE)).unwrap();
        Self {
            guest,
            backend,
            wire: Wire::default(),
            account,
            device,
            kernel,
            staging,
            time: 1,
            next_id: 1,
            removed: false,
        }
    }

    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.time)
    }

    /// A turn of the domain's loop; the most pages that it mapped or unmapped must be within its budget.
    pub fn turn(&mut self) -> Result<Turn, ControlError> {
        self.time += 10_000;
        let now = self.now();
        let before = self.guest.mapped.borrow().len();
        let mut budget = 32;
        let more = self
            .device
            .serve(now, &mut self.backend, &mut self.wire, &mut budget)?;
        assert!(self.guest.mapped.borrow().len().abs_diff(before) <= 32);
        self.backend_turn();
        self.device.tell_of_raw(&mut self.backend);
        self.completions();
        Ok(more)
    }

    /// The backend's part of a turn.
    pub fn backend_turn(&mut self) {
        let now = self.now();
        self.backend
            .turn(now, &mut self.wire, &mut Wakes(&mut self.device));
    }

    pub fn completions(&mut self) {
        while let Some(completion) = self.backend.next_completion() {
            self.removed |= matches!(completion, Completion::BoardRemoved(_));
            self.device.completed(completion);
        }
    }

    pub fn ask(&mut self, request: &ControlRequest) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        assert!(self.kernel.post(id, request));
        id
    }

    /// Turns until there is an answer; it must be the one to `id`.
    pub fn answer(&mut self, id: u32) -> Status {
        for _ in 0..400 {
            self.turn().unwrap();
            if let Some(response) = self.kernel.next_response() {
                let response = response.unwrap();
                assert_eq!(response.id, id);
                return response.status;
            }
        }
        panic!("request {id} was not answered");
    }

    pub fn stage(&self, refs: &[u32]) {
        for (entry, reference) in refs.iter().enumerate() {
            assert!(self.staging.set(entry, *reference));
        }
    }

    pub fn open(&mut self, endpoint: u8, page: usize) -> Status {
        let layout = EndpointLayout::new(geometry()).unwrap();
        let pages = (layout.w_size() + layout.r_size()) / PAGE_SIZE;
        self.stage(&Guest::refs(page, pages));
        let id = self.ask(&ControlRequest::OpenEndpoint {
            endpoint,
            session: 9,
            geometry: geometry(),
            adopt: false,
        });
        self.answer(id)
    }

    /// Registers a page of the guest, alone.
    pub fn register_page(&mut self, endpoint: u8, slot: u16, page: usize) -> Status {
        self.stage(&Guest::refs(page, 1));
        let id = self.ask(&ControlRequest::Register {
            endpoint,
            region: key(slot),
            writable: true,
            offset: 0,
            length: PAGE_SIZE as u32,
            first_page: 0,
            pages: 1,
            staging: 0,
        });
        self.answer(id)
    }

    pub fn register(&mut self, slot: u16, first_page: u32, pages: u32) -> Status {
        let id = self.ask(&ControlRequest::Register {
            endpoint: 0,
            region: key(slot),
            writable: true,
            offset: 100,
            length: 40 * PAGE_SIZE as u32 - 200,
            first_page,
            pages,
            staging: 0,
        });
        self.answer(id)
    }

    pub fn deregister(&mut self, slot: u16) -> Status {
        let id = self.ask(&ControlRequest::Deregister {
            endpoint: 0,
            region: key(slot),
        });
        self.answer(id)
    }

    pub fn close(&mut self, endpoint: u8) -> Status {
        let id = self.ask(&ControlRequest::CloseEndpoint { endpoint });
        self.answer(id)
    }

    /// Ends the device; everything must come back.
    pub fn end(mut self) {
        self.device.retire(&mut self.backend);
        for _ in 0..400 {
            self.completions();
            let mut budget = 32;
            if self.device.gone(&mut budget) {
                break;
            }
        }
        assert!(self.removed);
        assert_eq!(self.device.held(), 0);
        assert_eq!(self.guest.mapped.borrow().len(), DEVICE_PAGES);
        drop(self.device);
        for limit in [
            Limit::Devices,
            Limit::Endpoints,
            Limit::Regions,
            Limit::Pages,
            Limit::Heap,
        ] {
            assert_eq!(self.account.held(limit), 0, "{limit:?}");
        }
        assert_eq!(self.guest.mapped.borrow().len(), 0);
        assert_eq!(self.guest.reserved.get(), 0);
    }
}

/// The smallest endpoint: 55 pages.
pub fn geometry() -> Geometry {
    Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    }
}

pub fn endpoint_pages() -> usize {
    let layout = EndpointLayout::new(geometry()).unwrap();
    (layout.w_size() + layout.r_size()) / PAGE_SIZE
}

pub fn key(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 3,
    }
}
