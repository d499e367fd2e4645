//! What a reader gets, in small chunks: none is made before there is room to send it, and none takes long, since guests
//! wait meanwhile.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use arrayvec::ArrayVec;
use mx_ring::Counter;

use super::http::Resource;
use super::rates::Rates;
use super::snapshot::{Counts, Snapshot};
use super::{metrics, page};
use crate::capture::Reader;

/// Peers, or boards, in one chunk.
const ROWS: usize = 8;
/// Counters in one chunk.
const COUNTERS: usize = 12;

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Domain,
    /// A line per board: of which metric, from which board on.
    Lines(usize, usize),
    Nic,
    /// The beginning of a board's own part.
    Board(usize),
    /// Its counters, from which on.
    Counters(usize, usize),
    /// Its peers, from which on.
    Peers(usize, u16),
    End,
    Done,
}

/// The chunks of a resource, one after the other.
pub enum Chunks {
    /// Of the page for a browser.
    Page(Text),
    /// Lines of `/metrics`.
    Metrics(Text),
    /// Frames of `/capture.pcap`.
    Capture(Reader),
}

impl Chunks {
    /// From the first chunk on; `None` for what there is not.
    pub fn new(resource: Resource, snapshot: &impl Snapshot) -> Option<Self> {
        let text = Text { step: Step::Domain };
        Some(match resource {
            Resource::Page => Self::Page(text),
            Resource::Metrics => Self::Metrics(text),
            Resource::Capture => Self::Capture(snapshot.capture()?.reader()),
        })
    }

    /// The next chunk; `None` after the last. Boards and peers that come or go meanwhile may be missed or shown twice.
    pub fn next(&mut self, snapshot: &impl Snapshot, rates: &Rates) -> Option<Vec<u8>> {
        let mut written = String::new();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Page(text) => text.page(&mut written, snapshot, rates)?,
            Self::Metrics(text) => text.metrics(&mut written, snapshot)?,
            Self::Capture(reader) => return reader.next(),
        };
        Some(written.into_bytes())
    }
}

/// How far a text is.
pub struct Text {
    step: Step,
}

impl Text {
    fn page(
        &mut self,
        text: &mut String,
        snapshot: &impl Snapshot,
        rates: &Rates,
    ) -> Option<fmt::Result> {
        let written;
        (written, self.step) = match self.step {
            Step::Domain => (
                page::domain(text, &snapshot.domain(), rates),
                Step::Lines(0, 0),
            ),
            Step::Lines(_, first) => {
                let mut written = if first == 0 {
                    page::boards_begin(text)
                } else {
                    Ok(())
                };
                let mut number = first;
                while number < first + ROWS
                    && let (Some(board), Some(counts)) =
                        (snapshot.board(number), snapshot.counts(number))
                {
                    written = written.and(page::board_line(text, number, &board, &counts, rates));
                    number += 1;
                }
                if number < first + ROWS {
                    (written.and(page::boards_end(text, number)), Step::Nic)
                } else {
                    (written, Step::Lines(0, number))
                }
            }
            Step::Nic => (page::nic(text, &snapshot.domain(), rates), Step::Board(0)),
            Step::Board(number) => match snapshot.board(number) {
                None => (Ok(()), Step::End),
                Some(board) => (page::board(text, number, &board), Step::Counters(number, 0)),
            },
            Step::Counters(number, first) => {
                let counts = snapshot.counts(number).unwrap_or([0; Counter::ALL.len()]);
                let some = counted(&counts, first);
                let written = page::counters(text, some.iter().copied());
                match some.last() {
                    Some((counter, _)) => (written, Step::Counters(number, counter.index() + 1)),
                    None => (
                        written.and(page::peers_begin(
                            text,
                            snapshot.board(number).map_or(0, |board| board.peers),
                        )),
                        Step::Peers(number, 0),
                    ),
                }
            }
            Step::Peers(number, first) => {
                let next = first.saturating_add(ROWS as u16);
                let mut peers = (first..next)
                    .map_while(|index| snapshot.peer(number, index))
                    .peekable();
                if peers.peek().is_some() {
                    (page::peers(text, peers), Step::Peers(number, next))
                } else {
                    (page::board_end(text), Step::Board(number + 1))
                }
            }
            Step::End => (page::end(text), Step::Done),
            Step::Done => return None,
        };
        Some(written)
    }

    fn metrics(&mut self, text: &mut String, snapshot: &impl Snapshot) -> Option<fmt::Result> {
        let written;
        (written, self.step) = match self.step {
            Step::Domain => (metrics::domain(text, &snapshot.domain()), Step::Nic),
            Step::Nic => (metrics::nic(text, &snapshot.domain()), Step::Lines(0, 0)),
            Step::Lines(metric, first) => match metrics::OF_BOARDS.get(metric) {
                None => (metrics::counters_begin(text), Step::Counters(0, 0)),
                Some(metric_of) => {
                    let mut written = if first == 0 {
                        metrics::boards_begin(text, metric_of)
                    } else {
                        Ok(())
                    };
                    let mut number = first;
                    while number < first + ROWS
                        && let Some(board) = snapshot.board(number)
                    {
                        written = written.and(metrics::board(text, metric_of, &board));
                        number += 1;
                    }
                    let next = if number < first + ROWS {
                        Step::Lines(metric + 1, 0)
                    } else {
                        Step::Lines(metric, number)
                    };
                    (written, next)
                }
            },
            Step::Counters(number, first) => {
                let (Some(board), Some(counts)) = (snapshot.board(number), snapshot.counts(number))
                else {
                    self.step = Step::Done;
                    return Some(Ok(()));
                };
                let some = counted(&counts, first);
                let written = metrics::counters(text, &board, some.iter().copied());
                match some.last() {
                    Some((counter, _)) => (written, Step::Counters(number, counter.index() + 1)),
                    None => (written, Step::Counters(number + 1, 0)),
                }
            }
            Step::Board(_) | Step::Peers(..) | Step::End | Step::Done => return None,
        };
        Some(written)
    }
}

/// The next counters that are not 0, from that index on.
fn counted(counts: &Counts, first: usize) -> ArrayVec<(Counter, u64), COUNTERS> {
    let all = Counter::ALL.into_iter().zip(counts.iter().copied());
    all.skip(first)
        .filter(|(_, count)| *count > 0)
        .take(COUNTERS)
        .collect()
}
