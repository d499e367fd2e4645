//! What a process or a backend has none left of.

use rustix::io::Errno;

/// What lacks, of what a process or a backend may use up, and how to get more of it.
pub(crate) fn lacking(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::MFILE => {
            "this process may have no more descriptors: close some, or allow more (ulimit -n)"
        }
        Errno::NFILE => {
            "omxd, or this machine, has no descriptors left: allow omxd more (ulimit -n, LimitNOFILE=)"
        }
        Errno::FBIG => {
            "this process may have no files that are long enough for shared memory: allow longer ones (ulimit -f)"
        }
        Errno::NOMEM | Errno::NOBUFS | Errno::AGAIN => {
            "no memory, or no addresses for it, in this process or at the board's backend: allow more (ulimit -v, cgroups)"
        }
        _ => return None,
    })
}

/// Whether it says that something is used up.
pub(crate) fn is_lack(errno: Errno) -> bool {
    lacking(errno).is_some()
}
