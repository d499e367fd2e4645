//! Domains by name or number.

use crate::error::Error;
use crate::xenstore::{NONE, Store};

/// A running domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its number.
    pub id: u32,
    /// Its name; empty when it has none.
    pub name: String,
}

/// The domain that an operator means by its name or number.
pub fn find(store: &mut impl Store, wanted: &str) -> Result<Domain, Error> {
    let mut found = all(store)?;
    found.retain(|domain| domain.name == wanted || domain.id.to_string() == wanted);
    // A name wins over a number, as in xl.
    if found.len() > 1 && found.iter().any(|domain| domain.name == wanted) {
        found.retain(|domain| domain.name == wanted);
    }
    match found.len() {
        0 => Err(Error::NoSuchDomain(wanted.into())),
        1 => Ok(found.remove(0)),
        _ => Err(Error::AmbiguousDomain(wanted.into())),
    }
}

/// All domains that xenstore knows.
pub fn all(store: &mut impl Store) -> Result<Vec<Domain>, Error> {
    let mut domains = Vec::new();
    for entry in store.list(NONE, "/local/domain")? {
        let Ok(id) = entry.parse() else { continue };
        let name = store
            .read(NONE, &format!("/local/domain/{id}/name"))?
            .unwrap_or_default();
        domains.push(Domain { id, name });
    }
    Ok(domains)
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
        assert!(matches!(
            find(&mut store(), "nobody"),
            Err(Error::NoSuchDomain(_))
        ));
        assert!(matches!(
            find(&mut store(), "twin"),
            Err(Error::AmbiguousDomain(_))
        ));
    }
}
