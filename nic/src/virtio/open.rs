//! Opening a card.

use super::features::status;
use super::net::VirtioNet;
use super::options::VirtioOptions;
use super::plan::plan;
use super::receive::LONGEST_FRAME;
use super::transport::Transport;
use crate::{MIN_FRAME, OpenError, Platform};

/// Resets the card behind `transport`, agrees on features, sets up its queues and starts it.
///
/// The card is told to take frames to all addresses, until [`Nic::set_addresses`](crate::Nic::set_addresses) names some. One
/// without that command (no VIRTIO_NET_F_CTRL_RX) is believed to take them anyway, as QEMU's does.
pub fn open<T: Transport, P: Platform>(
    mut transport: T,
    platform: P,
    options: &VirtioOptions,
) -> Result<VirtioNet<T, P>, OpenError> {
    if !(MIN_FRAME..=LONGEST_FRAME).contains(&options.max_frame) {
        return Err(OpenError::FrameSize {
            asked: options.max_frame,
        });
    }
    let plan = plan(&mut transport, &platform, options).inspect_err(|_| {
        transport.set_status(status::RESET);
    })?;
    VirtioNet::start_first(transport, platform, plan)
}
