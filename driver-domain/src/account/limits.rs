//! What one guest may have of what all of them share, by default, for all (the command line) and for one (xenstore).

use alloc::string::{String, ToString};

/// Something that a guest may only have so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Connected devices.
    Devices,
    /// Open endpoints, over all of its devices.
    Endpoints,
    /// Registered regions, over all of its endpoints.
    Regions,
    /// Pages of its memory that are mapped, or that addresses are reserved for. Each is an entry in Xen's table of maps.
    Pages,
    /// Running pulls of each of its boards.
    Pulls,
    /// KiB of the domain's heap.
    Heap,
    /// Nacks that each of its boards sends in a second.
    Nacks,
    /// Connects in a minute.
    Reconnects,
    /// Lines about it in the log in a minute.
    LogLines,
    /// Events in a row that it sends for nothing, before its channel is looked at every millisecond only.
    Doorbells,
}

/// How many there are.
pub const LIMITS: usize = Limit::ALL.len();

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Devices,
        Self::Endpoints,
        Self::Regions,
        Self::Pages,
        Self::Pulls,
        Self::Heap,
        Self::Nacks,
        Self::Reconnects,
        Self::LogLines,
        Self::Doorbells,
    ];

    /// The name of the option, and of the node in xenstore.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Devices => "limit-devices",
            Self::Endpoints => "limit-endpoints",
            Self::Regions => "limit-regions",
            Self::Pages => "limit-pages",
            Self::Pulls => "limit-pulls",
            Self::Heap => "limit-heap",
            Self::Nacks => "limit-nacks",
            Self::Reconnects => "limit-reconnects",
            Self::LogLines => "limit-log-lines",
            Self::Doorbells => "limit-doorbells",
        }
    }

    /// What is counted, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Devices => "connected devices",
            Self::Endpoints => "open endpoints",
            Self::Regions => "registered regions",
            Self::Pages => "mapped pages",
            Self::Pulls => "running pulls of a board",
            Self::Heap => "KiB of heap",
            Self::Nacks => "nacks of a board in a second",
            Self::Reconnects => "connects in a minute",
            Self::LogLines => "log lines in a minute",
            Self::Doorbells => "events for nothing in a row",
        }
    }

    /// The most that can be asked for; the least is 1.
    pub const fn most(self) -> u32 {
        match self {
            Self::Devices => 64,
            Self::Endpoints => 4096,
            Self::Regions => 1 << 20,
            Self::Pages => 1 << 18,
            Self::Pulls => 1 << 16,
            Self::Heap => 1 << 20,
            Self::Nacks | Self::Reconnects | Self::LogLines | Self::Doorbells => 1 << 16,
        }
    }

    /// What is given to a guest that nothing is said about. One guest may have much of what nobody else wants; what
    /// the others need all the same is kept for them ([`super::Pools`]).
    const fn default(self) -> u32 {
        match self {
            Self::Devices => 8,
            Self::Endpoints => 256,
            Self::Regions => 16 << 10,
            // 192 MiB.
            Self::Pages => 48 << 10,
            Self::Pulls => 4096,
            // Of about 40 MiB in a domain of 64.
            Self::Heap => 8 << 10,
            Self::Nacks => 4096,
            Self::Reconnects => 60,
            Self::LogLines => 60,
            Self::Doorbells => 64,
        }
    }

    /// The values that it may have, in words.
    pub fn possible(self) -> String {
        alloc::format!("1 to {} ({})", self.most(), self.words())
    }
}

/// Why a limit is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No limit has this name.
    #[error("there is no {}", .0.escape_default())]
    Unknown(String),
    /// It cannot have this value.
    #[error("{name}: \"{value}\" is not possible, choose {possible}", name = .0.name(), value = .1.escape_default(), possible = .0.possible())]
    Value(Limit, String),
}

/// A value for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([u32; LIMITS]);

impl Default for Limits {
    fn default() -> Self {
        Self(Limit::ALL.map(Limit::default))
    }
}

impl Limits {
    /// The value of a limit.
    pub fn get(&self, limit: Limit) -> u32 {
        self.0.get(limit as usize).copied().unwrap_or(0)
    }

    /// Sets a limit by its name, to a value in decimal digits.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let limit = Limit::ALL.into_iter().find(|limit| limit.name() == name);
        let limit = limit.ok_or_else(|| LimitError::Unknown(name.to_string()))?;
        let number = value
            .parse()
            .ok()
            .filter(|number| (1..=limit.most()).contains(number))
            .ok_or_else(|| LimitError::Value(limit, value.to_string()))?;
        if let Some(place) = self.0.get_mut(limit as usize) {
            *place = number;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_limit_has_its_place_a_name_and_a_default_that_can_be() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place);
            assert!((1..=limit.most()).contains(&Limits::default().get(limit)));
            let mut limits = Limits::default();
            let most = limit.most();
            limits.set(limit.name(), &most.to_string()).unwrap();
            assert_eq!(limits.get(limit), most);
            for wrong in ["0", "", "-1", "+1x", &(u64::from(most) + 1).to_string()] {
                let said = limits.set(limit.name(), wrong).unwrap_err().to_string();
                assert!(said.contains(limit.name()), "{said}");
                assert!(said.contains(&most.to_string()), "{said}");
            }
            assert_eq!(limits.get(limit), most);
        }
    }

    proptest! {
        #[test]
        fn any_words_are_a_limit_or_refused_in_printable_ones(name in ".*", value in ".*") {
            let mut limits = Limits::default();
            if let Err(error) = limits.set(&name, &value) {
                prop_assert!(error.to_string().is_ascii());
                prop_assert_eq!(limits, Limits::default());
            }
        }
    }
}
