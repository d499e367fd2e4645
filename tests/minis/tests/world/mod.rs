//! A backend with the devices of some guests, in virtual time. Its loop takes a turn whenever a guest waits or notifies.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use driver_domain::device::{Device, Identity};
use driver_domain::fake::{FIRST_REF, GUEST_PAGES, Guest, account};
use minis::domain::{Domain, Granted, Key, Pages, Twist};
use mx_backend::{
    Backend, BackendConfig, EndpointKey, FrameSink, Handed, HostName, Instant, Payload, Sleepers,
    Token,
};
use mx_board::Full;
use mx_ring::{BackendSide, PAGE_SIZE};
use mx_wire::{Format, MacAddress};

/// A card that throws everything away.
struct Nowhere;

impl FrameSink for Nowhere {
    fn transmit(&mut self, _: &[u8], _: Payload<'_>, _: Token) -> Result<Handed, Full> {
        Ok(Handed::Copied)
    }
}

/// One guest as the driver domain knows it.
struct Served {
    memory: Guest,
    /// Pages that the guest has taken.
    taken: usize,
    device: Option<Device<Guest>>,
    /// It broke the rules, or was closed, and gives its memory back.
    leaving: bool,
}

struct Inside {
    backend: Backend,
    guests: Vec<Served>,
}

/// The backend and its guests.
#[derive(Clone)]
pub struct World {
    inside: Rc<RefCell<Inside>>,
    nanos: Rc<Cell<u64>>,
}

/// What a turn takes.
const TURN: u64 = 10_000;
/// Pages that a turn maps or unmaps.
const BUDGET: usize = 32;

struct Devices<'a>(&'a mut [Served]);

impl Devices<'_> {
    fn of(&mut self, board: mx_backend::BoardId) -> Option<&mut Device<Guest>> {
        let mut devices = self.0.iter_mut().filter_map(|guest| guest.device.as_mut());
        devices.find(|device| device.board() == board)
    }
}

impl Sleepers for Devices<'_> {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        if let Some(device) = self.of(endpoint.board) {
            device.wake_if_armed(endpoint.endpoint, side);
        }
    }
}

impl World {
    pub fn new(guests: usize) -> Self {
        let backend = Backend::new(BackendConfig {
            format: Format::native(9000).expect("a format"),
            generation: 1,
            endpoint_max: 8,
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: [0; 16],
            driver: [0; 16],
            idle_spell: Duration::from_micros(50),
            seed: 7,
        });
        let guests = (0..guests).map(|_| Served {
            memory: Guest::new().expect("memory"),
            taken: 0,
            device: None,
            leaving: false,
        });
        Self {
            inside: Rc::new(RefCell::new(Inside {
                backend,
                guests: guests.collect(),
            })),
            nanos: Rc::new(Cell::new(1)),
        }
    }

    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.get())
    }

    pub fn domain(&self, guest: usize) -> InProcess {
        InProcess {
            world: self.clone(),
            guest,
        }
    }

    fn turn(&self) {
        self.nanos.set(self.nanos.get() + TURN);
        let now = Instant::from_nanos(self.nanos.get());
        let mut inside = self.inside.borrow_mut();
        let Inside { backend, guests } = &mut *inside;
        let mut budget = BUDGET;
        for guest in guests.iter_mut() {
            let Some(device) = &mut guest.device else {
                continue;
            };
            if guest.leaving {
                if device.gone(&mut budget) {
                    guest.device = None;
                    guest.leaving = false;
                }
                continue;
            }
            device.rung(now, backend);
            if device
                .serve(now, backend, &mut Nowhere, &mut budget)
                .is_err()
            {
                device.retire(backend);
                guest.leaving = true;
            }
        }
        backend.turn(now, &mut Nowhere, &mut Devices(guests));
        while let Some(completion) = backend.next_completion() {
            let board = completion.board();
            if let Some(device) = Devices(guests).of(board) {
                device.completed(completion);
            }
        }
        for guest in guests.iter_mut() {
            if let Some(device) = &mut guest.device {
                device.tell_of_raw(backend);
                device.take_notify();
            }
        }
    }

    /// Ends all devices; everything must come back.
    pub fn end(self) {
        let guests = self.inside.borrow().guests.len();
        for guest in 0..guests {
            assert!(self.domain(guest).disconnect(), "guest {guest} does not go");
            let inside = self.inside.borrow();
            let memory = &inside.guests[guest].memory;
            assert_eq!(memory.mapped.borrow().len(), 0);
            assert_eq!(memory.reserved.get(), 0);
        }
    }
}

/// One of the guests.
pub struct InProcess {
    world: World,
    guest: usize,
}

impl InProcess {
    fn with<T>(&self, what: impl FnOnce(&mut Served, &mut Backend) -> T) -> T {
        let mut inside = self.world.inside.borrow_mut();
        let Inside { backend, guests } = &mut *inside;
        what(&mut guests[self.guest], backend)
    }
}

impl Domain for InProcess {
    fn now(&self) -> Duration {
        self.world.now()
    }

    fn allocate(&mut self, pages: usize) -> Option<Pages> {
        self.with(|guest, _| {
            let first = guest.taken;
            if first + pages > GUEST_PAGES {
                return None;
            }
            guest.taken += pages;
            Some(Pages {
                slice: guest.memory.slice(first, pages),
                number: first,
            })
        })
    }

    fn grant(&mut self, pages: Pages, page: usize, read_only: bool) -> Option<Granted> {
        assert!((page + 1) * PAGE_SIZE <= pages.slice.len());
        Some(Granted {
            reference: FIRST_REF + (pages.number + page) as u32,
            pages,
            page,
            read_only,
        })
    }

    fn twist(&mut self, granted: &Granted, twist: Twist) {
        self.with(|guest, _| {
            let mut refused = guest.memory.refused.borrow_mut();
            match twist {
                Twist::Honest => refused.remove(&granted.reference),
                _ => refused.insert(granted.reference),
            };
        });
    }

    fn connect(&mut self, reference: u32) -> bool {
        let now = Instant::from_nanos(self.world.nanos.get());
        let number = self.guest as u8;
        self.with(|guest, backend| {
            let identity = Identity {
                mac: MacAddress([0, 0x16, 0x3e, 0, 0, number]),
                name: HostName::new(format!("mini{number}:0").as_bytes()),
            };
            let memory = guest.memory.clone();
            let connected =
                Device::connect(memory, &account(), reference, identity, 8, now, backend);
            guest.device = connected.ok();
            guest.device.is_some()
        })
    }

    fn is_connected(&mut self) -> bool {
        self.with(|guest, _| guest.device.is_some() && !guest.leaving)
    }

    fn disconnect(&mut self) -> bool {
        self.with(|guest, backend| {
            if let (Some(device), false) = (&mut guest.device, guest.leaving) {
                device.retire(backend);
                guest.leaving = true;
            }
        });
        (0..100_000).any(|_| {
            self.world.turn();
            self.with(|guest, _| guest.device.is_none())
        })
    }

    fn notify(&mut self) {
        self.world.turn();
    }

    fn lose_channel(&mut self) -> bool {
        false
    }

    fn wait(&mut self, until: Duration) {
        // As an event of the driver domain would end it.
        for _ in 0..20 {
            self.world.turn();
            if self.now() >= until {
                break;
            }
        }
    }

    fn set_key(&mut self, _: Key<'_>) -> bool {
        false
    }
}
