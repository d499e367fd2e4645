//! The console: the ring that the console daemon of dom0 empties, and Xen's own console before and beside it.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;

use spin::Mutex;
use xen_sys::console::{ConsoleInterface, OUT_SIZE};

use crate::{clock, hypercall};

/// How long a line waits for a daemon that does not empty the ring. Then the rest of the line is lost, not the domain.
const TIMEOUT: Duration = Duration::from_millis(20);

struct Console {
    ring: &'static ConsoleInterface,
    port: u32,
    lost: u64,
}

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

/// Takes the ring. What was written before went to Xen's own console.
pub(crate) fn init(ring: &'static ConsoleInterface, port: u32) {
    *CONSOLE.lock() = Some(Console {
        ring,
        port,
        lost: 0,
    });
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

    /// Waits for room for a byte; false when the daemon sleeps.
    fn wait(&self) -> bool {
        if self.room() > 0 {
            return true;
        }
        let end = clock::now() + TIMEOUT;
        let mut tries = 0;
        while clock::now() < end && tries < 10_000 {
            let _ = hypercall::event_send(self.port);
            hypercall::sched_yield();
            if self.room() > 0 {
                return true;
            }
            tries += 1;
        }
        false
    }

    fn put(&mut self, byte: u8) -> bool {
        if !self.wait() {
            return false;
        }
        let at = self.ring.out_prod.load(Ordering::Relaxed);
        self.ring.output[at as usize % OUT_SIZE].store(byte, Ordering::Relaxed);
        self.ring
            .out_prod
            .store(at.wrapping_add(1), Ordering::Release);
        true
    }

    fn write(&mut self, text: &str) {
        // A daemon that did not empty the ring in time is not waited for again until it has made room by itself.
        if self.lost > 0 && self.room() < OUT_SIZE / 2 {
            self.lost += text.len() as u64;
            return;
        }
        if self.lost > 0 {
            let lost = core::mem::take(&mut self.lost);
            let _ = fmt::write(
                self,
                format_args!("[{lost} bytes of the log were lost]\r\n"),
            );
        }
        for (done, byte) in text.bytes().enumerate() {
            let written = match byte {
                b'\n' => self.put(b'\r') && self.put(b'\n'),
                _ => self.put(byte),
            };
            if !written {
                self.lost += (text.len() - done) as u64;
                break;
            }
        }
        let _ = hypercall::event_send(self.port);
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.put(byte);
        }
        Ok(())
    }
}

/// Writes text to the console.
pub fn write(text: &str) {
    match CONSOLE.try_lock() {
        Some(mut console) => match console.as_mut() {
            Some(console) => console.write(text),
            None => hypercall::console_write(text),
        },
        // Only a trap or panic inside of a write comes here.
        None => hypercall::console_write(text),
    }
}

/// Waits a little until the daemon has taken everything: the last words before the end.
pub(crate) fn drain() {
    let Some(console) = CONSOLE.try_lock() else {
        return;
    };
    let Some(console) = console.as_ref() else {
        return;
    };
    for _ in 0..200 {
        if console.room() == OUT_SIZE {
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
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_line_too_long_is_cut_at_a_character() {
        let mut line = Line::<5>::new();
        write!(line, "abcdé").unwrap();
        assert_eq!(line.text(), "abcd");
    }
}
