//! Neighbours: endpoints of the same board whose processes belong to the same user. Messages for them go through memory that
//! both share ([`mx_ring::inbox`]), and not by the backend.
//!
//! Nothing of the protocol changes: what passes is what the backend would have passed on, numbered, acknowledged and sent
//! again like that. Whatever does not fit, a neighbour that sleeps, one that cannot be found, has no lane free or takes
//! nothing for a while, goes by the backend. So do connects, pulls of large messages, and last words.
//!
//! A neighbour is found by the process that its board says has opened the endpoint, in which a memfd is looked for that is
//! named after board, endpoint and session. Who may open it is for the kernel to say (ptrace(2), `PTRACE_MODE_READ`): a
//! process of the same user, unless it is protected from him, or of the administrator. Both must have the same process ids.
//!
//! | file | what |
//! |---|---|
//! | `mod` | lanes to neighbours |
//! | `own` | the endpoint's own inbox |
//! | `search` | where another's inbox is |

mod own;
mod search;

use std::sync::Arc;
use std::time::Duration;

use mx_ring::inbox::{Lane, SIZE, Sender, spans};
use mx_ring::mapping::{self, Mapping};
use mx_ring::{Command, CommandBody, Event, EventBody, Origin, Place, VolatileSlice};
use mx_wire::MacAddress;

use crate::backend::Channel;
use crate::board::opener;
use crate::clock;
pub use own::OwnInbox;

/// How long a neighbour may take nothing before what is for it also goes by the backend, which knows whether it is there.
const PATIENCE: Duration = Duration::from_millis(20);

/// The endpoint, as its neighbours know it.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Number of the board.
    pub board: u32,
    /// Its address.
    pub mac: MacAddress,
    /// Index of the own board in its table of peers.
    pub peer: u16,
    /// Endpoint and session.
    pub sender: Sender,
}

/// Lanes to the neighbours that something was sent to.
pub struct Neighbours {
    own: Own,
    channel: Arc<dyn Channel>,
    /// By their endpoints.
    found: Vec<Option<Neighbour>>,
}

struct Neighbour {
    session: u32,
    /// Nothing where it cannot be reached so.
    lane: Option<Reached>,
}

struct Reached {
    lane: Lane,
    /// When something was put last while it had taken all that was put before.
    waits_since: Duration,
    // The lane points into it.
    _inbox: Mapping,
}

impl Neighbours {
    /// None is known yet.
    pub fn new(own: Own, channel: Arc<dyn Channel>) -> Self {
        Self {
            own,
            channel,
            found: Vec::new(),
        }
    }

    /// Index of the own board in its table of peers.
    pub fn peer(&self) -> u16 {
        self.own.peer
    }

    /// Gives a command to the neighbour that it is for, if it is one that takes it: else it has to be posted.
    #[inline]
    pub fn put(
        &mut self,
        command: &Command,
        data: &[u8],
        transmit: impl FnOnce(u32, usize) -> Option<VolatileSlice>,
    ) -> bool {
        let to = &command.to;
        let from = Origin {
            peer: self.own.peer,
            endpoint: self.own.sender.endpoint,
            local: true,
        };
        if to.peer != self.own.peer || to.endpoint == self.own.sender.endpoint {
            return false;
        }
        let Some(reached) = self.reached(to.endpoint, to.session) else {
            return false;
        };
        if !reached.may_put() {
            return false;
        }
        match &command.body {
            CommandBody::Ack(ack) => {
                let event = Event {
                    from,
                    body: EventBody::Ack(*ack),
                };
                reached.lane.put(0, |_| {}, |_| event)
            }
            CommandBody::Message(message, place) => {
                let event = |place| Event {
                    from,
                    body: EventBody::Message(*message, place),
                };
                let length = message.content.length();
                match place {
                    Place::At(offset) => {
                        let Some(bytes) = transmit(*offset, length.into()) else {
                            return false;
                        };
                        // The lane's place is as long as the message.
                        let fill = |place: &VolatileSlice| {
                            let _ = place.write_slice(0, &bytes);
                        };
                        reached.lane.put(length, fill, |at| event(Place::At(at)))
                    }
                    Place::Apart if !data.is_empty() => {
                        let fill = |place: &VolatileSlice| {
                            let _ = place.write(0, data);
                        };
                        reached.lane.put(length, fill, |at| event(Place::At(at)))
                    }
                    place => reached.lane.put(0, |_| {}, |_| event(*place)),
                }
            }
            _ => false,
        }
    }

    /// The lane to a neighbour, which is looked for once.
    fn reached(&mut self, endpoint: u8, session: u32) -> Option<&mut Reached> {
        let at = usize::from(endpoint);
        if self.found.len() <= at {
            self.found.resize_with(at + 1, || None);
        }
        let found = &mut self.found[at];
        if found.as_ref().is_none_or(|it| it.session != session) {
            let lane = reach(&self.own, &*self.channel, Sender { endpoint, session });
            tracing::debug!(
                "endpoint {endpoint} of this board, session {session:08x}, is reached by {}",
                if lane.is_some() {
                    "shared memory"
                } else {
                    "the board"
                }
            );
            *found = Some(Neighbour { session, lane });
        }
        found.as_mut()?.lane.as_mut()
    }
}

impl Reached {
    /// Whether it takes what is put: not if it has closed, or has left something for long.
    #[inline]
    fn may_put(&mut self) -> bool {
        if self.lane.is_closed() {
            return false;
        }
        if self.lane.is_drained() {
            self.waits_since = Duration::ZERO;
            return true;
        }
        let now = clock::now();
        if self.waits_since.is_zero() {
            self.waits_since = now;
        }
        now.saturating_sub(self.waits_since) < PATIENCE
    }
}

/// Finds a neighbour's inbox, and claims a lane of it.
fn reach(own: &Own, channel: &dyn Channel, neighbour: Sender) -> Option<Reached> {
    let opener = opener(channel, own.board, neighbour.endpoint.into()).ok()??;
    let inbox = search::open(opener.pid, &own::name(own.mac, neighbour))?;
    let mapping = Mapping::of_sparse(&inbox, SIZE).ok()?;
    mapping.keep_from_children().ok()?;
    let provide = |lane| {
        let provided = spans(lane).map(|(at, length)| mapping::provide(&inbox, at, length));
        provided.iter().all(Result::is_ok)
    };
    let pid = std::process::id();
    let lane = Lane::claim(mapping.slice(), own.sender, pid, provide).ok()??;
    Some(Reached {
        lane,
        waits_since: Duration::ZERO,
        _inbox: mapping,
    })
}
