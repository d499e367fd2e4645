//! Domains by name or number.

use std::fmt;

use crate::error::Error;
use crate::xenstore::{NONE, Store, Transaction};

/// The UUID of a domain: it stays when the domain is renamed or reboots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(String);

impl Uuid {
    /// Five groups of hexadecimal digits; in small letters from then on.
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        let fits = |(group, length): (&&str, usize)| {
            group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let whole = groups.len() == lengths.len() && groups.iter().zip(lengths).all(fits);
        whole.then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A running domain. Its name and its UUID are written by dom0; the domain itself only reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its number.
    pub id: u32,
    /// Its name; empty when it has none, or one that is not UTF-8.
    pub name: String,
    /// Its UUID, if it is known.
    pub uuid: Option<Uuid>,
}

/// The number that a node's name is, written the one way that xl writes it.
pub fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The domain that an operator means by its name or number.
pub fn find(store: &mut impl Store, wanted: &str) -> Result<Domain, Error> {
    meant(&all(store)?, wanted).cloned()
}

/// The same of these domains.
pub fn meant<'a>(domains: &'a [Domain], wanted: &str) -> Result<&'a Domain, Error> {
    // A name wins over a number, as in xl.
    match named(domains, wanted) {
        Err(Error::NoSuchDomain(_)) => {}
        found => return found,
    }
    let id = number(wanted);
    let found = domains.iter().find(|domain| Some(domain.id) == id);
    found.ok_or_else(|| Error::NoSuchDomain(wanted.into()))
}

/// The domain of that name, whatever numbers there are.
pub fn named<'a>(domains: &'a [Domain], name: &str) -> Result<&'a Domain, Error> {
    let mut found = domains
        .iter()
        .filter(|domain| !name.is_empty() && domain.name == name);
    match (found.next(), found.next()) {
        (None, _) => Err(Error::NoSuchDomain(name.into())),
        (Some(domain), None) => Ok(domain),
        (Some(_), Some(_)) => Err(Error::AmbiguousDomain(name.into())),
    }
}

/// All domains that xenstore knows.
pub fn all(store: &mut impl Store) -> Result<Vec<Domain>, Error> {
    let mut domains = Vec::new();
    for entry in store.list(NONE, "/local/domain")? {
        if let Some(id) = number(&entry) {
            domains.push(read(store, NONE, id)?);
        }
    }
    domains.sort_by_key(|domain| domain.id);
    Ok(domains)
}

/// Whether the domain is still the one that was found.
pub fn is_there(store: &mut impl Store, t: Transaction, domain: &Domain) -> Result<bool, Error> {
    let now = read(store, t, domain.id)?;
    let known = !now.name.is_empty() || now.uuid.is_some();
    Ok(known && now.uuid == domain.uuid)
}

fn read(store: &mut impl Store, t: Transaction, id: u32) -> Result<Domain, Error> {
    let name = store.read(t, &format!("/local/domain/{id}/name"))?;
    let name = name.filter(|name| !name.contains(char::REPLACEMENT_CHARACTER));
    let vm = store.read(t, &format!("/local/domain/{id}/vm"))?;
    let uuid = vm.as_deref().and_then(|vm| vm.strip_prefix("/vm/"));
    Ok(Domain {
        id,
        name: name.unwrap_or_default(),
        uuid: uuid.and_then(Uuid::parse),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xenstore::fake::Fake;

    fn store() -> Fake {
        Fake::with(&[
            ("/local/domain/0/name", "Domain-0"),
            ("/local/domain/3/name", "guest1"),
            ("/local/domain/7/name", "3"),
            ("/local/domain/8/name", "twin"),
            ("/local/domain/9/name", "twin"),
            (
                "/local/domain/9/vm",
                "/vm/4A0EB83F-6C44-40a2-b1bb-92cbf3a1fd16",
            ),
            ("/local/domain/10/data", ""),
            ("/local/domain/011/name", "odd"),
        ])
    }

    #[test]
    fn a_domain_is_found_by_name_and_by_number() {
        assert_eq!(find(&mut store(), "guest1").unwrap().id, 3);
        assert_eq!(find(&mut store(), "8").unwrap().id, 8);
    }

    #[test]
    fn a_name_wins_over_a_number() {
        assert_eq!(find(&mut store(), "3").unwrap().id, 7);
    }

    #[test]
    fn an_unknown_or_ambiguous_name_is_refused() {
        for unknown in ["nobody", "", "odd", "11", "+3", "03"] {
            let found = find(&mut store(), unknown);
            assert!(matches!(found, Err(Error::NoSuchDomain(_))), "{unknown}");
        }
        assert!(matches!(
            find(&mut store(), "twin"),
            Err(Error::AmbiguousDomain(_))
        ));
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        let uuid = find(&mut store(), "9").unwrap().uuid.unwrap();
        assert_eq!(uuid.to_string(), "4a0eb83f-6c44-40a2-b1bb-92cbf3a1fd16");
        for wrong in [
            "",
            "4a0eb83f",
            "4a0eb83f-6c44-40a2-b1bb-92cbf3a1fd1g",
            "----",
        ] {
            assert_eq!(Uuid::parse(wrong), None);
        }
    }
}
