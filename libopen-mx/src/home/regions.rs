//! Registered memory of an endpoint: what is registered stays so for the next message, as long as that is safe.
//!
//! * A [`Memfd`] of this library (the Rust API's buffers) is registered as a whole and kept: nobody can unmap it while
//!   it is kept.
//! * Other memory is registered by its address for one message, where the home allows that: nothing tells this library
//!   when the process unmaps it.
//! * Where the home does not allow it, and for several spans, the message passes through a bounce buffer that is kept.

use std::collections::HashMap;
use std::sync::Arc;

use mx_ring::RegionKey;
use mx_ring::call::Request;
use mx_ring::mapping::Memfd;
use rustix::io::Errno;
use slotmap::{Key, KeyData, SlotMap};

use super::{CallError, Channel, register};
use crate::engine::{Exposure, Memory, Refused, Use};

slotmap::new_key_type! {
    struct EntryKey;
}

/// Smallest bounce buffer.
const BOUNCE_MIN: u32 = 64 << 10;
/// Idle registrations that are kept before the oldest ones are given back.
const KEPT_MAX: usize = 64;

struct Entry {
    region: RegionKey,
    memory: Registered,
    users: u32,
    last_used: u64,
}

enum Registered {
    Whole(Arc<Memfd>),
    Address,
    Bounce(Memfd),
}

/// The registrations of an endpoint.
pub struct Regions {
    channel: Arc<dyn Channel>,
    user_memory: bool,
    entries: SlotMap<EntryKey, Entry>,
    /// Kept memfds by the address of their owner.
    whole: HashMap<usize, EntryKey>,
    uses: u64,
}

impl Regions {
    /// None yet. `user_memory` says whether the home takes addresses; else it takes memfds.
    pub fn new(channel: Arc<dyn Channel>, user_memory: bool) -> Self {
        Self {
            channel,
            user_memory,
            entries: SlotMap::with_key(),
            whole: HashMap::new(),
            uses: 0,
        }
    }

    /// Makes the first `length` bytes of a message reachable.
    pub fn expose(&mut self, memory: &Memory, length: u32, used: Use) -> Result<Exposure, Refused> {
        let (key, offset) = match (memory.owner(), memory.contiguous()) {
            (Some(owner), Some(span)) => {
                let offset = span.address().wrapping_sub(owner.area().address());
                let offset = u32::try_from(offset).map_err(|_| Refused::Never)?;
                (self.whole(owner)?, offset)
            }
            (None, Some(span)) if self.user_memory => {
                let writable = used == Use::Receive;
                let address = span.address() as u64;
                let key = self.add(address, length, writable, Registered::Address)?;
                (key, 0)
            }
            _ => (self.bounce(memory, length, used)?, 0),
        };
        let entry = self.entries.get_mut(key).ok_or(Refused::Later)?;
        self.uses += 1;
        entry.users += 1;
        entry.last_used = self.uses;
        Ok(Exposure {
            region: entry.region,
            offset,
            token: key.data().as_ffi(),
        })
    }

    /// Takes received bytes over into the message.
    pub fn collect(&self, exposure: &Exposure, memory: &Memory, length: u32) {
        if let Some(entry) = self.entries.get(entry_key(exposure))
            && let Registered::Bounce(bounce) = &entry.memory
            && let Ok(part) = bounce.area().part(0, length as usize)
        {
            memory.copy_in_area(&part);
        }
    }

    /// Ends one use.
    pub fn retract(&mut self, exposure: &Exposure) {
        let key = entry_key(exposure);
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.users = entry.users.saturating_sub(1);
        if matches!(entry.memory, Registered::Address) {
            self.give_back(key);
        }
    }

    /// The registration of a whole memfd, made if needed.
    fn whole(&mut self, owner: &Arc<Memfd>) -> Result<EntryKey, Refused> {
        let name = Arc::as_ptr(owner).addr();
        if let Some(key) = self.whole.get(&name) {
            return Ok(*key);
        }
        let area = owner.area();
        let length = u32::try_from(area.len()).map_err(|_| Refused::Never)?;
        let memory = Registered::Whole(owner.clone());
        let key = self.add(area.address() as u64, length, true, memory)?;
        self.whole.insert(name, key);
        Ok(key)
    }

    /// An idle bounce buffer of the right size, or a new one; filled when it is to be sent.
    fn bounce(&mut self, memory: &Memory, length: u32, used: Use) -> Result<EntryKey, Refused> {
        let size = length
            .max(BOUNCE_MIN)
            .checked_next_power_of_two()
            .ok_or(Refused::Never)? as usize;
        let idle = self.entries.iter().find_map(|(key, entry)| {
            let fits = matches!(&entry.memory, Registered::Bounce(b) if b.area().len() == size);
            (fits && entry.users == 0).then_some(key)
        });
        let key = match idle {
            Some(key) => key,
            None => {
                let memfd = Memfd::create("open-mx bounce", size).map_err(|_| Refused::Later)?;
                let address = memfd.area().address() as u64;
                self.add(address, size as u32, true, Registered::Bounce(memfd))?
            }
        };
        if used == Use::Send
            && let Some(entry) = self.entries.get(key)
            && let Registered::Bounce(bounce) = &entry.memory
            && let Ok(part) = bounce.area().part(0, length as usize)
        {
            memory.copy_to_area(0, &part);
        }
        Ok(key)
    }

    /// Registers memory. When the home has no room, idle registrations are given back first.
    fn add(
        &mut self,
        address: u64,
        length: u32,
        writable: bool,
        memory: Registered,
    ) -> Result<EntryKey, Refused> {
        self.shrink(KEPT_MAX);
        let region = match self.register(address, length, writable, &memory) {
            Err(Errno::AGAIN | Errno::NOSPC | Errno::NOMEM) => {
                self.shrink(0);
                self.register(address, length, writable, &memory)
            }
            other => other,
        };
        let region = region.map_err(|errno| match errno {
            Errno::AGAIN | Errno::NOSPC | Errno::NOMEM | Errno::INTR => Refused::Later,
            _ => Refused::Never,
        })?;
        Ok(self.entries.insert(Entry {
            region,
            memory,
            users: 0,
            last_used: self.uses,
        }))
    }

    fn register(
        &self,
        address: u64,
        length: u32,
        writable: bool,
        memory: &Registered,
    ) -> Result<RegionKey, Errno> {
        let memfd = match memory {
            Registered::Whole(memfd) => Some(&**memfd),
            Registered::Bounce(memfd) => Some(memfd),
            Registered::Address => None,
        };
        let address = if self.user_memory { address } else { 0 };
        register(&*self.channel, address, length, writable, memfd).map_err(|CallError(errno)| errno)
    }

    /// Gives idle registrations back, the oldest first, until at most `keep` are left; and those of memory that nobody
    /// else holds any more.
    fn shrink(&mut self, keep: usize) {
        let mut idle: Vec<(u64, EntryKey, bool)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.users == 0)
            .map(|(key, entry)| {
                let unheld =
                    matches!(&entry.memory, Registered::Whole(m) if Arc::strong_count(m) == 1);
                (entry.last_used, key, unheld)
            })
            .collect();
        idle.sort_unstable_by_key(|(last_used, ..)| *last_used);
        let surplus = idle.len().saturating_sub(keep);
        for (at, (_, key, unheld)) in idle.into_iter().enumerate() {
            if unheld || at < surplus {
                self.give_back(key);
            }
        }
    }

    fn give_back(&mut self, key: EntryKey) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        if let Registered::Whole(memfd) = &entry.memory {
            self.whole.remove(&Arc::as_ptr(memfd).addr());
        }
        let request = Request::Deregister {
            region: entry.region,
        };
        // A home that is gone has let go of everything.
        let _ = self.channel.call(&request, None);
    }
}

fn entry_key(exposure: &Exposure) -> EntryKey {
    KeyData::from_ffi(exposure.token).into()
}
