//! Shares of guests: whoever they are, however many endpoints they have, whatever lies idle beside them.

mod guest;

use core::time::Duration;

use guest::*;
use mx_backend::BoardId;
use mx_ring::board_page::BoardPages;
use mx_ring::{Command, CommandBody, Counter, Geometry, Place};
use mx_testnet::Faults;
use mx_wire::{Connect, ConnectRequest, Content, Medium};

/// How even shares are: 1 when all are equal, 1/n when one has everything (Jain's index).
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// To a board of the same backend.
    Here,
    /// To another backend, by a card that takes so many frames between two turns.
    Wire(usize),
}

/// What loaded endpoints send, as fast as they can.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Load {
    Tiny,
    /// Fragments of 8 KiB.
    Medium,
    /// Large messages: pulls out of their memory from the wire, or into it from a board here.
    Large,
}

/// Bytes of a large message.
const LARGE: u32 = 128 << 10;
/// Board numbers of those whom guests send to.
const FAR: u8 = 128;

/// A guest with loaded endpoints.
struct Loaded {
    board: BoardId,
    endpoints: Vec<Guest>,
    /// Index of the one whom it sends to.
    peer: u16,
    /// The endpoints there: one for all that is sent, or one for each that pulls.
    far: Vec<Guest>,
    /// Its index there.
    back: u16,
    /// Pulls of each endpoint that have ended.
    pulled: Vec<u64>,
}

/// Guests with loaded endpoints, and boards that have nothing to do.
struct Crowd {
    lab: Lab,
    way: Way,
    load: Load,
    guests: Vec<Loaded>,
    /// Kept, since their memory is the backend's to read for as long as their endpoints are open.
    _idle: Vec<Guest>,
}

impl Crowd {
    /// `boards` boards; those of the numbers in `loaded` have as many loaded endpoints as stand there, the others one that
    /// is idle. Each loaded guest has its own board to send to.
    fn new(way: Way, load: Load, boards: u8, loaded: &[(u8, u8)]) -> Self {
        let there = usize::from(way != Way::Here);
        let mut lab = Lab::new(formats()[1], 1 + there, Faults::default(), 5);
        let ids: Vec<_> = (0..boards).map(|n| lab.board(0, n)).collect();
        let far = loaded.iter().map(|(n, _)| lab.board(there, FAR + n));
        let far: Vec<_> = far.collect();
        lab.until(|lab| {
            let all = ids.len() + far.len();
            let pages = lab.backends.iter().flat_map(|backend| &backend.pages);
            pages
                .map(|page| BoardPages::new(page.slice()).unwrap())
                .all(|page| page.board().unwrap().peer_count == all as u16)
        });
        // Until nobody has news for anybody.
        lab.run(Duration::from_secs(20));
        let mut idle = Vec::new();
        for (place, id) in (0..).zip(&ids) {
            if loaded.iter().all(|(it, _)| *it != place) {
                idle.push(lab.open(0, *id, 0, 0xa));
            }
        }
        lab.run(Duration::from_millis(1));
        let mut guests = Vec::new();
        for ((place, count), far) in loaded.iter().zip(far) {
            let board = ids[usize::from(*place)];
            let endpoints = (0..*count).map(|n| lab.open(0, board, n, 0xb));
            let endpoints: Vec<_> = endpoints.collect();
            let pullers = if load == Load::Large { *count } else { 1 };
            let (peer, back) = (
                index(&lab, 0, board, FAR + place),
                index(&lab, there, far, *place),
            );
            let far = (0..pullers).map(|n| lab.open(there, far, n, 0xc));
            guests.push(Loaded {
                board,
                endpoints,
                peer,
                far: far.collect(),
                back,
                pulled: vec![0; usize::from(*count)],
            });
        }
        let mut crowd = Self {
            lab,
            way,
            load,
            guests,
            _idle: idle,
        };
        if load == Load::Large {
            crowd.show_memory(there);
        }
        if let Way::Wire(frames) = way {
            crowd.lab.network.ring_size = frames;
        }
        crowd
    }

    /// Every endpoint on either side has a message to be pulled, and room for one.
    fn show_memory(&mut self, there: usize) {
        let bytes = pattern(LARGE as usize);
        for guest in &mut self.guests {
            for (backend, endpoints) in [(0, &mut guest.endpoints), (there, &mut guest.far)] {
                for endpoint in endpoints {
                    self.lab.register(backend, endpoint, 1, &bytes);
                    self.lab.register(backend, endpoint, 2, &bytes);
                    endpoint.bind(1, 1, LARGE);
                }
            }
        }
    }

    /// Gives whoever has room something to do.
    fn load(&mut self) {
        let there = usize::from(self.way != Way::Here);
        for guest in &mut self.guests {
            if self.load == Load::Large && self.way != Way::Here {
                for far in &mut guest.far {
                    let order = pull(to(guest.back, far.key.endpoint, 0xb), 2, LARGE);
                    fill(far, &order);
                    self.lab.kick(there, far);
                }
                continue;
            }
            for (endpoint, pulled) in guest.endpoints.iter_mut().zip(&guest.pulled) {
                let n = endpoint.key.endpoint;
                match self.load {
                    Load::Tiny => fill(endpoint, &tiny(to(guest.peer, 0, 0xc), 1)),
                    Load::Medium => fill(endpoint, &fragment(guest.peer)),
                    // One at a time: the next when this one has ended.
                    Load::Large if u64::from(endpoint.process.next_command_index()) == *pulled => {
                        endpoint.post(&pull(to(guest.peer, n, 0xc), 2, LARGE), &[]);
                    }
                    Load::Large => {}
                }
                self.lab.kick(0, endpoint);
            }
        }
    }

    /// What each guest has got done so far: messages, or frames of large ones.
    fn done(&self) -> Vec<u64> {
        let backend = &self.lab.backends[0].backend;
        let of = |guest: &Loaded| match (self.load, self.way) {
            (Load::Large, Way::Wire(_)) => {
                let counters = backend.counters(guest.board).unwrap();
                counters.get(Counter::SendPullReply).into()
            }
            (Load::Large, Way::Here) => guest.pulled.iter().sum(),
            _ => guest.endpoints.iter().map(taken).sum(),
        };
        self.guests.iter().map(of).collect()
    }

    /// So many turns under load; what each guest has got done in them.
    fn run(&mut self, turns: u32) -> Vec<u64> {
        let before = self.done();
        for _ in 0..turns {
            self.load();
            self.lab.turn();
            for guest in &mut self.guests {
                for (endpoint, pulled) in guest.endpoints.iter_mut().zip(&mut guest.pulled) {
                    *pulled += endpoint.events().len() as u64;
                }
                for endpoint in &mut guest.far {
                    endpoint.events();
                }
            }
            // What was handed to the card has left it when the next turn comes.
            self.lab.now = self.lab.now + Duration::from_micros(6);
        }
        self.done()
            .iter()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect()
    }
}

fn fill(guest: &mut Guest, command: &Command) {
    while guest.process.command_room() > 0 && guest.process.post(command, &[]) {}
}

fn fragment(peer: u16) -> Command {
    let medium = Medium {
        match_info: 0,
        total: 8192,
        length: 8192,
        fragment: 0,
    };
    message(
        to(peer, 0, 0xc),
        (1, 1),
        Content::Medium(medium),
        Place::At(0),
    )
}

/// Commands that the backend has taken.
fn taken(guest: &Guest) -> u64 {
    let mut index = [0; 4];
    guest.r.slice().read(64, &mut index).unwrap();
    u32::from_le_bytes(index).into()
}

/// The index of board number `other` in the table of another one.
fn index(lab: &Lab, backend: usize, board: BoardId, other: u8) -> u16 {
    let pages = &lab.backends[backend].pages[usize::from(board.0)];
    let pages = BoardPages::new(pages.slice()).unwrap();
    let is_it = |index: &u16| pages.peer(*index).is_some_and(|it| it.mac == mac(other));
    (0..256).find(is_it).expect("they have met")
}

fn are_even(boards: u8, loaded: &[(u8, u8)]) {
    for load in [Load::Tiny, Load::Medium, Load::Large] {
        for (way, turns) in [(Way::Here, 240), (Way::Wire(1), 2400), (Way::Wire(16), 200)] {
            let done = Crowd::new(way, load, boards, loaded).run(turns);
            let index = jain(&done);
            println!("{load:?}, {way:?}, {boards} boards: {done:?}, Jain {index:.3}");
            assert!(index >= 0.95, "{load:?}, {way:?}: {done:?}, {index:.3}");
        }
    }
}

#[test]
fn thirty_endpoints_of_a_guest_get_no_more_than_one_of_another() {
    are_even(2, &[(0, 30), (1, 1)]);
}

#[test]
fn a_loaded_guest_behind_idle_boards_gets_its_full_share() {
    are_even(64, &[(0, 4), (1, 1)]);
    are_even(64, &[(0, 1), (63, 1)]);
    are_even(64, &[(3, 1), (20, 4), (21, 1)]);
}

#[test]
fn many_loaded_guests_with_different_numbers_of_endpoints_get_equal_shares() {
    let loaded: Vec<_> = (0..24).map(|n| (n, 1 + n % 5)).collect();
    are_even(24, &loaded);
}

/// What honest guests and others send to an endpoint of a third, and how many events its process takes in a turn: more than
/// the honest one causes, and fewer than all do.
struct Flood {
    of: fn(u16) -> Command,
    honest: fn(u16) -> Command,
    in_a_turn: u32,
    taken: usize,
}

/// How many messages an honest guest sends in so many turns, and how many of them arrive, while `floods` guests with eight
/// endpoints each send what they send as fast as they can.
fn honest_messages(floods: u8, flood: &Flood, turns: u32) -> (u64, u64) {
    let mut lab = Lab::new(formats()[1], 1, Faults::default(), 5);
    let ids: Vec<_> = (0..floods + 2).map(|n| lab.board(0, n)).collect();
    let mut victim = lab.open_with(Geometry::default(), 0, ids[0], 0, 0xc);
    let mut honest_one = lab.open(0, ids[1], 0, 0xb);
    let mut others = Vec::new();
    for id in &ids[2..] {
        others.extend((0..8).map(|n| lab.open(0, *id, n, 0xb)));
    }
    let (mut sent, mut got) = (0, 0);
    let back = index(&lab, 0, ids[0], 1);
    for _ in 0..turns {
        for other in &mut others {
            let peer = index(&lab, 0, other.key.board, 0);
            fill(other, &(flood.of)(peer));
        }
        let peer = index(&lab, 0, ids[1], 0);
        for _ in 0..flood.in_a_turn {
            sent += u64::from(honest_one.process.post(&(flood.honest)(peer), &[]));
        }
        lab.turn();
        lab.now = lab.now + Duration::from_micros(10);
        got += take(&mut victim, flood.taken, back);
    }
    // What still waits.
    got += take(&mut victim, usize::MAX, back);
    (sent, got)
}

/// Takes some events; how many of them are of that peer.
fn take(victim: &mut Guest, events: usize, of: u16) -> u64 {
    let mut count = 0;
    for _ in 0..events {
        let Some(event) = victim.process.next_unexpected() else {
            break;
        };
        let event = event.unwrap();
        if let Some((position, length)) = event.received() {
            victim.process.release_receive(position, length.into());
        }
        count += u64::from(event.from.peer == of);
    }
    victim.process.publish_consumed();
    count
}

fn connect(peer: u16) -> Command {
    Command {
        to: to(peer, 0, 0),
        body: CommandBody::Connect(Connect::Request(ConnectRequest {
            key: 0,
            next_expected: 0,
            connect_seqnum: 0,
        })),
    }
}

fn tiny_message(peer: u16) -> Command {
    tiny(to(peer, 0, 0xc), 1)
}

#[test]
fn a_flood_of_whatever_kind_loses_no_message_of_another_guest() {
    let case = |of, honest, in_a_turn, taken| Flood {
        of,
        honest,
        in_a_turn,
        taken,
    };
    for flood in [
        case(connect, tiny_message, 8, 20),
        case(connect, fragment, 1, 20),
        case(tiny_message, tiny_message, 8, 20),
        // These fill the receive ring before the queue.
        case(fragment, fragment, 1, 4),
        case(fragment, tiny_message, 1, 4),
    ] {
        let (sent, got) = honest_messages(1, &flood, 1000);
        println!("{got} of {sent} arrive");
        assert_eq!(got, sent, "{:?} by {:?}", (flood.honest)(0), (flood.of)(0));
    }
}

/// The process takes 20 events in a turn, of which the honest one causes five or six. Their payload would fill the receive
/// ring if it had to wait behind a queue full of what has none.
#[test]
fn payload_is_not_lost_behind_events_without_any_once_a_flood_has_come_to_its_share() {
    for of in [connect, tiny_message] {
        let flood = Flood {
            of,
            honest: fragment,
            in_a_turn: 8,
            taken: 20,
        };
        let [at_first, in_all] = [100, 1000].map(|turns| {
            let (sent, got) = honest_messages(1, &flood, turns);
            println!("{got} of {sent} arrive in {turns} turns");
            assert!(sent >= 5 * u64::from(turns));
            sent - got
        });
        assert_eq!(at_first, in_all, "by {:?}", of(0));
    }
}

#[test]
fn beside_many_floods_an_honest_guest_gets_its_share_of_a_queue() {
    let flood = Flood {
        of: connect,
        honest: tiny_message,
        in_a_turn: 8,
        taken: 20,
    };
    for floods in [4, 16] {
        let (sent, got) = honest_messages(floods, &flood, 1000);
        let share = 1000 * flood.taken as u64 / (u64::from(floods) + 1);
        println!("{floods} floods: {got} of {sent} arrive, its share is {share}");
        let least = share.min(sent) * 95 / 100;
        assert!(got >= least, "{floods} floods: {got} of {sent}");
    }
}
