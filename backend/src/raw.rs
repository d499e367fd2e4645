//! Raw endpoints: at most one process for each board sends and gets RAW frames itself.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mx_board::{BoardId, EndpointError, Instant, RawError};

use crate::backend::Backend;
use crate::frame_sink::FrameSink;

impl Backend {
    /// Opens a board's raw endpoint.
    pub fn open_raw(&mut self, board: BoardId) -> Result<(), EndpointError> {
        let slot = self
            .slots
            .board_mut(board)
            .filter(|slot| !slot.removing)
            .ok_or(EndpointError::NoBoard)?;
        if slot.raw.is_some() {
            return Err(EndpointError::Busy);
        }
        slot.raw = Some(VecDeque::new());
        Ok(())
    }

    /// Closes it: what waits is dropped.
    pub fn close_raw(&mut self, board: BoardId) {
        if let Some(slot) = self.slots.board_mut(board) {
            slot.raw = None;
        }
    }

    /// One of the boards whose raw endpoint got frames since it was named here.
    pub fn next_raw_news(&mut self) -> Option<BoardId> {
        self.outcome.raw.pop().map(BoardId)
    }

    /// The frames that wait for it, the oldest first; nothing when it is not open.
    pub fn raw_frames(&mut self, board: BoardId) -> Option<&mut VecDeque<Vec<u8>>> {
        self.slots.board_mut(board)?.raw.as_mut()
    }

    /// Sends a frame of a raw endpoint.
    pub fn send_raw(
        &mut self,
        now: Instant,
        board: BoardId,
        frame: &[u8],
        sink: &mut impl FrameSink,
    ) -> Result<(), RawError> {
        self.now = now;
        self.with_switch(sink, |switch, ports| {
            switch.send_raw(now, board, frame, ports)
        })
    }
}
