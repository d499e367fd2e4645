//! What is said when there is no board, so that whoever wanted this provider learns why his application takes another.

use std::ffi::OsStr;
use std::io::Write;
use std::sync::Once;

use open_mx::Error;

/// Levels at which libfabric says warnings, of which the first is its usual one. It has no function for a provider that is
/// not linked with it.
const LEVELS: [&str; 4] = ["warn", "trace", "info", "debug"];

/// Says it once in a process, since applications ask several times, and libfabric's own providers ask the others.
pub fn no_board(error: &Error) {
    static SAID: Once = Once::new();
    if !wanted(std::env::var_os("FI_LOG_LEVEL").as_deref()) {
        return;
    }
    SAID.call_once(|| {
        let process = std::process::id();
        let line = format!(
            "libfabric:{process}:openmx:core:get_info<warn> {error} (what can goes on without; omx_info --mpi says more)\n"
        );
        // Nobody could be told.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

/// Whether warnings are wanted at this level.
fn wanted(level: Option<&OsStr>) -> bool {
    level.is_none_or(|level| {
        let level = level.to_string_lossy();
        LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_said_at_each_of_libfabrics_levels_and_at_no_other() {
        assert!(wanted(None));
        for level in ["warn", "WARN", "info", "debug"] {
            assert!(wanted(Some(OsStr::new(level))), "{level}");
        }
        for level in ["none", "", "warning"] {
            assert!(!wanted(Some(OsStr::new(level))), "{level}");
        }
    }
}
