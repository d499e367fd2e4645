//! The interface that a node was given, through all that may become of it: it is followed by its number, so that a new
//! name is the same interface, and found again by its name when it was removed and made anew.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use mx_backend::InterfaceState;
use mx_ring::warning::{Notice, Notices, Warning};
use mx_wire::{Format, MacAddress};
use tracing::{info, warn};

use super::links::{Link, Links};
use super::{packet, shared};
use crate::error::NodeError;

/// Bytes of an Ethernet header, which an interface's MTU does not count.
const HEADER: u16 = 14;
/// Bytes of an interface's name at most; one more for the NUL.
const NAME_MAX: usize = 15;

/// The interface, and what was last said about it.
pub struct Interface {
    /// The name by which it is looked for.
    wanted: String,
    links: Links,
    /// While it is there: its number.
    index: Option<u32>,
    socket: Arc<OwnedFd>,
    /// The address that the socket's filter takes for the interface's.
    filtered: MacAddress,
    /// Payload bytes of the longest frame of this node.
    needed: u32,
    /// Its address when the node started, under which its board is known.
    mac: MacAddress,
    told: Told,
}

/// What processes and the log were told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    mtu: u32,
    up: bool,
    faults: Notices,
}

/// What a look at the interface has found.
pub struct Found {
    /// The interface as it is now.
    pub state: InterfaceState,
    /// Bytes of the longest frame that it takes; none while it takes no frame.
    pub longest: usize,
    /// The socket on it, where it is another interface than before.
    pub socket: Option<Arc<OwnedFd>>,
}

impl Interface {
    /// Finds the interface and opens a socket on it.
    pub fn open(wanted: &str, format: Format) -> Result<Self, NodeError> {
        check_name(wanted)?;
        let links = Links::open().map_err(NodeError::system("asking for interfaces by netlink"))?;
        let link = links
            .by_name(wanted)
            .map_err(NodeError::system(format!("looking for {wanted}")))?
            .ok_or_else(|| NodeError::NoInterface(wanted.into()))?;
        let mac = link
            .mac
            .ok_or_else(|| NodeError::NoInterface(wanted.into()))?;
        let needed = u32::from(format.mtu() - HEADER);
        if link.mtu < needed {
            return Err(NodeError::InterfaceMtu {
                interface: wanted.into(),
                has: link.mtu,
                needed,
            });
        }
        let socket = shared(packet::open(link.index, mac, wanted)?);
        Ok(Self {
            wanted: wanted.into(),
            links,
            index: Some(link.index),
            socket,
            filtered: mac,
            needed,
            mac,
            told: Told {
                name: link.name,
                mtu: link.mtu,
                up: true,
                faults: Notices::default(),
            },
        })
    }

    /// The socket on it.
    pub fn socket(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }

    /// The address that it had when the node started.
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// What is to be watched: when it has something to read, it is time to [look](Self::look).
    pub fn news(&self) -> BorrowedFd<'_> {
        self.links.news()
    }

    /// Looks what has become of it, and says what is new.
    pub fn look(&mut self) -> Found {
        self.links.take_news();
        let mut another = false;
        let mut link = self.index.and_then(|index| self.ask(Some(index)));
        if link.is_none() {
            self.index = None;
            link = self.ask(None).filter(|link| self.reopen(link));
            another = link.is_some();
        }
        self.filter(link.as_ref());
        let told = self.describe(link.as_ref());
        if told != self.told {
            self.say(&told);
            self.told = told;
        }
        Found {
            state: InterfaceState {
                name: padded(&self.told.name),
                up: self.told.up,
                short_mtu: if self.told.faults.has(Warning::ShortMtu) {
                    self.told.mtu
                } else {
                    0
                },
                faults: self.told.faults,
            },
            longest: if self.told.up {
                self.told.mtu as usize + usize::from(HEADER)
            } else {
                0
            },
            socket: another.then(|| self.socket()),
        }
    }

    /// The interface of that number, else the one of the wanted name.
    fn ask(&self, index: Option<u32>) -> Option<Link> {
        let asked = match index {
            Some(index) => self.links.by_index(index),
            None => self.links.by_name(&self.wanted),
        };
        asked.unwrap_or_else(|error| {
            warn!("looking for {}: {error}", self.wanted);
            None
        })
    }

    /// Goes on with another interface of the wanted name, if that is possible.
    fn reopen(&mut self, link: &Link) -> bool {
        let Some(mac) = link.mac else {
            return false;
        };
        match packet::open(link.index, mac, &link.name) {
            Ok(socket) => {
                let name = link.name.escape_default();
                info!("{name} is there again: the wire is open");
                self.index = Some(link.index);
                self.filtered = mac;
                self.socket = shared(socket);
                true
            }
            Err(error) => {
                warn!("{error}");
                false
            }
        }
    }

    /// Tells the socket's filter a new address of the interface.
    fn filter(&mut self, link: Option<&Link>) {
        let Some(mac) = link.and_then(|link| link.mac) else {
            return;
        };
        if mac == self.filtered {
            return;
        }
        self.filtered = mac;
        if let Err(error) = packet::filter(&self.socket, mac) {
            warn!("filtering what comes from {}: {error}", self.wanted);
        }
    }

    fn describe(&self, link: Option<&Link>) -> Told {
        let mut faults = Notices::default();
        let Some(link) = link else {
            faults.set(Warning::Gone, ONE);
            return Told {
                up: false,
                faults,
                ..self.told.clone()
            };
        };
        let moved = link.mac != Some(self.mac) && !link.promiscuous;
        for (warning, there) in [
            (Warning::Bridged, link.bridged),
            (Warning::Moved, moved),
            (Warning::ShortMtu, link.mtu < self.needed),
        ] {
            if there {
                faults.set(warning, ONE);
            }
        }
        Told {
            name: link.name.clone(),
            mtu: link.mtu,
            up: link.up && link.running && !link.bridged,
            faults,
        }
    }

    /// Says what is new.
    fn say(&self, now: &Told) {
        let before = &self.told;
        let name = now.name.escape_default();
        if now.name != before.name {
            info!("{} is called {name} now", before.name.escape_default());
        }
        for (fault, _) in now.faults.present() {
            if !before.faults.has(fault) {
                warn!("{name}: {}", fault.sentence());
            }
        }
        for (fault, _) in before.faults.present() {
            if !now.faults.has(fault) {
                info!("{name}: no more {}", fault.word());
            }
        }
        if now.mtu != before.mtu && now.faults.has(Warning::ShortMtu) {
            warn!(
                "{name} has an MTU of {} bytes, the frames need {}: `ip link set dev {name} mtu {1}`",
                now.mtu, self.needed
            );
        }
        let named = now.faults.has(Warning::Gone) || now.faults.has(Warning::Bridged);
        if now.up && !before.up {
            info!("{name} is up");
        } else if !now.up && before.up && !named {
            warn!(
                "{name} is down: nothing goes out or comes in until it is up, with a carrier (`ip link set dev {name} up`; is \
                 the cable plugged in?)"
            );
        }
    }
}

const ONE: Notice = Notice {
    times: 1,
    about: MacAddress([0; 6]),
};

fn check_name(name: &str) -> Result<(), NodeError> {
    let wrong = name.is_empty() || name.len() > NAME_MAX || name.contains(['/', '\0']);
    if wrong {
        return Err(NodeError::InterfaceName(name.into()));
    }
    Ok(())
}

/// A name as board pages hold it.
pub fn padded(name: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    // One NUL stays at the end.
    for (to, from) in padded.iter_mut().take(NAME_MAX).zip(name.bytes()) {
        *to = from;
    }
    padded
}
