//! Those who wait for events, and making them return.

use mx_ring::control::ENDPOINTS;

use super::shim;
use crate::errno::Errno;
use crate::frontend::BOARDS;
use crate::returns::Returns;
use crate::wakes::Wakes;

static RETURNS: [[Returns; ENDPOINTS]; BOARDS] =
    [const { [const { Returns::new() }; ENDPOINTS] }; BOARDS];

static WAKES: [[Wakes; ENDPOINTS]; BOARDS] =
    [const { [const { Wakes::new() }; ENDPOINTS] }; BOARDS];

/// What is known of the backend's wake-ups of an endpoint.
pub fn wakes(board: usize, endpoint: u8) -> Result<&'static Wakes, Errno> {
    WAKES
        .get(board)
        .and_then(|board| board.get(usize::from(endpoint)))
        .ok_or(Errno::NO_DEVICE)
}

/// What tells the sleepers of an endpoint to return.
pub fn returns(board: usize, endpoint: u8) -> Result<&'static Returns, Errno> {
    RETURNS
        .get(board)
        .and_then(|board| board.get(usize::from(endpoint)))
        .ok_or(Errno::NO_DEVICE)
}

/// Makes all sleepers of an endpoint return, events or not.
pub fn make_return(board: usize, endpoint: u8) {
    if let Ok(returns) = returns(board, endpoint) {
        returns.tell();
        shim::shim_wake_sleepers(board as u32, endpoint.into());
    }
}
