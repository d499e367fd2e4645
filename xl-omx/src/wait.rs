//! Waiting for the two sides of a device: xenstore tells when something changes.

use std::time::Duration;

use crate::device::{self, Device};
use crate::error::Error;
use crate::state::XenbusState;
use crate::terminal;
use crate::xenstore::{NONE, Store};

/// After this time a word says what is waited for.
const TOLD: Duration = Duration::from_secs(2);

/// What a look at a device says.
enum Look {
    Reached,
    Later,
    Failed,
}

/// Waits until both sides are connected, at most `limit`.
pub fn connected(store: &mut impl Store, device: &Device, limit: Duration) -> Result<(), Error> {
    until(
        store,
        device,
        XenbusState::Connected,
        limit,
        |store, states| {
            let ended = |state| matches!(state, XenbusState::Closing | XenbusState::Closed);
            Ok(match states {
                (XenbusState::Connected, XenbusState::Connected) => Look::Reached,
                // Somebody has taken it away, or a domain has ended.
                (XenbusState::Unknown, _) => Look::Failed,
                (_, XenbusState::Unknown) if !device::is_there(store, NONE, &device.frontend)? => {
                    Look::Failed
                }
                (backend, frontend) if ended(backend) || ended(frontend) => Look::Failed,
                _ if device.refusal(store)?.is_some() => Look::Failed,
                _ => Look::Later,
            })
        },
    )
}

/// Waits until the backend has ended the device, at most `limit`. A guest that closes removes nothing itself.
pub fn closed(store: &mut impl Store, device: &Device, limit: Duration) -> Result<(), Error> {
    until(
        store,
        device,
        XenbusState::Closed,
        limit,
        |_, (backend, _)| {
            Ok(match backend {
                XenbusState::Closed | XenbusState::Unknown => Look::Reached,
                _ => Look::Later,
            })
        },
    )
}

fn until<S: Store>(
    store: &mut S,
    device: &Device,
    wanted: XenbusState,
    limit: Duration,
    look: impl Fn(&mut S, (XenbusState, XenbusState)) -> Result<Look, Error>,
) -> Result<(), Error> {
    for path in device.watches() {
        store.watch(path)?;
    }
    let reached = changes(store, device, wanted, limit, look);
    for path in device.watches() {
        store.unwatch(path)?;
    }
    reached
}

fn changes<S: Store>(
    store: &mut S,
    device: &Device,
    wanted: XenbusState,
    limit: Duration,
    look: impl Fn(&mut S, (XenbusState, XenbusState)) -> Result<Look, Error>,
) -> Result<(), Error> {
    let start = store.now();
    let end = start + limit;
    let mut told = false;
    loop {
        let states = device.states(store)?;
        let (backend, frontend) = states;
        let now = store.now();
        match look(store, states)? {
            Look::Reached => return Ok(()),
            Look::Later if now < end => {}
            Look::Later | Look::Failed => {
                return Err(Error::NotReached {
                    wanted,
                    backend,
                    frontend,
                    waited: now - start,
                    reason: device.error(store)?,
                });
            }
        }
        if !told && now >= start + TOLD {
            told = true;
            terminal::note(&format!(
                "waiting for {wanted} (backend {backend}, frontend {frontend}), up to {} s",
                limit.as_secs()
            ));
        }
        let next = if told { end } else { end.min(start + TOLD) };
        store.wait(next)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Domain;
    use crate::mac;
    use crate::xenstore::fake::Fake;

    const HOUR: Duration = Duration::from_secs(3600);

    fn attached() -> (Fake, Device) {
        let mut store = Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
        ]);
        let domain = |id, name: &str| Domain {
            id,
            name: name.into(),
            uuid: None,
        };
        let (guest, backend) = (domain(2, "guest1"), domain(1, "driver-domain"));
        let mac = mac::generate([0; 3]);
        let device = device::attach(&mut store, &guest, &backend, 0, mac).unwrap();
        (store, device)
    }

    fn set(store: &mut Fake, directory: &str, state: u8) {
        store.set(&format!("{directory}/state"), &state.to_string());
    }

    #[test]
    fn a_connected_device_is_waited_for_no_longer() {
        let (mut store, device) = attached();
        for directory in [&device.backend, &device.frontend] {
            set(&mut store, directory, 4);
        }
        connected(&mut store, &device, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_change_is_seen_when_it_comes() {
        let (mut store, device) = attached();
        for directory in [device.backend.clone(), device.frontend.clone()] {
            let path = format!("{directory}/state");
            store.deeds.push_back(Box::new(move |tree| {
                tree.write(0, &path, b"4").unwrap();
            }));
        }
        let before = store.now();
        connected(&mut store, &device, HOUR).unwrap();
        assert_eq!(store.now(), before);
    }

    #[test]
    fn a_silent_guest_is_named_as_the_cause() {
        let (mut store, device) = attached();
        set(&mut store, &device.backend, 2);
        let error = connected(&mut store, &device, HOUR).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is the module open-mx-frontend loaded"),
            "{error}"
        );
        assert!(error.to_string().contains("within 3600 s"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_driver_domain_that_serves_nobody_is_not_waited_for_and_says_why() {
        let (mut store, device) = attached();
        let why = "frames of 9000 bytes are wanted, the card takes 1514 at most";
        store.set("/local/domain/1/data/omx/reason", why);
        let before = store.now();
        let error = connected(&mut store, &device, HOUR).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(store.now(), before);
    }

    #[test]
    fn what_the_driver_domain_says_is_passed_on_and_ends_the_wait() {
        let (mut store, device) = attached();
        set(&mut store, &device.backend, 5);
        let path = format!("{}/error", device.backend);
        store.set(&path, "version 9 is not spoken here");
        let error = connected(&mut store, &device, HOUR).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the driver domain says: version 9"),
            "{error}"
        );
    }

    #[test]
    fn a_domain_that_ends_ends_the_wait() {
        for domain in [1, 2] {
            let (mut store, device) = attached();
            store.deeds.push_back(Box::new(move |tree| {
                tree.remove(0, &format!("/local/domain/{domain}")).unwrap();
            }));
            let before = store.now();
            connected(&mut store, &device, HOUR).unwrap_err();
            assert_eq!(store.now(), before);
        }
    }
}
