//! The connection of a board to its backend: the 17 device pages and the requests that wait there.

use mx_ring::control::{
    BOARD_PAGE, ControlError, ControlRequest, ControlResponse, DEVICE_PAGES, Doorbells,
    ModuleControl, STAGING_PAGE, Staging,
};
use mx_ring::uapi::RAW_FRAME_MAX;
use mx_ring::{VolatileSlice, board_page};

use crate::errno::Errno;
use crate::in_flight::{InFlight, Subject};
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::page_set::PageSet;

/// What the interrupt handler needs: no lock covers it.
#[derive(Clone, Copy, Debug)]
pub struct InterruptView {
    /// Wake bits.
    pub doorbells: Doorbells,
    /// Whether responses wait.
    pub responses: mx_ring::control::ResponseWatch,
}

/// The other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The backend's domain.
    pub domain: DomainId,
    /// Which of the board's links it is.
    pub number: u32,
}

/// What an endpoint needs to ring its backend and to sleep, without the link's lock. It holds as long as the endpoint
/// is in its place: a board that is detached takes its endpoints out before it defers the unmapping of the device
/// pages.
pub struct Bell<K: Kernel> {
    /// The doorbells, D3.
    pub doorbells: Doorbells,
    /// D2, which a sleeper arms.
    pub armed: K::Page,
}

/// A board's connection to its backend.
pub struct Link<K: Kernel> {
    /// Which board.
    board: usize,
    /// Whom it leads to.
    pub target: Target,
    /// D0 to D16, granted.
    pub pages: PageSet<K>,
    /// Whether the backend has said that it serves this device.
    pub connected: bool,
    control: ModuleControl,
    staging: Staging,
    doorbells: Doorbells,
    requests: InFlight,
    /// The request whose references or frame lie in the staging pages.
    staged: Option<u32>,
}

impl<K: Kernel> Link<K> {
    /// Allocates the device pages, zeroed: the staging pages in one piece, so that they are one area.
    pub fn allocate(kernel: &K) -> Result<PageSet<K>, Errno> {
        let singles = core::iter::repeat_n(1, STAGING_PAGE);
        let staging = core::iter::once(DEVICE_PAGES - STAGING_PAGE);
        PageSet::allocate(kernel, 0, singles.chain(staging))
    }

    /// A link over granted pages.
    pub fn new(
        kernel: &K,
        board: usize,
        target: Target,
        pages: PageSet<K>,
    ) -> Result<Self, (PageSet<K>, ControlError)> {
        let parts = || -> Result<_, ControlError> {
            let refs = <&[GrantRef; DEVICE_PAGES]>::try_from(pages.refs())
                .map_err(|_| ControlError::Slice(mx_ring::VolatileSliceError))?;
            let slice = |first: usize, count| -> Result<VolatileSlice, ControlError> {
                let page = pages
                    .pages()
                    .get(first)
                    .ok_or(ControlError::Slice(mx_ring::VolatileSliceError))?;
                Ok(kernel.slice(*page, count))
            };
            let control = ModuleControl::format(slice(0, 1)?, slice(1, 1)?, refs, false)?;
            let doorbells = Doorbells::new(slice(3, 1)?)?;
            let staging = Staging::new(slice(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE)?)?;
            Ok((control, doorbells, staging))
        };
        match parts() {
            Ok((control, doorbells, staging)) => Ok(Self {
                board,
                target,
                pages,
                connected: false,
                control,
                staging,
                doorbells,
                requests: InFlight::new(),
                staged: None,
            }),
            Err(error) => Err((pages, error)),
        }
    }

    /// The pages that describe the board to its processes.
    pub fn board_pages(&self) -> &[K::Page] {
        let pages = BOARD_PAGE..BOARD_PAGE + board_page::PAGES;
        self.pages.pages().get(pages).unwrap_or_default()
    }

    /// What an endpoint needs of the link. `INVALID` when it has no such page.
    pub fn bell(&self) -> Result<Bell<K>, Errno> {
        let armed = self.pages.pages().get(2).copied();
        Ok(Bell {
            doorbells: self.doorbells,
            armed: armed.ok_or(Errno::INVALID)?,
        })
    }

    /// What the interrupt handler needs.
    pub fn interrupt_view(&self) -> InterruptView {
        InterruptView {
            doorbells: self.doorbells,
            responses: self.control.watch(),
        }
    }

    /// Which board it belongs to.
    pub fn board(&self) -> usize {
        self.board
    }

    /// Whether a request could be posted now.
    pub fn has_room(&self) -> bool {
        self.requests.has_room() && self.control.has_room()
    }

    /// Whether a request with references could be posted now.
    pub fn can_stage(&self) -> bool {
        self.staged.is_none() && self.has_room()
    }

    /// Posts a request; false when there is no room.
    pub fn post(&mut self, kernel: &K, subject: Subject, request: &ControlRequest) -> bool {
        self.post_numbered(kernel, subject, request).is_some()
    }

    /// Posts a request with its references; false when there is no room.
    pub fn post_staged(
        &mut self,
        kernel: &K,
        subject: Subject,
        request: &ControlRequest,
        refs: &[GrantRef],
    ) -> bool {
        if !self.can_stage() {
            return false;
        }
        for (entry, reference) in refs.iter().enumerate() {
            self.staging.set(entry, *reference);
        }
        self.staged = self.post_numbered(kernel, subject, request);
        self.staged.is_some()
    }

    /// Posts a RAW frame; false when there is no room, or it is too long.
    pub fn post_frame(&mut self, kernel: &K, frame: &[u8]) -> bool {
        let Ok(length) = u16::try_from(frame.len()) else {
            return false;
        };
        if !self.can_stage() || !self.staging.put_frame(frame) {
            return false;
        }
        self.staged = self.post_numbered(
            kernel,
            Subject::SendRaw,
            &ControlRequest::SendRaw { length },
        );
        self.staged.is_some()
    }

    /// Copies the RAW frame in the backend's page; `None` for a length that none has.
    pub fn frame(&self, frame: &mut [u8; RAW_FRAME_MAX]) -> Option<usize> {
        self.control.frame(frame)
    }

    fn post_numbered(
        &mut self,
        kernel: &K,
        subject: Subject,
        request: &ControlRequest,
    ) -> Option<u32> {
        if !self.has_room() {
            return None;
        }
        let id = self.requests.begin(subject)?;
        if !self.control.post(id, request) {
            self.requests.end(id);
            return None;
        }
        kernel.notify(self.board);
        Some(id)
    }

    /// The next response or notice, if there is one.
    pub fn next_response(&mut self) -> Option<Result<ControlResponse, ControlError>> {
        self.control.next_response()
    }

    /// The subject of an answered request; `None` when the backend answers what nobody asked.
    pub fn answered(&mut self, id: u32) -> Option<Subject> {
        if self.staged == Some(id) {
            self.staged = None;
        }
        self.requests.end(id)
    }
}

/// What the backend may do with a device page: D1, D3 and the board pages are its to write, the others are only read by
/// it.
pub fn access(page: usize) -> Access {
    match page {
        1 | 3 => Access::Write,
        page if (BOARD_PAGE..BOARD_PAGE + board_page::PAGES).contains(&page) => Access::Write,
        _ => Access::Read,
    }
}
