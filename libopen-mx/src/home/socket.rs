//! Boards of an `omxd`: a unix socket for calls, memfds for the pages, eventfds for waking.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mx_ring::call::{Reply, Request};
use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::{EndpointLayout, PAGE_SIZE, board_page, call_socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::{CallError, Channel, Opened, Signals};
use crate::clock;

/// One connection.
pub struct Socket {
    socket: OwnedFd,
    /// One call at a time: an answer belongs to the last question.
    asking: Mutex<()>,
    events: OnceLock<Events>,
}

struct Events {
    wake: OwnedFd,
    kick: OwnedFd,
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
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self {
            socket,
            asking: Mutex::new(()),
            events: OnceLock::new(),
        })
    }

    fn ask(
        &self,
        request: &Request,
        memory: Option<&Memfd>,
    ) -> Result<(Reply, Vec<OwnedFd>), CallError> {
        let _turn = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptors: Vec<_> = memory.iter().map(|memfd| memfd.descriptor()).collect();
        call_socket::send(&self.socket, &request.encode(), &descriptors)?;
        let (answer, descriptors) =
            call_socket::receive(&self.socket)?.ok_or(CallError(Errno::PIPE))?;
        match i32::try_from(answer.error) {
            Ok(0) => Ok((Reply::decode(&answer), descriptors)),
            Ok(errno) => Err(CallError(Errno::from_raw_os_error(errno))),
            Err(_) => Err(CallError(Errno::PROTO)),
        }
    }

    fn hung_up(&self, events: PollFlags) -> bool {
        events.intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

fn map_board(memfd: &OwnedFd) -> Result<Mapping, CallError> {
    let length = board_page::PAGES * PAGE_SIZE;
    Ok(Mapping::of_stranger(memfd, length, Access::Read)?)
}

fn signal(eventfd: &OwnedFd) {
    // An eventfd whose count is full is signalled already.
    let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
}

impl Channel for Socket {
    fn call(&self, request: &Request, memory: Option<&Memfd>) -> Result<Reply, CallError> {
        self.ask(request, memory).map(|(reply, _)| reply)
    }

    fn attach(&self, board: u32) -> Result<Mapping, CallError> {
        let (_, descriptors) = self.ask(&Request::AttachBoard { board }, None)?;
        map_board(descriptors.first().ok_or(CallError(Errno::PROTO))?)
    }

    fn open(
        &self,
        board: u32,
        endpoint: u32,
        layout: &EndpointLayout,
    ) -> Result<Opened, CallError> {
        let request = Request::OpenEndpoint {
            board,
            endpoint,
            geometry: layout.geometry(),
        };
        let (reply, descriptors) = self.ask(&request, None)?;
        let Reply::Opened { endpoint, session } = reply else {
            return Err(CallError(Errno::PROTO));
        };
        let [board, w, r, wake, kick] =
            <[OwnedFd; 5]>::try_from(descriptors).map_err(|_| CallError(Errno::PROTO))?;
        let opened = Opened {
            endpoint,
            session,
            board: map_board(&board)?,
            w: Mapping::of_stranger(&w, layout.w_size(), Access::ReadWrite)?,
            r: Mapping::of_stranger(&r, layout.r_size(), Access::Read)?,
            notes: None,
        };
        // Once: a channel is opened by its only owner, right after it was made.
        let _ = self.events.set(Events { wake, kick });
        Ok(opened)
    }

    fn open_raw(&self, board: u32) -> Result<OwnedFd, CallError> {
        self.ask(&Request::OpenRaw { board }, None)?;
        Ok(self.socket.try_clone()?)
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
            signal(&events.kick);
        }
        let timeout = deadline
            .map(|at| at.saturating_sub(clock::now()))
            .and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [
            PollFd::new(&events.wake, PollFlags::IN),
            PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(true),
            Err(errno) => return Err(CallError(errno)),
        }
        if watched[0].revents().contains(PollFlags::IN) {
            // Takes all wake-ups at once.
            let _ = rustix::io::read(&events.wake, &mut [0; 8]);
        }
        if self.hung_up(watched[1].revents()) {
            return Err(CallError(Errno::PIPE));
        }
        Ok(false)
    }

    fn signals(&self) -> Result<Signals<'_>, CallError> {
        let events = self.events.get().ok_or(CallError(Errno::BADF))?;
        Ok(Signals {
            bell: events.wake.as_fd(),
            line: self.socket.as_fd(),
            line_tells: false,
        })
    }

    fn kick(&self) {
        if let Some(events) = self.events.get() {
            signal(&events.kick);
        }
    }

    fn wakeup(&self) {
        if let Some(events) = self.events.get() {
            signal(&events.wake);
        }
    }

    fn alive(&self) -> bool {
        let mut watched = [PollFd::new(&self.socket, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match poll(&mut watched, Some(&at_once)) {
            Ok(0) | Err(_) => true,
            Ok(_) => !self.hung_up(watched[0].revents()),
        }
    }
}
