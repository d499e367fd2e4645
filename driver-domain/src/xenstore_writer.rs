//! Writes to xenstore, carried out one after the other in the order they were asked for, while nobody waits.

use core::future::poll_fn;
use core::task::Poll;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use xen_pv_boot::xenstore::{Client, Error, Tasks};

/// What is to be done.
#[derive(Debug)]
pub enum Write {
    /// Nodes of a device's directory, unless that is gone: a plain write would bring it back.
    Below {
        /// The node of that directory by which one sees that it is there: its maker has written it.
        there: &'static str,
        /// The directory of the device.
        directory: String,
        /// Names and values.
        nodes: Vec<(&'static str, String)>,
    },
    /// A node of the domain's own: path and value.
    Own(String, String),
    /// A node and what is below goes.
    Remove(String),
    /// A directory goes, if nothing is left in it.
    RemoveEmpty(String),
    /// A node is watched.
    Watch {
        /// The path of the node.
        path: String,
        /// What the watch is told to remember it by.
        token: String,
    },
    /// It no longer is.
    Unwatch {
        /// The path of the node.
        path: String,
        /// As it was watched.
        token: String,
    },
}

/// Carries writes out.
pub struct XenstoreWriter {
    client: Client,
    queue: VecDeque<Write>,
    at_work: Tasks<()>,
    fresh: bool,
}

impl XenstoreWriter {
    /// Nothing to do yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            queue: VecDeque::new(),
            at_work: Tasks::default(),
            fresh: false,
        }
    }

    /// Whether all is carried out.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.at_work.is_empty()
    }

    /// Adds a write.
    pub fn add(&mut self, write: Write) {
        self.queue.push_back(write);
        self.fresh = true;
    }

    /// Goes on as far as is possible; `news` says that xenstore has answered something.
    pub fn turn(&mut self, news: bool) {
        if !(news || self.fresh) {
            return;
        }
        self.fresh = false;
        loop {
            if self.at_work.is_empty() {
                let Some(write) = self.queue.pop_front() else {
                    return;
                };
                let client = self.client.clone();
                self.at_work
                    .start(async move { carry_out(&client, write).await });
            }
            if self.at_work.poll().is_none() {
                return;
            }
        }
    }

    /// Ends when everything is carried out.
    pub async fn finish(&mut self) -> Result<(), Error> {
        poll_fn(|_| {
            self.turn(true);
            if self.is_idle() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

/// A failure is told in the log: nothing that this domain does depends on what it writes.
async fn carry_out(client: &Client, write: Write) {
    let done = match &write {
        Write::Below {
            there,
            directory,
            nodes,
        } => {
            let there = format!("{directory}/{there}");
            client.write_below(&there, directory, nodes).await.map(drop)
        }
        Write::Own(path, value) => client.write(path, value).await,
        Write::Remove(path) => match client.remove(path).await {
            // Somebody else has removed it, and whose directory it was in does not let us see that.
            Err(Error::Denied) => Ok(()),
            removed => removed,
        },
        Write::RemoveEmpty(path) => match client.list(path).await {
            Ok(left) if left.is_empty() => client.remove(path).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        },
        Write::Watch { path, token } => client.watch(path, token).await,
        Write::Unwatch { path, token } => client.unwatch(path, token).await,
    };
    if let Err(error) = done {
        log::warn!("xenstore: {write:?}: {error}");
    }
}
