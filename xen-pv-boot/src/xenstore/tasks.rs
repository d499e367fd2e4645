//! Futures that are gone on with by a loop: all of them whenever something came, since there are few.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// Tasks that end with a value.
pub struct Tasks<T> {
    running: VecDeque<Pin<Box<dyn Future<Output = T>>>>,
}

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Self {
            running: VecDeque::new(),
        }
    }
}

impl<T> Tasks<T> {
    /// Begins a task; the next [`Self::poll`] takes its first step.
    pub fn start(&mut self, task: impl Future<Output = T> + 'static) {
        self.running.push_back(Box::pin(task));
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Goes on with the tasks, the eldest first, until one ends; `None` when all of them wait.
    pub fn poll(&mut self) -> Option<T> {
        let mut context = Context::from_waker(Waker::noop());
        for index in 0..self.running.len() {
            let task = self.running.get_mut(index)?;
            if let Poll::Ready(value) = task.as_mut().poll(&mut context) {
                self.running.remove(index);
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::super::exchange::Exchange;
    use super::super::fake::Daemon;
    use super::*;
    use core::cell::RefCell;

    use alloc::rc::Rc;
    use alloc::string::String;
    use alloc::vec::Vec;
    use xen_sys::xs_wire as abi;

    #[test]
    fn tasks_end_as_their_replies_come_and_an_abandoned_one_leaves_nothing() {
        let (mut daemon, ring) = Daemon::start();
        let exchange = Rc::new(RefCell::new(Exchange::new(ring)));
        let client = Client(exchange.clone());
        let mut tasks = Tasks::default();
        for path in ["a", "b"] {
            let client = client.clone();
            tasks.start(async move { client.read(path).await });
        }
        assert_eq!(tasks.poll(), None);
        exchange.borrow_mut().turn(8);
        let asked = daemon.take();
        daemon.say(abi::XS_READ, asked[1].header.request, b"B");
        exchange.borrow_mut().turn(8);
        assert_eq!(tasks.poll(), Some(Ok(String::from("B"))));
        assert_eq!(tasks.poll(), None);
        drop(tasks);
        daemon.say(abi::XS_READ, asked[0].header.request, b"A");
        exchange.borrow_mut().turn(8);
        assert_eq!(exchange.borrow_mut().reply(asked[0].header.request), None);
    }

    /// Answers requests as a daemon does, with `there` as the only node that can be read.
    fn serve(daemon: &mut Daemon, there: bool, asked: &mut Vec<(u32, Vec<u8>)>) {
        for message in daemon.take() {
            let number = message.header.request;
            match message.header.kind {
                abi::XS_TRANSACTION_START => {
                    daemon.say(abi::XS_TRANSACTION_START, number, b"77\0");
                }
                abi::XS_READ if !there => daemon.say(abi::XS_ERROR, number, b"ENOENT\0"),
                kind => daemon.say(kind, number, b"OK\0"),
            }
            asked.push((message.header.kind, message.payload));
        }
    }

    #[test]
    fn nodes_are_written_below_a_directory_only_while_it_is_there() {
        for there in [true, false] {
            let (mut daemon, ring) = Daemon::start();
            let exchange = Rc::new(RefCell::new(Exchange::new(ring)));
            let client = Client(exchange.clone());
            let mut tasks = Tasks::default();
            tasks.start(async move {
                let nodes = [("state", String::from("4"))];
                client.write_below("d/frontend", "d", &nodes).await
            });
            let mut asked = Vec::new();
            let ended = (0..20).find_map(|_| {
                let ended = tasks.poll();
                exchange.borrow_mut().turn(8);
                serve(&mut daemon, there, &mut asked);
                exchange.borrow_mut().turn(8);
                ended
            });
            assert_eq!(ended, Some(Ok(there)));
            let wrote = asked
                .iter()
                .any(|(kind, body)| *kind == abi::XS_WRITE && body.as_slice() == b"d/state\x004");
            assert_eq!(wrote, there);
            let end: &[u8] = if there { b"T\0" } else { b"F\0" };
            assert_eq!(asked.last(), Some(&(abi::XS_TRANSACTION_END, end.to_vec())));
        }
    }
}
