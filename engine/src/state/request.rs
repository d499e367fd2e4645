//! What the application holds: requests, and the queue of those that are done.

use alloc::vec::Vec;
use core::time::Duration;

use mx_wire::Eager;
use slotmap::SlotMap;

use crate::code::Code;
use crate::memory::{Memory, Payload};
use crate::state::contexts::{ContextIds, Queues};
use crate::state::keys::{PartnerKey, RequestKey};

/// How a request ended, or what a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Success, or what went wrong.
    pub code: Code,
    /// The other side, as far as it is known.
    pub partner: Option<PartnerKey>,
    /// Match info: of a receive, the message's.
    pub match_info: u64,
    /// Bytes of the message.
    pub message_length: u32,
    /// Bytes that were transferred.
    pub transferred: u32,
    /// The application's own word.
    pub context: u64,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDone;

/// What a request waits for.
#[derive(Debug)]
pub enum Purpose {
    /// The answer to a connect.
    Connect,
    /// A send. A large one can be awaited but not cancelled, an eager one is buffered once it was posted.
    Send {
        /// Whether the library has a copy of the whole message.
        buffered: bool,
    },
    /// A receive that no message has matched yet.
    PostedReceive(Memory),
    /// A receive whose message is coming.
    MatchedReceive(Memory),
    /// Nothing: it is done.
    Done,
}

/// What a request was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To learn a partner's session.
    Connect,
    /// To send a message.
    Send,
    /// To receive a message.
    Receive,
}

/// What the application has started and not yet taken away.
#[derive(Debug)]
pub struct RequestRecord {
    /// What it was made for.
    pub kind: Kind,
    /// What it waits for.
    pub purpose: Purpose,
    /// How it will have ended.
    pub outcome: Outcome,
    /// Whether nobody will ask for it.
    pub forgotten: bool,
    /// How long it is tried.
    pub timeout: Duration,
}

/// So few take no more than whoever opens an endpoint has looked for.
const FEW: usize = 64;
/// Bytes for each request there is, more than all tables take when they grow.
const GROWTH_OF_EACH: usize = 1024;

/// All requests of an endpoint.
#[derive(Debug)]
pub struct Requests {
    all: SlotMap<RequestKey, RequestRecord>,
    /// In the order of completion. A request that was taken away leaves its key behind.
    done: Queues<RequestKey>,
    done_live: usize,
    completions: u64,
    /// How long new requests are tried.
    pub timeout: Duration,
}

impl Requests {
    /// None yet.
    pub fn new(context_ids: ContextIds, timeout: Duration) -> Self {
        Self {
            all: SlotMap::with_key(),
            done: Queues::new(context_ids),
            done_live: 0,
            completions: 0,
            timeout,
        }
    }

    /// Begins a request, which is tried as long as new ones are.
    #[inline]
    pub fn insert(
        &mut self,
        kind: Kind,
        purpose: Purpose,
        match_info: u64,
        context: u64,
    ) -> RequestKey {
        self.all.insert(RequestRecord {
            kind,
            purpose,
            outcome: Outcome {
                code: Code::Success,
                partner: None,
                match_info,
                message_length: 0,
                transferred: 0,
                context,
            },
            forgotten: false,
            timeout: self.timeout,
        })
    }

    /// The request of a message that was sent and copied: it is done.
    #[inline]
    pub fn insert_sent(&mut self, to: PartnerKey, message: Eager, context: u64) -> RequestKey {
        let length = u32::from(message.length);
        let key = self.all.insert(RequestRecord {
            kind: Kind::Send,
            purpose: Purpose::Done,
            outcome: Outcome {
                code: Code::Success,
                partner: Some(to),
                match_info: message.match_info,
                message_length: length,
                transferred: length,
                context,
            },
            forgotten: false,
            timeout: self.timeout,
        });
        self.completions += 1;
        self.list(message.match_info, key);
        key
    }

    /// Bytes that one more, and what it leads to in other tables, may take at once: something where tables grow to twice
    /// their size, how many requests there are being the application's choice.
    #[inline]
    pub fn growth(&self) -> usize {
        let count = self.all.len();
        let grows = || count.is_power_of_two() || (count + 1).is_power_of_two();
        match count >= FEW && grows() {
            true => count.saturating_mul(GROWTH_OF_EACH),
            false => 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// A request by its key.
    #[inline]
    pub fn get(&self, key: RequestKey) -> Option<&RequestRecord> {
        self.all.get(key)
    }

    /// A request by its key.
    #[inline]
    pub fn get_mut(&mut self, key: RequestKey) -> Option<&mut RequestRecord> {
        self.all.get_mut(key)
    }

    /// How long the message of a request is tried; one that nobody asks for any more as long as a new one.
    #[inline]
    pub fn timeout_of(&self, key: Option<RequestKey>) -> Duration {
        key.and_then(|key| self.all.get(key))
            .map_or(self.timeout, |request| request.timeout)
    }

    /// Whether a request is done; `None` when there is none of that key.
    #[inline]
    pub fn is_done(&self, key: RequestKey) -> Option<bool> {
        Some(matches!(self.all.get(key)?.purpose, Purpose::Done))
    }

    /// Completes a request. Its outcome's lengths are set by the caller.
    #[inline]
    pub fn complete(&mut self, key: RequestKey, code: Code) {
        let Some(request) = self.all.get_mut(key) else {
            return;
        };
        if matches!(request.purpose, Purpose::Done) {
            return;
        }
        request.purpose = Purpose::Done;
        request.outcome.code = code;
        let (info, forgotten) = (request.outcome.match_info, request.forgotten);
        self.end(key, info, forgotten);
    }

    /// Completes a posted receive with a whole message from this partner; what does not fit is cut off.
    #[inline]
    pub fn deliver(
        &mut self,
        key: RequestKey,
        from: PartnerKey,
        match_info: u64,
        payload: Payload<'_>,
    ) {
        let Some(request) = self.all.get_mut(key) else {
            return;
        };
        let Purpose::PostedReceive(memory) = &request.purpose else {
            return;
        };
        memory.copy_in(0, payload);
        let length = payload.len() as u32;
        let transferred = memory.length().min(length);
        request.outcome = Outcome {
            code: match transferred < length {
                true => Code::MessageTruncated,
                false => Code::Success,
            },
            partner: Some(from),
            match_info,
            message_length: length,
            transferred,
            context: request.outcome.context,
        };
        request.purpose = Purpose::Done;
        let forgotten = request.forgotten;
        self.end(key, match_info, forgotten);
    }

    /// A request is done.
    #[inline]
    fn end(&mut self, key: RequestKey, info: u64, forgotten: bool) {
        self.completions += 1;
        if forgotten {
            self.all.remove(key);
        } else {
            self.list(info, key);
        }
    }

    #[inline]
    fn list(&mut self, info: u64, key: RequestKey) {
        if self.done.len() >= 2 * self.done_live + 64 {
            let all = &self.all;
            self.done.retain(|key| all.contains_key(*key));
        }
        self.done.push(info, key);
        self.done_live += 1;
    }

    /// Requests completed so far, for a caller that must wake others.
    #[inline]
    pub fn completions(&self) -> u64 {
        self.completions
    }

    /// Takes a done request away.
    #[inline]
    pub fn take_done(&mut self, key: RequestKey) -> Option<Outcome> {
        self.take_if_done(key)?.ok()
    }

    /// Takes a request away if it is done, else says that there is one; `None` when there is none of that key.
    #[inline]
    pub fn take_if_done(&mut self, key: RequestKey) -> Option<Result<Outcome, NotDone>> {
        let request = self.all.get(key)?;
        if !matches!(request.purpose, Purpose::Done) {
            return Some(Err(NotDone));
        }
        let outcome = request.outcome;
        self.all.remove(key);
        self.done_live = self.done_live.saturating_sub(1);
        let all = &self.all;
        self.done
            .drop_front_while(outcome.match_info, |key| !all.contains_key(*key));
        Some(Ok(outcome))
    }

    /// Takes a request away that is not done.
    pub fn withdraw(&mut self, key: RequestKey) -> Option<RequestRecord> {
        self.all.remove(key)
    }

    /// The first done request whose match info fits.
    #[inline]
    pub fn first_done(&self, info: u64, mask: u64) -> Option<RequestKey> {
        let place = self.done.find(info, mask, |key| {
            self.all
                .get(*key)
                .is_some_and(|request| request.outcome.match_info & mask == info)
        })?;
        self.done.get(place).copied()
    }

    /// Completes everything that is not done.
    pub fn complete_all(&mut self, code: Code) {
        let pending: Vec<RequestKey> = self.all.keys().collect();
        for key in pending {
            self.complete(key, code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_untested_request_does_not_make_the_done_queue_grow() {
        let mut requests = Requests::new(ContextIds::default(), Duration::MAX);
        let first = requests.insert(Kind::Connect, Purpose::Connect, 1, 0);
        requests.complete(first, Code::Success);
        for _ in 0..10_000 {
            let key = requests.insert(Kind::Connect, Purpose::Connect, 2, 0);
            requests.complete(key, Code::Success);
            assert!(requests.take_done(key).is_some());
        }
        assert!(requests.done.len() < 100);
        assert_eq!(requests.first_done(1, u64::MAX), Some(first));
        assert_eq!(requests.first_done(2, u64::MAX), None);
    }
}
