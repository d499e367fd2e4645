//! What paths, tokens and values of xenstore mean. They come from other domains: nothing is believed.

use alloc::format;
use alloc::string::String;
use core::fmt;

/// Which device of which guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the guest's domain.
    pub guest: u16,
    /// Number of the device.
    pub device: u32,
}

impl Place {
    /// Our directory of the device, below `root`.
    pub fn directory(&self, root: &str) -> String {
        format!("{root}/{}/{}", self.guest, self.device)
    }

    /// What a watch is told to remember it by.
    pub fn token(&self) -> String {
        format!("{}/{}", self.guest, self.device)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guest {}, device {}", self.guest, self.device)
    }
}

/// Names of two directories, as numbers without anything around them.
pub fn place(guest: &str, device: &str) -> Option<Place> {
    Some(Place {
        guest: number(guest)?,
        device: number(device)?,
    })
}

fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    // "+1" and "01" are numbers, but no names of directories that tools make.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The device that a path below `root` belongs to; `None` for `root` itself and what is no device.
pub fn place_in_path(path: &str, root: &str) -> Option<Place> {
    let mut parts = path.strip_prefix(root)?.strip_prefix('/')?.split('/');
    place(parts.next()?, parts.next()?)
}

/// The device that [`Place::token`] stands for.
pub fn place_in_token(token: &str) -> Option<Place> {
    let (guest, device) = token.split_once('/')?;
    place(guest, device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_device_is_found_by_any_path_below_its_directory() {
        let place = Some(Place {
            guest: 12,
            device: 0,
        });
        assert_eq!(place_in_path("backend/omx/12/0", "backend/omx"), place);
        assert_eq!(
            place_in_path("backend/omx/12/0/state", "backend/omx"),
            place
        );
        for other in [
            "backend/omx",
            "backend/omx/12",
            "backend/omxy/12/0",
            "backend/omx/12/",
            "backend/omx/x/0",
            "backend/omx/-1/0",
            "backend/omx/012/0",
            "backend/omx/70000/0",
        ] {
            assert_eq!(place_in_path(other, "backend/omx"), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_device_or_none(path in ".*", token in ".*") {
            let _ = place_in_path(&path, "backend/omx");
            if let Some(place) = place_in_token(&token) {
                prop_assert_eq!(place.token(), token);
            }
        }

        #[test]
        fn a_place_survives_path_and_token(guest: u16, device: u32) {
            let place = Place { guest, device };
            prop_assert_eq!(place_in_path(&place.directory("a/b"), "a/b"), Some(place));
            prop_assert_eq!(place_in_token(&place.token()), Some(place));
        }
    }
}
