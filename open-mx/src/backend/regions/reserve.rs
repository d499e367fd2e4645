//! Buffers of last resort: one to send, one to receive, that no quota counts.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::{Memory, Part, Refused, Use};
use mx_ring::registration::RESERVE_MAX;
use rustix::io::Errno;

use super::bounce::Bounce;
use super::{BOUNCE_MIN, EntryKey, Place, Regions, refused};
use crate::backend::CallError;
use crate::clock;

/// How long a buffer of last resort is refused, while nothing is given back, before its message ends: who uses what might be
/// given back may wait for this very message.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// A buffer of last resort.
#[derive(Default)]
pub(super) struct Reserve {
    key: Option<EntryKey>,
    memory: Option<Arc<Bounce>>,
    /// When it was refused for the first time since something was given back.
    pub refused: Option<Duration>,
}

impl Regions {
    /// Makes the buffers of last resort now, if they need what the process may lack later.
    pub fn make_reserves(&mut self) -> Result<(), CallError> {
        if !self.user_memory {
            for used in [Use::Send, Use::Receive] {
                self.make_reserve(used).map_err(CallError)?;
            }
        }
        Ok(())
    }

    /// A buffer of last resort, registered. It is as large as limits allow, and as the smallest of others at least. The
    /// memory of the one to send is kept, since it is given back after each piece.
    fn make_reserve(&mut self, used: Use) -> Result<EntryKey, Errno> {
        let memory = match self.reserves[used as usize].memory.take() {
            Some(memory) => memory,
            None => Arc::new(self.new_reserve()?),
        };
        // A backend maps a memfd for writing once; the one to send is registered again and again.
        let registered = self.register_bounce(&memory, true, used == Use::Receive);
        let kept = (used == Use::Send).then(|| memory.clone());
        self.reserves[used as usize].memory = kept;
        let key = self.insert_bounce(registered?, memory);
        self.reserves[used as usize].key = Some(key);
        self.reserves[used as usize].refused = None;
        Ok(key)
    }

    fn new_reserve(&self) -> Result<Bounce, Errno> {
        let mut size = RESERVE_MAX;
        loop {
            match Bounce::new(self.user_memory, size) {
                Err(Errno::FBIG | Errno::NOMEM) if size > BOUNCE_MIN => size /= 2,
                other => return other,
            }
        }
    }

    pub(super) fn is_reserve(&self, key: EntryKey) -> bool {
        self.reserves.iter().any(|it| it.key == Some(key))
    }

    /// As much of a part as the buffer of last resort holds, when nobody uses it.
    pub(super) fn reserved(
        &mut self,
        memory: &Memory,
        part: Part,
        used: Use,
    ) -> Result<Place, Refused> {
        let known = self.reserves[used as usize].key;
        let known = known.filter(|key| self.entries.contains_key(*key));
        let key = match known {
            Some(key) => key,
            None => self.make_reserve(used).map_err(|errno| {
                let now = clock::now();
                let refused_at = *self.reserves[used as usize].refused.get_or_insert(now);
                let in_vain = now > refused_at + self.timeout;
                // Nothing will be given back that this could wait for.
                let idle = self.entries.values().all(|entry| entry.users == 0);
                match idle || in_vain {
                    true => Refused::Never,
                    false => refused(errno),
                }
            })?,
        };
        let entry = self.entries.get(key).ok_or(Refused::Later)?;
        let length = part.length.min(entry.length);
        if entry.users > 0 || !self.begin(key) {
            return Err(Refused::Later);
        }
        if used == Use::Send {
            self.fill(key, memory, part.start, length);
        }
        Ok(Place {
            key,
            offset: 0,
            length,
        })
    }
}
