//! Which kinds of lies there are, and how often each is told.

use core::fmt;

use fastrand::Rng;

/// Declares kinds with their names and weights.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $weight:literal,)*) => {
        /// A kind of lie.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// How often it is told, beside the others: on Xen under emulation a request costs tens of times as much as a
            /// descriptor, and a connection a thousand times.
            const fn weight(self) -> u32 {
                match self { $(Self::$kind => $weight,)* }
            }
        }
    };
}

kinds! {
    /// A field of a command's descriptor was changed before it is looked at.
    Command "command" 2400,
    /// It changes while it is looked at.
    CommandInUse "command-in-use" 1200,
    /// An index of the queues, or any other word beside them, is what it cannot be.
    Index "index" 600,
    /// A window is bound to what is not there, or changes.
    Window "window" 1200,
    /// Endpoints of anybody are asked for a connection of which nothing follows.
    HalfOpen "half-open-connect" 1200,
    /// A field of a request was changed before it is looked at.
    Request "request" 160,
    /// It changes while it is looked at.
    RequestInUse "request-in-use" 80,
    /// Any word of the pages between kernel and driver domain.
    ControlPage "control-page" 10,
    /// The list of grants changes while it is mapped.
    StagingInUse "staging-in-use" 60,
    /// Regions are registered and dropped without waiting.
    RegionStorm "region-storm" 300,
    /// Doorbells of endpoints that have nothing, or that there are not: 64 at a time.
    Doorbell "doorbell-storm" 600,
    /// Events for nothing: 64 at a time.
    EventStorm "event-storm" 300,
    /// RAW frames that speak as somebody else.
    ForgedFrame "forged-frame" 150,
    /// Peers that there are not, or by others' names.
    ForgedPeer "forged-peer" 300,
    /// Grants that are revoked while they are mapped or just before.
    GrantRevoked "grant-revoked" 30,
    /// References of nothing.
    GrantMissing "grant-missing" 30,
    /// Read-only where writing was asked for, or another domain's.
    GrantAccess "grant-access" 30,
    /// A frame of the machine that is somebody else's.
    GrantForeign "grant-foreign" 30,
    /// A large message whose two ends take the memory away, the window and the endpoint.
    Pair "pair" 400,
    /// Endpoints and boards that another backend is said to have served, with pages that say anything.
    Adoption "adoption" 15,
    /// The event channel is closed while the driver domain uses it.
    Channel "channel-gone" 4,
    /// States out of order.
    State "state" 4,
    /// Keys that are missing, absurd or huge.
    Keys "keys" 4,
    /// Names and addresses in xenstore that are somebody else's.
    Name "name" 4,
}

impl Kind {
    /// A kind by chance.
    pub(super) fn any(rng: &mut Rng) -> Self {
        let all = Self::ALL.iter();
        let weights: u32 = all.clone().map(|kind| kind.weight()).sum();
        let mut left = rng.u32(..weights);
        for kind in all {
            match left.checked_sub(kind.weight()) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Self::Command
    }
}

/// How many lies were told of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Kind::ALL.len()]);

impl Counts {
    pub(super) fn add(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    /// Of this kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// Of all kinds.
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Names and numbers as words.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lies={}", self.all())?;
        let mut kinds = Kind::ALL.iter();
        kinds.try_for_each(|kind| write!(f, " {}={}", kind.name(), self.of(*kind)))
    }
}
