//! `version.h`: which Xen this is.

/// Major version in the high, minor in the low 16 bits of the result.
pub const XENVER_VERSION: u32 = 0;
