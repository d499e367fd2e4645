//! Whose a remembered device is.
//!
//! It belongs to the running domain with its UUID, whatever that is called now: a domain that was renamed or rebooted.
//! When no such domain runs, it belongs to the one with its name: a guest that was made again, and got another UUID
//! because its configuration names none. An entry that knows the UUID of a domain is preferred to one that only has
//! its name.

use crate::attachments::{Attachment, Attachments, Prepared, Remembered};
use crate::domain::{self, Domain};
use crate::error::Error;

/// How well an entry fits a domain; the better one comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    other_uuid: bool,
    other_name: bool,
}

fn distance(entry: &Attachment, domain: &Domain) -> Distance {
    Distance {
        other_uuid: entry.uuid.is_none() || entry.uuid != domain.uuid,
        other_name: entry.guest != domain.name,
    }
}

/// The running domain that an entry names, without regard to other entries.
fn named<'d>(entry: &Attachment, domains: &'d [Domain]) -> Result<Option<&'d Domain>, Error> {
    let same = |domain: &&Domain| entry.uuid.is_some() && domain.uuid == entry.uuid;
    let of_uuid: Vec<&Domain> = domains.iter().filter(same).collect();
    match of_uuid.as_slice() {
        [] => match domain::named(domains, &entry.guest) {
            Err(Error::NoSuchDomain(_)) => Ok(None),
            found => found.map(Some),
        },
        [domain] => Ok(Some(domain)),
        // While a guest migrates within this host, two have its UUID.
        several => {
            let mut of_name = several.iter().filter(|domain| domain.name == entry.guest);
            Ok(of_name.next().copied())
        }
    }
}

/// The running domain that an entry belongs to, if there is one.
pub fn of<'d>(
    entry: &Attachment,
    entries: &[Attachment],
    domains: &'d [Domain],
) -> Result<Option<&'d Domain>, Error> {
    let Some(domain) = named(entry, domains)? else {
        return Ok(None);
    };
    let rank = |entry: &Attachment| (distance(entry, domain), entry.guest.clone());
    let rivals = entries.iter().filter(|rival| {
        let same = named(rival, domains).is_ok_and(|named| named == Some(domain));
        rival.index == entry.index && same
    });
    let better = rivals.into_iter().any(|rival| rank(rival) < rank(entry));
    Ok((!better).then_some(domain))
}

/// Gives the files of renamed domains the names that these have now, and returns all that is remembered. What cannot be
/// moved stays where it is: its UUID tells whose it is. The caller holds the lock.
pub fn follow_names(remembered: &Attachments, domains: &[Domain]) -> Result<Remembered, Error> {
    let known = remembered.all()?;
    let mut moved = false;
    for entry in &known.whole {
        let Ok(Some(owner)) = of(entry, &known.whole, domains) else {
            continue;
        };
        let same = |guest: &str, index: u32| guest == owner.name && index == entry.index;
        let taken = known.whole.iter().any(|e| same(&e.guest, e.index))
            || known.broken.iter().any(|b| same(&b.guest, b.index));
        if taken || Attachment::check_name(&owner.name, owner.id).is_err() {
            continue;
        }
        let mut renamed = entry.clone();
        renamed.guest = owner.name.clone();
        let written = remembered.prepare(&renamed).and_then(Prepared::commit);
        if written.is_ok() {
            remembered.forget(&entry.guest, entry.index)?;
            moved = true;
        }
    }
    if moved { remembered.all() } else { Ok(known) }
}

/// The entries that belong to a domain.
pub fn entries_of<'a>(
    domain: &Domain,
    entries: &'a [Attachment],
    domains: &[Domain],
) -> Vec<&'a Attachment> {
    let own = |entry: &&Attachment| {
        of(entry, entries, domains).is_ok_and(|owner| owner.is_some_and(|o| o.id == domain.id))
    };
    entries.iter().filter(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Uuid;
    use crate::limits::Limits;
    use crate::mac;

    fn uuid(last: u8) -> Option<Uuid> {
        Uuid::parse(&format!("00000000-0000-0000-0000-0000000000{last:02x}"))
    }

    fn entry(guest: &str, last: u8) -> Attachment {
        Attachment {
            guest: guest.into(),
            uuid: uuid(last),
            index: 0,
            backend: "driver-domain".into(),
            mac: mac::generate([0, 0, last]),
            limits: Limits::new(),
        }
    }

    fn domain(id: u32, name: &str, last: u8) -> Domain {
        Domain {
            id,
            name: name.into(),
            uuid: uuid(last),
        }
    }

    fn owner(at: usize, entries: &[Attachment], domains: &[Domain]) -> Option<u32> {
        let owner = of(&entries[at], entries, domains).unwrap();
        owner.map(|domain| domain.id)
    }

    #[test]
    fn a_renamed_domain_keeps_its_devices_and_its_old_name_has_none() {
        let entries = [entry("old", 1)];
        let domains = [domain(4, "new", 1), domain(5, "old", 2)];
        assert_eq!(owner(0, &entries, &domains), Some(4));
        assert!(entries_of(&domains[1], &entries, &domains).is_empty());
    }

    #[test]
    fn a_guest_that_was_made_again_keeps_its_devices_by_its_name() {
        let entries = [entry("guest", 1)];
        assert_eq!(owner(0, &entries, &[domain(9, "guest", 2)]), Some(9));
        assert_eq!(owner(0, &entries, &[domain(9, "Guest", 2)]), None);
        assert_eq!(owner(0, &entries, &[]), None);
    }

    #[test]
    fn an_entry_with_the_uuid_is_preferred_to_one_with_the_name() {
        let entries = [entry("a", 1), entry("b", 2)];
        let domains = [domain(7, "a", 2)];
        assert_eq!(owner(0, &entries, &domains), None);
        assert_eq!(owner(1, &entries, &domains), Some(7));
    }

    #[test]
    fn a_name_that_looks_like_a_number_is_no_number() {
        let entries = [entry("7", 1)];
        assert_eq!(owner(0, &entries, &[domain(7, "other", 2)]), None);
    }

    #[test]
    fn of_two_with_one_uuid_the_name_decides() {
        let entries = [entry("guest", 1)];
        let both = [domain(3, "guest", 1), domain(4, "guest--incoming", 1)];
        assert_eq!(owner(0, &entries, &both), Some(3));
        let neither = [domain(3, "x", 1), domain(4, "y", 1)];
        assert_eq!(owner(0, &entries, &neither), None);
    }
}
