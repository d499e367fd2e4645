//! Context ids: bits of the match info that keep several users of one endpoint apart (protocol.md §10).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Which bits of the match info are the context id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextIds {
    bits: u8,
    shift: u8,
}

/// `OMX_ENDPOINT_CONTEXT_ID_BITS_MAX`.
const BITS_MAX: u8 = 16;

impl ContextIds {
    /// `bits` bits from bit `shift` on: at most 16, within 64. Without bits there is one context.
    pub fn new(bits: u8, shift: u8) -> Option<Self> {
        let fits = bits <= BITS_MAX && u16::from(bits) + u16::from(shift) <= 64;
        match bits {
            0 => Some(Self::default()),
            _ => fits.then_some(Self { bits, shift }),
        }
    }

    /// The bits of the match info.
    pub fn mask(self) -> u64 {
        ((1 << self.bits) - 1) << self.shift
    }

    #[inline]
    fn of(self, info: u64) -> usize {
        (info >> self.shift) as usize & ((1 << self.bits) - 1)
    }
}

/// Where something is in its [`Queues`], until they are changed.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    context: usize,
    at: usize,
}

/// Things that have match info, in order; those of one context id in a queue of their own.
#[derive(Debug)]
pub struct Queues<T> {
    ids: ContextIds,
    /// Each with its number in the order of all.
    queues: Vec<VecDeque<(u64, T)>>,
    pushed: u64,
    length: usize,
}

impl<T> Queues<T> {
    /// Empty.
    pub fn new(ids: ContextIds) -> Self {
        Self {
            ids,
            queues: (0..1usize << ids.bits).map(|_| VecDeque::new()).collect(),
            pushed: 0,
            length: 0,
        }
    }

    /// Appends something with this match info.
    #[inline]
    pub fn push(&mut self, info: u64, thing: T) {
        self.pushed += 1;
        // There is a queue for each value of the bits.
        if let Some(queue) = self.queues.get_mut(self.ids.of(info)) {
            queue.push_back((self.pushed, thing));
            self.length += 1;
        }
    }

    /// The first thing that fits: in the queue of the context that `info` names, or in all when `mask` leaves the
    /// context open.
    pub fn find(&self, info: u64, mask: u64, fits: impl Fn(&T) -> bool) -> Option<Place> {
        let first = |context: usize| {
            let queue = self.queues.get(context)?;
            let at = queue.iter().position(|(_, thing)| fits(thing))?;
            Some((queue.get(at)?.0, Place { context, at }))
        };
        let all = self.ids.mask();
        if mask & all == all {
            return first(self.ids.of(info)).map(|(_, place)| place);
        }
        let found = (0..self.queues.len()).filter_map(first);
        found
            .min_by_key(|(number, _)| *number)
            .map(|(_, place)| place)
    }

    /// What is at a place.
    pub fn get(&self, place: Place) -> Option<&T> {
        let (_, thing) = self.queues.get(place.context)?.get(place.at)?;
        Some(thing)
    }

    /// Takes what is at a place.
    pub fn remove(&mut self, place: Place) -> Option<T> {
        let (_, thing) = self.queues.get_mut(place.context)?.remove(place.at)?;
        self.length -= 1;
        Some(thing)
    }

    /// Takes the first thing that fits of the context of this match info.
    #[inline]
    pub fn take(&mut self, info: u64, fits: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.queues.get_mut(self.ids.of(info))?;
        let at = queue.iter().position(|(_, thing)| fits(thing))?;
        let (_, thing) = match at {
            0 => queue.pop_front(),
            _ => queue.remove(at),
        }?;
        self.length -= 1;
        Some(thing)
    }

    /// Drops things at the front of the queue of this match info.
    #[inline]
    pub fn drop_front_while(&mut self, info: u64, dead: impl Fn(&T) -> bool) {
        if let Some(queue) = self.queues.get_mut(self.ids.of(info)) {
            while queue.front().is_some_and(|(_, thing)| dead(thing)) {
                queue.pop_front();
                self.length -= 1;
            }
        }
    }

    /// Keeps what `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for queue in &mut self.queues {
            queue.retain(|(_, thing)| keep(thing));
        }
        self.length = self.queues.iter().map(VecDeque::len).sum();
    }

    /// Everything goes.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_into_64_bits_and_16_is_a_context_id() {
        assert_eq!(ContextIds::new(10, 10).map(ContextIds::mask), Some(0xffc00));
        assert_eq!(
            ContextIds::new(16, 48).map(ContextIds::mask),
            Some(0xffff << 48)
        );
        assert_eq!(ContextIds::new(0, 200).map(ContextIds::mask), Some(0));
        assert_eq!(ContextIds::new(17, 0), None);
        assert_eq!(ContextIds::new(16, 49), None);
    }

    #[test]
    fn a_mask_without_the_context_finds_the_first_of_all_and_with_it_the_first_of_its_own() {
        let mut queues = Queues::new(ContextIds::new(4, 8).unwrap());
        for info in [0x300, 0x100, 0x101, 0x301] {
            queues.push(info, info);
        }
        let find = |info, mask: u64| {
            let place = queues.find(info, mask, |thing| thing & mask == info)?;
            queues.get(place).copied()
        };
        assert_eq!(find(0, 0), Some(0x300));
        assert_eq!(find(1, 0xff), Some(0x101));
        assert_eq!(find(0x100, 0xf00), Some(0x100));
        assert_eq!(find(0x301, u64::MAX), Some(0x301));
        assert_eq!(find(0x200, 0xf00), None);
        assert_eq!(find(0x200, 0x200), Some(0x300));
    }

    #[test]
    fn what_was_removed_is_not_found_again() {
        let mut queues = Queues::new(ContextIds::default());
        (0..4u64).for_each(|info| queues.push(info, info));
        let place = queues.find(1, 1, |thing| thing & 1 == 1).unwrap();
        assert_eq!(queues.remove(place), Some(1));
        assert_eq!(queues.len(), 3);
        queues.drop_front_while(0, |thing| *thing < 3);
        let place = queues.find(0, 0, |_| true).unwrap();
        assert_eq!(queues.get(place), Some(&3));
    }
}
