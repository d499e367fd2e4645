//! States of the two ends of a split device, as xenstore holds them (`io/xenbus.h`).

use core::fmt;

use xen_sys::xenbus as abi;

/// State of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XenbusState {
    /// No state: the directory is not there, or holds something else.
    Unknown,
    /// This end has begun and has published nothing yet.
    Initialising,
    /// It waits for the other end.
    InitWait,
    /// It has published what the other end needs.
    Initialised,
    /// It works.
    Connected,
    /// It is being taken down.
    Closing,
    /// It is down.
    Closed,
    /// PCI only: devices come or go.
    Reconfiguring,
    /// PCI only: they have come or gone.
    Reconfigured,
}

impl XenbusState {
    /// The number in xenstore.
    pub const fn number(self) -> u32 {
        match self {
            Self::Unknown => abi::XENBUS_STATE_UNKNOWN,
            Self::Initialising => abi::XENBUS_STATE_INITIALISING,
            Self::InitWait => abi::XENBUS_STATE_INIT_WAIT,
            Self::Initialised => abi::XENBUS_STATE_INITIALISED,
            Self::Connected => abi::XENBUS_STATE_CONNECTED,
            Self::Closing => abi::XENBUS_STATE_CLOSING,
            Self::Closed => abi::XENBUS_STATE_CLOSED,
            Self::Reconfiguring => abi::XENBUS_STATE_RECONFIGURING,
            Self::Reconfigured => abi::XENBUS_STATE_RECONFIGURED,
        }
    }

    /// Reads a state; anything that is none is [`XenbusState::Unknown`].
    pub fn parse(text: &str) -> Self {
        match text.trim().parse() {
            Ok(abi::XENBUS_STATE_INITIALISING) => Self::Initialising,
            Ok(abi::XENBUS_STATE_INIT_WAIT) => Self::InitWait,
            Ok(abi::XENBUS_STATE_INITIALISED) => Self::Initialised,
            Ok(abi::XENBUS_STATE_CONNECTED) => Self::Connected,
            Ok(abi::XENBUS_STATE_CLOSING) => Self::Closing,
            Ok(abi::XENBUS_STATE_CLOSED) => Self::Closed,
            Ok(abi::XENBUS_STATE_RECONFIGURING) => Self::Reconfiguring,
            Ok(abi::XENBUS_STATE_RECONFIGURED) => Self::Reconfigured,
            _ => Self::Unknown,
        }
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
    use proptest::prelude::*;

    #[test]
    fn a_state_survives_its_number() {
        for number in 0..=8u32 {
            let state = XenbusState::parse(&alloc::format!("{number}"));
            assert_eq!(state.number(), number);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_some_state(text in ".*") {
            let state = XenbusState::parse(&text);
            prop_assert!(state.number() <= 8);
        }
    }
}
