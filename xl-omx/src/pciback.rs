//! Answers dom0's pciback for a driver domain that cannot.
//!
//! libxl takes a card from a domain that it destroys by asking both ends, and waits ten seconds for one that does not
//! answer; until then no guest sees that its driver domain is dead. The domain's end writes only its state, which dom0 may
//! write, too: pciback says Reconfiguring and waits for the same, then says Reconfigured and waits for Connected.

use crate::device::{is_there, state};
use crate::error::Error;
use crate::state::XenbusState;
use crate::xenstore::{Store, transaction};

/// The directory of pciback for a domain's cards.
fn backend(domain: u32) -> String {
    format!("/local/domain/0/backend/pci/{domain}/0")
}

/// The domain's own directory of its cards.
fn frontend(domain: u32) -> String {
    format!("/local/domain/{domain}/device/pci/0")
}

/// What changes when pciback asks.
pub fn watched(domain: u32) -> String {
    format!("{}/state", backend(domain))
}

/// What pciback waits for: the state that the domain should have, and has not.
pub fn asked(store: &mut impl Store, domain: u32) -> Result<Option<XenbusState>, Error> {
    let wanted = match state(store, &backend(domain))? {
        XenbusState::Reconfiguring => XenbusState::Reconfiguring,
        XenbusState::Reconfigured => XenbusState::Connected,
        _ => return Ok(None),
    };
    Ok((state(store, &frontend(domain))? != wanted).then_some(wanted))
}

/// Says for the domain what pciback waits for, if that is so still. A domain that is gone is not made again.
pub fn answer(store: &mut impl Store, domain: u32, wanted: XenbusState) -> Result<(), Error> {
    let path = format!("{}/state", frontend(domain));
    transaction(store, |store, t| {
        if is_there(store, t, &path)? {
            store.write(t, &path, &wanted.text())?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xenstore::fake::Fake;

    fn store(backend: &str, frontend: &str) -> Fake {
        Fake::with(&[
            ("/local/domain/0/backend/pci/7/0/state", backend),
            ("/local/domain/7/device/pci/0/state", frontend),
        ])
    }

    /// What stands there after an answer, if there was a question.
    fn answered(backend: &str, frontend: &str) -> Option<String> {
        let mut store = store(backend, frontend);
        let wanted = asked(&mut store, 7).unwrap()?;
        answer(&mut store, 7, wanted).unwrap();
        assert_eq!(asked(&mut store, 7).unwrap(), None, "it is answered once");
        store.value("/local/domain/7/device/pci/0/state")
    }

    #[test]
    fn both_questions_of_pciback_are_answered_and_nothing_else() {
        assert_eq!(answered("7", "4").as_deref(), Some("7"));
        assert_eq!(answered("8", "7").as_deref(), Some("4"));
        for (backend, frontend) in [("4", "4"), ("7", "7"), ("8", "4"), ("5", "4"), ("", "4")] {
            assert_eq!(answered(backend, frontend), None, "{backend} {frontend}");
        }
    }

    #[test]
    fn a_domain_that_has_gone_meanwhile_is_not_made_again() {
        let mut store = Fake::with(&[("/local/domain/0/backend/pci/7/0/state", "7")]);
        let wanted = asked(&mut store, 7).unwrap().unwrap();
        answer(&mut store, 7, wanted).unwrap();
        assert!(store.tree.node("/local/domain/7").is_none());
    }
}
