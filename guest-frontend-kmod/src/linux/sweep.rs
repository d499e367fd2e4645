//! The work that gives stale regions back.

use core::sync::atomic::Ordering;

use super::state;
use super::watch::CHANGED;

/// Gives back what the notifiers have found stale and no message uses.
#[unsafe(no_mangle)]
extern "C" fn omx_sweep() {
    for (number, board) in CHANGED.iter().enumerate() {
        for (group, endpoints) in board.iter().enumerate() {
            let mut changed = endpoints.swap(0, Ordering::SeqCst);
            while changed != 0 {
                let endpoint = (group as u32 * 64 + changed.trailing_zeros()) as u8;
                changed &= changed - 1;
                if let Ok((board, shared)) = state::board(number) {
                    board.sweep(shared, endpoint);
                }
            }
        }
    }
}
