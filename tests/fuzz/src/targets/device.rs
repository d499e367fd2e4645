//! A device of a guest in the driver domain: what the guest's kernel asks for and writes, what its processes write.

use std::collections::BTreeSet;
use std::time::Duration;

use driver_domain::device::{Device, Identity};
use driver_domain::fake::{DATA_PAGE, FIRST_REF, GUEST_PAGES, Guest};
use mx_backend::fake::Outbox;
use mx_backend::{Backend, BackendConfig, Completion, EndpointKey, HostName, Instant, Sleepers};
use mx_ring::admin::Change;
use mx_ring::board_page::HOSTNAME_MAX;
use mx_ring::control::{
    ControlRequest, DEVICE_PAGES, ModuleControl, STAGING_PAGE, STAGING_REFS, Staging,
};
use mx_ring::{BackendSide, Descriptor, EndpointLayout, Geometry, PAGE_SIZE, RegionKey};
use mx_wire::{Format, MacAddress};

use crate::input::Input;

const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
/// The type of RAW frames.
const RAW: u8 = 1;
/// Endpoints that a board has.
const ENDPOINTS: u16 = 8;
/// Pages that a turn may map or unmap.
const BUDGET: usize = 32;
/// Turns in which an honest kernel's requests are answered, and in which a device is given back.
const TURNS_MAX: u32 = 4000;
/// Queues as small as they can be.
const GEOMETRY: Geometry = Geometry {
    commands: 64,
    unexpected: 64,
    expected: 64,
    transmit: 64 << 10,
    receive: 64 << 10,
};

struct Wakes<'a>(&'a mut Device<Guest>);

impl Sleepers for Wakes<'_> {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        self.0.wake_if_armed(endpoint.endpoint, side);
    }
}

struct Bench {
    guest: Guest,
    backend: Backend,
    device: Device<Guest>,
    kernel: ModuleControl,
    staging: Staging,
    out: Outbox,
    now: Instant,
    /// Requests without an answer.
    open: BTreeSet<u32>,
    next_id: u32,
    /// The kernel has written what its side of the ring would not: nothing is promised about answers.
    scribbled: bool,
    removed: bool,
    seen: Vec<(u8, u8)>,
}

impl Bench {
    fn new() -> Self {
        let guest = Guest::new().expect("memory");
        let kernel = guest.format();
        let mut backend = Backend::new(BackendConfig {
            format: Format::native(9000).expect("in range"),
            generation: 1,
            endpoint_max: ENDPOINTS,
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: [0; 16],
            driver: [0; 16],
            idle_spell: Duration::from_micros(50),
            seed: 7,
        });
        let identity = Identity {
            mac: OWN,
            name: HostName::new(b"guest1:0"),
        };
        let now = Instant::from_nanos(1);
        let memory = guest.clone();
        let device = Device::connect(
            memory,
            &driver_domain::fake::account(),
            FIRST_REF,
            identity,
            ENDPOINTS,
            now,
            &mut backend,
        );
        let staging = guest.slice(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE);
        Self {
            device: device.expect("an honest start"),
            kernel,
            staging: Staging::new(staging).expect("pages"),
            guest,
            backend,
            out: Outbox::default(),
            now,
            open: BTreeSet::new(),
            next_id: 1,
            scribbled: false,
            removed: false,
            seen: Vec::new(),
        }
    }

    /// A turn of the domain; false when the device has come to its end.
    fn turn(&mut self) -> bool {
        self.now = self.now + Duration::from_micros(10);
        let before = self.guest.mapped.borrow().len();
        let mut budget = BUDGET;
        let (backend, out) = (&mut self.backend, &mut self.out);
        let served = self.device.serve(self.now, backend, out, &mut budget);
        let moved = self.guest.mapped.borrow().len().abs_diff(before);
        assert!(moved <= BUDGET, "a turn maps {moved} pages");
        let sleepers = &mut Wakes(&mut self.device);
        self.backend.turn(self.now, &mut self.out, sleepers);
        self.device.tell_of_raw(&mut self.backend);
        for frame in self.out.frames.drain(..) {
            assert_eq!(frame[6..12], OWN.0, "nobody speaks as another");
            let raw = frame[16] == RAW;
            assert!(!raw || frame[14..16] == [0; 2], "nobody names an index");
        }
        self.completions();
        self.answers();
        if served.is_err() {
            assert!(self.scribbled, "an honest kernel is served: {served:?}");
        }
        served.is_ok()
    }

    fn completions(&mut self) {
        while let Some(completion) = self.backend.next_completion() {
            self.removed |= matches!(completion, Completion::BoardRemoved(_));
            self.device.completed(completion);
        }
    }

    fn answers(&mut self) {
        while let Some(response) = self.kernel.next_response() {
            let response = response.expect("what the domain writes can be read");
            if response.id != 0 && !self.scribbled {
                assert!(self.open.remove(&response.id), "{response:?} once more");
            }
            let kind = if response.id == 0 { 1 } else { 2 };
            self.seen.push((kind, response.status as u8));
        }
    }

    fn ask(&mut self, request: &ControlRequest) {
        if self.kernel.has_room() && self.kernel.post(self.next_id, request) {
            self.open.insert(self.next_id);
            self.next_id += 1;
        }
    }

    /// References of neighbouring pages, where the next request looks for them.
    fn stage(&self, page: usize) {
        let count = STAGING_REFS.min(GUEST_PAGES - DATA_PAGE - page);
        for (entry, reference) in Guest::refs(DATA_PAGE + page, count).into_iter().enumerate() {
            self.staging.set(entry, reference);
        }
    }

    fn request(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let odd = input.byte();
        let endpoint = if odd == 0xff { input.byte() } else { odd % 4 };
        let region = RegionKey {
            slot: u16::from(odd >> 4) % 4,
            generation: u16::from(odd >> 6) % 2,
        };
        let request = match kind % 12 {
            0 | 1 => {
                let mut geometry = GEOMETRY;
                if kind > 200 {
                    geometry.commands = input.size();
                    geometry.transmit = input.size();
                }
                self.stage(usize::from(input.byte()) % 8 * 100);
                ControlRequest::OpenEndpoint {
                    endpoint,
                    session: input.double(),
                    geometry,
                    adopt: kind % 12 == 1,
                }
            }
            2 => ControlRequest::CloseEndpoint { endpoint },
            3..=5 => {
                let wild = kind > 220;
                let mut number = |most: u32| match wild {
                    true => input.size(),
                    false => u32::from(input.byte()) % most,
                };
                let pages = number(60);
                let first_page = number(4).saturating_sub(2);
                let staging = number(3);
                // Few lengths and offsets, so that pieces of one region meet.
                let length = (number(4) << 3).wrapping_mul(PAGE_SIZE as u32);
                ControlRequest::Register {
                    endpoint,
                    region,
                    writable: odd & 8 != 0,
                    offset: if wild { input.word() } else { 16 },
                    length,
                    first_page,
                    pages,
                    staging,
                }
            }
            6 => ControlRequest::Deregister { endpoint, region },
            7 => ControlRequest::Raw { open: odd & 1 == 0 },
            8 => self.raw_frame(odd, input),
            9 => {
                let mut frame = self.frame_of(STRANGER);
                frame.extend(input.piece(255));
                self.backend.frame(self.now, &frame, &mut self.out);
                ControlRequest::TakeRaw
            }
            10 => ControlRequest::Change(match odd % 6 {
                0 => Change::ClearCounters,
                1 => Change::SetHostname([odd; HOSTNAME_MAX]),
                2 => Change::ClearPeerNames,
                3 => Change::ClearPeers,
                4 => Change::AddPeer {
                    mac: MacAddress([odd >> 3; 6]),
                    name: [odd; HOSTNAME_MAX],
                },
                _ => Change::MarkPeersConfigured,
            }),
            _ => ControlRequest::Ready,
        };
        self.ask(&request);
    }

    /// The begin of a RAW frame to everybody.
    fn frame_of(&self, source: MacAddress) -> Vec<u8> {
        let everybody = MacAddress::BROADCAST;
        [&everybody.0[..], &source.0, &[0x86, 0xdf, 0, 0, RAW]].concat()
    }

    /// Stages a frame, of the board or of somebody else, or anything.
    fn raw_frame(&mut self, odd: u8, input: &mut Input<'_>) -> ControlRequest {
        let mut frame = match odd % 4 {
            0 | 1 => self.frame_of(OWN),
            2 => self.frame_of(STRANGER),
            _ => Vec::new(),
        };
        frame.extend(input.piece(255));
        if let Some(byte) = frame.get_mut(usize::from(odd >> 4)) {
            *byte ^= odd;
        }
        self.staging.put_frame(&frame);
        let length = frame.len() as u16;
        let length = if odd == 0xff { input.word() } else { length };
        ControlRequest::SendRaw { length }
    }

    /// False when the device has come to its end.
    fn step(&mut self, input: &mut Input<'_>) -> bool {
        let choice = input.byte();
        match choice % 10 {
            0..=2 => self.request(input),
            3 | 4 => {
                for _ in 0..1 + choice / 64 {
                    if !self.turn() {
                        return false;
                    }
                }
            }
            5 => {
                // A page that only the kernel writes, at places that decide something, or anywhere.
                let page = [0, 2, 3, STAGING_PAGE][usize::from(choice / 10) % 4];
                let place = usize::from(input.word());
                let at = if choice < 128 { place % 256 } else { place };
                let bytes = input.piece(8);
                let at = at.min(PAGE_SIZE - bytes.len());
                let written = self.guest.slice(page, 1).write(at, bytes);
                written.expect("within the page");
                // Entries of a ring that were not published yet, and staged references, are the kernel's own affair.
                self.scribbled |= page == 0;
            }
            6 => {
                // Any memory of the guest: it owns the pages that it grants, those included that the backend writes.
                let all = GUEST_PAGES * PAGE_SIZE;
                let at = DATA_PAGE * PAGE_SIZE
                    + input.double() as usize % (all - DATA_PAGE * PAGE_SIZE - 256);
                let bytes = input.piece(255);
                let written = self.guest.slice(0, GUEST_PAGES).write(at, bytes);
                written.expect("within the guest");
            }
            7 => {
                // A command, where an endpoint's first one is expected.
                let mut entry = [0; Descriptor::SIZE];
                let bytes = input.bytes(60);
                entry[..bytes.len()].copy_from_slice(bytes);
                entry[0] = 0x11 + entry[0] % 18;
                entry[60] = 1;
                let index = usize::from(choice / 10) % 4;
                let at =
                    DATA_PAGE * PAGE_SIZE + EndpointLayout::COMMANDS + index * Descriptor::SIZE;
                let written = self.guest.slice(0, GUEST_PAGES).write(at, &entry);
                written.expect("within the guest");
                self.device.rung(self.now, &mut self.backend);
            }
            8 => {
                self.device.rung(self.now, &mut self.backend);
            }
            _ => {
                let reference = FIRST_REF + u32::from(input.word()) % GUEST_PAGES as u32;
                let mut refused = self.guest.refused.borrow_mut();
                if choice < 128 {
                    refused.insert(reference);
                } else {
                    refused.clear();
                }
            }
        }
        true
    }

    /// An honest kernel is told something about each of its requests, and everything comes back.
    fn end(mut self) -> Vec<(u8, u8)> {
        let mut turns = 0;
        while !self.scribbled && !self.open.is_empty() {
            self.turn();
            turns += 1;
            assert!(turns < TURNS_MAX, "no answer to {:?}", self.open);
        }
        self.device.retire(&mut self.backend);
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the device does not go");
            let sleepers = &mut Wakes(&mut self.device);
            self.backend.turn(self.now, &mut self.out, sleepers);
            self.completions();
            if self.device.gone(&mut BUDGET.clone()) {
                break;
            }
        }
        assert!(self.removed, "the board is gone");
        assert_eq!(self.device.held(), 0, "pages are held");
        assert_eq!(self.guest.mapped.borrow().len(), DEVICE_PAGES);
        drop(self.device);
        assert_eq!(self.guest.reserved.get(), 0, "addresses are lost");
        self.seen
    }
}

/// Requests, writes and turns in any order.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let mut bench = Bench::new();
    while !input.is_empty() && bench.step(&mut input) {}
    let mut seen = bench.end();
    seen.dedup();
    seen.truncate(8);
    super::kind(seen)
}

/// An endpoint that opens, a region that comes and goes, and the end of both.
pub fn seeds() -> Vec<Vec<u8>> {
    let open = [0, 0, 0, 0, 9, 0, 0, 0];
    let register = [0, 3, 8, 20, 0, 0, 3];
    let pieces = [0, 3, 8, 1, 0, 0, 3, 253, 0, 3, 8, 20, 3, 1, 3];
    let (deregister, close) = ([0, 6, 0], [0, 2, 0]);
    let (turn, command) = ([253], [7, 1, 1, 1, 0]);
    let both = [&open[..], &turn, &register, &turn].concat();
    let (raw, send) = ([0, 7, 0], [0, 8, 0, 20, 1, 2, 3]);
    let (take, change) = ([0, 9, 0, 0], [0, 10, 4]);
    vec![
        [&raw[..], &turn, &send, &turn, &take, &turn, &change, &turn].concat(),
        [&both[..], &deregister, &turn, &close, &turn].concat(),
        [&open[..], &turn, &pieces, &turn].concat(),
        [&both[..], &command, &turn, &close, &turn].concat(),
        [&both[..], &close, &turn, &open, &turn].concat(),
    ]
}
