//! A domain that cannot serve anybody as it was configured. It says why, in its log and in xenstore, and stays until the
//! tools end it: one that had gone at once could not be asked, and whoever attaches a guest would only hear that there
//! is no driver domain.

use alloc::string::ToString;
use core::fmt::Display;

use xen_pv_boot::event;
use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::xenstore::Xenstore;

use crate::control::{Control, SHUTDOWN, ToolRequest};
use crate::status;
use crate::xenstore_writer::{Write, XenstoreWriter};

/// Tells why, and what to do about it, and stays.
pub fn stay(mut store: Xenstore, why: &impl Display, way_out: &str) -> ! {
    log::error!("{why}");
    log::error!("serving nobody until this domain is ended: {way_out}");
    let mut writer = XenstoreWriter::new(store.client());
    for write in status::refusal(&why.to_string(), way_out) {
        writer.add(write);
    }
    writer.add(Write::Watch {
        path: SHUTDOWN.into(),
        token: SHUTDOWN.into(),
    });
    let mut control = Control::new(store.client());
    loop {
        let news = store.turn();
        while let Some(event) = store.next_event() {
            control.watch_fired(&event.token);
        }
        while let Some(request) = control.next(news, &mut writer) {
            if let ToolRequest::Shutdown(word) = &request
                && let Some(end) = End::from_request(word)
            {
                log::info!("{end} was requested");
                shutdown(end);
            }
        }
        writer.turn(news);
        if !store.is_due() {
            event::wait([store.channel()], None);
        }
    }
}
