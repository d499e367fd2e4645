//! The endpoint's own inbox.

use mx_ring::inbox::{HEAD, Inbox, SIZE, Sender};
use mx_ring::mapping::{MappingError, Memfd};
use mx_wire::MacAddress;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Name of the memfd in which an endpoint's inbox is. Another version of the memory is not found.
pub fn name(board: MacAddress, owner: Sender) -> String {
    let Sender { endpoint, session } = owner;
    let version = mx_ring::ABI_VERSION;
    format!("open-mx inbox {board} {endpoint} {session:08x} version {version}")
}

/// An inbox, and the memory that it is.
pub struct OwnInbox {
    inbox: Box<Inbox>,
    // The inbox points into it. Its descriptor is what neighbours find.
    _memory: Memfd,
}

impl OwnInbox {
    /// Makes it, where memory and descriptors allow.
    pub fn new(board: MacAddress, owner: Sender) -> Result<Self, MappingError> {
        let memory = Memfd::sparse(&name(board, owner), SIZE, HEAD)?;
        memory.keep_from_children()?;
        let inbox = Inbox::new(memory.slice()).map_err(|_| MappingError::Length(SIZE))?;
        Ok(Self {
            inbox: Box::new(inbox),
            _memory: memory,
        })
    }

    /// What neighbours put in.
    #[inline(always)]
    pub fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// Whether something may have come.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.inbox.has_news()
    }

    /// Frees the lanes of processes that are gone.
    pub fn expire(&mut self) {
        self.inbox.expire(is_there);
    }
}

fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}
