//! The other direction: a driver domain that lies to its guests. It serves devices as far as their guests' kernels connect
//! them, and then storms events, answers what nobody asked, twice, or not at all, and writes anything into what it may
//! write. It goes on until it is destroyed.
//!
//! | node | writer | value |
//! |---|---|---|
//! | `data/mini/report` | this domain | that it is ready; then what it has done so far, as names and numbers |

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use fastrand::Rng;
use mx_ring::control::{BackendControl, ControlRequest, ControlResponse, DEVICE_PAGES, Status};
use mx_ring::{PAGE_SIZE, VolatileSlice};
use xen_pv_boot::event::{self, Channel};
use xen_pv_boot::foreign::{Access, Arena, ForeignPages};
use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::{Error, Watcher};
use xen_pv_boot::{DomId, GrantRef, Machine, RemotePort, clock};

const DEVICES: &str = "backend/omx";
const REPORT: &str = "data/mini/report";
/// How long a guest's kernel may take for a step of the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the state of the other end is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Events in a row.
const STORM: u32 = 1000;
/// Words that are written at a time.
const WORDS: usize = 8;

/// What was done so far.
#[derive(Default)]
struct Told {
    lives: u64,
    events: u64,
    answers: u64,
    doubled: u64,
    words: u64,
}

struct Liar {
    watcher: Watcher,
    arena: Arena,
    rng: Rng,
    told: Told,
}

/// Runs it.
pub fn run(machine: Machine) -> ! {
    let mut liar = Liar {
        watcher: Watcher::new(machine.xenstore),
        arena: machine.arena,
        rng: Rng::with_seed(1),
        told: Told::default(),
    };
    let Err(error) = liar.serve();
    log::error!("xenstore: {error}");
    shutdown(End::Poweroff)
}

/// A device that its guest's kernel has published.
struct Connection {
    channel: Channel,
    control: BackendControl,
    /// Answers, doorbells, and what is told of the board.
    writable: [ForeignPages; 3],
    _requests: ForeignPages,
    last: ControlResponse,
}

impl Connection {
    fn open(arena: &Arena, guest: DomId, reference: u32, port: u32) -> Option<Self> {
        let map = |references: &[u32], access| {
            let references = references.iter().copied().map(GrantRef);
            arena.map(guest, references, access).ok()
        };
        let requests = map(&[reference], Access::Read)?;
        let all: [u32; DEVICE_PAGES] = BackendControl::references(&requests.slice()).ok()?;
        let writable = [
            map(&all[1..2], Access::ReadWrite)?,
            map(&all[3..4], Access::ReadWrite)?,
            map(&all[4..13], Access::ReadWrite)?,
        ];
        Some(Self {
            channel: Channel::connect(guest, RemotePort(port)).ok()?,
            control: BackendControl::new(requests.slice(), writable[0].slice()).ok()?,
            writable,
            _requests: requests,
            last: ControlResponse {
                id: 0,
                status: Status::Ok,
                endpoint: 0,
            },
        })
    }

    fn slice(&self, which: usize) -> VolatileSlice {
        self.writable[which % self.writable.len()].slice()
    }
}

impl Liar {
    fn serve(&mut self) -> Result<core::convert::Infallible, Error> {
        self.watcher.watch(DEVICES, DEVICES)?;
        self.report(&format!("ready {}", clock::now().as_millis()))?;
        loop {
            for device in self.devices()? {
                // Its guest may be gone.
                let _ = self.life(&device);
                let Told {
                    lives,
                    events,
                    answers,
                    doubled,
                    words,
                } = self.told;
                self.report(&format!(
                    "lives={lives} events={events} answers={answers} doubled={doubled} words={words}"
                ))?;
            }
            self.watcher.wait_for(DEVICES, clock::now() + LOOK);
        }
    }

    fn devices(&mut self) -> Result<Vec<String>, Error> {
        let client = self.watcher.client();
        let mut devices = Vec::new();
        for guest in self.watcher.wait(client.list(DEVICES))? {
            let directory = format!("{DEVICES}/{guest}");
            let numbers = self.watcher.wait(client.list(&directory))?;
            devices.extend(numbers.iter().map(|number| format!("{directory}/{number}")));
        }
        Ok(devices)
    }

    fn read(&mut self, path: &str) -> Result<String, Error> {
        let client = self.watcher.client();
        self.watcher.wait(client.read(path))
    }

    fn number(&mut self, path: &str) -> Result<u32, Error> {
        let client = self.watcher.client();
        self.watcher.wait(client.read_number(path))
    }

    fn guest(&mut self, path: &str) -> Result<u16, Error> {
        let client = self.watcher.client();
        self.watcher.wait(client.read_number(path))
    }

    fn report(&mut self, text: &str) -> Result<(), Error> {
        let client = self.watcher.client();
        self.watcher.wait(client.write(REPORT, text))
    }

    /// Says its state of a device, unless that is gone.
    fn say(&mut self, device: &str, state: XenbusState) -> Result<(), Error> {
        let client = self.watcher.client();
        let there = format!("{device}/frontend");
        let nodes = [("state", format!("{}", state.number()))];
        match self
            .watcher
            .wait(client.write_below(&there, device, &nodes))?
        {
            true => Ok(()),
            false => Err(Error::NotFound),
        }
    }

    fn wait(&mut self, long: Duration) {
        event::wait([self.watcher.channel()], Some(clock::now() + long));
    }

    /// From an invitation to the end of a device.
    fn life(&mut self, device: &str) -> Result<(), Error> {
        let frontend = self.read(&format!("{device}/frontend"))?;
        let guest = self.guest(&format!("{device}/frontend-id"))?;
        let theirs = format!("{frontend}/state");
        self.say(device, XenbusState::InitWait)?;
        let until = clock::now() + PATIENCE;
        while XenbusState::parse(&self.read(&theirs)?) != XenbusState::Initialised {
            if clock::now() > until {
                return Ok(());
            }
            self.wait(LOOK);
        }
        let reference = self.number(&format!("{frontend}/ring-ref"))?;
        let port = self.number(&format!("{frontend}/event-channel"))?;
        let opened = DomId::new(guest)
            .and_then(|guest| Connection::open(&self.arena, guest, reference, port));
        let Some(mut connection) = opened else {
            return Ok(());
        };
        self.say(device, XenbusState::Connected)?;
        self.told.lives += 1;
        // Every other life does nothing that ends it: then it is the tools' to do so.
        let mild = self.told.lives % 2 == 1;
        let mut look = clock::now() + LOOK;
        loop {
            self.act(&mut connection, mild);
            if clock::now() < look {
                continue;
            }
            look = clock::now() + LOOK;
            let state = XenbusState::parse(&self.read(&theirs)?);
            if !matches!(state, XenbusState::Initialised | XenbusState::Connected) {
                break;
            }
        }
        drop(connection);
        self.say(device, XenbusState::Closed)?;
        self.wait(LOOK);
        Ok(())
    }

    fn act(&mut self, connection: &mut Connection, mild: bool) {
        let acts = if mild { 3 } else { 7 };
        match self.rng.u8(..acts) {
            0 => {
                for _ in 0..STORM {
                    // A guest that has closed its end is no error here.
                    let _ = connection.channel.send();
                }
                self.told.events += u64::from(STORM);
            }
            1 => self.answer(connection),
            2 => self.wait(Duration::from_millis(5)),
            3 => {
                let last = connection.last;
                self.told.doubled += u64::from(connection.control.respond(&last));
            }
            4 => {
                let any = ControlResponse {
                    id: self.rng.u32(..32),
                    status: connection.last.status,
                    endpoint: self.rng.u8(..),
                };
                self.told.answers += u64::from(connection.control.respond(&any));
            }
            _ => {
                let pages = connection.slice(self.rng.usize(..3));
                for _ in 0..WORDS {
                    let most = if self.rng.bool() {
                        PAGE_SIZE / 16
                    } else {
                        pages.len()
                    };
                    let at = self.rng.usize(..most / 4) * 4;
                    let word = self.rng.u32(..) >> self.rng.u32(..32);
                    let _ = pages.write(at, &word.to_le_bytes());
                }
                self.told.words += WORDS as u64;
            }
        }
        let _ = connection.channel.send();
    }

    /// Answers what is asked, as if it had been done.
    fn answer(&mut self, connection: &mut Connection) {
        while let Some(Ok((id, request))) = connection.control.next_request() {
            let endpoint = match request {
                ControlRequest::OpenEndpoint { endpoint, .. } => endpoint,
                _ => 0,
            };
            connection.last = ControlResponse {
                id,
                status: Status::Ok,
                endpoint,
            };
            self.told.answers += u64::from(connection.control.respond(&connection.last));
        }
    }
}
