//! A board takes the place of one of the two native nodes of a capture: it is fed what the other node sent, its
//! process commands what the native library had sent, and every frame that comes out must be the native one.

mod world;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use mx_board::{BoardId, EndpointKey};
use mx_ring::{Command, Counter, Destination, Event};
use mx_wire::*;
use omx_captures::{Frames, format_named};
use world::*;

fn captures() -> impl Iterator<Item = (PathBuf, Format)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/captures");
    let folders: Vec<_> = fs::read_dir(root)
        .expect("the captures of mx-wire")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.into_iter().flat_map(|folder| {
        let format = format_named(folder.file_name().unwrap().to_str().unwrap()).unwrap();
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "pcap"))
            .collect();
        files.into_iter().map(move |file| (file, format))
    })
}

/// What a frame is for, once the fields that native nodes leave unset are out of the way.
fn comparable<'a>(frame: &Frame<'a>) -> Frame<'a> {
    let unset = matches!(
        frame.packet,
        Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_) | Packet::PullReply(_)
    );
    Frame {
        sender_index: if unset { None } else { frame.sender_index },
        payload: if frame.packet == Packet::Raw {
            &[]
        } else {
            frame.payload
        },
        ..*frame
    }
}

struct Replay<'a> {
    name: String,
    format: Format,
    frames: Vec<Frame<'a>>,
    own: MacAddress,
    other: MacAddress,
    world: World,
    board: BoardId,
    endpoint: Option<EndpointKey>,
    /// Native handles of own pulls, and what our board calls them.
    handles: HashMap<u32, u32>,
    at: usize,
    compared: usize,
}

impl<'a> Replay<'a> {
    fn new(name: String, format: Format, frames: Vec<Frame<'a>>, own: MacAddress) -> Self {
        let other = if own == NODE_A { NODE_B } else { NODE_A };
        let mut world = World::new(format);
        let board = world.board(own, if own == NODE_A { "nodea:0" } else { "nodeb:0" });
        let mut replay = Self {
            name,
            format,
            frames,
            own,
            other,
            world,
            board,
            endpoint: None,
            handles: HashMap::new(),
            at: 0,
            compared: 0,
        };
        replay.open_own_endpoint();
        replay
    }

    /// The endpoint and session that the native node had, as its CONNECTs tell.
    fn open_own_endpoint(&mut self) {
        let found = self
            .frames
            .iter()
            .filter(|f| f.source == self.own)
            .find_map(|f| match f.packet {
                Packet::Connect(Connect::Request(c)) => Some((c.ends.source, c.session)),
                Packet::Connect(Connect::Reply(c)) => Some((c.ends.source, c.session)),
                _ => None,
            });
        if let Some((endpoint, session)) = found {
            let key = key(self.board, endpoint);
            self.world.open(key, session);
            self.endpoint = Some(key);
        }
    }

    /// In all captures but the one of discovery the nodes have met before.
    fn meet(&mut self) {
        let beacon = Beacon {
            board: self.other,
            serial: 1,
        }
        .payload();
        let mut feed = |packet, payload: &[u8], destination| {
            self.world
                .receive(&self.format, self.other, destination, None, packet, payload);
        };
        feed(Packet::Raw, &beacon, MacAddress::BROADCAST);
        let query = HostQuery {
            sender_index: 1,
            magic: HostQuery::FIRST_MAGIC,
        };
        feed(Packet::HostQuery(query), &[], self.own);
        let reply = HostReply {
            sender_index: 1,
            magic: HostQuery::FIRST_MAGIC,
        };
        feed(Packet::HostReply(reply), b"other:0", self.own);
        self.world.settle();
        self.world.ports.sent.clear();
    }

    fn run(&mut self) {
        for at in 0..self.frames.len() {
            self.at = at;
            let frame = self.frames[at];
            if frame.source == self.own {
                self.own_frame(&frame);
            } else if frame.source == self.other {
                self.other_frame(at);
            }
        }
        self.drop_unasked();
        // The first frames of a longer capture: answers may lie beyond the cut.
        let is_cut = self.name.contains(".first-");
        assert!(
            is_cut || self.world.ports.sent.is_empty(),
            "{}: {} frames too many came out",
            self.name,
            self.world.ports.sent.len()
        );
    }

    fn other_frame(&mut self, at: usize) {
        self.close_if_native_did(at);
        let mut frame = self.frames[at];
        match &mut frame.packet {
            Packet::PullReply(r) => r.handle = self.handles[&r.handle],
            Packet::NackMcp(n) => n.handle = self.handles[&n.handle],
            _ => {}
        }
        let mut buffer = [0; 9100];
        let length = frame.emit(&self.format, &mut buffer).unwrap();
        self.world.frame(&buffer[..length]);
        self.world.settle();
        self.check_event(&frame);
    }

    /// A native endpoint closes without a frame: the nacks "closed" tell, as many as refused frames precede them.
    fn close_if_native_did(&mut self, at: usize) {
        let own = |frame: &&Frame<'_>| frame.source == self.own;
        let later = &self.frames[at..];
        let refused = later.iter().take_while(|frame| !own(frame)).count();
        let nacks = later[refused..]
            .iter()
            .take_while(own)
            .filter(|frame| {
                matches!(
                    frame.packet,
                    Packet::NackLib(NackLib { code: 2, .. })
                        | Packet::NackMcp(NackMcp { code: 2, .. })
                )
            })
            .count();
        if refused <= nacks
            && let Some(endpoint) = self.endpoint.take()
        {
            self.world.switch.close_endpoint(endpoint).unwrap();
        }
    }

    /// The process gets what the frame carried.
    fn check_event(&mut self, frame: &Frame<'_>) {
        let Some(endpoint) = self.endpoint else {
            return;
        };
        let events = self.world.ports.take(endpoint);
        let same = match (frame.packet, &events[..]) {
            (
                Packet::Tiny(m),
                [
                    (
                        Event::Tiny {
                            length,
                            data,
                            seq,
                            match_info,
                            ..
                        },
                        _,
                    ),
                ],
            ) => {
                (m.seq, m.match_info) == (*seq, *match_info)
                    && data[..usize::from(*length)] == *frame.payload
            }
            (Packet::Small(m), [(Event::Small { seq, .. }, bytes)]) => {
                m.seq == *seq && bytes == frame.payload
            }
            (
                Packet::Medium(m),
                [
                    (
                        Event::Medium {
                            seq,
                            fragment,
                            total,
                            ..
                        },
                        bytes,
                    ),
                ],
            ) => {
                (m.seq, m.fragment, m.total) == (*seq, *fragment, *total) && bytes == frame.payload
            }
            (
                Packet::Rendezvous(r),
                [
                    (
                        Event::Rendezvous {
                            seq, window, total, ..
                        },
                        _,
                    ),
                ],
            ) => (r.seq, r.window, r.total) == (*seq, *window, *total),
            (Packet::Notify(n), [(Event::Notify { seq, window, .. }, _)]) => {
                (n.seq, n.window) == (*seq, *window)
            }
            (
                Packet::LibAck(a),
                [
                    (
                        Event::Ack {
                            ack, ack_number, ..
                        },
                        _,
                    ),
                ],
            ) => (a.ack, a.ack_number) == (*ack, *ack_number),
            (Packet::NackLib(n), [(Event::Nack { seq, code, .. }, _)]) => {
                (n.seq, n.code) == (*seq, *code)
            }
            (
                Packet::Connect(_),
                [(Event::ConnectRequest { .. } | Event::ConnectReply { .. }, _)],
            ) => true,
            (Packet::NackMcp(n), [(Event::PullDone { status, .. }, _)]) => n.code == *status,
            // The pull's other blocks are refused as well, when it has ended already.
            (Packet::NackMcp(_), []) => {
                self.world
                    .count(self.board, Counter::DropNackMcpBadWireHandle)
                    > 0
            }
            (Packet::PullReply(_), [] | [(Event::PullDone { status: 0, .. }, _)]) => true,
            (Packet::Pull(_) | Packet::HostQuery(_) | Packet::HostReply(_) | Packet::Raw, []) => {
                true
            }
            // A wrong session: natives send ffffffff until both sides have connected.
            (
                Packet::LibAck(LibAck { session, .. }) | Packet::Notify(Notify { session, .. }),
                [],
            ) => session == u32::MAX,
            _ => false,
        };
        assert!(
            same,
            "{} frame {}: {:?} became {events:?}",
            self.name, self.at, frame.packet
        );
    }

    fn own_frame(&mut self, native: &Frame<'_>) {
        let is_known_pull = match native.packet {
            Packet::Pull(pull) => self.handles.contains_key(&pull.handle),
            _ => false,
        };
        if is_known_pull {
            self.drop_unasked();
            // Another block of the same pull, or the timer's work.
            if self.world.ports.sent.is_empty() {
                self.world.now = self.world.now + core::time::Duration::from_millis(1024);
                self.world.settle();
            }
        } else if let Some(command) = self.command(native) {
            let endpoint = self.endpoint.expect("an endpoint that commands");
            self.world.command(endpoint, command).unwrap();
            self.world.settle();
        }
        if !matches!(native.packet, Packet::PullReply(_)) {
            self.drop_unasked();
        }
        let sent = self.world.ports.sent.pop_front().unwrap_or_else(|| {
            panic!(
                "{} frame {}: nothing came out for {:?}",
                self.name, self.at, native.packet
            )
        });
        let mut ours = Frame::parse(&self.format, &sent).unwrap();
        if let (Packet::Pull(ours), Packet::Pull(native)) = (&mut ours.packet, &native.packet) {
            self.handles.insert(native.handle, ours.handle);
            ours.handle = native.handle;
        }
        assert_eq!(
            ours.packet, native.packet,
            "{} frame {}",
            self.name, self.at
        );
        assert!(
            comparable(&ours) == comparable(native),
            "{} frame {}: addresses or payload of {:?} differ",
            self.name,
            self.at,
            native.packet
        );
        self.compared += 1;
    }

    /// In some captures the native driver was told to drop its replies before sending them; and no daemon beaconed.
    fn drop_unasked(&mut self) {
        let format = self.format;
        self.world.ports.sent.retain(|bytes| {
            !matches!(
                Frame::parse(&format, bytes).unwrap().packet,
                Packet::PullReply(_) | Packet::Raw
            )
        });
    }

    /// What the native library told its driver to make the frame come out; nothing for the driver's own frames.
    fn command(&mut self, native: &Frame<'_>) -> Option<Command> {
        let to = |ends: Ends, session| Destination {
            peer: 1,
            endpoint: ends.destination,
            session,
        };
        let endpoint = self.endpoint?;
        Some(match native.packet {
            Packet::Tiny(m) => {
                let mut data = [0; 32];
                data[..native.payload.len()].copy_from_slice(native.payload);
                Command::Tiny {
                    to: to(m.ends, m.session),
                    seq: m.seq,
                    ack: m.ack,
                    match_info: m.match_info,
                    length: m.length as u8,
                    data,
                }
            }
            Packet::Small(m) => {
                let slot = self.world.ports.command_data.get_mut(&endpoint)?;
                slot[..native.payload.len()].copy_from_slice(native.payload);
                Command::Small {
                    to: to(m.ends, m.session),
                    seq: m.seq,
                    ack: m.ack,
                    match_info: m.match_info,
                    length: m.length as u8,
                }
            }
            Packet::Medium(m) => {
                let area = self.world.ports.transmit.get_mut(&endpoint)?;
                area[64..64 + native.payload.len()].copy_from_slice(native.payload);
                Command::Medium {
                    to: to(m.ends, m.session),
                    seq: m.seq,
                    ack: m.ack,
                    match_info: m.match_info,
                    total: m.total,
                    fragment: m.fragment,
                    length: m.length,
                    offset: 64,
                }
            }
            Packet::Rendezvous(r) => {
                let m = r.match_info as u8;
                let bytes = pattern(r.total as usize).iter().map(|b| b ^ m).collect();
                self.world
                    .expose(endpoint, r.window.into(), r.window, bytes);
                if let Some(window) = self.world.ports.windows.get_mut(&(endpoint, r.window)) {
                    window.seqnum = r.window_seqnum;
                }
                Command::Rendezvous {
                    to: to(r.ends, r.session),
                    seq: r.seq,
                    ack: r.ack,
                    match_info: r.match_info,
                    total: r.total,
                    window: r.window,
                    window_seqnum: r.window_seqnum,
                }
            }
            Packet::Notify(n) => Command::Notify {
                to: to(n.ends, n.session),
                seq: n.seq,
                ack: n.ack,
                transferred: n.transferred,
                window: n.window,
                window_seqnum: n.window_seqnum,
            },
            Packet::LibAck(a) => Command::Ack {
                to: to(a.ends, a.session),
                ack: a.ack,
                ack_number: a.ack_number,
            },
            Packet::Connect(Connect::Request(c)) => Command::ConnectRequest {
                peer: 1,
                endpoint: c.ends.destination,
                key: c.key,
                next_expected: c.next_expected,
                connect_seqnum: c.connect_seqnum,
            },
            Packet::Connect(Connect::Reply(c)) => Command::ConnectReply {
                peer: 1,
                endpoint: c.ends.destination,
                requester_session: c.requester_session,
                next_expected: c.next_expected,
                connect_seqnum: c.connect_seqnum,
                status: c.status,
            },
            Packet::Pull(p) => {
                let slot = 1000 + self.at as u16;
                let target = vec![0; p.total as usize];
                self.world
                    .ports
                    .regions
                    .insert((endpoint, region(slot)), target);
                Command::Pull {
                    to: to(p.ends, p.session),
                    region: region(slot),
                    offset: 0,
                    length: p.total,
                    window: p.window as u8,
                    window_seqnum: p.window_seqnum,
                    window_offset: p.window_offset as u16,
                    cookie: p.handle,
                }
            }
            _ => return None,
        })
    }
}

#[test]
fn a_board_says_what_a_native_node_said_in_every_capture() {
    let mut compared = 0;
    for (path, format) in captures() {
        let bytes = fs::read(&path).unwrap();
        let name = path.display().to_string();
        let raw: Vec<_> = Frames::new(&bytes).unwrap().map(Result::unwrap).collect();
        let frames: Vec<_> = raw
            .iter()
            .map(|frame| Frame::parse(&format, frame).unwrap())
            .collect();
        for own in [NODE_A, NODE_B] {
            let mut replay = Replay::new(format!("{name} as {own}"), format, frames.clone(), own);
            if name.contains("01-discovery") {
                discovery(&mut replay);
            } else {
                replay.meet();
                replay.run();
            }
            compared += replay.compared;
        }
    }
    assert!(compared > 300, "only {compared} frames were compared");
}

/// Beacons come when the board's own clock says so, and a query follows the first of the other: what counts is that
/// the same frames come out, in number and content.
fn discovery(replay: &mut Replay<'_>) {
    let native: Vec<_> = replay
        .frames
        .iter()
        .filter(|f| f.source == replay.own)
        .map(comparable)
        .collect();
    for at in 0..replay.frames.len() {
        if replay.frames[at].source == replay.other {
            replay.other_frame(at);
        }
    }
    let sent: Vec<Vec<u8>> = replay.world.ports.sent.drain(..).collect();
    let ours: Vec<_> = sent
        .iter()
        .map(|bytes| comparable(&Frame::parse(&replay.format, bytes).unwrap()))
        .collect();
    for packet in native.iter().filter(|f| f.packet != Packet::Raw) {
        assert!(
            ours.contains(packet),
            "{}: {packet:?} is missing in {ours:?}",
            replay.name
        );
        replay.compared += 1;
    }
    assert!(
        ours.iter()
            .any(|f| f.packet == Packet::Raw && f.destination == MacAddress::BROADCAST)
    );
}
