//! Citations in a text: of sections (`wire.md §6.1`), of decisions (`architecture D6`), and of documents by their paths.

use std::sync::LazyLock;

use regex::Regex;

/// A sign of a section, or "architecture" and a decision.
static SECTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"§\s?(\d+(?:\.\d+)*)"));
static DECISION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(architecture)(?:\.md)?,? (D\d+)\b"));
static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z0-9_./:-]*[A-Za-z0-9_-]\.md\b"));
/// What joins a section to the one before it, so that both are of one document.
static JOINT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:,|;|,? and|,? or| to)\s$"));
/// What a file says that cites another one's sections without its name.
static ADOPTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"Sections are those of ([a-z-]+)\.md"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file")
}

/// A section or decision that is cited.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// The line, from 1.
    pub line: usize,
    /// The word before the first section sign of its row, without ".md"; what it means is the reader's.
    pub after: String,
    /// The number.
    pub number: String,
}

/// A text without the marks of comments, whose lines are joined by blanks, so that a citation may go on in the next.
pub struct Text {
    joined: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Text {
    /// Of a file's text.
    pub fn new(text: &str) -> Self {
        let mut joined = String::with_capacity(text.len());
        let mut lines = Vec::new();
        for line in text.lines() {
            lines.push(joined.len());
            let line = line
                .trim_start()
                .trim_start_matches(['/', '!', '*', '#', '>']);
            joined.extend(line.trim().chars().filter(|&c| c != '`'));
            joined.push(' ');
        }
        Self { joined, lines }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|&start| start <= at)
    }

    /// The document whose sections are meant where none is named, if the text says so.
    pub fn adopted(&self) -> Option<&str> {
        Some(ADOPTED.captures(&self.joined)?.get(1)?.as_str())
    }

    /// Every section and decision, in their order.
    pub fn sections(&self) -> Vec<Section> {
        let mut all = Vec::new();
        let mut before = (0, String::new());
        for found in SECTION.captures_iter(&self.joined) {
            let (Some(whole), Some(number)) = (found.get(0), found.get(1)) else {
                continue;
            };
            let between = &self.joined[before.0..whole.start()];
            let after = match JOINT.is_match(between) {
                true => before.1,
                false => word_at_end(between),
            };
            before = (whole.end(), after.clone());
            all.push((whole.start(), after, number.as_str()));
        }
        for found in DECISION.captures_iter(&self.joined) {
            if let (Some(document), Some(number)) = (found.get(1), found.get(2)) {
                all.push((document.start(), document.as_str().into(), number.as_str()));
            }
        }
        all.sort_by_key(|&(at, ..)| at);
        let section = |(at, after, number): (usize, String, &str)| Section {
            line: self.line(at),
            after,
            number: number.to_owned(),
        };
        all.into_iter().map(section).collect()
    }

    /// Every path of a Markdown file, with its line.
    pub fn documents(&self) -> Vec<(usize, &str)> {
        let paths = PATH.find_iter(&self.joined);
        let own = paths.filter(|path| !path.as_str().contains("://"));
        own.map(|path| (self.line(path.start()), path.as_str()))
            .collect()
    }
}

/// The last word of a text that ends with a blank, without its path and ".md"; empty if the text ends otherwise.
fn word_at_end(text: &str) -> String {
    let Some(text) = text.strip_suffix(' ') else {
        return String::new();
    };
    let word = text.rsplit([' ', '(', '[', '|']).next().unwrap_or_default();
    let word = word.trim_end_matches([',', ':']).trim_end_matches(".md");
    word.rsplit('/').next().unwrap_or_default().to_owned()
}
