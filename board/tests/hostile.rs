//! Any bytes from the wire, any packet with any content, any window: nothing panics, every turn is bounded, nothing is
//! written outside of a region.

mod world;

use mx_board::{EndpointKey, Progress};
use mx_ring::{Command, CommandBody, Destination, Farewell, PullOrder, Reach, Window};
use mx_wire::*;
use proptest::prelude::*;
use world::*;

/// Frames that one turn of a board may send at most: replies of every endpoint, requests of every pull, queries,
/// a beacon.
const TURN_FRAMES: usize = 8 + 4 * 64 + 16 + 1;

#[derive(Clone, Debug)]
enum Input {
    Bytes(Vec<u8>),
    Packet {
        stranger: bool,
        index: u16,
        packet: Packet,
    },
    Window {
        id: u8,
        window: Window,
    },
    Pull {
        length: u32,
        offset: u32,
        window: u8,
    },
    Pass {
        millis: u32,
    },
    NoRoom(bool),
    Room(Option<usize>),
    Deregister,
    Leave {
        ack: u32,
        notice: bool,
    },
    Reopen,
}

/// Small numbers, and any.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, 0..100_000_u32, any::<u32>()]
}

fn packet() -> impl Strategy<Value = Packet> {
    let numbers = (number(), number(), number(), number(), number());
    (0..8_u8, any::<[u8; 8]>(), numbers).prop_map(|(kind, b, (n0, n1, n2, n3, n4))| {
        let ends = Ends {
            destination: b[0] % 2,
            source: b[1],
        };
        let session = if b[2] > 20 { 0xa } else { n0 };
        match kind {
            0 => Packet::Message {
                ends,
                session,
                message: Message {
                    seq: n1 as u16,
                    ack: n2 as u16,
                    content: Content::Rendezvous(Rendezvous {
                        match_info: n3.into(),
                        total: n4,
                        window: b[3],
                        window_seqnum: b[4],
                        window_offset: n0 as u16,
                    }),
                },
            },
            1 => Packet::NackMcp(NackMcp {
                source: b[1],
                code: NackCode::ALL[usize::from(b[3] % 4)],
                handle: n1,
                magic: Pull::MAGIC ^ u32::from(b[4] % 3),
            }),
            2 => Packet::Connect {
                ends,
                sender_index: n1 as u16,
                session: n2,
                connect: Connect::Request(ConnectRequest {
                    key: n3,
                    next_expected: n4 as u16,
                    connect_seqnum: b[3],
                }),
            },
            3 => Packet::NackLib {
                ends,
                nack: NackLib {
                    code: NackCode::ALL[usize::from(b[3] % 3)],
                    seq: n1 as u16,
                },
            },
            4 => Packet::HostQuery(HostQuery {
                sender_index: n0 as u16,
                magic: n1,
            }),
            _ => Packet::Pull(Pull {
                ends,
                session,
                total: n1,
                window: u32::from(b[3] % 3),
                window_seqnum: b[4] % 2,
                window_offset: n1 & 0xffff,
                handle: n2,
                magic: n3,
                first_frame_offset: n3 & 0xffff,
                block_length: n4 & 0xffff,
                frame_index: n0,
            }),
        }
    })
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![Just(Reach::Whole), Just(Reach::Piece), Just(Reach::Nothing)]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Input::Bytes),
        9 => (any::<bool>(), 0..4_u16, packet())
            .prop_map(|(stranger, index, packet)| Input::Packet { stranger, index, packet }),
        3 => (0..3_u8, 0..2_u8, reach(), number(), number()).prop_map(|(id, seqnum, reach, offset, length)| {
            Input::Window { id, window: Window { region: region(1), seqnum, reach, offset, length } }
        }),
        2 => (number(), number(), 0..3_u8)
            .prop_map(|(length, offset, window)| Input::Pull { length, offset, window }),
        3 => (0..3000_u32).prop_map(|millis| Input::Pass { millis }),
        1 => any::<bool>().prop_map(Input::NoRoom),
        1 => prop::option::of(0..20_usize).prop_map(Input::Room),
        1 => Just(Input::Deregister),
        1 => (number(), any::<bool>()).prop_map(|(ack, notice)| Input::Leave { ack, notice }),
        1 => Just(Input::Reopen),
    ]
}

fn feed(world: &mut World, format: &Format, a: EndpointKey, input: Input) {
    match input {
        Input::Bytes(bytes) => {
            let mut frame = NODE_A.0.to_vec();
            frame.extend(NODE_B.0);
            frame.extend([0x86, 0xdf, 0, 1]);
            frame.extend(bytes);
            world.frame(&frame);
        }
        Input::Packet {
            stranger,
            index,
            packet,
        } => {
            let source = if stranger { MacAddress([2; 6]) } else { NODE_B };
            let mut buffer = [0; 200];
            let frame = Frame {
                destination: NODE_A,
                source,
                sender_index: Some(index),
                packet,
                payload: &[],
            };
            // MX-wire has no room for some values.
            if let Ok(length) = frame.emit(format, &mut buffer) {
                world.frame(&buffer[..length]);
            }
        }
        Input::Window { id, window } => {
            world.ports.windows.insert((a, id), window);
        }
        Input::Pull {
            length,
            offset,
            window,
        } => {
            let to = Destination {
                peer: 1,
                endpoint: 0,
                session: 0xa,
            };
            let _refused = world.command(
                a,
                Command {
                    to,
                    body: CommandBody::Pull(PullOrder {
                        region: region(1),
                        offset,
                        length,
                        window,
                        window_seqnum: 0,
                        window_offset: 0,
                        cookie: 1,
                        backend: 0,
                    }),
                },
            );
        }
        Input::Pass { millis } => {
            world.now = world.now + core::time::Duration::from_millis(millis.into());
        }
        Input::NoRoom(no_room) => world.ports.no_room = no_room,
        Input::Room(room) => world.ports.room = room,
        Input::Leave { ack, notice } => {
            let notice = notice.then_some(Pulled {
                seq: ack as u16,
                notify: Notify {
                    transferred: ack,
                    window: 0,
                    window_seqnum: 1,
                },
            });
            let farewell = Farewell {
                ack: LibAck {
                    ack: ack as u16,
                    ack_number: ack,
                },
                notice,
            };
            let to = Destination {
                peer: (ack % 3) as u16,
                endpoint: 1,
                session: ack,
            };
            world
                .command(
                    a,
                    Command {
                        to,
                        body: CommandBody::Leave(farewell),
                    },
                )
                .expect("nobody is to blame");
        }
        Input::Deregister => world.switch.deregister(a, region(1)),
        Input::Reopen => {
            world
                .switch
                .close_endpoint(world.now, a)
                .expect("it is open");
            world.open(a, 0xa);
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_nothing_breaks_and_turns_are_bounded(
        format in 0..3_usize,
        inputs in prop::collection::vec(input(), 1..150),
    ) {
        let format = formats()[format];
        let mut world = World::new(format);
        let a = world.board(NODE_A, "a:0");
        let a = key(a, 0);
        world.open(a, 0xa);
        world.ports.regions.insert((a, region(1)), vec![0; 100_000]);
        let payload = Beacon { board: NODE_B, serial: 1 }.payload();
        world.receive(&format, NODE_B, MacAddress::BROADCAST, Some(0), Packet::Raw, &payload);
        for input in inputs {
            world.ports.sent.clear();
            world.ports.copied = 0;
            feed(&mut world, &format, a, input);
            prop_assert!(world.ports.sent.len() <= 1, "a frame causes one answer at most");
            world.ports.sent.clear();
            world.work();
            prop_assert!(world.ports.sent.len() <= TURN_FRAMES);
            prop_assert!(world.ports.copied <= 64 << 10);
        }
        // With room, and without the world, everything comes to rest.
        world.ports.room = None;
        world.ports.no_room = false;
        let mut turns = 0;
        while world.work() == Progress::Busy {
            turns += 1;
            prop_assert!(turns < 3000, "the board does not come to rest");
        }
    }
}
