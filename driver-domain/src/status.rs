//! The state of the domain, in its own part of xenstore (`/local/domain/<driver domain>/`), as it changes.
//!
//! | node | value |
//! |---|---|
//! | `data/omx/version` | version of the driver domain |
//! | `data/omx/state` | `ready`; `ending` once it was told to end; `failed` when it serves nobody |
//! | `data/omx/reason` | why it failed, and what to do about it |
//! | `data/omx/wire` | `native` or `mx`, and the longest frame in bytes |
//! | `data/omx/card` | driver and address of the card; `none` |
//! | `data/omx/address` | address of the management with its prefix, `static` or `dhcp`, `router` and its address; `none` |
//! | `data/omx/link` | `up` or `down`; `none` without a card |
//! | `data/omx/devices/<guest>/<device>` | `waiting`, `connected` or `leaving`, the board's name, its address |
//!
//! What is counted is written from time to time ([`crate::report`]), or on request ([`crate::statistics`]). When the domain
//! ends in order, all of it goes.

use alloc::format;
use alloc::string::{String, ToString};

use mx_wire::{Format, MacAddress, Mode};

use crate::device::Identity;
use crate::management::Own;
use crate::xenstore_writer::Write;

/// Where all of it is.
pub const DIRECTORY: &str = "data/omx";
/// Where devices are shown.
pub const DEVICES: &str = "data/omx/devices";

/// The value of a device's node.
pub fn device(stage: &str, identity: &Identity) -> String {
    format!("{stage} {} {}", identity.name, identity.mac)
}

/// The version and the format.
pub fn program(format: Format) -> [Write; 2] {
    let mode = match format.mode() {
        Mode::Native => "native",
        Mode::MxWire => "mx",
    };
    [
        own("version", env!("CARGO_PKG_VERSION").to_string()),
        own("wire", format!("{mode} {}", format.mtu())),
    ]
}

/// How far the domain is.
pub fn state(word: &str) -> Write {
    own("state", word.to_string())
}

/// That the domain serves nobody.
pub fn refusal(why: &str, way_out: &str) -> [Write; 2] {
    // The reason first: whoever sees the state finds it.
    [own("reason", format!("{why}; {way_out}")), state("failed")]
}

/// The card; `None` when there is none.
pub fn nic(nic: Option<(&str, [u8; 6])>) -> Write {
    own(
        "card",
        match nic {
            Some((driver, mac)) => format!("{driver} {}", MacAddress(mac)),
            None => "none".to_string(),
        },
    )
}

/// The link; `None` without a card.
pub fn link(up: Option<bool>) -> Write {
    let word = match up {
        Some(true) => "up",
        Some(false) => "down",
        None => "none",
    };
    own("link", word.to_string())
}

/// The management's address, while it has one.
pub fn address(own_address: Option<Own>) -> Write {
    let text = own_address.map_or_else(|| "none".to_string(), |address| address.to_string());
    own("address", text)
}

fn own(name: &str, value: String) -> Write {
    Write::Own(format!("data/omx/{name}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_backend::HostName;

    #[test]
    fn nodes_hold_words_that_a_script_can_split() {
        let identity = Identity {
            mac: MacAddress([0, 0x16, 0x3e, 1, 2, 3]),
            name: HostName::new(b"guest1:0"),
        };
        assert_eq!(
            device("connected", &identity),
            "connected guest1:0 00:16:3e:01:02:03"
        );
        let Write::Own(path, value) = nic(Some(("igb", [2, 0, 0, 0, 0, 5]))) else {
            panic!("not a node of its own");
        };
        assert_eq!(
            (path.as_str(), value.as_str()),
            ("data/omx/card", "igb 02:00:00:00:00:05")
        );
    }
}
