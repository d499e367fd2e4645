//! Whole files and directories.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mx_wire::{Format, Frame, Mode, ParseError};
use serde::Serialize;

use crate::compare::{Mismatch, compare};
use crate::pcap::{Frames, PcapError};
use crate::pulls::Pulls;

/// Why captures cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no capture.
    #[error("{}: {source}", path.display())]
    Pcap {
        /// Which.
        path: PathBuf,
        /// Why.
        source: PcapError,
    },
    /// Nothing says which format the frames have.
    #[error(
        "{}: nothing on the wire tells the wire mode; keep the file in a folder named mtu<bytes> or mxwire, \
         or name the format",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to judge.
    #[error("{}: no *.pcap file in it", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// What a file holds.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// The file, below the directory that was asked for.
    pub file: PathBuf,
    /// The format, as [`format_named`] reads it.
    pub format: String,
    /// Open-MX frames.
    pub frames: u64,
    /// Frames of other EtherTypes, which are not looked at.
    pub foreign: u64,
    /// Frames by packet type.
    pub types: BTreeMap<&'static str, u64>,
    /// Frames in which a field holds what the original left uninitialised, by field.
    pub uninitialised: BTreeMap<&'static str, u64>,
    /// Frames that do not hold.
    pub problems: Vec<Problem>,
}

/// A frame that does not hold.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// Its number in the file, from 1.
    pub frame: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// The format that a folder or a user names: `mtu9000`, `mtu1500` or any other MTU, or `mxwire`.
pub fn format_named(name: &str) -> Option<Format> {
    if name == "mxwire" {
        return Some(Format::mx_wire());
    }
    let mtu = name.strip_prefix("mtu")?.parse().ok()?;
    Format::native(mtu).ok()
}

fn format_name(format: &Format) -> String {
    match format.mode() {
        Mode::Native => format!("mtu{}", format.mtu()),
        Mode::MxWire => "mxwire".to_owned(),
    }
}

/// Where the complete set of captures must be (`OMX_CAPTURES`, or in CI beside the repository), or may be. `crate_folder`
/// is a crate's folder directly below the repository's.
pub fn complete_set(crate_folder: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os("OMX_CAPTURES") {
        return Some(named.into());
    }
    let beside = crate_folder.join("../../shared/captures");
    (env::var_os("CI").is_some() || beside.is_dir()).then_some(beside)
}

/// A capture file.
#[derive(Clone, Debug)]
pub struct CaptureFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below the directory that was asked for.
    pub below: PathBuf,
    /// The format of its frames.
    pub format: Format,
}

impl CaptureFile {
    /// Reads its bytes.
    pub fn read(&self) -> Result<Vec<u8>, CaptureError> {
        fs::read(&self.path).map_err(|source| CaptureError::Read {
            path: self.path.clone(),
            source,
        })
    }
}

/// Every `*.pcap` below a directory (or one file), in the order of their names.
///
/// The folder that holds a file names its format; `otherwise` is the format where no folder does.
pub fn capture_files(
    directory: &Path,
    otherwise: Option<Format>,
) -> Result<Vec<CaptureFile>, CaptureError> {
    let mut paths = Vec::new();
    collect(directory, &mut paths)?;
    if paths.is_empty() {
        return Err(CaptureError::Empty {
            path: directory.to_owned(),
        });
    }
    paths.sort();
    let file = |path: PathBuf| {
        let Some(format) = folder_format(&path).or(otherwise) else {
            return Err(CaptureError::Format { path });
        };
        let below = path
            .strip_prefix(directory)
            .ok()
            .filter(|below| below.file_name().is_some())
            .unwrap_or(&path)
            .to_owned();
        Ok(CaptureFile {
            path,
            below,
            format,
        })
    };
    paths.into_iter().map(file).collect()
}

/// Judges every `*.pcap` below a directory (or one file), in the order of their names, with formats as
/// [`capture_files`] finds them.
pub fn check_directory(
    directory: &Path,
    otherwise: Option<Format>,
) -> Result<Vec<FileReport>, CaptureError> {
    let mut reports = Vec::new();
    for file in capture_files(directory, otherwise)? {
        let mut report = check_file(&file.path, &file.format)?;
        report.file = file.below;
        reports.push(report);
    }
    Ok(reports)
}

/// The nearest folder with the name of a format decides.
fn folder_format(file: &Path) -> Option<Format> {
    let full = fs::canonicalize(file).ok()?;
    full.ancestors()
        .skip(1)
        .filter_map(|folder| folder.file_name()?.to_str())
        .find_map(format_named)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), CaptureError> {
    let at = |source| CaptureError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(at)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(at)? {
        let entry = entry.map_err(at)?;
        let is_folder = entry.file_type().map_err(at)?.is_dir();
        let entry = entry.path();
        if is_folder || entry.extension().is_some_and(|ending| ending == "pcap") {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// Judges one file.
pub fn check_file(path: &Path, format: &Format) -> Result<FileReport, CaptureError> {
    let read = |source| CaptureError::Read {
        path: path.to_owned(),
        source,
    };
    let pcap = |source| CaptureError::Pcap {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(read)?;
    let mut report = FileReport {
        file: path.to_owned(),
        format: format_name(format),
        frames: 0,
        foreign: 0,
        types: BTreeMap::new(),
        uninitialised: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut pulls = Pulls::default();
    for (number, captured) in (1..).zip(Frames::new(&bytes).map_err(pcap)?) {
        let captured = captured.map_err(pcap)?;
        match compare(format, captured) {
            Ok((frame, uninitialised)) => {
                report.count(&frame, &uninitialised);
                if let Err(mismatch) = pulls.check(format, &frame) {
                    report.problem(number, &mismatch);
                }
            }
            Err(Mismatch::Parse(ParseError::ForeignEtherType(_))) => report.foreign += 1,
            Err(mismatch) => {
                report.frames += 1;
                report.problem(number, &mismatch);
            }
        }
    }
    Ok(report)
}

impl FileReport {
    fn count(&mut self, frame: &Frame<'_>, uninitialised: &[&'static str]) {
        self.frames += 1;
        *self.types.entry(frame.packet.name()).or_default() += 1;
        for field in uninitialised {
            *self.uninitialised.entry(field).or_default() += 1;
        }
    }

    fn problem(&mut self, frame: u64, mismatch: &impl ToString) {
        self.problems.push(Problem {
            frame,
            problem: mismatch.to_string(),
        });
    }
}
