//! What the states of both ends of a device ask this end to do.
//!
//! Others write our state, too: `xl-omx detach` asks for the end by it. So what counts is what is there, not what this
//! end wrote last.

use xen_pv_boot::xenbus::State;

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
    pub theirs: State,
    /// Our state.
    pub ours: State,
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
    Say(State),
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
        ours,
        online,
    } = states;
    let detach = !online || ours == State::Closing;
    match known.stage {
        Stage::Leaving => Step::Nothing,
        Stage::Waiting => match theirs {
            State::Unknown if known.seen => Step::Forget,
            // Also when a frontend was never there: who detaches waits for this.
            _ if detach => Step::Say(State::Closed),
            // Its guest's kernel has to close it, and to begin anew.
            State::Initialised if known.refused => Step::Nothing,
            State::Initialised => Step::Connect,
            // Nobody looks at our state now: the next one who comes finds it inviting.
            State::Closed | State::Initialising => Step::Say(State::InitWait),
            _ => Step::Nothing,
        },
        Stage::Connected { confirmed } => match theirs {
            State::Closing | State::Closed => Step::Leave("the guest closes it"),
            State::Unknown => Step::Leave("the guest is gone"),
            State::Initialising | State::Initialised if confirmed => {
                Step::Leave("the guest starts anew")
            }
            _ if detach => Step::Leave("it is detached"),
            State::Connected => Step::Confirmed,
            _ => Step::Nothing,
        },
    }
}

#[cfg(test)]
mod tests;
