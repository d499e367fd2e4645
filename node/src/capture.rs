//! `--pcap`: every frame of this node in a file for tshark. The loop copies a frame and goes on; a thread writes. What the
//! thread cannot take in time is left out and counted, a file that is full, or a disk, ends the capture and not the node.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::time::{Duration, SystemTime};

use mx_backend::{Payload, Tap};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriteError, PcapWriter};
use tracing::{info, warn};

use crate::error::NodeError;

/// Frames that wait to be written at most: what the largest of them take is 37 MB.
const WAITING: usize = 4096;
/// Bytes that are written at once, if so many wait.
const BATCH: usize = 64 << 10;
/// How long the end of the node waits for a disk.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A frame, and when it passed, since the Epoch.
struct Record {
    at: Duration,
    frame: Vec<u8>,
}

/// A running capture; it ends when this is dropped.
pub struct Capture {
    /// None once the writer has ended.
    records: Option<SyncSender<Record>>,
    left_out: Arc<AtomicU64>,
    ended: Receiver<()>,
}

impl Capture {
    /// Makes the file anew and begins to write. `limit` is the longest that it may become, in bytes.
    pub fn start(path: &Path, limit: u64) -> Result<Self, NodeError> {
        let doing = format!("capturing into {}", path.display());
        let file = create(path)?;
        let (records, received) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        let left_out = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            name: path.display().to_string(),
            limit,
            left_out: left_out.clone(),
            told: false,
            frames: 0,
        };
        let write = move || {
            writer.run(Batch::new(file), &received);
            // Nobody need wait for it.
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("pcap".into())
            .spawn(write)
            .map_err(NodeError::system(doing))?;
        Ok(Self {
            records: Some(records),
            left_out,
            ended,
        })
    }
}

impl Tap for Capture {
    fn frame(&mut self, head: &[u8], payload: Payload<'_>, length: usize) {
        let Some(records) = &self.records else {
            return;
        };
        let left_out = || self.left_out.fetch_add(1, Ordering::Relaxed);
        let Some(frame) = copy(head, payload, length) else {
            left_out();
            return;
        };
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        match records.try_send(Record { at, frame }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                left_out();
            }
            Err(TrySendError::Disconnected(_)) => self.records = None,
        }
    }
}

/// The frame with its zeros, if there is memory for it and its payload can be read.
fn copy(head: &[u8], payload: Payload<'_>, length: usize) -> Option<Vec<u8>> {
    let length = length.max(head.len() + payload.length());
    let mut frame = Vec::new();
    frame.try_reserve_exact(length).ok()?;
    frame.extend_from_slice(head);
    payload.append_to(&mut frame).ok()?;
    frame.resize(length, 0);
    Some(frame)
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.records = None;
        if self.ended.recv_timeout(END_WITHIN) == Err(RecvTimeoutError::Timeout) {
            warn!("the end of the capture is not on its disk yet, and is given up");
        }
    }
}

/// Makes the file, readable by its user alone. A plain file of his that is there already makes way; anything else, a link
/// not least, is somebody's, and stays.
fn create(path: &Path) -> Result<File, NodeError> {
    let failed = || NodeError::system(format!("making the capture {}", path.display()));
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() && there.uid() == rustix::process::geteuid().as_raw() => {
            fs::remove_file(path).map_err(failed())?;
        }
        Ok(_) => return Err(NodeError::CaptureTaken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed()(error)),
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed())
}

/// A file that is written in pieces of whole records, and holds nothing else when it ends early.
struct Batch {
    file: File,
    waiting: Vec<u8>,
    written: u64,
}

impl Batch {
    fn new(file: File) -> Self {
        Self {
            file,
            waiting: Vec::with_capacity(2 * BATCH),
            written: 0,
        }
    }
}

impl Write for Batch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.waiting);
        match written {
            Ok(()) => self.written += self.waiting.len() as u64,
            // Where that fails, too, a reader says that the last record is cut short.
            Err(_) => drop(self.file.set_len(self.written)),
        }
        self.waiting.clear();
        written
    }
}

/// What the thread does.
struct Writer {
    name: String,
    limit: u64,
    left_out: Arc<AtomicU64>,
    /// That frames are left out was said.
    told: bool,
    frames: u64,
}

impl Writer {
    fn run(&mut self, file: Batch, records: &Receiver<Record>) {
        if let Err(error) = self.write(file, records) {
            // The system's own words are those of the cause.
            let cause = match error {
                PcapWriteError::Io(cause) | PcapWriteError::FieldWriteFailed(_, cause) => {
                    cause.to_string()
                }
                other => other.to_string(),
            };
            warn!("the capture {} ends, the node goes on: {cause}", self.name);
        }
        let left_out = match self.left_out.load(Ordering::Relaxed) {
            0 => String::new(),
            frames => format!("; {frames} came too fast to be written"),
        };
        info!(
            "the capture {} has {} frames{left_out}",
            self.name, self.frames
        );
    }

    /// Until the node ends, or the file is full.
    fn write(&mut self, file: Batch, records: &Receiver<Record>) -> Result<(), PcapWriteError> {
        let header = PcapHeader {
            ts_resolution: PcapTsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let mut pcap = PcapWriter::with_header(file, header)?;
        pcap.flush()?;
        // Of the file's header, and of each record.
        let (mut length, record_header) = (24, 16);
        let mut waiting = 0;
        loop {
            let record = match records.try_recv() {
                Ok(record) => record,
                Err(TryRecvError::Empty) => {
                    pcap.flush()?;
                    waiting = 0;
                    match records.recv() {
                        Ok(record) => record,
                        Err(_) => return Ok(()),
                    }
                }
                Err(TryRecvError::Disconnected) => return pcap.flush(),
            };
            let bytes = record_header + record.frame.len();
            if length + bytes as u64 > self.limit {
                pcap.flush()?;
                let limit = self.limit >> 20;
                warn!(
                    "the capture {} has its {limit} MiB (--pcap-limit) and ends, the node goes on",
                    self.name
                );
                return Ok(());
            }
            let size = record.frame.len() as u32;
            pcap.write_packet(&PcapPacket::new(record.at, size, record.frame)?)?;
            self.frames += 1;
            length += bytes as u64;
            waiting += bytes;
            if waiting >= BATCH {
                pcap.flush()?;
                waiting = 0;
            }
            if !self.told && self.left_out.load(Ordering::Relaxed) > 0 {
                self.told = true;
                warn!(
                    "frames come faster than the capture {} is written: some are not in it",
                    self.name
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn frames(path: &Path) -> Vec<Vec<u8>> {
        let file = fs::read(path).unwrap();
        let frames = omx_captures::Frames::new(&file).unwrap();
        frames.map(|frame| frame.unwrap().to_vec()).collect()
    }

    #[test]
    fn frames_are_in_the_file_when_the_capture_ends_padded_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("frames");
        let mut capture = Capture::start(&path, 1 << 20).unwrap();
        capture.frame(b"head", Payload::Bytes(b"payload"), 60);
        capture.frame(&[7; 100], Payload::NONE, 100);
        drop(capture);
        let mut first = b"headpayload".to_vec();
        first.resize(60, 0);
        assert_eq!(frames(&path), [first, vec![7; 100]]);
    }

    #[test]
    fn a_capture_never_becomes_longer_than_its_limit_and_holds_whole_frames() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("frames");
        let limit = 24 + 10 * (16 + 100) + 50;
        let mut capture = Capture::start(&path, limit).unwrap();
        for _ in 0..100 {
            capture.frame(&[7; 100], Payload::NONE, 100);
        }
        drop(capture);
        assert!(fs::metadata(&path).unwrap().len() <= limit);
        assert_eq!(frames(&path).len(), 10);
    }

    #[test]
    fn what_is_written_slower_than_it_comes_is_left_out_and_counted_and_nobody_waits() {
        let (records, _held) = sync_channel(2);
        let (end, ended) = sync_channel(1);
        let mut capture = Capture {
            records: Some(records),
            left_out: Arc::default(),
            ended,
        };
        for _ in 0..5 {
            capture.frame(&[7; 100], Payload::NONE, 100);
        }
        assert_eq!(capture.left_out.load(Ordering::Relaxed), 3);
        drop(end);
    }

    #[test]
    fn a_capture_is_its_users_alone_and_replaces_only_his_plain_files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("own"), "old").unwrap();
        fs::set_permissions(
            at("own"),
            std::os::unix::fs::PermissionsExt::from_mode(0o666),
        )
        .unwrap();
        let file = create(&at("own")).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(file.metadata().unwrap().len(), 0);

        fs::write(at("other"), "precious").unwrap();
        for target in ["other", "nothing"] {
            symlink(at(target), at("link")).unwrap();
            let error = create(&at("link")).unwrap_err().to_string();
            assert!(error.contains("--pcap"), "{error}");
            fs::remove_file(at("link")).unwrap();
        }
        assert_eq!(fs::read_to_string(at("other")).unwrap(), "precious");
        assert!(!at("nothing").exists());
        fs::create_dir(at("directory")).unwrap();
        for wrong in ["directory", "missing/file"] {
            assert!(create(&at(wrong)).is_err(), "{wrong}");
        }
    }
}
