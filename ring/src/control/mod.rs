//! The pages between a guest's kernel and its backend (class K), and what travels through them.
//!
//! A device has 17 pages, all granted once. D0's grant reference is the one that goes through xenstore; its header
//! lists the others.
//!
//! | page | written by | content |
//! |---|---|---|
//! | D0 | module | header, indices, 16 requests of 128 bytes |
//! | D1 | backend | indices, 64 responses of 32 bytes, a RAW frame |
//! | D2 | module | an `armed` counter of 16 bytes per endpoint |
//! | D3 | both, by or and swap only | doorbell bits, wake bits |
//! | D4 to D12 | backend | [`crate::board_page`] (class R) |
//! | D13 to D16 | module | staging: lists of grant references, 4096 in all, or a RAW frame |

mod message;
mod pages;
mod rings;

pub use message::{ControlError, ControlRequest, ControlResponse, Status};
pub use pages::{ArmedCounters, Doorbells, Staging};
pub use rings::{BackendControl, ModuleControl, ResponseWatch};

use crate::layout::PAGE_SIZE;

/// Pages of a device.
pub const DEVICE_PAGES: usize = 17;
/// First of the pages D4 to D12.
pub const BOARD_PAGE: usize = 4;
/// First staging page.
pub const STAGING_PAGE: usize = 13;
/// Grant references that the staging pages hold.
pub const STAGING_REFS: usize = 4 * PAGE_SIZE / 4;
/// Endpoints of a board.
pub const ENDPOINTS: usize = 256;
/// `protocol` in the frontend's xenstore directory.
pub const PROTOCOL: &str = "open-mx";
