//! The states of the two sides of a device.

use std::fmt;

use serde::Serialize;

/// States of the xenbus handshake (public/io/xenbus.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum XenbusState {
    /// No state is written, or one that does not exist.
    Unknown = 0,
    /// Has not reacted yet.
    Initialising = 1,
    /// Waits for the other side.
    InitWait = 2,
    /// Has published its rings.
    Initialised = 3,
    /// Works.
    Connected = 4,
    /// Is being ended.
    Closing = 5,
    /// Has ended.
    Closed = 6,
    /// Of a PCI frontend only.
    Reconfiguring = 7,
    /// Of a PCI frontend only.
    Reconfigured = 8,
}

impl XenbusState {
    /// What a side wrote to its `state` node.
    pub fn parse(text: Option<&str>) -> Self {
        const ALL: [XenbusState; 9] = [
            XenbusState::Unknown,
            XenbusState::Initialising,
            XenbusState::InitWait,
            XenbusState::Initialised,
            XenbusState::Connected,
            XenbusState::Closing,
            XenbusState::Closed,
            XenbusState::Reconfiguring,
            XenbusState::Reconfigured,
        ];
        let number = text
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(0);
        ALL.get(number).copied().unwrap_or(Self::Unknown)
    }

    /// As it is written to a `state` node.
    pub fn text(self) -> String {
        (self as u8).to_string()
    }
}

impl fmt::Display for XenbusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_state_text_is_a_state() {
        assert_eq!(XenbusState::parse(Some("4")), XenbusState::Connected);
        for odd in [None, Some(""), Some("-1"), Some("99"), Some("four")] {
            assert_eq!(XenbusState::parse(odd), XenbusState::Unknown);
        }
    }
}
