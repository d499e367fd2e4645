//! The guests' devices, as they are remembered and as xenstore has them, and what is left of former ones.

use omx_output::report::Report;

use super::configuration::Plan;
use crate::attachments::{Attachment, Remembered};
use crate::device::{self, Device};
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::owner;
use crate::plain::quoted;
use crate::state::XenbusState;
use crate::xenstore::{NONE, Store};

const SUBJECT: &str = "device";

/// Looks.
pub fn look(
    store: &mut impl Store,
    inventory: &Inventory,
    known: &Remembered,
    plans: &[Plan],
    report: &mut Report,
) -> Result<(), Error> {
    for broken in &known.broken {
        let of = format!("{} of '{}'", broken.index, broken.guest);
        report.to_do(
            SUBJECT,
            Some(&of),
            broken.why.to_string(),
            "it is passed over until then",
        );
    }
    for entry in &known.whole {
        look_at_entry(store, inventory, known, entry, report)?;
    }
    let mut others = false;
    for domain in &inventory.domains {
        others |= look_at_guest(store, inventory, known, domain, report)?;
    }
    if known.whole.is_empty() && known.broken.is_empty() && !others {
        nobody(inventory, plans, report);
    }
    look_at_leftovers(inventory, report);
    Ok(())
}

/// A device that is remembered.
fn look_at_entry(
    store: &mut impl Store,
    inventory: &Inventory,
    known: &Remembered,
    entry: &Attachment,
    report: &mut Report,
) -> Result<(), Error> {
    let of = format!("{} of '{}'", entry.index, entry.guest);
    let guest = match owner::of(entry, &known.whole, &inventory.domains) {
        Ok(Some(guest)) => guest,
        Ok(None) => {
            report.fine(SUBJECT, Some(&of), "is remembered; its guest does not run");
            return Ok(());
        }
        Err(error) => {
            report.to_do(
                SUBJECT,
                Some(&of),
                error.to_string(),
                "`xl rename` one of them",
            );
            return Ok(());
        }
    };
    let backend = match domain::named(&inventory.domains, &entry.backend) {
        Ok(backend) => backend,
        Err(_) => {
            let found = format!("its driver domain '{}' does not run", entry.backend);
            report.to_do(
                SUBJECT,
                Some(&of),
                found,
                "create that: the device comes back with it",
            );
            return Ok(());
        }
    };
    let device = Device::new(guest.id, backend.id, entry.index);
    let mut is_whole = true;
    for path in [&device.backend, &device.frontend] {
        is_whole &= device::is_there(store, NONE, path)?;
    }
    if !is_whole {
        let advice = format!(
            "`xl-omx apply {}` (`xl-omx watch` does so by itself)",
            quoted(&guest.name)
        );
        report.to_do(
            SUBJECT,
            Some(&of),
            "is remembered, and not attached",
            advice,
        );
        return Ok(());
    }
    match device.states(store)? {
        (XenbusState::Connected, XenbusState::Connected) => {
            report.fine(
                SUBJECT,
                Some(&of),
                format!("connected to '{}'", backend.name),
            );
        }
        states => {
            let (found, advice) = unconnected(store, &device, guest, backend, states)?;
            report.to_do(SUBJECT, Some(&of), found, advice);
        }
    }
    Ok(())
}

/// Why a device is not connected, and what to do.
fn unconnected(
    store: &mut impl Store,
    device: &Device,
    guest: &Domain,
    backend: &Domain,
    (of_backend, of_guest): (XenbusState, XenbusState),
) -> Result<(String, String), Error> {
    let states = format!("not connected (backend {of_backend}, guest {of_guest})");
    let again = format!(
        "`xl-omx detach {0} {1}; xl-omx attach {0}`",
        quoted(&guest.name),
        device.index
    );
    if let Some(reason) = device.error(store)? {
        return Ok((
            format!("{states}: {reason}"),
            format!("when that is mended: {again}"),
        ));
    }
    let advice = match (of_backend, of_guest) {
        (XenbusState::Initialising | XenbusState::Unknown, _) => {
            format!("its driver domain has not looked at it: `xl console {}` shows its log", quoted(&backend.name))
        }
        (_, XenbusState::Initialising) => {
            "in the guest: `modprobe open-mx-frontend` (package open-mx-frontend-dkms)".into()
        }
        (XenbusState::Closed | XenbusState::Closing, _) | (_, XenbusState::Closed | XenbusState::Closing) => again,
        _ => "look again in some seconds; then at the driver domain's console and the guest's `dmesg`".into(),
    };
    Ok((states, advice))
}

/// Devices of a running guest that nobody remembers; whether there are any.
fn look_at_guest(
    store: &mut impl Store,
    inventory: &Inventory,
    known: &Remembered,
    guest: &Domain,
    report: &mut Report,
) -> Result<bool, Error> {
    let own = owner::entries_of(guest, &known.whole, &inventory.domains);
    let mut any = false;
    for index in device::indices(store, inventory, guest.id)? {
        if own.iter().any(|entry| entry.index == index) {
            continue;
        }
        any = true;
        let of = format!("{index} of '{}'", guest.name);
        let found = match inventory.backends(guest.id, index).next() {
            Some(_) => "is not remembered: the next reboot ends it",
            None => "is left over: no driver domain has it, and nobody remembers it",
        };
        let advice = format!(
            "`xl-omx detach {} {index}`, and attach it again if it is wanted",
            quoted(&guest.name)
        );
        report.to_do(SUBJECT, Some(&of), found, advice);
    }
    Ok(any)
}

/// No guest has a device.
fn nobody(inventory: &Inventory, plans: &[Plan], report: &mut Report) {
    let is_guest = |domain: &&Domain| {
        domain.id != 0
            && !domain.name.is_empty()
            && !plans.iter().any(|plan| plan.name == domain.name)
    };
    let guests = inventory.domains.iter().filter(is_guest);
    let guests: Vec<String> = guests
        .map(|guest| format!("`xl-omx attach {}`", quoted(&guest.name)))
        .collect();
    let advice = match guests.as_slice() {
        [] => "create a guest, then `xl-omx attach <its name>`".into(),
        some => some.join(" or "),
    };
    report.to_do(SUBJECT, None, "no guest has one", advice);
}

/// What guests that have gone have left at driver domains.
fn look_at_leftovers(inventory: &Inventory, report: &mut Report) {
    const SUBJECT: &str = "xenstore";
    for path in &inventory.leftovers {
        report.to_do(
            SUBJECT,
            None,
            format!("{path} is of a guest that has gone: its driver domain has not given the device back"),
            "that takes moments: look again; when it stays, the driver domain hangs: `xl-omx replace` it",
        );
    }
    if inventory.leftovers.is_empty() {
        report.fine(SUBJECT, None, "nothing is left of guests that have gone");
    }
}

#[cfg(test)]
mod tests {
    use omx_output::report::Outcome;

    use crate::check::trial::Trial;

    const BACKEND: &str = "/local/domain/1/backend/omx/2/0";
    const FRONTEND: &str = "/local/domain/2/device/omx/0";

    #[test]
    fn a_connected_device_is_fine_and_so_is_one_whose_guest_does_not_run() {
        let mut trial = Trial::fine();
        assert!(trial.check().says(
            Outcome::Fine,
            "device 0 of 'guest1': connected to 'driver-domain'"
        ));
        trial.remove("/local/domain/2");
        trial.remove(BACKEND);
        assert!(
            trial
                .check()
                .says(Outcome::Fine, "is remembered; its guest does not run")
        );
    }

    #[test]
    fn a_device_that_is_not_connected_is_told_with_its_states_and_the_way_out() {
        for (backend, guest, words) in [
            ("1", "1", "has not looked at it: `xl console driver-domain`"),
            ("2", "1", "modprobe open-mx-frontend"),
            ("2", "3", "look again in some seconds"),
            ("6", "6", "`xl-omx detach guest1 0; xl-omx attach guest1`"),
            ("4", "x", "not connected (backend Connected, guest Unknown)"),
        ] {
            let mut trial = Trial::fine();
            assert!(!trial.check().says(Outcome::ToDo, words));
            trial.set(&format!("{BACKEND}/state"), backend);
            trial.set(&format!("{FRONTEND}/state"), guest);
            let report = trial.check();
            assert!(report.says(Outcome::ToDo, words), "{words}: {report:?}");
        }
    }

    #[test]
    fn the_reason_of_a_refusal_is_told_from_whichever_side_it_comes() {
        for (path, who) in [
            (format!("{BACKEND}/reason"), "the driver domain says: "),
            (format!("{FRONTEND}/error"), "the guest says: "),
            (
                "/local/domain/2/error/device/omx/0/error".into(),
                "the guest says: ",
            ),
        ] {
            let mut trial = Trial::fine();
            trial.set(&path, "28 no pages");
            assert!(
                !trial.check().says(Outcome::ToDo, "28 no pages"),
                "it is connected"
            );
            trial.set(&format!("{BACKEND}/state"), "6");
            let words = format!("{who}28 no pages");
            assert!(trial.check().says(Outcome::ToDo, &words), "{path}");
        }
    }

    #[test]
    fn a_remembered_device_that_is_not_attached_is_attached_by_apply() {
        for path in [BACKEND, FRONTEND] {
            let mut trial = Trial::fine();
            assert!(!trial.check().says(Outcome::ToDo, "xl-omx apply"));
            trial.remove(path);
            assert!(trial.check().says(Outcome::ToDo, "`xl-omx apply guest1`"));
        }
        let mut trial = Trial::fine();
        trial.remove("/local/domain/1");
        assert!(trial.check().says(
            Outcome::ToDo,
            "its driver domain 'driver-domain' does not run"
        ));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_told() {
        let mut trial = Trial::fine();
        trial.remember("guest2.0", "backend");
        assert!(trial.check().says(Outcome::ToDo, "device 0 of 'guest2'"));
    }

    #[test]
    fn what_nobody_remembers_is_told() {
        let mut trial = Trial::fine();
        trial.forget("guest1.0");
        assert!(trial.check().says(Outcome::ToDo, "is not remembered"));
        trial.remove(BACKEND);
        assert!(trial.check().says(Outcome::ToDo, "is left over"));
    }

    #[test]
    fn where_no_guest_has_a_device_those_that_run_are_named() {
        let mut trial = Trial::fine();
        assert!(!trial.check().says(Outcome::ToDo, "no guest has one"));
        trial.forget("guest1.0");
        trial.remove(BACKEND);
        trial.remove(FRONTEND);
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "-> `xl-omx attach guest1`\n"),
            "{report:?}"
        );
        trial.remove("/local/domain/2");
        assert!(trial.check().says(Outcome::ToDo, "create a guest"));
    }

    #[test]
    fn what_a_guest_has_left_at_its_driver_domain_is_told() {
        let mut trial = Trial::fine();
        assert!(
            trial
                .check()
                .says(Outcome::Fine, "nothing is left of guests that have gone")
        );
        trial.set("/local/domain/1/backend/omx/7/0/mac", "00:16:3e:00:00:09");
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "/local/domain/1/backend/omx/7 is of a guest"),
            "{report:?}"
        );
    }
}
