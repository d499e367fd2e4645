//! The operations of xenstore, each a future that ends when the daemon has answered.

use core::cell::RefCell;
use core::pin::Pin;
use core::task::{Context, Poll};

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use xen_sys::xs_wire as abi;

use super::exchange::Exchange;
use super::{Error, wire};

/// How often a transaction is tried while others come in between.
const TRIES: usize = 16;
/// Outside of any transaction.
const NONE: u32 = 0;

/// Asks the daemon. Copies share the connection, whose owner ([`super::Xenstore`]) moves the bytes. Paths without a
/// leading slash are relative to the domain's own directory.
#[derive(Clone)]
pub struct Client(pub(super) Rc<RefCell<Exchange>>);

/// A reply that is waited for.
struct Reply {
    exchange: Rc<RefCell<Exchange>>,
    request: u32,
}

impl Future for Reply {
    type Output = Result<Vec<u8>, Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.exchange.borrow_mut().reply(self.request) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.exchange.borrow_mut().forget(self.request);
    }
}

impl Client {
    async fn ask(&self, kind: u32, transaction: u32, body: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let request = self.0.borrow_mut().submit(kind, transaction, body)?;
        let exchange = self.0.clone();
        Reply { exchange, request }.await
    }

    /// The value of a node.
    pub async fn read(&self, path: &str) -> Result<String, Error> {
        let reply = self
            .ask(abi::XS_READ, NONE, &[path.as_bytes(), &[0]])
            .await?;
        core::str::from_utf8(&reply)
            .map(String::from)
            .map_err(|_| Error::BadReply)
    }

    /// The value of a node as a number.
    pub async fn read_number<T: core::str::FromStr>(&self, path: &str) -> Result<T, Error> {
        let text = self.read(path).await?;
        text.trim().parse().map_err(|_| Error::BadReply)
    }

    /// Writes a node, and makes it and the directories above it where they are missing.
    pub async fn write(&self, path: &str, value: impl ToString) -> Result<(), Error> {
        self.write_in(NONE, path, &value.to_string()).await
    }

    async fn write_in(&self, transaction: u32, path: &str, value: &str) -> Result<(), Error> {
        let body: [&[u8]; 3] = [path.as_bytes(), &[0], value.as_bytes()];
        self.ask(abi::XS_WRITE, transaction, &body).await.map(drop)
    }

    /// Removes a node and everything below; that it is not there is no error.
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.ask(abi::XS_RM, NONE, &[path.as_bytes(), &[0]]).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names of the entries of a directory; none when it is not there.
    pub async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let body: [&[u8]; 2] = [path.as_bytes(), &[0]];
        match self.ask(abi::XS_DIRECTORY, NONE, &body).await {
            Ok(reply) => Ok(wire::names(&reply)),
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Watches a node and what is below. The watch fires once at once.
    pub async fn watch(&self, path: &str, token: &str) -> Result<(), Error> {
        let body: [&[u8]; 4] = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.ask(abi::XS_WATCH, NONE, &body).await.map(drop)
    }

    /// Stops a watch.
    pub async fn unwatch(&self, path: &str, token: &str) -> Result<(), Error> {
        let body: [&[u8]; 4] = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.ask(abi::XS_UNWATCH, NONE, &body).await.map(drop)
    }

    /// Writes nodes of a directory: all at once, or none when the node `there` is missing (a plain write would bring a
    /// directory back that somebody removed). Whether it was there.
    pub async fn write_below<K: AsRef<str>>(
        &self,
        there: &str,
        directory: &str,
        nodes: &[(K, String)],
    ) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let reply = self.ask(abi::XS_TRANSACTION_START, NONE, &[&[0]]).await?;
            let transaction = wire::text(&reply)
                .and_then(|text| text.parse().ok())
                .ok_or(Error::BadReply)?;
            let written = self.write_nodes(transaction, there, directory, nodes).await;
            let end: &[u8] = if written == Ok(true) { b"T\0" } else { b"F\0" };
            let ended = self.ask(abi::XS_TRANSACTION_END, transaction, &[end]).await;
            match (written, ended) {
                (Ok(true), Err(Error::Again)) => {}
                (written, Ok(_)) => return written,
                (written, Err(error)) => return written.and(Err(error)),
            }
        }
        Err(Error::Again)
    }

    async fn write_nodes<K: AsRef<str>>(
        &self,
        transaction: u32,
        there: &str,
        directory: &str,
        nodes: &[(K, String)],
    ) -> Result<bool, Error> {
        let body: [&[u8]; 2] = [there.as_bytes(), &[0]];
        match self.ask(abi::XS_READ, transaction, &body).await {
            Ok(_) => {}
            Err(Error::NotFound | Error::Denied) => return Ok(false),
            Err(error) => return Err(error),
        }
        for (key, value) in nodes {
            let path = alloc::format!("{directory}/{}", key.as_ref());
            self.write_in(transaction, &path, value).await?;
        }
        Ok(true)
    }
}
