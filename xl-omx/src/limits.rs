//! What an operator lets one guest have of what the driver domain shares among all (`limit-pages=…`). The driver domain
//! reads it in its directory of the device, beside the guest's name.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::xenstore::{Store, transaction};

/// The names that a driver domain knows (`driver-domain/src/account/limits.rs`).
pub const NAMES: [&str; 10] = [
    "limit-devices",
    "limit-endpoints",
    "limit-regions",
    "limit-pages",
    "limit-pulls",
    "limit-heap",
    "limit-nacks",
    "limit-reconnects",
    "limit-log-lines",
    "limit-doorbells",
];

/// Limits that are other than those of the driver domain for all.
pub type Limits = BTreeMap<&'static str, u32>;

/// A limit that somebody names, and its value.
pub fn parse(name: &str, value: &str) -> Result<(&'static str, u32), String> {
    let known = NAMES.into_iter().find(|known| *known == name);
    let known = known.ok_or_else(|| format!("the limits are {}", NAMES.join(", ")))?;
    match value.parse() {
        Ok(number) if number > 0 => Ok((known, number)),
        _ => Err(format!("{known} is a number, 1 or more")),
    }
}

/// Tells the driver domain whose directory of the device this is, if it is still there.
pub fn write(store: &mut impl Store, directory: &str, limits: &Limits) -> Result<(), Error> {
    if limits.is_empty() {
        return Ok(());
    }
    transaction(store, |store, t| {
        if store.read(t, &format!("{directory}/frontend"))?.is_none() {
            return Ok(());
        }
        for (name, value) in limits {
            store.write(t, &format!("{directory}/{name}"), &value.to_string())?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_a_driver_domain_knows() {
        let theirs = include_str!("../../driver-domain/src/account/limits.rs");
        for name in NAMES {
            assert!(theirs.contains(&format!("=> \"{name}\"")), "{name}");
        }
        assert_eq!(theirs.matches("=> \"limit-").count(), NAMES.len());
    }

    #[test]
    fn a_limit_is_a_known_name_and_a_number() {
        assert_eq!(parse("limit-pages", "100"), Ok(("limit-pages", 100)));
        for (name, value) in [
            ("limit-pages", "0"),
            ("limit-pages", "-1"),
            ("limit-pages", "many"),
            ("limit-pages", "4294967296"),
            ("limit-paging", "100"),
        ] {
            assert!(parse(name, value).is_err(), "{name}={value}");
        }
    }
}
