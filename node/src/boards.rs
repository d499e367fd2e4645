//! The boards of the node, and the pages that describe them to processes.

use std::collections::BTreeSet;

use mx_backend::{Backend, BoardId, HostName};
use mx_board::Instant;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::{MappingError, Memfd};
use mx_ring::{PAGE_SIZE, VolatileSliceError};
use mx_wire::MacAddress;
use tracing::info;

use crate::cli::NodeOptions;
use crate::error::NodeError;

/// A board: processes know it by its place in the list.
pub struct Board {
    /// What the backend calls it.
    pub id: BoardId,
    /// Description, peers, counters: the backend writes, processes read.
    pub pages: Memfd,
}

/// Adds the boards that the options ask for. `mac` is the interface's address, if there is an interface.
pub fn add(
    options: &NodeOptions,
    mac: Option<MacAddress>,
    backend: &mut Backend,
    now: Instant,
) -> Result<Vec<Board>, NodeError> {
    let first_mac = options.mac.or(mac);
    let first = (options.name.clone().unwrap_or_else(machine_name), first_mac);
    let further = options
        .boards
        .iter()
        .map(|board| (board.name.clone(), board.mac));
    let wanted: Vec<_> = std::iter::once(first).chain(further).collect();
    check_names(wanted.iter().map(|(name, _)| name.as_str()))?;
    wanted
        .into_iter()
        .map(|(name, mac)| {
            let mac = match mac {
                Some(mac) => mac,
                None => random_mac()?,
            };
            add_one(&name, mac, backend, now)
        })
        .collect()
}

/// Bytes of a board's name: its peers see it with `:0` behind it, and 79 at most.
const NAME_MAX: usize = 77;

/// Each name is one that peers can show and ask for, and the only one of its kind.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), NodeError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let shown = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > NAME_MAX || !shown {
            return Err(NodeError::BoardName(name.into()));
        }
        if !seen.insert(name) {
            return Err(NodeError::NameTwice(name.into()));
        }
    }
    Ok(())
}

fn add_one(
    name: &str,
    mac: MacAddress,
    backend: &mut Backend,
    now: Instant,
) -> Result<Board, NodeError> {
    let pages = Memfd::create("open-mx board", PAGES * PAGE_SIZE)?;
    let view =
        BoardPages::new(pages.slice()).map_err(|VolatileSliceError| MappingError::Length(0))?;
    view.format();
    pages.bar_writers()?;
    let host_name = HostName::new(format!("{name}:0").as_bytes());
    let id = backend
        .add_board(now, mac, host_name, view)
        .map_err(|error| NodeError::Board {
            name: name.into(),
            mac,
            error,
        })?;
    info!("board {}: {host_name} with address {mac}", id.0);
    Ok(Board { id, pages })
}

fn machine_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() { "node".into() } else { name }
}

fn random_mac() -> Result<MacAddress, NodeError> {
    let [a, b, c, d, e, ..] = random()?.to_ne_bytes();
    // Locally administered, a single station.
    Ok(MacAddress([2, a, b, c, d, e]))
}

/// Random bits of the kernel.
pub fn random() -> Result<u64, NodeError> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(NodeError::system("asking the kernel for random bits"))?;
    Ok(u64::from_ne_bytes(bytes))
}
