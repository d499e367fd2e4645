//! The connection of a board to its backend: the 17 device pages and the requests that wait there.

use mx_ring::control::{
    ArmedCounters, BOARD_PAGE, ControlError, ControlRequest, ControlResponse, DEVICE_PAGES,
    Doorbells, ModuleControl, STAGING_PAGE, Staging,
};
use mx_ring::uapi::RAW_FRAME_MAX;
use mx_ring::{PAGE_SIZE, VolatileSlice, board_page};

use crate::errno::Errno;
use crate::in_flight::{InFlight, Subject};
use crate::kernel::{Access, GrantRef, Kernel};
use crate::page_set::PageSet;
use crate::target::Target;

/// What the interrupt handler needs: no lock covers it.
#[derive(Clone, Copy, Debug)]
pub struct InterruptView {
    /// Wake bits.
    pub doorbells: Doorbells,
    /// How often each endpoint was armed.
    pub armed: ArmedCounters,
    /// Whether responses wait.
    pub responses: mx_ring::control::ResponseWatch,
}

/// Notices that say nothing, without an answer in between: an honest backend has one for each endpoint that is closed from
/// both sides at the same time, and for frames of a raw endpoint that closes.
const EMPTY_NOTICES: u32 = 1024;

/// How far a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It may map the device pages, and has not said that it serves this device.
    Offered,
    /// It serves this device, and gets what an earlier backend had. The board answers nobody yet.
    Adopting,
    /// It serves this device.
    Serving,
    /// It is gone, and another one may come.
    Orphaned,
}

/// What an endpoint needs to ring its backend and to sleep, without the link's lock. It holds as long as the endpoint
/// is in its place, whichever backend comes: a successor gets the same device pages, and a board that is detached takes its
/// endpoints out before it defers their unmapping.
pub struct Bell<K: Kernel> {
    /// The doorbells, D3.
    pub doorbells: Doorbells,
    /// D2, which a sleeper arms.
    pub armed: K::Page,
}

/// A board's connection to its backend, and to the successors of that.
pub struct Link<K: Kernel> {
    /// Which board.
    board: usize,
    /// Whom it leads to.
    pub target: Target,
    /// D0 to D16, granted.
    pub pages: PageSet<K>,
    /// How far the backend is.
    pub phase: Phase,
    /// Whether a backend has served this device: there may be processes that have its board pages.
    pub known: bool,
    control: ModuleControl,
    staging: Staging,
    doorbells: Doorbells,
    armed: ArmedCounters,
    requests: InFlight,
    /// Notices since the last answer that said nothing.
    empty_notices: u32,
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
            let doorbells = Doorbells::new(slice(kernel, &pages, 3, 1)?)?;
            let staging = slice(kernel, &pages, STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE)?;
            let armed = ArmedCounters::new(slice(kernel, &pages, 2, 1)?)?;
            let control = control(kernel, &pages, false)?;
            Ok((control, doorbells, armed, Staging::new(staging)?))
        };
        match parts() {
            Ok((control, doorbells, armed, staging)) => Ok(Self {
                board,
                target,
                pages,
                phase: Phase::Offered,
                known: false,
                control,
                staging,
                doorbells,
                armed,
                requests: InFlight::new(),
                empty_notices: 0,
                staged: None,
            }),
            Err(error) => Err((pages, error)),
        }
    }

    /// Grants the pages to a successor of the backend that is gone: what it may write besides the board pages is zeroed,
    /// and D0 says that it is to adopt. The reference of D0. `AGAIN` when grants run out; then none is left.
    pub fn renew(&mut self, kernel: &K, target: Target) -> Result<GrantRef, Errno> {
        for page in [0, 1, 3] {
            let zeroed = slice(kernel, &self.pages, page, 1)
                .and_then(|slice| Ok(slice.write(0, &[0; PAGE_SIZE])?));
            zeroed.map_err(|_| Errno::INVALID)?;
        }
        let mut budget = 2 * DEVICE_PAGES;
        let granted = self
            .pages
            .grant(kernel, target, DEVICE_PAGES, access, &mut budget);
        if let Err(error) = granted {
            self.pages.end_grants(kernel, &mut budget)?;
            return Err(error);
        }
        self.control = control(kernel, &self.pages, true).map_err(|_| Errno::INVALID)?;
        self.requests = InFlight::new();
        self.empty_notices = 0;
        self.staged = None;
        self.target = target;
        self.phase = Phase::Offered;
        self.pages.refs().first().copied().ok_or(Errno::INVALID)
    }

    /// The backend, unless it is gone.
    pub fn present(&self) -> Option<Target> {
        (self.phase != Phase::Orphaned).then_some(self.target)
    }

    /// Whether the backend gets what an earlier one had, and nothing is under way now.
    pub fn adopts_idly(&self) -> bool {
        self.phase == Phase::Adopting && self.requests.is_empty()
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
            armed: self.armed,
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
        self.empty_notices = 0;
        self.requests.end(id)
    }

    /// The backend has sent a notice that says nothing; false when it does nothing else.
    pub fn bear_empty_notice(&mut self) -> bool {
        self.empty_notices += 1;
        self.empty_notices <= EMPTY_NOTICES
    }
}

/// The bytes of device pages.
fn slice<K: Kernel>(
    kernel: &K,
    pages: &PageSet<K>,
    first: usize,
    count: usize,
) -> Result<VolatileSlice, ControlError> {
    let page = pages.pages().get(first);
    let page = page.ok_or(ControlError::Slice(mx_ring::VolatileSliceError))?;
    Ok(kernel.slice(*page, count))
}

/// The control pages, zeroed and granted, are formatted.
fn control<K: Kernel>(
    kernel: &K,
    pages: &PageSet<K>,
    adopting: bool,
) -> Result<ModuleControl, ControlError> {
    let refs = <&[GrantRef; DEVICE_PAGES]>::try_from(pages.refs())
        .map_err(|_| ControlError::Slice(mx_ring::VolatileSliceError))?;
    let page = |page| slice(kernel, pages, page, 1);
    ModuleControl::format(page(0)?, page(1)?, refs, adopting)
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
