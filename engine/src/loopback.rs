//! Messages of an endpoint to itself do not reach the board, unless that is wanted (protocol.md §10).

use crate::code::Code;
use crate::engine::Engine;
use crate::memory::{Memory, Payload, zeroed};
use crate::state::keys::RequestKey;
use crate::state::request::Purpose;
use crate::state::unexpected::Kept;

impl Engine {
    /// Messages to the own endpoint take the way of all others from now on: it is the partner of this name.
    pub fn loop_back_by_network(&mut self, peer: u16, endpoint: u8) {
        self.loopback = self.partners.find_or_add(peer, endpoint);
        self.loopback_by_network = true;
        let session = self.config.session;
        if let Some(loopback) = self.partners.get_mut(self.loopback) {
            loopback.session = Some(session);
        }
    }

    /// Whether they do.
    #[inline]
    pub fn loopback_by_network(&self) -> bool {
        self.loopback_by_network
    }

    /// Sends to the own endpoint: done when it was matched.
    pub(crate) fn send_to_self(&mut self, send: RequestKey, memory: &Memory, match_info: u64) {
        let total = memory.length();
        let Some(mut data) = zeroed(total as usize) else {
            self.requests.complete(send, Code::NoSystemResources);
            return;
        };
        memory.copy_out(0, &mut data);
        // From here on the library has it all.
        if let Some(request) = self.requests.get_mut(send) {
            request.purpose = Purpose::Send { buffered: true };
        }
        if let Some(receive) = self.take_posted(match_info, self.loopback) {
            self.begin_receive(receive, self.loopback, match_info, total);
            self.copy_in(receive, 0, Payload::Bytes(&data));
            self.end_loopback(send, receive);
        } else if self
            .keep(self.loopback, match_info, total, Kept::Loopback(send, data))
            .is_none()
        {
            self.requests.complete(send, Code::NoSystemResources);
        }
    }

    /// Completes both sides of a message to the own endpoint, both with what was transferred.
    pub(crate) fn end_loopback(&mut self, send: RequestKey, receive: RequestKey) {
        let transferred = self.requests.get(receive).map(|r| r.outcome.transferred);
        self.end_receive(receive);
        self.end_send(send, Code::Success, transferred);
    }
}
