//! The console: the ring that the console daemon of dom0 empties, and Xen's own console before and beside it.
//!
//! Nobody waits for the daemon: what finds no room in the ring is kept, and goes there when [`pump`] is called. What finds no
//! room there, either, is lost, and how much that was is said.

use core::fmt;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use spin::Mutex;
use xen_sys::console::{ConsoleInterface, OUT_SIZE};

use crate::{clock, hypercall};

/// Bytes that are kept for the ring.
const KEPT: usize = 16 << 10;

struct Console {
    ring: &'static ConsoleInterface,
    port: u32,
}

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);
static BACKLOG: Mutex<Backlog> = Mutex::new(Backlog::new());
/// Whether the backlog holds anything, for a look without a lock.
static WAITS: AtomicBool = AtomicBool::new(false);

/// Takes the ring. What was written before went to Xen's own console.
pub(crate) fn init(ring: &'static ConsoleInterface, port: u32) {
    *CONSOLE.lock() = Some(Console { ring, port });
}

/// Bytes that wait for the ring, the oldest first.
struct Backlog {
    bytes: [u8; KEPT],
    first: usize,
    length: usize,
    /// Bytes that found no room since some did.
    lost: u64,
}

impl Backlog {
    const fn new() -> Self {
        Self {
            bytes: [0; KEPT],
            first: 0,
            length: 0,
            lost: 0,
        }
    }

    /// Keeps text, or none of it.
    fn add(&mut self, text: &str) {
        if self.lost > 0 && self.length < KEPT / 2 {
            let lost = core::mem::take(&mut self.lost);
            let mut line = Line::<64>::new();
            // What does not fit is cut.
            let _ = write!(line, "[{lost} bytes of the log were lost]\r\n");
            self.append(line.text());
        }
        let breaks = text.bytes().filter(|byte| *byte == b'\n').count();
        if self.lost > 0 || self.length + text.len() + breaks > KEPT {
            self.lost += text.len() as u64;
            return;
        }
        let mut lines = text.split('\n');
        self.append(lines.next().unwrap_or_default());
        for line in lines {
            self.append("\r\n");
            self.append(line);
        }
    }

    /// Keeps bytes for which there is room.
    fn append(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.length == KEPT {
                return;
            }
            self.bytes[(self.first + self.length) % KEPT] = byte;
            self.length += 1;
        }
    }

    /// Takes the oldest byte.
    fn take(&mut self) -> Option<u8> {
        if self.length == 0 {
            return None;
        }
        let byte = self.bytes[self.first];
        self.first = (self.first + 1) % KEPT;
        self.length -= 1;
        Some(byte)
    }
}

impl Console {
    fn room(&self) -> usize {
        let used = self
            .ring
            .out_prod
            .load(Ordering::Relaxed)
            .wrapping_sub(self.ring.out_cons.load(Ordering::Acquire));
        OUT_SIZE.saturating_sub(used as usize)
    }

    /// Moves what is kept to the ring, as far as there is room.
    fn pump(&self, backlog: &mut Backlog) {
        let room = self.room();
        if room == 0 || backlog.length == 0 {
            return;
        }
        let mut at = self.ring.out_prod.load(Ordering::Relaxed);
        for _ in 0..room {
            let Some(byte) = backlog.take() else { break };
            self.ring.output[at as usize % OUT_SIZE].store(byte, Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        self.ring.out_prod.store(at, Ordering::Release);
        let _ = hypercall::event_send(self.port);
    }
}

/// Writes text to the console.
pub fn write(text: &str) {
    match (CONSOLE.try_lock(), BACKLOG.try_lock()) {
        (Some(console), Some(mut backlog)) => match console.as_ref() {
            Some(console) => {
                // What is there makes room for this.
                console.pump(&mut backlog);
                backlog.add(text);
                console.pump(&mut backlog);
                WAITS.store(backlog.length > 0, Ordering::Relaxed);
            }
            None => hypercall::console_write(text),
        },
        // Only a trap or panic inside of a write comes here.
        _ => hypercall::console_write(text),
    }
}

/// Moves what waits to the ring, as far as there is room; whether something is left. To be called now and then: without
/// anything it costs a look.
#[inline]
pub fn pump() -> bool {
    WAITS.load(Ordering::Relaxed) && pump_what_waits()
}

fn pump_what_waits() -> bool {
    let (Some(console), Some(mut backlog)) = (CONSOLE.try_lock(), BACKLOG.try_lock()) else {
        return false;
    };
    if let Some(console) = console.as_ref() {
        console.pump(&mut backlog);
    }
    let waits = backlog.length > 0;
    WAITS.store(waits, Ordering::Relaxed);
    waits
}

/// Waits a little until the daemon has taken everything: the last words before the end.
pub(crate) fn drain() {
    for _ in 0..200 {
        let waits = pump();
        let Some(console) = CONSOLE.try_lock() else {
            return;
        };
        let Some(console) = console.as_ref() else {
            return;
        };
        if !waits && console.room() == OUT_SIZE {
            return;
        }
        let _ = hypercall::event_send(console.port);
        let until = clock::now() + Duration::from_millis(1);
        let _ = hypercall::sched_poll(&[], until.as_nanos() as u64);
    }
}

/// A line that is put together before it is written, so that one line costs one event.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Line<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    pub(crate) fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        // Only the cut at the end can have split a character.
        bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;

    fn all(backlog: &mut Backlog) -> String {
        core::iter::from_fn(|| backlog.take())
            .map(char::from)
            .collect()
    }

    #[test]
    fn what_a_slow_daemon_leaves_is_kept_in_order_and_a_loss_is_said() {
        let mut backlog = Backlog::new();
        let mut text = String::new();
        for number in 0..2000 {
            let line = std::format!("line {number}");
            backlog.add(&line);
            backlog.add("\n");
            text.push_str(&line);
            text.push_str("\r\n");
        }
        assert!(backlog.lost > 0);
        let kept = all(&mut backlog);
        assert!(kept.len() > KEPT - 20 && text.starts_with(&kept));
        let lost = backlog.lost;
        backlog.add("more\n");
        let said = std::format!("[{lost} bytes of the log were lost]\r\nmore\r\n");
        assert_eq!(all(&mut backlog), said);
        for _ in 0..10 {
            let long = "x".repeat(KEPT / 3);
            backlog.add(&long);
            assert_eq!(all(&mut backlog), long, "around its end");
        }
    }

    #[test]
    fn a_line_too_long_is_cut_at_a_character() {
        let mut line = Line::<5>::new();
        write!(line, "abcdé").unwrap();
        assert_eq!(line.text(), "abcd");
    }
}
