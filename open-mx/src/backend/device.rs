//! Boards behind the frontend module of a guest: `/dev/open-mx`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::uapi::{CallReply, CallRequest, MAP_BOARD, MAP_NOTES, MAP_R, MAP_W};
use mx_ring::{EndpointLayout, PAGE_SIZE, board_page, device};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::{CallError, Channel, Opened, Signals, reply};

/// One open file of the device.
pub struct Device {
    file: File,
    /// Wakes who sleeps on several endpoints, once somebody has.
    bell: OnceLock<OwnedFd>,
}

impl Device {
    /// Opens the device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self {
            file,
            bell: OnceLock::new(),
        })
    }

    fn map(&self, offset: u64, length: usize, access: Access) -> Result<Mapping, CallError> {
        Ok(Mapping::of(&self.file, offset, length, access)?)
    }

    fn map_board(&self) -> Result<Mapping, CallError> {
        self.map(MAP_BOARD, board_page::PAGES * PAGE_SIZE, Access::Read)
    }
}

impl Channel for Device {
    fn call(&self, request: &CallRequest, _memory: Option<&Memfd>) -> Result<CallReply, CallError> {
        let mut call = request.encode();
        // A signal may end a wait. What it interrupts else has done nothing.
        let waits = matches!(request, CallRequest::Wait { .. });
        while let Err(error) = device::call(&self.file, &mut call) {
            if waits || error.kind() != io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        reply(&call)
    }

    fn attach(&self, board: u32) -> Result<Mapping, CallError> {
        self.call(&CallRequest::AttachBoard { board }, None)?;
        self.map_board()
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
        let CallReply::Opened { endpoint, session } = self.call(&request, None)? else {
            return Err(CallError(Errno::PROTO));
        };
        Ok(Opened {
            endpoint,
            session,
            board: self.map_board()?,
            w: self.map(MAP_W, layout.w_size(), Access::ReadWrite)?,
            r: self.map(MAP_R, layout.r_size(), Access::Read)?,
            notes: Some(self.map(MAP_NOTES, PAGE_SIZE, Access::Read)?),
        })
    }

    fn open_raw(&self, board: u32) -> Result<OwnedFd, CallError> {
        self.call(&CallRequest::OpenRaw { board }, None)?;
        Ok(self.file.try_clone()?.into())
    }

    fn process_arms(&self) -> bool {
        false
    }

    fn sleep(
        &self,
        consumed: (u32, u32),
        deadline: Option<Duration>,
        kick: bool,
    ) -> Result<bool, CallError> {
        let request = CallRequest::Wait {
            unexpected: consumed.0,
            expected: consumed.1,
            deadline: deadline.map_or(u64::MAX, |at| {
                u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
            }),
            kick,
        };
        match self.call(&request, None) {
            Err(CallError(Errno::INTR)) => Ok(true),
            Err(CallError(Errno::TIMEDOUT | Errno::AGAIN)) => Ok(false),
            other => other.map(|_| false),
        }
    }

    /// The file becomes readable when there are events beyond those that the process has told to have consumed.
    fn signals(&self) -> Result<Signals<'_>, CallError> {
        let bell = match self.bell.get() {
            Some(bell) => bell,
            None => {
                let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
                let made = made.map_err(CallError)?;
                // Another thread may have been faster.
                self.bell.get_or_init(|| made)
            }
        };
        Ok(Signals {
            bell: bell.as_fd(),
            bytes: None,
            line: self.file.as_fd(),
            line_tells: true,
        })
    }

    fn kick(&self) {
        // A device that is gone shows up in the endpoint's status.
        let _ = self.call(&CallRequest::Kick, None);
    }

    fn wakeup(&self) {
        let _ = self.call(&CallRequest::Wakeup, None);
        if let Some(bell) = self.bell.get() {
            // An eventfd whose count is full is signalled already.
            let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
        }
    }

    fn close(&self) {
        // A device that is gone has closed it.
        let _ = self.call(&CallRequest::Close, None);
    }

    fn alive(&self) -> bool {
        true
    }
}
