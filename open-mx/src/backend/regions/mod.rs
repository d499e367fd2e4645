//! Registered memory of an endpoint: what is registered stays so for the next message, as long as that is safe.
//!
//! * A [`Memfd`] of this library (the Rust API's buffers) is registered as a whole and kept, by the first endpoint.
//! * Other memory is registered by its address, where the backend allows that, and kept: the module tells which regions
//!   are stale because the process has changed what lies there ([`Marks`]). `OMX_RCACHE=0`: for one message only.
//! * The message passes through a bounce buffer, which is kept, when the backend does not take addresses, when its
//!   memfd was registered before, when it consists of several spans, when the memory cannot be pinned, and at a
//!   buffer's first use: pinning, granting and mapping a page costs four times as much as copying it, and many a buffer
//!   is used once.
//!
//! When a quota is used up, the regions that were idle longest are given back first. If that does not help, a message goes
//! or comes in pieces, through bounce buffers as large as the quota allows. The last resort are two small ones, one for each
//! direction, that no quota counts: so nobody waits for what others hold, who may wait for him. Where registered memory needs
//! descriptors, files and addresses of the process, whose limits may be used up by the time of the first large message, they
//! are made at open; elsewhere when first needed, and a message for which that fails ends with an error.

mod bounce;
mod first_use;
mod marks;
mod reserve;
mod span;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mx_ring::mapping::Memfd;
use mx_ring::registration::RESERVE_MAX;
use mx_ring::uapi::CallRequest;
use mx_ring::{RegionKey, VolatileSlice};
use rustix::io::Errno;
use slotmap::{Key, KeyData, SlotMap};

use self::bounce::Bounce;
use self::first_use::FirstUses;
pub use self::marks::Marks;
use self::reserve::{Reserve, TIMEOUT};
use self::span::Span;
use super::{CallError, Channel, register};
use crate::lack::is_lack;
use mx_engine::{Memory, Part, Refused, Registered, Use};

slotmap::new_key_type! {
    struct EntryKey;
}

/// Smallest bounce buffer.
const BOUNCE_MIN: u32 = 64 << 10;
/// Bounce buffers up to this size are powers of two and kept; larger ones are multiples of it, and for messages that
/// are not cut into pieces.
const BOUNCE_STEP: u32 = 16 << 20;
/// Longest message that is sent through a bounce buffer as a whole.
const BOUNCE_MAX: u32 = 64 << 20;
/// A message that may come in pieces is registered by so many bytes at a time: a guest may have no more pages to grant.
const PART_MAX: u32 = 64 << 20;
/// Longest message that bounces only because its buffer is new: the bounce buffers must be pinned, too.
const FIRST_USE_MAX: u32 = 1 << 20;
/// Idle registrations that are kept before the oldest ones are given back.
const KEPT_MAX: usize = 128;
/// How often a buffer that changes while it is registered is tried, before its message bounces.
const CHANGES_MAX: u32 = 3;

struct Entry {
    region: RegionKey,
    memory: Backing,
    length: u32,
    users: u32,
    last_used: u64,
    /// Not for another message: it is given back when its last user ends.
    leaves: bool,
}

/// Which memory a region has behind it.
enum Backing {
    Whole(Arc<Memfd>),
    Address(Span),
    Bounce(Arc<Bounce>),
}

/// The registrations of an endpoint.
pub struct Regions {
    channel: Arc<dyn Channel>,
    user_memory: bool,
    /// Whether memory that is registered by its address is kept.
    keeps: bool,
    marks: Option<Marks>,
    entries: SlotMap<EntryKey, Entry>,
    /// Kept memfds by the address of their owner.
    whole: HashMap<usize, EntryKey>,
    first_uses: FirstUses,
    /// The bounce buffers of last resort: to send, to receive.
    reserves: [Reserve; 2],
    /// How long one of them is refused before its message ends.
    timeout: Duration,
    /// Regions that could not be given back when their time had come, since something lacked for the call itself.
    owed: Vec<RegionKey>,
    /// What the next piece of a message is tried with: the quota may allow more than the last time, or less.
    piece: u32,
    uses: u64,
}

/// Where a part of a message lies: the offset in its registration, and how many bytes of it.
struct Place {
    key: EntryKey,
    offset: u32,
    length: u32,
}

impl Regions {
    /// None yet. `user_memory` says whether the backend takes addresses; else it takes memfds. `wanted`: what is
    /// registered by its address is kept, unless there are no `marks`, so that nothing tells when the process changes
    /// its memory.
    pub fn new(
        channel: Arc<dyn Channel>,
        user_memory: bool,
        marks: Option<Marks>,
        wanted: bool,
    ) -> Self {
        Self {
            channel,
            user_memory,
            keeps: wanted && marks.is_some(),
            marks,
            entries: SlotMap::with_key(),
            whole: HashMap::new(),
            first_uses: FirstUses::default(),
            reserves: Default::default(),
            timeout: TIMEOUT,
            owed: Vec::new(),
            piece: BOUNCE_STEP,
            uses: 0,
        }
    }

    /// Makes a part of a message reachable.
    pub fn register_part(
        &mut self,
        memory: &Memory,
        part: Part,
        used: Use,
    ) -> Result<Registered, Refused> {
        let place = match (part.divisible, used) {
            (true, Use::Send) => self.piece(memory, part, used)?,
            (true, Use::Receive) => {
                let length = part.length.min(PART_MAX);
                match self.place(memory, Part { length, ..part }, used) {
                    Err(Refused::Later) => self.piece(memory, part, used)?,
                    other => other?,
                }
            }
            (false, _) => self.place(memory, part, used)?,
        };
        let entry = self.entries.get(place.key).ok_or(Refused::Later)?;
        Ok(Registered {
            region: entry.region,
            offset: place.offset,
            length: place.length,
            token: place.key.data().as_ffi(),
        })
    }

    fn place(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Place, Refused> {
        let span = memory.contiguous();
        let span = span.and_then(|span| span.part(part.start as usize, part.length as usize).ok());
        let at = |key, from: u64, span: VolatileSlice| {
            let offset = u32::try_from(span.address() as u64 - from).map_err(|_| Refused::Never)?;
            Ok(Place {
                key,
                offset,
                length: part.length,
            })
        };
        match (memory.owner::<Memfd>(), span) {
            (Some(owner), Some(span)) => {
                let from = owner.slice().address() as u64;
                match self.whole(&owner)? {
                    Some(key) => at(key, from, span),
                    None => self.bounce(memory, part, used),
                }
            }
            (None, Some(span)) if self.user_memory => {
                let wanted = Span::around(&span, part.length, used == Use::Receive);
                match self.address(&wanted)? {
                    Some((key, from)) => at(key, from, span),
                    None => self.bounce(memory, part, used),
                }
            }
            _ => self.bounce(memory, part, used),
        }
    }

    /// As much of a part as there is memory for.
    fn piece(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Place, Refused> {
        let place = loop {
            if self.piece <= RESERVE_MAX {
                break self.reserved(memory, part, used)?;
            }
            let length = part.length.min(self.piece);
            match self.bounce(memory, Part { length, ..part }, used) {
                Err(Refused::Later) => self.piece /= 2,
                other => break other?,
            }
        };
        self.piece = (self.piece * 2).min(BOUNCE_STEP);
        // Frames in flight may read what was sent when it is released; once it was given back none does.
        if used == Use::Send
            && let Some(entry) = self.entries.get_mut(place.key)
        {
            entry.leaves = true;
        }
        Ok(place)
    }

    /// Copies bytes that are to be sent into a bounce buffer.
    fn fill(&self, key: EntryKey, memory: &Memory, start: u32, length: u32) {
        if let Some(entry) = self.entries.get(key)
            && let Backing::Bounce(bounce) = &entry.memory
            && let Ok(to) = bounce.slice().part(0, length as usize)
        {
            memory.copy_to_slice(start, &to);
        }
    }

    /// Takes received bytes over into the message: those of the part that starts at `start`.
    pub fn collect(&self, registered: &Registered, memory: &Memory, start: u32) {
        if let Some(entry) = self.entries.get(entry_key(registered))
            && let Backing::Bounce(bounce) = &entry.memory
            && let Ok(received) = bounce.slice().part(0, registered.length as usize)
        {
            memory.copy_in_slice(start, &received);
        }
    }

    /// Ends one use.
    pub fn release(&mut self, registered: &Registered) {
        let key = entry_key(registered);
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let Some(users) = entry.users.checked_sub(1) else {
            return;
        };
        entry.users = users;
        if users > 0 {
            return;
        }
        self.reserves
            .iter_mut()
            .for_each(|reserve| reserve.refused = None);
        let huge = matches!(entry.memory, Backing::Bounce(_)) && entry.length > BOUNCE_STEP;
        let mut leaves = entry.leaves || huge;
        if let Some(marks) = &self.marks {
            marks.end(entry.region);
            leaves |= !marks.is_valid(entry.region);
        }
        if leaves {
            self.give_back(key);
        }
    }

    /// Begins a use. False when the memory of the registration is no longer what it was: then it is given back, when
    /// nobody uses it.
    fn begin(&mut self, key: EntryKey) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        let valid = match &self.marks {
            None => true,
            Some(marks) if entry.users == 0 => marks.begin(entry.region),
            Some(marks) => marks.is_valid(entry.region),
        };
        if valid && !entry.leaves {
            self.uses += 1;
            entry.users += 1;
            entry.last_used = self.uses;
            return true;
        }
        entry.leaves = true;
        if let Backing::Whole(memfd) = &entry.memory {
            self.whole.remove(&Arc::as_ptr(memfd).addr());
        }
        if entry.users == 0 {
            self.give_back(key);
        }
        false
    }

    /// The registration of a whole memfd, made if needed; its use has begun. Nothing when it was registered before, by
    /// another endpoint or until this one needed room: a backend lets nobody write it anew.
    fn whole(&mut self, owner: &Arc<Memfd>) -> Result<Option<EntryKey>, Refused> {
        let name = Arc::as_ptr(owner).addr();
        if let Some(key) = self.whole.get(&name).copied()
            && self.begin(key)
        {
            return Ok(Some(key));
        }
        let slice = owner.slice();
        let length = u32::try_from(slice.len()).map_err(|_| Refused::Never)?;
        let span = Span {
            start: slice.address() as u64,
            length,
            writable: true,
        };
        let region = match self.register(&span, false, Some(owner)) {
            Ok(region) => region,
            Err(Errno::PERM) => return Ok(None),
            Err(errno) => return Err(refused(errno)),
        };
        let key = self.insert(region, Backing::Whole(owner.clone()), length);
        self.whole.insert(name, key);
        self.begin(key).then_some(Some(key)).ok_or(Refused::Later)
    }

    /// The registration of memory by its address, made if needed, and where it starts; its use has begun. Nothing when
    /// the message had better bounce.
    fn address(&mut self, wanted: &Span) -> Result<Option<(EntryKey, u64)>, Refused> {
        while let Some((key, start)) = self.kept(wanted) {
            if self.begin(key) {
                return Ok(Some((key, start)));
            }
        }
        if self.keeps
            && wanted.length <= FIRST_USE_MAX
            && self.first_uses.is_first(wanted.start, wanted.end())
        {
            return Ok(None);
        }
        for _ in 0..CHANGES_MAX {
            let region = match self.register(wanted, false, None) {
                Ok(region) => region,
                // Not to be pinned.
                Err(Errno::FAULT | Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
                Err(errno) => return Err(refused(errno)),
            };
            let key = self.insert(region, Backing::Address(*wanted), wanted.length);
            if self.begin(key) {
                self.drop_covered(wanted);
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.leaves = !self.keeps;
                }
                return Ok(Some((key, wanted.start)));
            }
        }
        Ok(None)
    }

    /// A registration that holds this memory.
    fn kept(&self, wanted: &Span) -> Option<(EntryKey, u64)> {
        self.entries.iter().find_map(|(key, entry)| {
            let Backing::Address(span) = &entry.memory else {
                return None;
            };
            (!entry.leaves && span.holds(wanted)).then_some((key, span.start))
        })
    }

    /// Gives back idle registrations that another one has made superfluous: most often of a buffer that was sent from
    /// before it received.
    fn drop_covered(&mut self, by: &Span) {
        let covered =
            |entry: &Entry| matches!(&entry.memory, Backing::Address(span) if by.holds(span));
        let idle = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.users == 0 && covered(entry));
        let keys: Vec<EntryKey> = idle.map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.give_back(key));
    }

    /// An idle bounce buffer that is long enough, or a new one; filled when it is to be sent. Its use has begun.
    fn bounce(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Place, Refused> {
        let length = match (part.divisible, used) {
            (true, _) => part.length.min(BOUNCE_STEP),
            // In pieces: nobody wants a copy of gigabytes.
            (false, Use::Send) if part.length > BOUNCE_MAX => return Err(Refused::Later),
            (false, _) => part.length,
        };
        let key = loop {
            let Some(idle) = self.idle_bounce(length) else {
                break self.new_bounce(length)?;
            };
            if self.begin(idle) {
                break idle;
            }
        };
        if used == Use::Send {
            self.fill(key, memory, part.start, length);
        }
        Ok(Place {
            key,
            offset: 0,
            length,
        })
    }

    /// The shortest idle bounce buffer that is long enough.
    fn idle_bounce(&self, length: u32) -> Option<EntryKey> {
        let fits = self.entries.iter().filter(|(key, entry)| {
            let bounce = matches!(entry.memory, Backing::Bounce(_));
            bounce && entry.users == 0 && entry.length >= length && !self.is_reserve(*key)
        });
        fits.min_by_key(|(_, entry)| entry.length)
            .map(|(key, _)| key)
    }

    fn new_bounce(&mut self, length: u32) -> Result<EntryKey, Refused> {
        let size = if length <= BOUNCE_STEP {
            length.max(BOUNCE_MIN).next_power_of_two()
        } else {
            length
                .checked_next_multiple_of(BOUNCE_STEP)
                .unwrap_or(u32::MAX)
        };
        let memory = Bounce::new(self.user_memory, size).map_err(refused)?;
        let region = self
            .register_bounce(&memory, false, true)
            .map_err(refused)?;
        let key = self.insert_bounce(region, Arc::new(memory));
        // It is this library's own: nothing changes it but the kernel, which keeps its content.
        self.begin(key).then_some(key).ok_or(Refused::Later)
    }

    fn register_bounce(
        &mut self,
        memory: &Bounce,
        reserve: bool,
        writable: bool,
    ) -> Result<RegionKey, Errno> {
        let slice = memory.slice();
        let span = Span {
            start: slice.address() as u64,
            length: slice.len() as u32,
            writable,
        };
        self.register(&span, reserve, memory.memfd())
    }

    /// A registered bounce buffer. What nobody else has needs its descriptor no longer.
    fn insert_bounce(&mut self, region: RegionKey, memory: Arc<Bounce>) -> EntryKey {
        let length = memory.slice().len() as u32;
        let memory = Arc::try_unwrap(memory)
            .map_or_else(|shared| shared, |own| Arc::new(own.without_descriptor()));
        self.insert(region, Backing::Bounce(memory), length)
    }

    fn insert(&mut self, region: RegionKey, memory: Backing, length: u32) -> EntryKey {
        self.entries.insert(Entry {
            region,
            memory,
            length,
            users: 0,
            last_used: self.uses,
            leaves: false,
        })
    }

    /// Registers memory. When the backend has no room, idle registrations are given back first, those that were used
    /// longest ago before the others.
    fn register(
        &mut self,
        span: &Span,
        reserve: bool,
        memfd: Option<&Memfd>,
    ) -> Result<RegionKey, Errno> {
        self.shrink(KEPT_MAX);
        let request = CallRequest::Register {
            address: if self.user_memory { span.start } else { 0 },
            length: span.length,
            writable: span.writable,
            reserve,
        };
        loop {
            let registered = self
                .pay()
                .and_then(|()| register(&*self.channel, &request, memfd));
            match registered {
                Err(CallError(Errno::AGAIN | Errno::NOSPC | Errno::NOMEM))
                    if self.evict(span.length) => {}
                other => return other.map_err(|CallError(errno)| errno),
            }
        }
    }

    /// Gives back what is owed. Until then a buffer of last resort is not registered another time: frames in flight may
    /// read what it held.
    fn pay(&mut self) -> Result<(), CallError> {
        while let Some(region) = self.owed.pop() {
            self.deregister(region)?;
        }
        Ok(())
    }

    /// Gives a region back, or owes it, when something lacks for the call.
    fn deregister(&mut self, region: RegionKey) -> Result<(), CallError> {
        match self.channel.call(&CallRequest::Deregister { region }, None) {
            Err(CallError(errno)) if is_lack(errno) => {
                self.owed.push(region);
                Err(CallError(errno))
            }
            // A backend that is gone has let go of everything; a stale region may have been given back by the module.
            _ => Ok(()),
        }
    }

    /// Idle registrations, those that were used longest ago first.
    fn idle(&self) -> Vec<EntryKey> {
        let idle = self
            .entries
            .iter()
            .filter(|(key, entry)| entry.users == 0 && !self.is_reserve(*key));
        let mut idle: Vec<_> = idle.map(|(key, entry)| (entry.last_used, key)).collect();
        idle.sort_unstable_by_key(|(last_used, _)| *last_used);
        idle.into_iter().map(|(_, key)| key).collect()
    }

    /// Gives idle registrations back until at most `keep` are left; and those of memory that nobody else holds any more.
    /// What is stale goes before another region is registered, so that its key, whose generation has 16 bits, is not kept
    /// until it means that region.
    fn shrink(&mut self, keep: usize) {
        let idle = self.idle();
        let surplus = idle.len().saturating_sub(keep);
        for (at, key) in idle.into_iter().enumerate() {
            let useless = self.entries.get(key).is_some_and(|entry| {
                let unheld =
                    matches!(&entry.memory, Backing::Whole(m) if Arc::strong_count(m) == 1);
                let valid = |marks: &Marks| marks.is_valid(entry.region);
                unheld || !self.marks.as_ref().is_none_or(valid)
            });
            if useless || at < surplus {
                self.give_back(key);
            }
        }
    }

    /// Gives idle registrations back until `length` bytes have been; whether there was any.
    fn evict(&mut self, length: u32) -> bool {
        let mut freed = 0;
        for key in self.idle() {
            freed += self
                .entries
                .get(key)
                .map_or(0, |entry| u64::from(entry.length));
            self.give_back(key);
            if freed >= u64::from(length) {
                break;
            }
        }
        freed > 0
    }

    fn give_back(&mut self, key: EntryKey) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        if let Backing::Whole(memfd) = &entry.memory {
            self.whole.remove(&Arc::as_ptr(memfd).addr());
        }
        // What is owed is paid before the next region is registered.
        let _ = self.deregister(entry.region);
    }
}

fn refused(errno: Errno) -> Refused {
    match errno {
        // What is too long for the backend, however much room there is, goes in pieces, as what finds no room, here or
        // there.
        Errno::AGAIN
        | Errno::NOSPC
        | Errno::NOMEM
        | Errno::INTR
        | Errno::TOOBIG
        | Errno::FBIG
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOBUFS
        | Errno::TOOMANYREFS => Refused::Later,
        _ => Refused::Never,
    }
}

fn entry_key(registered: &Registered) -> EntryKey {
    KeyData::from_ffi(registered.token).into()
}
