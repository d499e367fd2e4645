//! Messages that came before their receive: probes, and claims.

use std::time::Duration;

use mx_engine::{Claim, Memory, Selection};

use super::state::EndpointState;
use super::{Address, Endpoint, Request, Status, look_for_room, selection};
use crate::error::Error;

impl Endpoint {
    /// The first unexpected message whose match info fits; it stays.
    pub fn iprobe(&self, match_info: u64, mask: u64) -> Result<Option<Status>, Error> {
        self.iprobe_from(match_info, mask, None)
    }

    /// The same, of the messages of one remote endpoint alone.
    pub fn iprobe_from(
        &self,
        match_info: u64,
        mask: u64,
        from: Option<Address>,
    ) -> Result<Option<Status>, Error> {
        let wanted = selection(match_info, mask, from)?;
        self.held.polled(|state| Ok(probed(state, &wanted)))
    }

    /// Takes the first unexpected message that fits: no receive or probe finds it any more. [`Self::irecv_claimed`] or
    /// [`Self::discard_claimed`] must follow; until then its bytes are kept.
    pub fn claim(
        &self,
        match_info: u64,
        mask: u64,
        from: Option<Address>,
    ) -> Result<Option<(Claim, Status)>, Error> {
        let wanted = selection(match_info, mask, from)?;
        self.held.polled(|state| {
            let claimed = state.engine.claim(&wanted);
            Ok(claimed.map(|(claim, outcome)| (claim, state.status(outcome))))
        })
    }

    /// Starts a receive of a claimed message. An error when its sender's relation has ended meanwhile.
    pub fn irecv_claimed(
        &self,
        claim: Claim,
        memory: Memory,
        context: u64,
    ) -> Result<Request, Error> {
        self.held.with(|state| {
            look_for_room(state)?;
            let EndpointState { engine, port, .. } = state;
            let request = engine.receive_claimed(claim, memory, context, port);
            request.map(Request).ok_or(Error::Request)
        })
    }

    /// Throws a claimed message away.
    pub fn discard_claimed(&self, claim: Claim) -> Result<(), Error> {
        self.held.with(|state| {
            let EndpointState { engine, port, .. } = state;
            engine.discard_claimed(claim, port);
            Ok(())
        })
    }

    /// Waits for an unexpected message whose match info fits.
    pub fn probe(
        &self,
        match_info: u64,
        mask: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        let wanted = selection(match_info, mask, None)?;
        self.held
            .wait_until(timeout, |state| probed(state, &wanted))
    }
}

fn probed(state: &mut EndpointState, wanted: &Selection) -> Option<Status> {
    let outcome = state.engine.probe(wanted)?;
    Some(state.status(outcome))
}
