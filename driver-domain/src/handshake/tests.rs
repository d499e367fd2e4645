//! Both ends, `xl-omx` and xenstore between them, in any order.

use proptest::prelude::*;

use super::*;

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// `xl-omx attach` writes both directories.
    Attach,
    /// `xl-omx detach` asks for the end. It may have been killed before, or have run into its timeout.
    Detach,
    /// It removes both directories: what was asked for has come, or it is forced to.
    Remove { force: bool },
    /// The module is loaded, or its device bound anew.
    Bind,
    /// Its device is unbound.
    Unbind,
    /// The guest's kernel finds that the backend broke the protocol.
    Fault,
    /// The guest writes a state that is none.
    Nonsense,
    /// The guest's kernel looks at our state.
    GuestLooks,
    /// This end looks, and finds what was published good or not.
    Look { good: bool },
    /// All memory is given back.
    GivenBack,
}

/// Both directories, as far as they matter.
#[derive(Clone, Copy, Debug)]
struct Directories {
    theirs: XenbusState,
    ours: XenbusState,
    online: bool,
}

/// A device.
#[derive(Debug, Default)]
struct World {
    store: Option<Directories>,
    /// The guest's kernel has a device that its module drives; its state, as the kernel knows it.
    bound: Option<XenbusState>,
    known: Option<Known>,
}

impl World {
    fn go(&mut self, event: Event) {
        match event {
            Event::Attach if self.store.is_none() => {
                self.store = Some(Directories {
                    theirs: XenbusState::Initialising,
                    ours: XenbusState::Initialising,
                    online: true,
                });
            }
            Event::Detach => {
                if let Some(store) = &mut self.store {
                    store.online = false;
                    store.ours = XenbusState::Closing;
                }
            }
            Event::Remove { force } => {
                let closed = self
                    .store
                    .is_some_and(|store| store.ours == XenbusState::Closed);
                if closed || force {
                    self.store = None;
                    // The kernel's watch; ours sees it at the next look.
                    self.bound = None;
                }
            }
            Event::Bind if self.bound.is_none() => self.says(XenbusState::Initialised),
            Event::Unbind if self.bound.is_some() => {
                self.says(XenbusState::Closed);
                self.bound = None;
            }
            Event::Fault if self.bound == Some(XenbusState::Connected) => {
                self.says(XenbusState::Closing)
            }
            Event::Nonsense => {
                if let Some(store) = &mut self.store {
                    store.theirs = XenbusState::Unknown;
                }
                // Whoever has written it has no device that works.
                self.bound = None;
            }
            Event::GuestLooks => self.guest_looks(),
            Event::Look { good } => self.look(good),
            Event::GivenBack => self.given_back(),
            Event::Attach | Event::Bind | Event::Unbind | Event::Fault => {}
        }
    }

    /// The guest's kernel writes its state, unless its directory is gone.
    fn says(&mut self, state: XenbusState) {
        if let Some(store) = &mut self.store {
            store.theirs = state;
            self.bound = Some(state);
        }
    }

    /// As `omx_backend_changed` in the module's `xenbus.c`.
    fn guest_looks(&mut self) {
        let (Some(state), Some(store)) = (self.bound, self.store) else {
            return;
        };
        match store.ours {
            XenbusState::Connected if state == XenbusState::Initialised => {
                self.says(XenbusState::Connected)
            }
            XenbusState::Closing | XenbusState::Closed | XenbusState::Unknown
                if state != XenbusState::Closed =>
            {
                self.says(XenbusState::Closed);
            }
            _ => {}
        }
    }

    fn look(&mut self, good: bool) {
        let Some(store) = &mut self.store else {
            // As when the frontend's state is gone.
            let gone = States {
                theirs: XenbusState::Unknown,
                there: false,
                ours: XenbusState::Unknown,
                online: true,
            };
            self.step(gone, good);
            return;
        };
        if self.known.is_none() {
            self.known = Some(Known {
                stage: Stage::Waiting,
                seen: false,
                refused: false,
            });
            if store.ours != XenbusState::Closing {
                store.ours = XenbusState::InitWait;
            }
        }
        let store = *store;
        let seen = States {
            theirs: store.theirs,
            there: true,
            ours: store.ours,
            online: store.online,
        };
        self.step(seen, good);
    }

    fn step(&mut self, states: States, good: bool) {
        let Some(known) = &mut self.known else {
            return;
        };
        known.seen |= states.there;
        known.refused &= states.theirs == XenbusState::Initialised;
        let mut say = None;
        match step(*known, states) {
            Step::Nothing => {}
            Step::Forget => {
                self.known = None;
                // Our directory goes, and with it all that makes the device one.
                self.store = None;
            }
            Step::Say(state) => say = Some(state),
            Step::Connect if good => {
                known.stage = Stage::Connected { confirmed: false };
                say = Some(XenbusState::Connected);
            }
            Step::Connect => {
                known.refused = true;
                say = Some(XenbusState::Closed);
            }
            Step::Confirmed => known.stage = Stage::Connected { confirmed: true },
            Step::Leave(_) => {
                known.stage = Stage::Leaving;
                say = Some(XenbusState::Closing);
            }
        }
        self.say(say);
    }

    fn say(&mut self, state: Option<XenbusState>) {
        if let (Some(store), Some(state)) = (&mut self.store, state) {
            store.ours = state;
        }
    }

    fn given_back(&mut self) {
        if let Some(known) = &mut self.known
            && known.stage == Stage::Leaving
        {
            known.stage = Stage::Waiting;
            self.say(Some(XenbusState::Closed));
        }
    }

    /// Everybody does what is to be done.
    fn settle(&mut self) {
        for _ in 0..8 {
            self.look(true);
            self.given_back();
            self.guest_looks();
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Attach),
        Just(Event::Detach),
        any::<bool>().prop_map(|force| Event::Remove { force }),
        Just(Event::Bind),
        Just(Event::Unbind),
        Just(Event::Fault),
        Just(Event::Nonsense),
        Just(Event::GuestLooks),
        prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(|good| Event::Look { good }),
        Just(Event::GivenBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    /// Whoever detaches is answered, also the second time: else the device stays, and keeps the guest's module loaded.
    #[test]
    fn a_device_that_is_to_be_detached_ends_closed_at_both_ends(
        events in proptest::collection::vec(event(), 0..24),
    ) {
        let mut world = World::default();
        world.go(Event::Attach);
        for event in events {
            world.go(event);
        }
        world.go(Event::Detach);
        world.settle();
        if let Some(store) = world.store {
            prop_assert_eq!(store.ours, XenbusState::Closed);
            prop_assert!(world.bound.is_none_or(|state| state == XenbusState::Closed), "{:?}", world);
        }
    }

    /// However it was misused before: nobody has to attach it anew.
    #[test]
    fn a_device_that_is_attached_is_served_once_its_guest_begins_anew(
        events in proptest::collection::vec(event(), 0..24),
    ) {
        let mut world = World::default();
        world.go(Event::Attach);
        for event in events {
            if !matches!(event, Event::Detach | Event::Remove { .. }) {
                world.go(event);
            }
        }
        world.says(XenbusState::Closed);
        world.settle();
        world.says(XenbusState::Initialised);
        world.settle();
        prop_assert_eq!(world.bound, Some(XenbusState::Connected), "{:?}", world);
    }

    /// And what is attached and bound after all that is served.
    #[test]
    fn a_device_that_is_attached_after_anything_is_served(
        events in proptest::collection::vec(event(), 0..24),
    ) {
        let mut world = World::default();
        for event in events {
            world.go(event);
        }
        world.go(Event::Detach);
        world.settle();
        world.go(Event::Remove { force: false });
        prop_assert!(world.store.is_none());
        world.settle();
        prop_assert!(world.known.is_none(), "our directory goes, too: {world:?}");
        world.go(Event::Attach);
        world.settle();
        world.go(Event::Bind);
        world.settle();
        prop_assert_eq!(world.bound, Some(XenbusState::Connected));
    }
}
