//! From the first line of the log to the end.

use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::{Machine, event};

/// Runs the driver domain.
pub fn run(mut machine: Machine) -> ! {
    log::info!("driver domain {}", env!("CARGO_PKG_VERSION"));
    let store = &mut machine.xenstore;
    match store.read("name") {
        Ok(name) => log::info!("this is domain {name}"),
        Err(error) => log::error!("cannot read the own name: {error}"),
    }
    if let Err(error) = store.watch("control/shutdown", "shutdown") {
        log::error!("cannot watch for shutdown requests: {error}");
    }
    loop {
        while let Some(event) = store.next_event() {
            log::debug!("{event:?}");
            if event.token == "shutdown"
                && let Some(end) = store
                    .read("control/shutdown")
                    .ok()
                    .and_then(|request| End::from_request(&request))
            {
                let _ = store.write("control/shutdown", "");
                log::info!("{end} was requested");
                shutdown(end);
            }
        }
        event::wait([store.channel()], None);
    }
}
