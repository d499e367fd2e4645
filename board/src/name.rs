//! Host names as Open-MX spells them: `<node name>:<board index>`.

use core::fmt;

use mx_ring::board_page::HOSTNAME_MAX;

/// The name of a board, NUL-padded to 80 bytes, at most 79 of them used. An empty name is "not yet known".
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostName([u8; HOSTNAME_MAX]);

impl HostName {
    /// Not yet known.
    pub const UNKNOWN: Self = Self([0; HOSTNAME_MAX]);

    /// Takes the bytes up to the first NUL, 79 at most; what is longer is cut. Here every name enters, from the network
    /// and from elsewhere, and programs print what they read of it: so each byte that is no visible ASCII becomes `?`
    /// at this place, and what is shown is also what finds the board.
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; HOSTNAME_MAX];
        let used = name.iter().take(HOSTNAME_MAX - 1).take_while(|b| **b != 0);
        for (to, from) in bytes.iter_mut().zip(used) {
            *to = if from.is_ascii_graphic() { *from } else { b'?' };
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| fmt::Write::write_char(f, char::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_name_is_visible_ascii_whatever_it_was_made_of() {
        let all: [u8; 256] = core::array::from_fn(|byte| byte as u8);
        for bytes in all[1..].chunks(50) {
            let shown = HostName::new(bytes).to_string();
            assert_eq!(shown.len(), bytes.len());
            assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown}");
        }
        assert_eq!(
            HostName::new(b"a\x1b[2J\xc2\x9b:0").to_string(),
            "a?[2J??:0"
        );
        assert_eq!(HostName::new(&[b'n'; 200]).as_bytes(), [b'n'; 79]);
    }
}
