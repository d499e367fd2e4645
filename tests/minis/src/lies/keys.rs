//! Lies in xenstore, and event channels that go: each ends the connection, or may, so that the device is published anew afterwards.

use alloc::format;
use alloc::string::String;

use super::Liar;
use super::values::value;
use crate::device::Failure;
use crate::domain::{Domain, Key};

/// The longest value that xenstore takes beside its path.
const HUGE: usize = 2048;

impl<D: Domain> Liar<D> {
    fn set(&mut self, key: &str, text: &str) -> bool {
        self.device.domain.set_key(Key::Write(key, text))
    }

    pub(super) fn channel(&mut self) -> Result<bool, Failure> {
        if !self.device.domain.lose_channel() {
            return Ok(false);
        }
        // The driver domain finds it in its turn, and would like to wake somebody.
        let (index, command) = (self.any_endpoint(), self.any_command());
        self.device.armed.arm(index as u8);
        self.put(index, &command, |_, _| {});
        self.pause();
        self.stale = true;
        Ok(true)
    }

    pub(super) fn state(&mut self) -> Result<bool, Failure> {
        for _ in 0..self.rng.u8(1..6) {
            let state = format!("{}", self.rng.u8(..10));
            if !self.set("state", &state) {
                return Ok(false);
            }
        }
        self.stale = true;
        Ok(true)
    }

    fn any_text(&mut self) -> String {
        match self.rng.u8(..6) {
            0 => String::new(),
            1 => "x".repeat(HUGE),
            2 => String::from("../../../1/backend/omx"),
            3 => String::from("-1"),
            4 => format!("{}", value(&mut self.rng, 8)),
            _ => (0..20).map(|_| self.rng.char(' '..'\u{2fff}')).collect(),
        }
    }

    pub(super) fn keys(&mut self) -> Result<bool, Failure> {
        const KEYS: [&str; 4] = ["ring-ref", "event-channel", "protocol", "version"];
        let key = KEYS[self.rng.usize(..KEYS.len())];
        // Closed first, and then it looks as if the device had been published.
        if !self.set("state", "6") {
            return Ok(false);
        }
        if self.rng.u8(..4) == 0 {
            self.device.domain.set_key(Key::Remove(key));
        } else {
            let text = self.any_text();
            self.set(key, &text);
        }
        self.pause();
        self.set("state", "3");
        self.pause();
        self.stale = true;
        Ok(true)
    }

    pub(super) fn name(&mut self) -> Result<bool, Failure> {
        const KEYS: [&str; 4] = ["mac", "name", "backend-id", "frontend-id"];
        let key = KEYS[self.rng.usize(..KEYS.len())];
        let text = match self.rng.bool() {
            true => format!("{}", self.partner),
            false => self.any_text(),
        };
        let told = self.set(key, &text);
        self.stale |= told;
        Ok(told)
    }
}
