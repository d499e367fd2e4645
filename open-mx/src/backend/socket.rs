//! Boards of an `omxd`: a unix socket for calls, memfds for the pages, a pair of sockets for kicking and waking.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::uapi::{CallReply, CallRequest, EndpointDescriptors};
use mx_ring::unshared::Unshared;
use mx_ring::{EndpointLayout, PAGE_SIZE, board_page};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
};

use super::caller::Caller;
use super::sleep::blink;
use super::{CallError, Channel, Opened, Signals};
use crate::clock;
use crate::lack::is_lack;

/// How often a kick is sent for which the kernel has no memory: a node that is not kicked may sleep for ever.
const TRIES: u32 = 8;

/// One connection.
pub struct Socket {
    /// Of an endpoint's connection; goes before it.
    unshared: OnceLock<Unshared>,
    caller: Caller<OwnedFd>,
    events: OnceLock<Events>,
}

struct Events {
    /// A byte from here kicks the node, a byte from there wakes the process.
    bell: OwnedFd,
    /// Makes sleepers of this process return.
    wakeup: OwnedFd,
}

impl Socket {
    /// Connects to the daemon's socket.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let address = SocketAddrUnix::new(path)?;
        // One that a signal interrupts has not begun.
        retry_on_intr(|| rustix::net::connect(&socket, &address))?;
        Ok(Self {
            unshared: OnceLock::new(),
            caller: Caller::new(socket),
            events: OnceLock::new(),
        })
    }

    fn socket(&self) -> &OwnedFd {
        self.caller.way()
    }
}

fn hung_up(events: PollFlags) -> bool {
    events.intersects(PollFlags::HUP | PollFlags::ERR)
}

fn map_board(memfd: &OwnedFd) -> Result<Mapping, CallError> {
    let length = board_page::PAGES * PAGE_SIZE;
    Ok(Mapping::of_stranger(memfd, length, Access::Read)?)
}

impl Events {
    fn kick(&self) {
        // One that has no room is full of kicks that were not heard yet.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        for _ in 0..TRIES {
            match rustix::net::send(&self.bell, &[1], flags) {
                Err(Errno::NOMEM | Errno::NOBUFS) => blink(),
                _ => return,
            }
        }
    }

    /// Forgets what has woken the process so far.
    fn clear(&self) {
        // Nothing there: another thread has taken it.
        let _ = rustix::net::recv(&self.bell, &mut [0; 64][..], RecvFlags::DONTWAIT);
        let _ = rustix::io::read(&self.wakeup, &mut [0; 8]);
    }
}

impl Channel for Socket {
    fn call(&self, request: &CallRequest, memory: Option<&Memfd>) -> Result<CallReply, CallError> {
        let descriptors: Vec<_> = memory.iter().map(|memfd| memfd.descriptor()).collect();
        let (reply, _) = self.caller.ask(request, &descriptors)?;
        Ok(reply)
    }

    fn attach(&self, board: u32) -> Result<Mapping, CallError> {
        let (_, descriptors) = self.caller.ask(&CallRequest::AttachBoard { board }, &[])?;
        // Those for which this process has no room do not come.
        map_board(descriptors.first().ok_or(CallError(Errno::MFILE))?)
    }

    fn open(
        &self,
        board: u32,
        endpoint: u32,
        layout: &EndpointLayout,
    ) -> Result<Opened, CallError> {
        let request = CallRequest::OpenEndpoint {
            board,
            endpoint,
            geometry: layout.geometry(),
        };
        let (reply, descriptors) = self.caller.ask(&request, &[])?;
        let CallReply::Opened { endpoint, session } = reply else {
            return Err(CallError(Errno::PROTO));
        };
        let all = <[OwnedFd; 4]>::try_from(descriptors).map_err(|_| CallError(Errno::MFILE))?;
        let EndpointDescriptors { board, w, r, bell } = all.into();
        let opened = Opened {
            endpoint,
            session,
            board: map_board(&board)?,
            w: Mapping::of_stranger(&w, layout.w_size(), Access::ReadWrite)?,
            r: Mapping::of_stranger(&r, layout.r_size(), Access::Read)?,
            notes: None,
        };
        let wakeup =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(CallError)?;
        // Once: a channel is opened by its only owner, right after it was made.
        self.unshared.get_or_init(|| Unshared::of(self.socket()));
        let _ = self.events.set(Events { bell, wakeup });
        Ok(opened)
    }

    fn open_raw(&self, board: u32) -> Result<OwnedFd, CallError> {
        self.caller.ask(&CallRequest::OpenRaw { board }, &[])?;
        self.unshared.get_or_init(|| Unshared::of(self.socket()));
        Ok(self.socket().try_clone()?)
    }

    fn process_arms(&self) -> bool {
        true
    }

    fn sleep(
        &self,
        _consumed: (u32, u32),
        deadline: Option<Duration>,
        kick: bool,
    ) -> Result<bool, CallError> {
        let Some(events) = self.events.get() else {
            return Ok(false);
        };
        if kick {
            events.kick();
        }
        let timeout = deadline
            .map(|at| at.saturating_sub(clock::now()))
            .and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [
            PollFd::new(&events.bell, PollFlags::IN),
            PollFd::new(&events.wakeup, PollFlags::IN),
            PollFd::from_borrowed_fd(self.socket().as_fd(), PollFlags::empty()),
        ];
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(true),
            Err(errno) if is_lack(errno) => {
                blink();
                return Ok(false);
            }
            Err(errno) => return Err(CallError(errno)),
        }
        let [bell, wakeup, connection] = watched.map(|watched| watched.revents());
        if (bell | wakeup).contains(PollFlags::IN) {
            events.clear();
        }
        if hung_up(bell | connection) {
            return Err(CallError(Errno::PIPE));
        }
        Ok(false)
    }

    fn signals(&self) -> Result<Signals<'_>, CallError> {
        let events = self.events.get().ok_or(CallError(Errno::BADF))?;
        Ok(Signals {
            bell: events.wakeup.as_fd(),
            bytes: Some(events.bell.as_fd()),
            line: self.socket().as_fd(),
            line_tells: false,
        })
    }

    fn kick(&self) {
        if let Some(events) = self.events.get() {
            events.kick();
        }
    }

    fn wakeup(&self) {
        if let Some(events) = self.events.get() {
            // One whose count is full is signalled already.
            let _ = rustix::io::write(&events.wakeup, &1_u64.to_ne_bytes());
        }
    }

    fn close(&self) {
        // The node may have hung up already.
        let _ = rustix::net::shutdown(self.socket(), Shutdown::Both);
    }

    fn alive(&self) -> bool {
        let mut watched = [PollFd::new(self.socket(), PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match poll(&mut watched, Some(&at_once)) {
            Ok(0) | Err(_) => true,
            Ok(_) => !hung_up(watched[0].revents()),
        }
    }
}
