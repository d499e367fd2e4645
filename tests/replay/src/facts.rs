//! What happened to the recorded nodes that no frame tells. The captures' own description is the source.

use std::time::Duration;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process with this endpoint was killed, so long after the first frame.
    Killed(u8, Duration),
}

/// In which capture, and to which node: the number of its first words, 0 for the first speaker.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// The file's name without folder and ending.
    pub stem: &'static str,
    /// Which node.
    pub speaker: usize,
    /// What.
    pub event: Event,
}

/// All of them.
pub const FACTS: &[Fact] = &[Fact {
    stem: "26-peer-process-killed-mid-large",
    speaker: 1,
    event: Event::Killed(3, Duration::from_millis(3500)),
}];

/// What happened to a node of a capture.
pub fn of(stem: &str, speaker: usize) -> impl Iterator<Item = Event> {
    FACTS
        .iter()
        .filter(move |fact| fact.stem == stem && fact.speaker == speaker)
        .map(|fact| fact.event)
}
