//! The raw endpoint of a board, and an administrator's changes of it.

use std::task::Poll;

use crate::model::{BACKEND, Backend, Model};
use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, ControlResponse, Status};
use mx_ring::uapi::RAW_FRAME_MAX;
use open_mx_frontend::endpoint::Process;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::frontend::Frontend;

struct Guest {
    frontend: Frontend<Model>,
    backend: Backend,
}

impl Guest {
    fn new() -> Self {
        let model = Model::new();
        let frontend = Frontend::new(model.clone()).unwrap();
        let (board, shared) = frontend.board(0).unwrap();
        let ring_ref = board.attach(shared, BACKEND).unwrap();
        board.connect(shared);
        let backend = Backend::new(&model, BACKEND, ring_ref);
        Self { frontend, backend }
    }

    /// The backend answers what it was asked; the requests.
    fn answered(&mut self, status: Status) -> Vec<ControlRequest> {
        let mut requests = Vec::new();
        while self.backend.take() {
            requests.push(self.backend.answer(0, status, false));
            self.respond();
        }
        requests
    }

    fn respond(&mut self) {
        let (board, shared) = self.frontend.board(0).unwrap();
        while board.respond(shared).expect("an honest backend") {}
    }

    fn says_that_frames_wait(&mut self) {
        self.backend.say(&ControlResponse {
            id: 0,
            status: Status::RawWaits,
            endpoint: 0,
        });
        self.respond();
    }

    fn open(&mut self, number: u32) -> Result<(), Errno> {
        let (board, shared) = self.frontend.board(0).unwrap();
        board.open_raw(shared, number, process(number))
    }

    fn opened(&mut self, number: u32) -> Poll<Result<(), Errno>> {
        self.frontend.board(0).unwrap().0.raw_opened(number)
    }

    fn close(&mut self, number: u32) {
        let (board, shared) = self.frontend.board(0).unwrap();
        board.close_raw(shared, number);
    }

    fn take(&mut self, number: u32) -> Result<Option<Vec<u8>>, Errno> {
        let (board, shared) = self.frontend.board(0).unwrap();
        let mut frame = [0; RAW_FRAME_MAX];
        let taken = board.take_raw(shared, number, &mut frame)?;
        Ok(taken.map(|length| frame[..length].to_vec()))
    }

    fn send(&mut self, number: u32, frame: &[u8]) -> Poll<Result<(), Errno>> {
        let (board, shared) = self.frontend.board(0).unwrap();
        board.send_raw(shared, number, frame)
    }
}

/// Who opens it under this number.
fn process(number: u32) -> Process {
    Process {
        pid: 1000 + number,
        command: [0; 16],
    }
}

const OPEN: ControlRequest = ControlRequest::Raw { open: true };
const CLOSED: ControlRequest = ControlRequest::Raw { open: false };

#[test]
fn one_process_has_it_open_once_the_backend_agrees() {
    let mut guest = Guest::new();
    guest.open(1).unwrap();
    assert_eq!(guest.open(2), Err(Errno::BUSY));
    assert_eq!(guest.opened(1), Poll::Pending);
    assert_eq!(guest.answered(Status::Ok), [OPEN]);
    assert_eq!(guest.opened(1), Poll::Ready(Ok(())));
    guest.close(2);
    assert_eq!(guest.opened(1), Poll::Ready(Ok(())));
    guest.close(1);
    assert_eq!(guest.take(1), Err(Errno::NO_DEVICE));
    assert_eq!(guest.send(1, &[1]), Poll::Ready(Err(Errno::NO_DEVICE)));
    assert_eq!(guest.answered(Status::Ok), [CLOSED]);
    guest.open(3).unwrap();
    assert_eq!(guest.answered(Status::Busy), [OPEN]);
    assert_eq!(guest.opened(3), Poll::Ready(Err(Errno::BUSY)));
    guest.open(4).unwrap();
    assert_eq!(guest.answered(Status::Ok), [OPEN]);
    assert_eq!(guest.opened(4), Poll::Ready(Ok(())));
}

#[test]
fn who_has_it_open_is_told_once_the_backend_has_opened_it() {
    let mut guest = Guest::new();
    let opener = |guest: &Guest| guest.frontend.board(0).unwrap().0.raw_opener();
    assert_eq!(opener(&guest), None);
    guest.open(1).unwrap();
    assert_eq!(guest.open(2), Err(Errno::BUSY));
    assert_eq!(opener(&guest), None, "the backend has not opened it");
    guest.answered(Status::Ok);
    assert_eq!(opener(&guest), Some(process(1)));
    guest.close(1);
    assert_eq!(opener(&guest), None);
}

#[test]
fn what_is_closed_before_the_backend_has_heard_of_it_is_closed_after() {
    let mut guest = Guest::new();
    guest.open(1).unwrap();
    guest.close(1);
    assert_eq!(guest.answered(Status::Ok), [OPEN, CLOSED]);
    guest.open(2).unwrap();
    guest.close(2);
    assert_eq!(guest.answered(Status::NoSpace), [OPEN]);
    assert_eq!(guest.answered(Status::Ok), []);
}

#[test]
fn frames_go_out_one_at_a_time_as_they_were_written() {
    let mut guest = Guest::new();
    guest.open(1).unwrap();
    guest.answered(Status::Ok);
    let frame: Vec<u8> = (0..RAW_FRAME_MAX).map(|i| i as u8).collect();
    assert_eq!(guest.send(1, &frame), Poll::Ready(Ok(())));
    assert_eq!(guest.send(1, &[9; 20]), Poll::Pending);
    guest.backend.take();
    assert_eq!(guest.backend.staged_frame(1024), frame);
    let length = RAW_FRAME_MAX as u16;
    assert_eq!(
        guest.backend.answer(0, Status::Denied, false),
        ControlRequest::SendRaw { length }
    );
    guest.respond();
    assert_eq!(guest.send(1, &[9; 20]), Poll::Ready(Ok(())));
    guest.answered(Status::Ok);
    let long = vec![0; RAW_FRAME_MAX + 1];
    assert_eq!(guest.send(1, &long), Poll::Ready(Err(Errno::INVALID)));
}

#[test]
fn frames_come_in_in_order_and_wait_with_the_backend_when_the_process_does_not_read() {
    let mut guest = Guest::new();
    guest.open(1).unwrap();
    guest.answered(Status::Ok);
    guest.says_that_frames_wait();
    let mut put = 0_u8;
    let bring = |guest: &mut Guest, put: &mut u8| {
        while guest.backend.take() {
            *put += 1;
            guest.backend.put_frame(&vec![*put; usize::from(*put) * 30]);
            guest.backend.answer(0, Status::Ok, false);
            guest.respond();
        }
    };
    bring(&mut guest, &mut put);
    assert_eq!(put, 8, "no more are kept");
    for i in 1..=20_u8 {
        let taken = guest.take(1).unwrap();
        assert_eq!(taken, Some(vec![i; usize::from(i) * 30]));
        bring(&mut guest, &mut put);
    }
    while guest.take(1).unwrap().is_some() {}
    let (board, _) = guest.frontend.board(0).unwrap();
    assert_eq!(board.raw_waits(1), Ok(false));
    assert_eq!(guest.answered(Status::NotFound), [ControlRequest::TakeRaw]);
    assert_eq!(guest.answered(Status::Ok), []);
    guest.says_that_frames_wait();
    guest.backend.put_frame(&[5]);
    assert!(guest.backend.take());
    guest.backend.answer(0, Status::Ok, false);
    guest.respond();
    let (board, _) = guest.frontend.board(0).unwrap();
    assert_eq!(board.raw_waits(1), Ok(true));
}

#[test]
fn a_frame_that_was_asked_for_one_use_of_it_is_not_the_next_ones() {
    let mut guest = Guest::new();
    guest.open(1).unwrap();
    guest.answered(Status::Ok);
    guest.says_that_frames_wait();
    guest.close(1);
    guest.open(2).unwrap();
    guest.backend.put_frame(&[5]);
    assert_eq!(
        guest.answered(Status::Ok),
        [ControlRequest::TakeRaw, CLOSED, OPEN]
    );
    assert_eq!(guest.opened(2), Poll::Ready(Ok(())));
    assert_eq!(guest.take(2), Ok(None));
}

#[test]
fn a_change_finds_who_asked_and_the_others_come_after() {
    let mut guest = Guest::new();
    let change = |guest: &mut Guest, number| {
        let (board, shared) = guest.frontend.board(0).unwrap();
        board.change(shared, number, &Change::ClearPeers)
    };
    for (status, result) in [
        (Status::Ok, Ok(())),
        (Status::Denied, Err(Errno::NOT_SUPPORTED)),
        (Status::Invalid, Err(Errno::INVALID)),
        (Status::NoSpace, Err(Errno::NO_SPACE)),
    ] {
        assert_eq!(change(&mut guest, 1), Poll::Pending);
        assert_eq!(change(&mut guest, 2), Poll::Pending);
        let asked = guest.answered(status);
        assert_eq!(asked, [ControlRequest::Change(Change::ClearPeers)]);
        assert_eq!(change(&mut guest, 2), Poll::Pending);
        assert_eq!(change(&mut guest, 1), Poll::Ready(result));
    }
    // One that was killed before its answer, and one after it, leave no answer behind.
    for answered_first in [false, true] {
        assert_eq!(change(&mut guest, 3), Poll::Pending);
        if answered_first {
            guest.answered(Status::Ok);
        }
        let (board, shared) = guest.frontend.board(0).unwrap();
        board.abandon_change(shared, 3);
        guest.answered(Status::Ok);
        assert_eq!(change(&mut guest, 4), Poll::Pending);
        guest.answered(Status::Ok);
        assert_eq!(change(&mut guest, 4), Poll::Ready(Ok(())));
    }
}
