//! What processes lack or do wrong is told in the log once for each of them: one that tries again and again fills no disk.

use std::collections::BTreeSet;

use crate::credentials::Credentials;

/// Complaints that are remembered. Beyond that all are forgotten, so that the memory is bounded, and the log grows by a line
/// for each new process at most.
const REMEMBERED: usize = 1024;

/// What a line of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// Another version of the shared memory.
    Version,
    /// No connection.
    TurnedAway,
    /// No endpoint.
    NoEndpoint,
    /// No endpoint, since its user has as much as he may.
    UserLimit,
    /// Memory that is not registered.
    NoRegion,
    /// A connection that ends because of what came in.
    Disconnected,
}

/// What was told of whom.
#[derive(Default)]
pub struct Complaints {
    told: BTreeSet<(u32, Complaint)>,
}

impl Complaints {
    /// Whether this has not been told of that process yet.
    pub fn is_new(&mut self, of: &Credentials, what: Complaint) -> bool {
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert((of.pid, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> Credentials {
        Credentials {
            pid,
            uid: 0,
            command: [0; 16],
        }
    }

    #[test]
    fn a_complaint_of_a_process_is_new_once() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_new(&process(1), Complaint::NoRegion));
        for _ in 0..1000 {
            assert!(!complaints.is_new(&process(1), Complaint::NoRegion));
        }
        assert!(complaints.is_new(&process(1), Complaint::NoEndpoint));
        assert!(complaints.is_new(&process(2), Complaint::NoRegion));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut complaints = Complaints::default();
        for pid in 0..10_000 {
            assert!(complaints.is_new(&process(pid), Complaint::TurnedAway));
            assert!(complaints.told.len() <= REMEMBERED);
        }
    }
}
