//! What a reader gets, in pieces of a few kilobytes: none is made before there is room to send it.

use alloc::string::String;

use super::facts::Facts;
use super::http::Resource;
use super::rates::Rates;
use super::{metrics, page};

/// Peers in one piece.
const PEERS: u16 = 32;

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Domain,
    Board(usize),
    Peers(usize, u16),
    End,
    Done,
}

/// The pieces of a resource, one after the other.
#[derive(Debug)]
pub struct Pieces {
    resource: Resource,
    step: Step,
}

impl Pieces {
    /// From the first piece on.
    pub fn new(resource: Resource) -> Self {
        Self {
            resource,
            step: Step::Domain,
        }
    }

    /// The next piece; `None` after the last. Boards and peers that come or go meanwhile may be missed or shown twice.
    pub fn next(&mut self, facts: &impl Facts, rates: &Rates) -> Option<String> {
        let page = self.resource == Resource::Page;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match self.step {
            Step::Domain => {
                self.step = Step::Board(0);
                let domain = facts.domain();
                if page {
                    page::domain(&mut text, &domain, rates)
                } else {
                    metrics::domain(&mut text, &domain)
                }
            }
            Step::Board(number) => match facts.board(number) {
                None => {
                    self.step = Step::End;
                    Ok(())
                }
                Some(board) => {
                    let count = |counter| facts.counter(number, counter);
                    if page {
                        self.step = Step::Peers(number, 0);
                        page::board(&mut text, &board, count)
                    } else {
                        self.step = Step::Board(number + 1);
                        metrics::board(&mut text, &board, count)
                    }
                }
            },
            Step::Peers(number, first) => {
                let peers = (first..first.saturating_add(PEERS))
                    .map_while(|index| facts.peer(number, index));
                let before = text.len();
                let written = page::peers(&mut text, peers);
                self.step = if text.len() == before {
                    let _ = page::board_end(&mut text);
                    Step::Board(number + 1)
                } else {
                    Step::Peers(number, first.saturating_add(PEERS))
                };
                written
            }
            Step::End => {
                self.step = Step::Done;
                if page { page::end(&mut text) } else { Ok(()) }
            }
            Step::Done => return None,
        };
        Some(text)
    }
}
