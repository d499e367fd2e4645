//! A connection that fails in every way at every step.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::*;

/// What may happen at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It fails without having done anything.
    Fails(Errno),
    /// It receives, and fails: the answer is lost.
    Loses(Errno),
    /// So many bytes pass.
    Short(usize),
    /// The other side has gone.
    Gone,
}

/// A node that answers each question, and the way there.
struct Node {
    fault: Option<(usize, Fault)>,
    step: Cell<usize>,
    gone: Cell<bool>,
    answers: RefCell<VecDeque<Vec<u8>>>,
}

impl Node {
    fn new(fault: Option<(usize, Fault)>) -> Self {
        Self {
            fault,
            step: Cell::new(0),
            gone: Cell::new(false),
            answers: RefCell::new(VecDeque::new()),
        }
    }

    /// What happens at this step.
    fn step(&self) -> Option<Fault> {
        let step = self.step.replace(self.step.get() + 1);
        let fault = self.fault.filter(|(at, _)| *at == step);
        if let Some((_, Fault::Gone)) = fault {
            self.gone.set(true);
        }
        fault.map(|(_, fault)| fault)
    }
}

/// What the node answers to a question about an endpoint.
fn pid_of(endpoint: u32) -> u32 {
    endpoint * 1000 + 7
}

impl Way for Node {
    fn send(&self, bytes: &[u8], _descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
        let sent = match self.step() {
            Some(Fault::Fails(errno) | Fault::Loses(errno)) => return Err(errno),
            Some(Fault::Short(length)) => &bytes[..length],
            _ => bytes,
        };
        if self.gone.get() {
            return Err(Errno::PIPE);
        }
        // A real one hangs up when it hears half a question.
        if let Ok(question) = sent.try_into().map(Call::from_bytes) {
            let Ok(CallRequest::EndpointInfo { endpoint, .. }) = CallRequest::decode(&question)
            else {
                panic!("another question arrives: {question:?}");
            };
            let reply = CallReply::EndpointInfo {
                open: true,
                pid: pid_of(endpoint),
                queue_entries: mx_ring::QUEUE_ENTRIES.into(),
                command: [0; 16],
            };
            let answer = reply.encode(&question).to_bytes().to_vec();
            self.answers.borrow_mut().push_back(answer);
        } else {
            self.gone.set(true);
        }
        Ok(sent.len())
    }

    fn receive(&self, bytes: &mut [u8; ROOM]) -> Result<Received, Errno> {
        let fault = self.step();
        if let Some(Fault::Fails(errno)) = fault {
            return Err(errno);
        }
        let answer = self.answers.borrow_mut().pop_front();
        let length = match (answer, fault) {
            (_, Some(Fault::Loses(errno))) => return Err(errno),
            (_, _) if self.gone.get() => 0,
            (Some(answer), fault) => {
                let length = match fault {
                    Some(Fault::Short(length)) => length,
                    _ => answer.len(),
                };
                bytes[..length].copy_from_slice(&answer[..length]);
                length
            }
            (None, _) => panic!("it waits for an answer that nobody owes"),
        };
        Ok(Received {
            length,
            descriptors: Vec::new(),
        })
    }

    fn wait(&self, _what: PollFlags) -> Result<(), Errno> {
        match self.step() {
            Some(Fault::Fails(errno) | Fault::Loses(errno)) => Err(errno),
            _ => Ok(()),
        }
    }
}

/// Three questions, one after the other; how many got their answer, which is the right one.
fn ask_three(caller: &Caller<Node>) -> usize {
    let answered = (1..=3).filter(|endpoint| {
        let request = CallRequest::EndpointInfo {
            board: 0,
            endpoint: *endpoint,
        };
        match caller.ask(&request, &[]) {
            Ok((CallReply::EndpointInfo { pid, .. }, _)) => {
                assert_eq!(pid, pid_of(*endpoint), "it is another question's answer");
                true
            }
            Ok((other, _)) => panic!("another answer: {other:?}"),
            Err(_) => false,
        }
    });
    answered.count()
}

/// Steps of three questions without a fault.
const STEPS: usize = 6;

#[test]
fn a_question_that_is_interrupted_or_made_to_wait_goes_on_and_is_asked_once() {
    for errno in [Errno::INTR, Errno::AGAIN] {
        for step in 0..STEPS {
            let caller = Caller::new(Node::new(Some((step, Fault::Fails(errno)))));
            assert_eq!(ask_three(&caller), 3, "{errno} at step {step}");
            assert!(caller.way().answers.borrow().is_empty());
        }
    }
    // Interrupted while it waits.
    struct Stubborn(Node);
    impl Way for Stubborn {
        fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
            match self.0.step.get() {
                0 => self.0.step().map_or(Err(Errno::AGAIN), |_| Err(Errno::IO)),
                _ => self.0.send(bytes, descriptors),
            }
        }
        fn receive(&self, bytes: &mut [u8; ROOM]) -> Result<Received, Errno> {
            self.0.receive(bytes)
        }
        fn wait(&self, what: PollFlags) -> Result<(), Errno> {
            self.0.wait(what)
        }
    }
    let node = Node::new(Some((1, Fault::Fails(Errno::INTR))));
    let request = CallRequest::EndpointInfo {
        board: 0,
        endpoint: 1,
    };
    assert!(Caller::new(Stubborn(node)).ask(&request, &[]).is_ok());
}

#[test]
fn an_answer_that_is_lost_or_cut_at_any_byte_is_never_taken_for_another_one() {
    let lost = [Errno::NOMEM, Errno::NOBUFS].map(Fault::Loses);
    let cut = (1..size_of::<Call>()).map(Fault::Short);
    for fault in lost.into_iter().chain(cut) {
        for step in (1..STEPS).step_by(2) {
            let caller = Caller::new(Node::new(Some((step, fault))));
            assert_eq!(ask_three(&caller), 2, "{fault:?} at step {step}");
        }
    }
}

#[test]
fn a_question_that_fails_or_is_cut_at_any_byte_costs_no_other_its_answer() {
    for step in (0..STEPS).step_by(2) {
        let caller = Caller::new(Node::new(Some((step, Fault::Fails(Errno::NOMEM)))));
        assert_eq!(ask_three(&caller), 2);
        for length in 0..size_of::<Call>() {
            let caller = Caller::new(Node::new(Some((step, Fault::Short(length)))));
            assert_eq!(
                ask_three(&caller),
                step / 2,
                "{length} bytes at step {step}"
            );
        }
    }
}

#[test]
fn a_late_answer_is_passed_over() {
    let node = Node::new(None);
    let late = Call {
        number: 77,
        ..CallReply::Done.encode(&CallRequest::Kick.encode())
    };
    node.answers
        .borrow_mut()
        .push_back(late.to_bytes().to_vec());
    assert_eq!(ask_three(&Caller::new(node)), 3);
}

#[test]
fn a_node_that_goes_at_any_step_is_told_and_no_answer_is_made_up() {
    for step in 0..STEPS {
        let caller = Caller::new(Node::new(Some((step, Fault::Gone))));
        assert_eq!(ask_three(&caller), step / 2);
        let request = CallRequest::Kick;
        assert_eq!(
            caller.ask(&request, &[]).err(),
            Some(CallError(Errno::PIPE)),
            "gone at step {step}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_is_refused() {
    for (kind, error) in [(99, 0), (10, 4096), (10, u32::MAX)] {
        let node = Node::new(None);
        let lie = Call {
            kind,
            error,
            ..Call::default()
        };
        node.answers.borrow_mut().push_back(lie.to_bytes().to_vec());
        let request = CallRequest::EndpointInfo {
            board: 0,
            endpoint: 1,
        };
        let answer = Caller::new(node).ask(&request, &[]);
        assert_eq!(answer.err(), Some(CallError(Errno::PROTO)));
    }
}
