//! Waiting for the two sides of a device.

use std::time::{Duration, Instant};

use crate::device::{Device, State};
use crate::error::Error;
use crate::xenstore::Store;

const INTERVAL: Duration = Duration::from_millis(100);

/// Which sides must have reached a state.
pub enum Side {
    /// Backend and frontend.
    Both,
    /// The backend alone: a guest that closes removes nothing itself.
    Backend,
}

/// Waits until the guest has seen the device, at most `limit`; whether it has.
pub fn until_seen(store: &mut impl Store, device: &Device, limit: Duration) -> Result<bool, Error> {
    let start = Instant::now();
    loop {
        let (_, frontend) = device.states(store)?;
        if frontend != State::Initialising {
            return Ok(true);
        }
        if start.elapsed() >= limit {
            return Ok(false);
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until the sides reached `wanted`, at most `limit`. A word on stderr says so after two seconds.
pub fn until(
    store: &mut impl Store,
    device: &Device,
    wanted: State,
    side: Side,
    limit: Duration,
) -> Result<(), Error> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let (backend, frontend) = device.states(store)?;
        let reached = match side {
            Side::Both => backend == wanted && frontend == wanted,
            Side::Backend => backend == wanted || backend == State::Unknown,
        };
        if reached {
            return Ok(());
        }
        let failed = wanted == State::Connected
            && ([backend, frontend]
                .iter()
                .any(|s| matches!(s, State::Closing | State::Closed))
                || device.refusal(store)?.is_some());
        if failed || start.elapsed() >= limit {
            return Err(Error::NotReached {
                wanted,
                backend,
                frontend,
                waited: start.elapsed(),
                reason: device.error(store)?,
            });
        }
        if !told && start.elapsed() >= Duration::from_secs(2) {
            told = true;
            eprintln!(
                "waiting for {wanted} (backend {backend}, frontend {frontend}), up to {} s",
                limit.as_secs()
            );
        }
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::domain::Domain;
    use crate::mac::Mac;
    use crate::xenstore::NONE;
    use crate::xenstore::fake::Fake;

    fn attached() -> (Fake, Device) {
        let mut store = Fake::default();
        let guest = Domain {
            id: 2,
            name: "guest1".into(),
        };
        let backend = Domain {
            id: 1,
            name: "driver-domain".into(),
        };
        let device = device::attach(&mut store, &guest, &backend, Mac::generate([0; 3])).unwrap();
        (store, device)
    }

    fn set(store: &mut Fake, directory: &str, state: u8) {
        store
            .write(NONE, &format!("{directory}/state"), &state.to_string())
            .unwrap();
    }

    #[test]
    fn a_connected_device_is_waited_for_no_longer() {
        let (mut store, device) = attached();
        set(&mut store, &device.backend, 4);
        set(&mut store, &device.frontend, 4);
        until(
            &mut store,
            &device,
            State::Connected,
            Side::Both,
            Duration::ZERO,
        )
        .unwrap();
    }

    #[test]
    fn a_silent_guest_is_named_as_the_cause() {
        let (mut store, device) = attached();
        set(&mut store, &device.backend, 2);
        let error = until(
            &mut store,
            &device,
            State::Connected,
            Side::Both,
            Duration::ZERO,
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is the module open-mx-frontend loaded"),
            "{error}"
        );
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_driver_domain_that_serves_nobody_is_not_waited_for_and_says_why() {
        let (mut store, device) = attached();
        let why = "frames of 9000 bytes are wanted, the card takes 1514 at most";
        store
            .write(NONE, "/local/domain/1/data/omx/reason", why)
            .unwrap();
        let limit = Duration::from_secs(3600);
        let error = until(&mut store, &device, State::Connected, Side::Both, limit).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }

    #[test]
    fn what_the_driver_domain_says_is_passed_on_and_ends_the_wait() {
        let (mut store, device) = attached();
        set(&mut store, &device.backend, 5);
        store
            .write(
                NONE,
                &format!("{}/error", device.backend),
                "version 9 is not spoken here",
            )
            .unwrap();
        let limit = Duration::from_secs(3600);
        let error = until(&mut store, &device, State::Connected, Side::Both, limit).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the driver domain says: version 9"),
            "{error}"
        );
    }
}
