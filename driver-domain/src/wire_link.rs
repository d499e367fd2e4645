//! The way to the wire: frames of the backend become frames of the card, with the guests' pages named by bus addresses.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use arrayvec::ArrayVec;
use mx_backend::{Backend, FrameSink, Handed, Instant, Payload, Token};
use mx_nic::{Fragment, LinkState, MacAddress, Nic, Reception, Statistics, TransmitError};
use mx_ring::{PAGE_SIZE, VolatileSlice};

use mx_board::Full;

/// Fragments of a frame at most: [`Payload::MAX_PARTS`] parts, each of which may cross pages.
const FRAGMENTS: usize = 7;
/// Frames that one burst of received frames may answer with.
const ANSWERS: usize = 64;
/// Bytes of such an answer at most.
const ANSWER_SIZE: usize = 512;
/// Frames taken from the card in one turn.
const BURST: usize = 32;

/// Finds the address by which a card reads the byte at an address of shared memory.
pub type BusAddress = Box<dyn Fn(usize) -> Option<u64>>;

/// Resets a card and opens it anew.
pub type Reopen = Box<dyn FnMut() -> Option<Box<dyn Nic>>>;

/// The wire. Without a card, frames to the network are lost, as on a card without a link.
pub struct Wire {
    nic: Option<Box<dyn Nic>>,
    /// The way back to a card that was reset; none where there is none.
    reopen: Option<Reopen>,
    bus: BusAddress,
    tokens: Tokens,
    answers: VecDeque<Answer>,
    link_up: bool,
    /// Whose frames are wanted from the network.
    addresses: Vec<MacAddress>,
}

/// The backend's tokens of frames that the card reads.
struct Tokens {
    in_flight: Vec<Option<Token>>,
    free: Vec<usize>,
}

/// Of a frame whose token nobody waits for.
const NOBODY: mx_nic::Token = mx_nic::Token(u64::MAX);

impl Tokens {
    fn new(slots: usize) -> Self {
        Self {
            in_flight: alloc::vec![None; slots],
            free: (0..slots).rev().collect(),
        }
    }

    fn put(&mut self, token: Token) -> Option<mx_nic::Token> {
        let slot = self.free.pop()?;
        *self.in_flight.get_mut(slot)? = Some(token);
        Some(mx_nic::Token(slot as u64))
    }

    fn take(&mut self, token: mx_nic::Token) -> Option<Token> {
        let slot = usize::try_from(token.0).ok()?;
        let token = self.in_flight.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(token)
    }
}

/// A frame sent while the card was showing received ones.
struct Answer {
    head: ArrayVec<u8, ANSWER_SIZE>,
    fragments: ArrayVec<Fragment, FRAGMENTS>,
    token: mx_nic::Token,
}

/// What a received frame makes the backend send: it waits until the card is free again.
struct Answering<'a> {
    bus: &'a BusAddress,
    tokens: &'a mut Tokens,
    answers: &'a mut VecDeque<Answer>,
}

impl FrameSink for Answering<'_> {
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full> {
        if self.answers.len() >= ANSWERS {
            return Err(Full);
        }
        let mut answer = Answer {
            head: ArrayVec::new(),
            fragments: ArrayVec::new(),
            token: NOBODY,
        };
        answer
            .head
            .try_extend_from_slice(header)
            .map_err(|_| Full)?;
        let handed = match payload {
            Payload::Bytes(bytes) => {
                answer.head.try_extend_from_slice(bytes).map_err(|_| Full)?;
                Handed::Copied
            }
            Payload::Shared(slices) => match fragments(slices, self.bus) {
                Some(fragments) => {
                    answer.fragments = fragments;
                    answer.token = self.tokens.put(token).ok_or(Full)?;
                    Handed::InFlight
                }
                None => return Ok(Handed::Lost),
            },
        };
        self.answers.push_back(answer);
        Ok(handed)
    }
}

/// The pieces that a card must read: cut at page boundaries. `None` for memory that no card finds, or too many pieces.
fn fragments(slices: &[VolatileSlice], bus: &BusAddress) -> Option<ArrayVec<Fragment, FRAGMENTS>> {
    let mut pieces = ArrayVec::<Fragment, FRAGMENTS>::new();
    for slice in slices {
        let mut address = slice.address();
        let end = address.checked_add(slice.len())?;
        while address < end {
            let page_end = (address / PAGE_SIZE + 1) * PAGE_SIZE;
            let length = page_end.min(end) - address;
            let bus = bus(address)?;
            match pieces.last_mut() {
                // Pages that are neighbours for the card, too.
                Some(last) if last.bus + u64::from(last.len) == bus => last.len += length as u32,
                _ => pieces
                    .try_push(Fragment {
                        bus,
                        len: length as u32,
                    })
                    .ok()?,
            }
            address += length;
        }
    }
    Some(pieces)
}

impl Wire {
    /// A wire behind a card, or behind none.
    pub fn new(nic: Option<(Box<dyn Nic>, Reopen)>, bus: BusAddress) -> Self {
        let (nic, reopen) = nic.unzip();
        let slots = nic
            .as_deref()
            .map_or(0, |nic| nic.capabilities().transmit_slots);
        Self {
            // What a backend believes until it is told otherwise.
            link_up: true,
            nic,
            reopen,
            bus,
            tokens: Tokens::new(slots),
            answers: VecDeque::with_capacity(ANSWERS),
            addresses: Vec::new(),
        }
    }

    /// Names the addresses of the boards behind this wire, so that the card takes no frames of others: besides these
    /// its own and broadcasts, by which boards find each other. A card whose table is too short takes every frame, which
    /// the backend then drops by its address.
    pub fn set_addresses(&mut self, addresses: Vec<MacAddress>) {
        self.addresses = addresses;
        self.filter();
    }

    fn filter(&mut self) {
        let Some(nic) = &mut self.nic else {
            return;
        };
        let (count, places) = (self.addresses.len(), nic.capabilities().addresses);
        match nic.set_addresses(&self.addresses, &[]) {
            Reception::Named => {
                log::info!("the network card takes frames for {count} addresses besides its own");
            }
            Reception::All => log::info!(
                "the network card takes every frame: it can choose by {places} addresses, and {count} are wanted"
            ),
        }
    }

    /// The driver of the card; `None` without a card.
    pub fn nic(&mut self) -> Option<&mut (dyn Nic + 'static)> {
        self.nic.as_deref_mut()
    }

    /// Takes a burst of frames from the card; how many. Each is shown to `other` first, which says whether it keeps it;
    /// the rest is for the backend.
    pub fn receive(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        mut other: impl FnMut(&[u8]) -> bool,
    ) -> usize {
        let Some(nic) = &mut self.nic else {
            return 0;
        };
        let mut answering = Answering {
            bus: &self.bus,
            tokens: &mut self.tokens,
            answers: &mut self.answers,
        };
        let count = nic.receive(0, BURST, &mut |frame| {
            if !other(frame) {
                backend.frame(now, frame, &mut answering);
            }
        });
        self.answer(backend);
        count
    }

    /// Hands the answers to the card. What finds it full is lost, as it would be in a switch.
    fn answer(&mut self, backend: &mut Backend) {
        let Some(nic) = &mut self.nic else {
            return;
        };
        while let Some(answer) = self.answers.pop_front() {
            let sent = nic.transmit(0, &[&answer.head], &answer.fragments, answer.token);
            if sent.is_err()
                && let Some(token) = self.tokens.take(answer.token)
            {
                backend.token_sent(token);
            }
        }
    }

    /// Takes back what the card has sent, and gives the backend its tokens; how many frames.
    pub fn completed(&mut self, backend: &mut Backend) -> usize {
        let Some(nic) = &mut self.nic else {
            return 0;
        };
        let mut done = [mx_nic::Token::default(); BURST];
        let count = nic.completed(0, &mut done);
        for token in done.iter().take(count) {
            if let Some(token) = self.tokens.take(*token) {
                backend.token_sent(token);
            }
        }
        count
    }

    /// Sends a frame that is no guest's; false when the card is full, or gone.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        self.nic
            .as_mut()
            .is_some_and(|nic| nic.transmit(0, &[frame], &[], NOBODY).is_ok())
    }

    /// Tells the card of new frames.
    pub fn flush(&mut self) {
        if let Some(nic) = &mut self.nic {
            nic.flush(0);
        }
    }

    /// Whether there is a link; `None` where there is no card, neither one that works nor one that may again.
    pub fn link(&self) -> Option<bool> {
        self.reopen.as_ref().map(|_| self.link_up)
    }

    /// Looks at the link and the card's health, and tells the backend of changes; a card that was stopped is brought
    /// back. Reads registers of the card: not for every frame.
    pub fn look(&mut self, now: Duration, backend: &mut Backend) {
        if self.nic.is_none() {
            self.open_anew();
        }
        let up = self
            .nic
            .as_mut()
            .is_some_and(|nic| nic.link() == LinkState::Up);
        self.see_link(up, backend);
        if let Some(Err(fault)) = self.nic.as_mut().map(|nic| nic.health(now)) {
            log::error!("the network card was stopped: {fault}");
            self.reset(backend);
        }
    }

    fn see_link(&mut self, up: bool, backend: &mut Backend) {
        if up != self.link_up {
            self.link_up = up;
            match (&self.reopen, up) {
                (None, _) => {}
                (Some(_), true) => log::info!("the link is up: frames go out and come in"),
                (Some(_), false) => log::warn!(
                    "the link is down: only guests of this host reach each other until it is up again"
                ),
            }
            backend.set_link_up(up);
        }
    }

    fn open_anew(&mut self) {
        if let Some(nic) = self.reopen.as_mut().and_then(|reopen| reopen()) {
            log::info!("the network card works again");
            self.tokens = Tokens::new(nic.capabilities().transmit_slots);
            self.nic = Some(nic);
            self.filter();
        }
    }

    /// Lets go of the card for good; its driver resets it. All frames in flight are given back.
    pub fn give_up(&mut self, backend: &mut Backend) {
        self.reopen = None;
        self.nic = None;
        self.answers.clear();
        self.give_back(backend);
        self.see_link(false, backend);
    }

    fn give_back(&mut self, backend: &mut Backend) {
        for slot in 0..self.tokens.in_flight.len() {
            if let Some(token) = self.tokens.take(mx_nic::Token(slot as u64)) {
                backend.token_sent(token);
            }
        }
    }

    /// Resets the card and sets it up again, at once or, where that fails, at the next look. All frames in flight are
    /// given back: they may be lost, and the protocol sends them again. Local guests are served meanwhile.
    pub fn reset(&mut self, backend: &mut Backend) {
        self.answers.clear();
        let recovers = self
            .nic
            .as_ref()
            .is_some_and(|nic| nic.capabilities().recovers);
        let recovered = recovers
            && self.nic.as_mut().is_some_and(|nic| match nic.recover() {
                Ok(()) => true,
                Err(error) => {
                    log::error!("the network card does not come back by itself: {error}");
                    false
                }
            });
        if recovered {
            log::info!("the network card works again");
            while self.completed(backend) > 0 {}
        } else {
            // Dropping the driver resets the card.
            self.nic = None;
        }
        self.give_back(backend);
        if self.nic.is_none() {
            self.open_anew();
        }
        if self.nic.is_none() {
            self.see_link(false, backend);
        }
    }

    /// What the card has counted.
    pub fn statistics(&self) -> Statistics {
        self.nic
            .as_ref()
            .map_or_else(Statistics::default, |nic| nic.statistics())
    }

    /// Frames that the card's transmit queue holds at most.
    pub fn transmit_slots(&self) -> usize {
        self.tokens.in_flight.len()
    }

    /// Frames that the card has not sent yet and whose payload it reads from guests' memory.
    pub fn in_flight(&self) -> usize {
        self.tokens.in_flight.len() - self.tokens.free.len()
    }
}

impl FrameSink for Wire {
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full> {
        let Some(nic) = &mut self.nic else {
            return Ok(Handed::Lost);
        };
        let (sent, handed) = match payload {
            Payload::Bytes(bytes) => (
                nic.transmit(0, &[header, bytes], &[], NOBODY),
                Handed::Copied,
            ),
            Payload::Shared(slices) => {
                let Some(fragments) = fragments(slices, &self.bus) else {
                    return Ok(Handed::Lost);
                };
                let slot = self.tokens.put(token).ok_or(Full)?;
                let sent = nic.transmit(0, &[header], &fragments, slot);
                if sent.is_err() {
                    self.tokens.take(slot);
                }
                (sent, Handed::InFlight)
            }
        };
        match sent {
            Ok(()) => Ok(handed),
            Err(TransmitError::Full) => Err(Full),
            // The frame is lost, as on a wire; a stopped card is noticed by `look`.
            Err(error) => {
                log::debug!("a frame was not sent: {error}");
                Ok(Handed::Lost)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_ring::mapping::Memfd;

    /// Memory whose pages lie on the bus in the order that `pages` says, from 0x10000 on.
    fn scattered(memory: &Memfd, pages: &'static [u64]) -> BusAddress {
        let base = memory.slice().address();
        Box::new(move |address| {
            let offset = address.checked_sub(base)?;
            let page = pages.get(offset / PAGE_SIZE)?;
            Some(0x10000 + page * PAGE_SIZE as u64 + (offset % PAGE_SIZE) as u64)
        })
    }

    fn cut(pages: &'static [u64], parts: &[(usize, usize)]) -> Option<Vec<Fragment>> {
        let memory = Memfd::create("test", 16 * PAGE_SIZE).unwrap();
        let slices: Vec<VolatileSlice> = parts
            .iter()
            .map(|&(offset, length)| memory.slice().part(offset, length).unwrap())
            .collect();
        fragments(&slices, &scattered(&memory, pages)).map(|pieces| pieces.to_vec())
    }

    #[test]
    fn a_payload_is_cut_where_pages_are_no_neighbours_for_the_card() {
        let pieces = cut(&[7, 2, 3, 9], &[(4000, 8968)]).unwrap();
        assert_eq!(
            pieces,
            [
                Fragment {
                    bus: 0x17fa0,
                    len: 96
                },
                Fragment {
                    bus: 0x12000,
                    len: 8192
                },
                Fragment {
                    bus: 0x19000,
                    len: 680
                },
            ]
        );
    }

    #[test]
    fn parts_follow_each_other_and_empty_ones_vanish() {
        let pieces = cut(&[0, 1], &[(10, 20), (0, 0), (30, 5), (100, 1)]).unwrap();
        assert_eq!(
            pieces,
            [
                Fragment {
                    bus: 0x1000a,
                    len: 25
                },
                Fragment {
                    bus: 0x10064,
                    len: 1
                },
            ]
        );
    }

    #[test]
    fn memory_that_no_card_finds_is_not_sent() {
        assert_eq!(cut(&[0], &[(4000, 200)]), None);
        assert_eq!(
            cut(&[0, 2, 4, 6, 8, 10, 12, 14], &[(0, 8 * PAGE_SIZE)]),
            None
        );
    }
}
