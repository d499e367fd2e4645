//! What the states of both ends of a device ask this end to do.
//!
//! Others write our state, too: `xl-omx detach` asks for the end by it. So what counts is what is there, not what this
//! end wrote last.

use xen_pv_boot::xenbus::XenbusState;

/// What this end knows of a device.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How far it is.
    pub stage: Stage,
    /// The frontend's state was there once: from then on, a missing one means that the frontend is gone.
    pub seen: bool,
    /// What the frontend has published was refused.
    pub refused: bool,
}

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not connected.
    Waiting,
    /// Served.
    Connected {
        /// The frontend has said that it is connected, too.
        confirmed: bool,
    },
    /// Its memory is being given back.
    Leaving,
}

/// What xenstore says of a device.
#[derive(Clone, Copy, Debug)]
pub struct States {
    /// The frontend's state.
    pub theirs: XenbusState,
    /// It has one, be it nonsense.
    pub there: bool,
    /// Our state.
    pub ours: XenbusState,
    /// It is not to be detached.
    pub online: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// The frontend is gone for good: so is our directory.
    Forget,
    /// Our state is to be this one.
    Say(XenbusState),
    /// What the frontend has published is to be mapped and bound.
    Connect,
    /// The frontend has said that it is connected, too.
    Confirmed,
    /// Everything is to be given back, for this reason.
    Leave(&'static str),
}

/// What the states of both ends ask for.
pub fn step(known: Known, states: States) -> Step {
    let States {
        theirs,
        there,
        ours,
        online,
    } = states;
    let detach = !online || ours == XenbusState::Closing;
    match known.stage {
        Stage::Leaving => Step::Nothing,
        Stage::Waiting => match theirs {
            _ if known.seen && !there => Step::Forget,
            // Also when a frontend was never there: who detaches waits for this.
            _ if detach => Step::Say(XenbusState::Closed),
            // Its guest's kernel has to close it, and to begin anew.
            XenbusState::Initialised if known.refused => Step::Nothing,
            XenbusState::Initialised => Step::Connect,
            // Nobody looks at our state now: the next one who comes finds it inviting.
            XenbusState::Closed | XenbusState::Initialising => Step::Say(XenbusState::InitWait),
            _ => Step::Nothing,
        },
        Stage::Connected { confirmed } => match theirs {
            XenbusState::Closing | XenbusState::Closed => Step::Leave("the guest closes it"),
            XenbusState::Unknown => Step::Leave(match there {
                true => "the guest writes a state that is none",
                false => "the guest is gone",
            }),
            XenbusState::Initialising | XenbusState::Initialised if confirmed => {
                Step::Leave("the guest starts anew")
            }
            _ if detach => Step::Leave("it is detached"),
            XenbusState::Connected => Step::Confirmed,
            _ => Step::Nothing,
        },
    }
}

#[cfg(test)]
mod tests;
