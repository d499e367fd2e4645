//! Windows: which large send is exported to the network under which id.

use crate::state::keys::OutgoingKey;

/// Ids of an endpoint.
const COUNT: usize = 256;
/// The first use of each id has this number (wire.md §6.7).
const FIRST_SEQNUM: u8 = 23;

#[derive(Clone, Copy, Debug)]
struct Entry {
    holder: Option<OutgoingKey>,
    seqnum: u8,
}

/// All window ids of an endpoint.
#[derive(Debug)]
pub struct Windows {
    entries: [Entry; COUNT],
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            entries: [Entry {
                holder: None,
                seqnum: FIRST_SEQNUM,
            }; COUNT],
        }
    }
}

impl Windows {
    /// Gives the lowest free id to a send: id and number of its use.
    pub fn take(&mut self, holder: OutgoingKey) -> Option<(u8, u8)> {
        let id = self.entries.iter().position(|e| e.holder.is_none())?;
        self.entries[id].holder = Some(holder);
        Some((u8::try_from(id).ok()?, self.entries[id].seqnum))
    }

    /// Takes an id back.
    pub fn free(&mut self, id: u8) {
        let entry = &mut self.entries[usize::from(id)];
        entry.holder = None;
        entry.seqnum = entry.seqnum.wrapping_add(1);
    }

    /// Ids that are taken.
    pub fn taken(&self) -> usize {
        self.entries.iter().filter(|e| e.holder.is_some()).count()
    }

    /// All sends that hold one.
    pub fn holders(&self) -> impl Iterator<Item = OutgoingKey> {
        self.entries.iter().filter_map(|entry| entry.holder)
    }

    /// The send that holds an id in this use.
    #[inline]
    pub fn holder(&self, id: u8, seqnum: u8) -> Option<OutgoingKey> {
        let entry = &self.entries[usize::from(id)];
        entry.holder.filter(|_| entry.seqnum == seqnum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_an_id_has_the_next_number_from_23_on() {
        let mut windows = Windows::default();
        let key = OutgoingKey::default();
        assert_eq!(windows.take(key), Some((0, 23)));
        assert_eq!(windows.take(key), Some((1, 23)));
        windows.free(0);
        assert_eq!(windows.holder(0, 23), None);
        assert_eq!(windows.take(key), Some((0, 24)));
        assert_eq!(windows.holder(0, 24), Some(key));
    }
}
