//! Host names as Open-MX spells them: `<node name>:<board index>`.

use core::fmt;

use mx_ring::board_page::HOSTNAME_MAX;

/// The name of a board, NUL-padded to 80 bytes, at most 79 of them used. An empty name is "not yet known".
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostName([u8; HOSTNAME_MAX]);

impl HostName {
    /// Not yet known.
    pub const UNKNOWN: Self = Self([0; HOSTNAME_MAX]);

    /// Takes the bytes up to the first NUL, 79 at most; what is longer is cut.
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; HOSTNAME_MAX];
        let used = name.iter().take(HOSTNAME_MAX - 1).take_while(|b| **b != 0);
        for (to, from) in bytes.iter_mut().zip(used) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The name without its padding.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// With its padding, as it lies in the board pages.
    pub const fn padded(&self) -> &[u8; HOSTNAME_MAX] {
        &self.0
    }

    /// Whether the name is not yet known.
    pub const fn is_unknown(&self) -> bool {
        self.0[0] == 0
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HostName {
    /// Bytes that are not printable ASCII appear escaped: the name came from the network.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}
