//! Error numbers, as a process sees them in `errno`.

/// A positive Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// The endpoint belongs to another address space than the caller's, or the caller may not do this.
    pub const NOT_PERMITTED: Self = Self(1);
    /// The caller was killed while it waited.
    pub const INTERRUPTED: Self = Self(4);
    /// The backend closed the endpoint: its status tells why.
    pub const IO: Self = Self(5);
    /// A quota, the guest's grants or the backend's room for mappings is used up: give something back and try again.
    pub const AGAIN: Self = Self(11);
    /// Longer than what can be registered at once.
    pub const TOO_LONG: Self = Self(7);
    /// The kernel has no memory.
    pub const NO_MEMORY: Self = Self(12);
    /// A writable mapping of what only the backend writes.
    pub const ACCESS: Self = Self(13);
    /// An address that is not mapped in the caller, or not as asked for.
    pub const FAULT: Self = Self(14);
    /// In use already.
    pub const BUSY: Self = Self(16);
    /// No such board is attached, or its backend is gone.
    pub const NO_DEVICE: Self = Self(19);
    /// An argument that cannot be, or a call that this file cannot take in its state.
    pub const INVALID: Self = Self(22);
    /// Not an `ioctl` of this device, or a call of unknown kind.
    pub const NOT_A_CALL: Self = Self(25);
    /// Every endpoint of the board is open, or its peer table is full.
    pub const NO_SPACE: Self = Self(28);
    /// Library and module speak different versions of the shared memory.
    pub const PROTOCOL: Self = Self(71);
    /// A frame of a raw endpoint that is too long.
    pub const FRAME_TOO_LONG: Self = Self(90);
    /// A change of the board that is not the guest's to make.
    pub const NOT_SUPPORTED: Self = Self(95);
    /// The deadline has passed.
    pub const TIMED_OUT: Self = Self(110);

    /// What a kernel function returned: negative numbers are errors.
    pub fn check(returned: i32) -> Result<i32, Self> {
        if returned < 0 {
            Err(Self(returned.saturating_neg()))
        } else {
            Ok(returned)
        }
    }

    /// As a kernel function returns it.
    pub const fn negative(self) -> i32 {
        -self.0
    }
}
