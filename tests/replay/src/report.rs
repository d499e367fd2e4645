//! Whole files and directories.

use std::collections::BTreeMap;
use std::path::Path;

use mx_wire::Format;
use omx_captures::capture_files;
use serde::Serialize;

use crate::play::play;
use crate::recording::{Recording, ReplayError, speakers};

/// How one side of a capture went.
#[derive(Debug, Serialize)]
pub struct SideReport {
    /// The file, below the directory that was asked for.
    pub file: String,
    /// The node that our stack played, by its address.
    pub node: String,
    /// Frames that came out as recorded.
    pub same: u64,
    /// Explicit acknowledgements: the native node's.
    pub native_acks: u64,
    /// Ours.
    pub our_acks: u64,
    /// Frames of messages that the native node sent again.
    pub native_repeats: u64,
    /// That ours did.
    pub our_repeats: u64,
    /// Messages that were received whole and compared byte by byte.
    pub messages: u64,
    /// Differences that a rule explains, by the rule's name.
    pub explained: BTreeMap<&'static str, u64>,
    /// All other differences.
    pub failures: Vec<String>,
}

/// Plays each side of a capture.
pub fn replay_file(recording: &Recording) -> Vec<SideReport> {
    speakers(&recording.frames())
        .into_iter()
        .map(|own| {
            let outcome = play(recording, own);
            SideReport {
                file: recording.name.clone(),
                node: own.to_string(),
                same: outcome.same,
                native_acks: outcome.acks.0,
                our_acks: outcome.acks.1,
                native_repeats: outcome.repeats.0,
                our_repeats: outcome.repeats.1,
                messages: outcome.verified,
                explained: outcome.explained,
                failures: outcome.failures,
            }
        })
        .collect()
}

/// Plays each side of every `*.pcap` below a directory (or of one file), in the order of their names. `each` is told of
/// every side. The folder that holds a file names its format; `otherwise` is the format where no folder does.
pub fn replay_directory(
    directory: &Path,
    otherwise: Option<Format>,
    mut each: impl FnMut(&SideReport),
) -> Result<Vec<SideReport>, ReplayError> {
    let mut reports = Vec::new();
    for file in capture_files(directory, otherwise)? {
        for report in replay_file(&Recording::read(&file)?) {
            each(&report);
            reports.push(report);
        }
    }
    Ok(reports)
}
