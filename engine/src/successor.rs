//! Another backend serves the endpoint from now on (interfaces §7): what the one before took along is asked for again.

use mx_records::record;
use mx_ring::{Command, CommandBody};

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::partner::Partner;

impl Engine {
    /// The generation of the backend that pulls are asked of.
    #[inline]
    pub fn backend(&self) -> u32 {
        self.backend
    }

    /// The endpoint has another backend, of this generation, and all events of the one before have been taken. Running pulls
    /// are asked for again, and what waits for an answer is sent again as if this were the first silence: the partners
    /// were not to blame for it.
    pub fn backend_changed(&mut self, generation: u32) {
        record!(
            debug,
            "another backend: {generation:08x} after {:08x}",
            self.backend
        );
        self.backend = generation;
        self.pulls_again = self
            .pulls
            .iter()
            .filter(|(_, pull)| pull.registered.is_some())
            .map(|(cookie, _)| *cookie)
            .collect();
        let now = self.now;
        for key in self.partners.keys() {
            let Some(partner) = self.partners.get_mut(key) else {
                continue;
            };
            partner.round_trip.begin_anew();
            partner.resent = false;
            let wait = partner.round_trip.first_wait(&self.config);
            for connect in &mut partner.connects {
                (connect.wait, connect.next) = (wait, now);
            }
            if partner.resend_at.is_some() {
                partner.resend_at = Some(now);
            }
            if partner.liveness.is_open() {
                partner.liveness.at = Some(now);
            }
        }
        self.resend_by(now);
    }

    /// Asks the present backend for the pulls that ran when it came, as far as there is room. Nobody fetches those
    /// of a relation that has ended or whose time is over: they end here.
    pub(crate) fn ask_again(&mut self, port: &mut impl QueuePort) {
        while let Some(cookie) = self.pulls_again.front().copied()
            && port.command_room() > 0
        {
            self.pulls_again.pop_front();
            let Some(pull) = self.pulls.get(&cookie) else {
                continue;
            };
            let Some(registered) = &pull.registered else {
                continue;
            };
            let partner = self
                .partners
                .get(pull.partner)
                .filter(|partner| partner.relation == pull.relation && !pull.expired);
            let Some(to) = partner.and_then(Partner::destination) else {
                self.end_pull(cookie, Code::RemoteEndpointUnreachable, port);
                continue;
            };
            let command = Command {
                to,
                body: CommandBody::Pull(pull.order(registered, cookie, self.backend)),
            };
            port.post(&command, &[]);
            record!(debug, "pull asked for again: {command}");
        }
    }
}
