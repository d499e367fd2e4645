//! What the application asks of its requests.

use core::time::Duration;

use crate::code::Code;
use crate::engine::Engine;
use crate::state::keys::RequestKey;
use crate::state::request::{Kind, NotDone, Outcome, Purpose};

impl Engine {
    /// Bytes of memory that one request more may take at once; its tables cannot fail to grow.
    #[inline]
    pub fn growth(&self) -> usize {
        self.requests.growth()
    }

    /// How many requests were completed so far.
    #[inline]
    pub fn completions(&self) -> u64 {
        self.requests.completions()
    }

    /// Whether a request is done; `None` when there is none of that key.
    #[inline]
    pub fn is_done(&self, key: RequestKey) -> Option<bool> {
        self.requests.is_done(key)
    }

    /// Takes a done request away.
    #[inline]
    pub fn take_done(&mut self, key: RequestKey) -> Option<Outcome> {
        self.requests.take_done(key)
    }

    /// Takes a request away if it is done, else says that there is one; `None` when there is none of that key.
    #[inline]
    pub fn take_if_done(&mut self, key: RequestKey) -> Option<Result<Outcome, NotDone>> {
        self.requests.take_if_done(key)
    }

    /// The first done request whose match info fits; it stays.
    #[inline]
    pub fn first_done(&self, info: u64, mask: u64) -> Option<RequestKey> {
        self.requests.first_done(info, mask)
    }

    /// The application's word of a request.
    #[inline]
    pub fn context(&self, key: RequestKey) -> Option<u64> {
        Some(self.requests.get(key)?.outcome.context)
    }

    /// Whether the memory of a send may be used again although it is not done. `None` for what is no send.
    #[inline]
    pub fn buffered(&self, key: RequestKey) -> Option<bool> {
        let request = self.requests.get(key)?;
        match request.purpose {
            Purpose::Send { buffered } => Some(buffered),
            Purpose::Done => (request.kind == Kind::Send).then_some(true),
            _ => None,
        }
    }

    /// Nobody will ask for this request any more.
    pub fn forget(&mut self, key: RequestKey) {
        if self.requests.take_done(key).is_none()
            && let Some(request) = self.requests.get_mut(key)
        {
            request.forgotten = true;
        }
    }

    /// Takes back a receive that nothing has matched, or a pending connect: true. False when it is too late; `None`
    /// for a send, which cannot be taken back, or an unknown request. The request is gone unless `told`: then it is
    /// done, as [`Code::Cancelled`].
    pub fn cancel(&mut self, key: RequestKey, told: bool) -> Option<bool> {
        let request = self.requests.get(key)?;
        match (request.kind, &request.purpose) {
            (Kind::Send, _) => return None,
            (_, Purpose::PostedReceive(_)) => self.unpost(key),
            (_, Purpose::Connect) => self.forget_connect(key),
            _ => return Some(false),
        }
        if told {
            self.requests.complete(key, Code::Cancelled);
        } else {
            self.requests.withdraw(key);
        }
        Some(true)
    }

    /// How long a request, or with `None` all that begin later, is tried: sends and connects until they are answered,
    /// else their partner is given up; receives of large messages from their match on. `None` when there is no such
    /// request.
    pub fn set_timeout(&mut self, key: Option<RequestKey>, timeout: Duration) -> Option<()> {
        match key {
            Some(key) => self.requests.get_mut(key)?.timeout = timeout,
            None => self.requests.timeout = timeout,
        }
        self.pull_expires_by(Some(self.now));
        self.resend_by(self.now);
        Some(())
    }

    /// The backend is gone: everything that waits ends.
    pub fn abandon(&mut self, code: Code) {
        self.posted.clear();
        self.requests.complete_all(code);
    }
}
