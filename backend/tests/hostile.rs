//! Whatever processes write and the wire brings, in any order of opening, registering and closing: nothing panics,
//! every turn ends, and at the end everything is given back.

mod guest;

use core::time::Duration;

use guest::*;
use mx_backend::{BoardId, Completion, EndpointError};
use mx_ring::{
    Command, CommandBody, Destination, EndpointLayout, Farewell, Place, PullOrder, Reach,
    RegionKey, Window,
};
use mx_testnet::Faults;
use mx_wire::{
    Connect, ConnectRequest, Content, Eager, LibAck, Medium, Notify, Pulled, Rendezvous,
};
use proptest::prelude::*;

/// What a hostile guest, or an unlucky one, does next.
#[derive(Clone, Debug)]
enum Deed {
    /// Writes anything anywhere into its W area; entries get a lap that makes them count, now and then.
    Scribble {
        guest: u8,
        at: u32,
        bytes: Vec<u8>,
    },
    /// Posts a well-formed command with any content.
    Post {
        guest: u8,
        command: Command,
    },
    /// Binds any window.
    Bind {
        guest: u8,
        id: u8,
        window: Window,
    },
    Register {
        guest: u8,
        slot: u8,
        length: u16,
    },
    Deregister {
        guest: u8,
        slot: u8,
    },
    Close {
        guest: u8,
    },
    Open {
        guest: u8,
    },
    /// A frame with any bytes behind an honest start.
    Frame {
        kind: u8,
        rest: Vec<u8>,
    },
    Kick {
        guest: u8,
    },
    /// Time passes.
    Pass {
        micros: u32,
    },
    LinkDown,
    LinkUp,
}

fn window() -> impl Strategy<Value = Window> {
    (0..3_u16, 6..9_u16, any::<u8>(), any::<u32>(), any::<u32>()).prop_map(
        |(slot, generation, seqnum, offset, length)| Window {
            region: RegionKey { slot, generation },
            seqnum: seqnum % 3,
            reach: [Reach::Whole, Reach::Piece, Reach::Nothing][usize::from(seqnum / 3 % 3)],
            offset: offset >> (offset % 33).min(31),
            length: length >> (length % 33).min(31),
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let some_length = prop_oneof![0..200_000_u32, any::<u32>()];
    (
        any::<[u8; 12]>(),
        any::<u32>(),
        some_length,
        any::<[u8; 32]>(),
    )
        .prop_map(|(b, word, length, data)| {
            let to = to(
                u16::from(b[0] % 5),
                b[1] % 3,
                [0xa, 0xb, 0, word][usize::from(b[2] % 4)],
            );
            let (seq, ack, match_info) = (u16::from(b[3]), 1, u64::from(word));
            match b[4] % 11 {
                0 => message(
                    to,
                    (seq, ack),
                    Content::Tiny(Eager {
                        match_info,
                        length: (b[5] % 40).into(),
                    }),
                    Place::Inline(data),
                ),
                1 => message(
                    to,
                    (seq, ack),
                    Content::Small(Eager {
                        match_info,
                        length: (b[5]).into(),
                    }),
                    Place::Apart,
                ),
                2 => message(
                    to,
                    (seq, ack),
                    Content::Medium(Medium {
                        match_info,
                        total: length % 20_000,
                        length: [8192, (length % 20_000 % 8192) as u16, word as u16]
                            [usize::from(b[6] % 3)],
                        fragment: b[5] % 3,
                    }),
                    Place::At(word % (66 << 10)),
                ),
                3 => message(
                    to,
                    (seq, ack),
                    Content::Rendezvous(Rendezvous {
                        match_info,
                        total: length,
                        window: b[5],
                        window_seqnum: b[6] % 3,
                        window_offset: 0,
                    }),
                    Place::Apart,
                ),
                4 => message(
                    to,
                    (seq, ack),
                    Content::Notify(Notify {
                        transferred: length,
                        window: b[5],
                        window_seqnum: b[6],
                    }),
                    Place::Apart,
                ),
                5 => Command {
                    to: Destination {
                        peer: to.peer,
                        endpoint: to.endpoint,
                        session: 0,
                    },
                    body: CommandBody::Connect(Connect::Request(ConnectRequest {
                        key: word,
                        next_expected: 1,
                        connect_seqnum: b[5],
                    })),
                },
                6 => Command {
                    to,
                    body: CommandBody::Ack(LibAck {
                        ack,
                        ack_number: word,
                    }),
                },
                7 => Command::to_board(CommandBody::AbortPull {
                    cookie: u32::from(b[5] % 4),
                }),
                8 => Command {
                    to,
                    body: CommandBody::Leave(Farewell {
                        ack: LibAck {
                            ack: word as u16,
                            ack_number: word,
                        },
                        notice: (b[5] % 2 == 0).then_some(Pulled {
                            seq,
                            notify: Notify {
                                transferred: length,
                                window: b[6],
                                window_seqnum: b[7],
                            },
                        }),
                    }),
                },
                _ => Command {
                    to,
                    body: CommandBody::Pull(PullOrder {
                        region: RegionKey {
                            slot: u16::from(b[5] % 3),
                            generation: 7,
                        },
                        offset: word >> (b[7] % 32),
                        length,
                        window: b[8] % 3,
                        window_seqnum: b[9] % 3,
                        window_offset: u32::from(b[10]) << 12,
                        cookie: u32::from(b[11] % 4),
                        backend: GENERATION,
                    }),
                },
            }
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    let guest = 0..4_u8;
    prop_oneof![
        2 => (guest.clone(), any::<u32>(), prop::collection::vec(any::<u8>(), 1..64))
            .prop_map(|(guest, at, bytes)| Deed::Scribble { guest, at, bytes }),
        12 => (guest.clone(), command()).prop_map(|(guest, command)| Deed::Post { guest, command }),
        4 => (guest.clone(), 0..3_u8, window())
            .prop_map(|(guest, id, window)| Deed::Bind { guest, id, window }),
        4 => (guest.clone(), 0..3_u8, 1..60_000_u16)
            .prop_map(|(guest, slot, length)| Deed::Register { guest, slot, length }),
        2 => (guest.clone(), 0..3_u8).prop_map(|(guest, slot)| Deed::Deregister { guest, slot }),
        1 => guest.clone().prop_map(|guest| Deed::Close { guest }),
        3 => guest.clone().prop_map(|guest| Deed::Open { guest }),
        4 => (0..50_u8, prop::collection::vec(any::<u8>(), 0..120))
            .prop_map(|(kind, rest)| Deed::Frame { kind, rest }),
        4 => guest.prop_map(|guest| Deed::Kick { guest }),
        6 => (0..2_000_000_u32).prop_map(|micros| Deed::Pass { micros }),
        1 => Just(Deed::LinkDown),
        1 => Just(Deed::LinkUp),
    ]
}

/// Four guests: two in each backend.
struct Stage {
    lab: Lab,
    boards: [BoardId; 4],
    guests: [Option<Guest>; 4],
    /// Their memory stays, as a kernel would keep it until the endpoint is closed.
    graves: Vec<Guest>,
    closed: usize,
    opened: usize,
}

impl Stage {
    fn new(format: mx_wire::Format) -> Self {
        let faults = Faults {
            loss: 5,
            duplication: 5,
            reordering: 5,
            corruption: 5,
            truncation: 5,
        };
        let mut lab = Lab::new(format, 2, faults, 5);
        let boards = [
            lab.board(0, 1),
            lab.board(0, 2),
            lab.board(1, 3),
            lab.board(1, 4),
        ];
        lab.network.ring_size = 32;
        lab.meet(4);
        Self {
            lab,
            boards,
            guests: [None, None, None, None],
            graves: Vec::new(),
            closed: 0,
            opened: 0,
        }
    }

    /// A few turns; bounded whatever the processes do.
    fn turns(&mut self) {
        for _ in 0..3 {
            self.lab.turn();
            self.reap();
            self.lab.now = self.lab.now + Duration::from_micros(7);
        }
    }

    fn reap(&mut self) {
        for (backend, state) in self.lab.backends.iter_mut().enumerate() {
            for completion in state.completions.drain(..) {
                if let Completion::EndpointClosed(key) = completion {
                    self.closed += 1;
                    let place = 2 * backend + usize::from(key.board != self.boards[2 * backend]);
                    self.graves.extend(self.guests[place].take());
                }
            }
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Scribble { guest, at, bytes } => {
                let Some(guest) = &self.guests[usize::from(guest)] else {
                    return;
                };
                let slice = guest.w.slice();
                // Mostly into the indices, windows and commands.
                let limit = if at % 4 == 0 { slice.len() } else { 3 * 4096 };
                let at = at as usize % (limit - bytes.len());
                slice.write(at, &bytes).unwrap();
                if at.is_multiple_of(2) {
                    let lap = EndpointLayout::COMMANDS + (at % 64) * 64 + 60;
                    slice.write(lap, &1_u32.to_le_bytes()).unwrap();
                }
            }
            Deed::Post { guest, command } => {
                if let Some(guest) = &mut self.guests[usize::from(guest)] {
                    guest.process.post(&command, &[7; 128]);
                }
            }
            Deed::Bind { guest, id, window } => {
                if let Some(guest) = &self.guests[usize::from(guest)] {
                    guest.process.bind_window(id, &window);
                }
            }
            Deed::Register {
                guest: place,
                slot,
                length,
            } => {
                let place = usize::from(place);
                let Some(mut guest) = self.guests[place].take() else {
                    return;
                };
                let memory = mx_ring::mapping::Memfd::create("region", length.into()).unwrap();
                let _refused = self.lab.backends[place / 2].backend.register_region(
                    guest.key,
                    region(slot.into()),
                    slot != 2,
                    vec![memory.slice()],
                );
                guest.memory.push((region(slot.into()), memory));
                self.guests[place] = Some(guest);
            }
            Deed::Deregister { guest: place, slot } => {
                let place = usize::from(place);
                if let Some(guest) = &self.guests[place] {
                    let backend = &mut self.lab.backends[place / 2].backend;
                    let _refused = backend.deregister_region(guest.key, region(slot.into()));
                }
            }
            Deed::Close { guest: place } => {
                let place = usize::from(place);
                if let Some(guest) = &self.guests[place] {
                    let _refused = self.lab.backends[place / 2]
                        .backend
                        .close_endpoint(guest.key);
                }
            }
            Deed::Open { guest: place } => {
                let place = usize::from(place);
                if self.guests[place].is_none() {
                    let session = if place % 2 == 0 { 0xa } else { 0xb };
                    self.guests[place] =
                        Some(self.lab.open(place / 2, self.boards[place], 0, session));
                    self.opened += 1;
                }
            }
            Deed::Frame { kind, rest } => {
                let mut frame = mac(1 + kind % 4).0.to_vec();
                frame.extend(mac(3 + kind % 3).0);
                frame.extend([0x86, 0xdf, 0, kind % 5, kind]);
                frame.extend(rest);
                let mut sink = self.lab.network.sink(0);
                self.lab.backends[0]
                    .backend
                    .frame(self.lab.now, &frame, &mut sink);
            }
            Deed::Kick { guest: place } => {
                let place = usize::from(place);
                if let Some(guest) = &self.guests[place] {
                    let backend = &mut self.lab.backends[place / 2].backend;
                    backend.kicked(self.lab.now, guest.key);
                }
            }
            Deed::Pass { micros } => {
                self.lab.now = self.lab.now + Duration::from_micros(micros.into())
            }
            Deed::LinkDown => self.lab.network.link_up = false,
            Deed::LinkUp => self.lab.network.link_up = true,
        }
    }

    /// Everything closes, and every frame in flight is given up.
    fn end(mut self) {
        for place in 0..4 {
            if let Some(guest) = &self.guests[place] {
                let backend = &mut self.lab.backends[place / 2].backend;
                match backend.close_endpoint(guest.key) {
                    Ok(()) | Err(EndpointError::Busy) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
        for port in 0..2 {
            self.lab.network.reset_ring(port);
        }
        self.turns();
        assert_eq!(self.closed, self.opened, "every endpoint closes once");
        assert!(self.guests.iter().all(Option::is_none));
        for (backend, board) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
            self.lab.backends[backend]
                .backend
                .remove_board(self.boards[board]);
        }
        self.lab.turn();
        for backend in &self.lab.backends {
            assert!(matches!(
                backend.completions[..],
                [Completion::BoardRemoved(_), Completion::BoardRemoved(_)]
            ));
            assert!(
                !backend
                    .backend
                    .overdue(self.lab.now + Duration::from_secs(1))
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_guests_or_the_wire_do_breaks_a_backend(
        format in 0..3_usize,
        deeds in prop::collection::vec(deed(), 1..200),
    ) {
        let mut stage = Stage::new(formats()[format]);
        for guest in 0..4 {
            stage.act(Deed::Open { guest });
        }
        for deed in deeds {
            stage.act(deed);
            stage.turns();
        }
        stage.end();
    }
}
