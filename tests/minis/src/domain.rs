//! What a frontend needs of its domain. On Xen it is the domain itself, in tests a guest of the test's process.

use core::time::Duration;

use mx_ring::VolatileSlice;

/// Pages that can be granted, side by side.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// Their bytes.
    pub slice: VolatileSlice,
    /// Which ones, as the domain counts them.
    pub number: usize,
}

/// A page that the driver domain may map.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// The entry of the grant table.
    pub reference: u32,
    /// The pages that it belongs to.
    pub pages: Pages,
    /// Which of them.
    pub page: usize,
    /// Only for reading.
    pub read_only: bool,
}

/// How a grant is changed under whoever uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// It grants nothing any more.
    Revoked,
    /// It names this frame of the machine, which belongs to somebody else.
    Foreign(u32),
    /// The same page, for reading or for writing as it was not.
    OtherAccess,
    /// The same page, for another domain.
    OtherDomain,
    /// As it was at first.
    Honest,
}

/// What the device does next depends on whom the driver domain believes it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A node of the own directory of the device is to be this.
    Write(&'a str, &'a str),
    /// It is to go.
    Remove(&'a str),
}

/// A domain with one device.
pub trait Domain {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
    /// Takes pages, zeroed, for the domain's life.
    fn allocate(&mut self, pages: usize) -> Option<Pages>;
    /// Grants a page of them to the driver domain.
    fn grant(&mut self, pages: Pages, page: usize, read_only: bool) -> Option<Granted>;
    /// Changes a grant.
    fn twist(&mut self, granted: &Granted, twist: Twist);
    /// Publishes the device, whose first page is granted by this reference, and waits until the driver domain has connected
    /// it; false when it has not.
    fn connect(&mut self, reference: u32) -> bool;
    /// Whether the driver domain serves the device, as far as it has said.
    fn is_connected(&mut self) -> bool;
    /// Closes the device and waits until the driver domain invites again; false when it does not.
    fn disconnect(&mut self) -> bool;
    /// Sends the driver domain an event.
    fn notify(&mut self);
    /// Closes the event channel, and has another one for the next connection; false where there is none.
    fn lose_channel(&mut self) -> bool;
    /// Waits for an event of the driver domain, or for the time.
    fn wait(&mut self, until: Duration);
    /// Changes what stands in xenstore; false where there is none.
    fn set_key(&mut self, key: Key<'_>) -> bool;
}
