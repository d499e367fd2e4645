//! A connection to xenstored: its socket in dom0, or the kernel's device where xenstored runs elsewhere.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use xen_sys::xs_wire::{
    XS_DIRECTORY, XS_READ, XS_RM, XS_SET_PERMS, XS_TRANSACTION_END, XS_TRANSACTION_START,
    XS_UNWATCH, XS_WATCH, XS_WRITE,
};

use super::message::{self, Incoming};
use super::{Permissions, Store, StoreError, Transaction, Watches};

/// The variable that libxenstore looks at, too: the socket's path.
const VARIABLE: &str = "XENSTORED_PATH";
const SOCKETS: [&str; 2] = ["/run/xenstored/socket", "/var/run/xenstored/socket"];
const DEVICE: &str = "/dev/xen/xenbus";

/// How long xenstored may take for an answer. It serves one request after the other, but none takes seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// Events that one wait takes together. A guest that makes more without end does not keep the wait from its limit.
const EVENTS_PER_WAIT: usize = 1000;

/// Bytes of a path at most (XENSTORE_ABS_PATH_MAX).
const PATH_MAX: usize = 3072;

/// A connection. One request is under way at a time.
pub struct Client {
    channel: File,
    /// How long an answer may take.
    answer: Duration,
    next_id: u32,
    /// What was received and is no whole message yet.
    received: Vec<u8>,
    watched: Watches,
    /// A watch fired since the last wait.
    fired: bool,
}

impl Client {
    /// Connects.
    pub fn open() -> Result<Self, StoreError> {
        let (sockets, device) = match env::var_os(VARIABLE) {
            Some(path) => (vec![PathBuf::from(&path)], PathBuf::from(path)),
            None => (SOCKETS.map(PathBuf::from).into(), PathBuf::from(DEVICE)),
        };
        let socket = sockets
            .iter()
            .find_map(|path| UnixStream::connect(path).ok());
        let channel = match socket {
            Some(socket) => File::from(OwnedFd::from(socket)),
            None => open_device(&device).map_err(StoreError::Unreachable)?,
        };
        Ok(Self::over(channel, ANSWER))
    }

    fn over(channel: File, answer: Duration) -> Self {
        Self {
            channel,
            answer,
            next_id: 1,
            received: Vec::new(),
            watched: Watches::default(),
            fired: false,
        }
    }

    fn ask(
        &mut self,
        kind: u32,
        operation: &'static str,
        t: Transaction,
        path: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let own_id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        message::send(&mut self.channel, kind, own_id, t, payload)?;
        let limit = Instant::now() + self.answer;
        loop {
            match self.receive(limit)? {
                None => return Err(StoreError::Silent(self.answer)),
                Some(Incoming::Event) => self.fired = true,
                Some(Incoming::Reply { id, result }) if id == own_id => {
                    return result.map_err(|code| StoreError::Refused {
                        operation,
                        path: path.into(),
                        code,
                    });
                }
                Some(Incoming::Reply { .. }) => {
                    return Err(StoreError::Malformed("an answer to nothing that was asked"));
                }
            }
        }
    }

    /// The next message, if one comes until then.
    fn receive(&mut self, until: Instant) -> Result<Option<Incoming>, StoreError> {
        loop {
            if let Some((incoming, length)) = message::parse(&self.received)? {
                self.received.drain(..length);
                return Ok(Some(incoming));
            }
            if !self.readable(until)? {
                return Ok(None);
            }
            let mut part = [0; message::LONGEST];
            match self.channel.read(&mut part) {
                Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                Ok(count) => self.received.extend_from_slice(&part[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for something to read; false when there is nothing until then.
    fn readable(&self, until: Instant) -> Result<bool, StoreError> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let time = Timespec::try_from(left).ok();
            let mut channel = [PollFd::new(&self.channel, PollFlags::IN)];
            match poll(&mut channel, time.as_ref()) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}

fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// A path with its end. xenstored takes one that does not begin with a stroke to be below dom0's own directory.
fn terminated(path: &str) -> Result<Vec<u8>, StoreError> {
    let absolute = path.starts_with('/') && !path.contains("//");
    let special = path.starts_with('@');
    if !(absolute || special) || path.contains('\0') || path.len() > PATH_MAX {
        return Err(StoreError::BadPath(path.into()));
    }
    Ok([path.as_bytes(), b"\0"].concat())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Store for Client {
    fn read(&mut self, t: Transaction, path: &str) -> Result<Option<String>, StoreError> {
        match self.ask(XS_READ, "read", t, path, &terminated(path)?) {
            Ok(value) => Ok(Some(text(value))),
            Err(error) if error.is("ENOENT") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, t: Transaction, path: &str) -> Result<Vec<String>, StoreError> {
        match self.ask(XS_DIRECTORY, "list", t, path, &terminated(path)?) {
            Ok(names) => Ok(names
                .split(|b| *b == 0)
                .filter(|n| !n.is_empty())
                .map(|n| text(n.to_vec()))
                .collect()),
            Err(error) if error.is("ENOENT") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, t: Transaction, path: &str, value: &str) -> Result<(), StoreError> {
        let payload = [&terminated(path)?, value.as_bytes()].concat();
        self.ask(XS_WRITE, "write", t, path, &payload).map(drop)
    }

    fn remove(&mut self, t: Transaction, path: &str) -> Result<(), StoreError> {
        match self.ask(XS_RM, "remove", t, path, &terminated(path)?) {
            Err(error) if !error.is("ENOENT") => Err(error),
            _ => Ok(()),
        }
    }

    fn set_permissions(
        &mut self,
        t: Transaction,
        path: &str,
        p: Permissions,
    ) -> Result<(), StoreError> {
        let who = format!("n{}\0r{}\0", p.owner, p.reader);
        let payload = [&terminated(path)?, who.as_bytes()].concat();
        self.ask(XS_SET_PERMS, "change of permissions", t, path, &payload)
            .map(drop)
    }

    fn begin(&mut self) -> Result<Transaction, StoreError> {
        let id = self.ask(XS_TRANSACTION_START, "start", 0, "transaction", b"\0")?;
        text(id)
            .trim_end_matches('\0')
            .parse()
            .ok()
            .filter(|id| *id != super::NONE)
            .ok_or(StoreError::Malformed("a transaction without number"))
    }

    fn commit(&mut self, t: Transaction) -> Result<bool, StoreError> {
        match self.ask(XS_TRANSACTION_END, "end", t, "transaction", b"T\0") {
            Ok(_) => Ok(true),
            Err(error) if error.is("EAGAIN") => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn abort(&mut self, t: Transaction) -> Result<(), StoreError> {
        self.ask(XS_TRANSACTION_END, "end", t, "transaction", b"F\0")
            .map(drop)
    }

    fn watch(&mut self, path: &str) -> Result<(), StoreError> {
        let payload = terminated(path)?.repeat(2);
        if self.watched.add(path)
            && let Err(error) = self.ask(XS_WATCH, "watch", 0, path, &payload)
        {
            self.watched.remove(path);
            return Err(error);
        }
        Ok(())
    }

    fn unwatch(&mut self, path: &str) -> Result<(), StoreError> {
        if !self.watched.remove(path) {
            return Ok(());
        }
        let payload = terminated(path)?.repeat(2);
        self.ask(XS_UNWATCH, "end of watch", 0, path, &payload)
            .map(drop)
    }

    fn wait(&mut self, until: Instant) -> Result<bool, StoreError> {
        for _ in 0..EVENTS_PER_WAIT {
            // What has come already is one change, not many.
            let until = if self.fired { Instant::now() } else { until };
            match self.receive(until)? {
                None => break,
                Some(Incoming::Event) => self.fired = true,
                Some(Incoming::Reply { .. }) => {
                    return Err(StoreError::Malformed("an answer to nothing that was asked"));
                }
            }
        }
        Ok(std::mem::take(&mut self.fired))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use xen_sys::xs_wire::XS_WATCH_EVENT;

    /// A client, and what plays xenstored.
    fn pair(answer: Duration) -> (Client, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (
            Client::over(File::from(OwnedFd::from(ours)), answer),
            theirs,
        )
    }

    fn message(kind: u32, id: u32, payload: &[u8]) -> Vec<u8> {
        let words = [kind, id, 0, payload.len() as u32];
        let header: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        [&header, payload].concat()
    }

    #[test]
    fn a_daemon_that_never_answers_is_not_waited_for_for_ever() {
        let (mut client, _daemon) = pair(Duration::from_millis(20));
        let error = client.read(super::super::NONE, "/local").unwrap_err();
        assert!(matches!(error, StoreError::Silent(_)), "{error}");
        assert!(error.ends_the_connection());
    }

    #[test]
    fn no_path_leads_into_dom0s_own_directory() {
        let (mut client, _daemon) = pair(Duration::from_secs(60));
        for path in [
            "",
            "local/domain/1",
            "data",
            "/a\0b",
            "//a",
            &format!("/{}", "x".repeat(3100)),
        ] {
            for refused in [
                client.write(super::super::NONE, path, "x").unwrap_err(),
                client.remove(super::super::NONE, path).unwrap_err(),
            ] {
                assert!(matches!(refused, StoreError::BadPath(_)), "{path}");
            }
        }
    }

    #[test]
    fn what_two_watch_is_watched_until_both_have_let_go_of_it() {
        let (mut client, mut daemon) = pair(Duration::from_secs(60));
        daemon.write_all(&message(XS_WATCH, 1, b"OK\0")).unwrap();
        client.watch("/a").unwrap();
        // There is no second answer: nothing is asked.
        client.watch("/a").unwrap();
        client.unwatch("/a").unwrap();
        daemon.write_all(&message(XS_UNWATCH, 2, b"OK\0")).unwrap();
        client.unwatch("/a").unwrap();
        client.unwatch("/a").unwrap();
        daemon.write_all(&message(XS_WATCH, 3, b"OK\0")).unwrap();
        client.watch("/a").unwrap();
    }

    #[test]
    fn events_that_never_end_do_not_keep_a_wait_from_its_end() {
        let (mut client, mut daemon) = pair(Duration::from_secs(60));
        let event = message(XS_WATCH_EVENT, 0, b"/a\0/a\0");
        let flood = std::thread::spawn(move || while daemon.write_all(&event).is_ok() {});
        for _ in 0..3 {
            assert!(
                client
                    .wait(Instant::now() + Duration::from_secs(3600))
                    .unwrap()
            );
        }
        drop(client);
        flood.join().unwrap();
    }

    #[test]
    fn an_event_beside_an_answer_ends_the_next_wait_and_no_other() {
        let (mut client, mut daemon) = pair(Duration::from_secs(60));
        let event = message(XS_WATCH_EVENT, 0, b"/a\0/a\0");
        daemon.write_all(&event).unwrap();
        daemon.write_all(&message(XS_READ, 1, b"4")).unwrap();
        let value = client.read(super::super::NONE, "/a").unwrap();
        assert_eq!(value.as_deref(), Some("4"));
        assert!(
            client
                .wait(Instant::now() + Duration::from_secs(3600))
                .unwrap()
        );
        assert!(!client.wait(Instant::now()).unwrap());
    }

    proptest! {
        #[test]
        fn whatever_a_daemon_answers_is_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (mut client, mut daemon) = pair(Duration::from_millis(1));
            daemon.write_all(&bytes).unwrap();
            drop(daemon);
            let _ = client.list(super::super::NONE, "/local/domain");
            let _ = client.wait(Instant::now());
        }
    }
}
