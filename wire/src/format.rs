//! What Open-MX fixes when it is built and we choose when we start: wire mode, MTU, and the sizes that follow.

/// Which of the two incompatible layouts is spoken. Nothing on the wire announces it (wire.md §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Open-MX's own layout, the default.
    Native,
    /// The layout of Myricom's MX firmware (`--enable-mx-wire`).
    MxWire,
}

/// Mode and sizes that both ends of a fabric must agree on (wire.md §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    mode: Mode,
    mtu: u16,
}

/// Why a [`Format`] cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The MTU constant is outside of 1500 to 9000 bytes.
    #[error("an MTU of {0} bytes is not possible: choose 1500 to 9000")]
    MtuOutOfRange(u16),
}

impl Format {
    /// The native layout for an MTU constant of 1500 to 9000 bytes (it counts the 14 bytes of the Ethernet header).
    pub const fn native(mtu: u16) -> Result<Self, FormatError> {
        if mtu < 1500 || mtu > 9000 {
            return Err(FormatError::MtuOutOfRange(mtu));
        }
        Ok(Self {
            mode: Mode::Native,
            mtu,
        })
    }

    /// The MX-wire layout, whose sizes are fixed.
    pub const fn mx_wire() -> Self {
        Self {
            mode: Mode::MxWire,
            mtu: 4144,
        }
    }

    /// Native or MX-wire.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The largest frame in bytes, Ethernet header included, frame check excluded.
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// M: payload bytes of every medium fragment but the last.
    pub const fn medium_fragment(&self) -> u16 {
        match self.mode {
            Mode::MxWire => 4096,
            Mode::Native if self.mtu - 48 <= 4096 => self.mtu - 48,
            Mode::Native if self.mtu >= 8192 + 48 => 8192,
            Mode::Native => 4096,
        }
    }

    /// L: payload bytes of every pull reply but the first and last of a block.
    pub const fn pull_reply(&self) -> u16 {
        match self.mode {
            Mode::MxWire => 4096,
            Mode::Native => self.mtu - 32,
        }
    }

    /// R: replies that one pull request asks for at most.
    pub const fn replies_per_block(&self) -> u32 {
        match self.mode {
            Mode::MxWire => 8,
            Mode::Native => 32,
        }
    }

    /// R·L: bytes that one pull request asks for at most.
    pub const fn block_length(&self) -> u32 {
        self.replies_per_block() * self.pull_reply() as u32
    }

    /// Fragments of a medium message at most.
    pub const fn max_fragments(&self) -> u8 {
        match self.mode {
            Mode::MxWire => 8,
            Mode::Native => 32,
        }
    }

    /// Bytes of a medium message at most.
    pub const fn max_medium(&self) -> u32 {
        self.max_fragments() as u32 * self.medium_fragment() as u32
    }
}
