//! How bytes are written down: a title for each value, below it the rows of 16 bytes that are not all zero.

use core::fmt::{Display, Write};

use mx_ring::VolatileSlice;

const ROW: usize = 16;
/// Lines of a difference that are shown.
const SHOWN: usize = 24;

/// A text of hex.
#[derive(Default)]
pub struct Listing(String);

impl Listing {
    /// Begins a value.
    pub fn title(&mut self, title: impl Display) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.line(format_args!("{gap}[{title}]"));
    }

    /// A line of the value as it is.
    pub fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string takes everything");
    }

    /// The bytes of a value: offset and content of each row, rows of zeros left out.
    pub fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.changed(place, &[], bytes);
    }

    /// What lies in shared pages.
    pub fn pages(&mut self, place: &str, slice: &VolatileSlice) {
        self.bytes(place, &content(slice));
    }

    /// The rows in which bytes are not what they were before, beyond whose end all was zero.
    pub fn changed(&mut self, place: &str, before: &[u8], bytes: &[u8]) {
        for (number, row) in bytes.chunks(ROW).enumerate() {
            let at = number * ROW;
            let old = before.iter().copied().skip(at).chain([0; ROW]);
            if !row.iter().copied().eq(old.take(row.len())) {
                let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
                self.line(format_args!("{place} {at:06x}  {}", hex.join(" ")));
            }
        }
    }

    /// The numbers from 0 to 255 that are understood as a kind.
    pub fn kinds(&mut self, title: &str, known: impl Fn(u8) -> bool) {
        let kinds = (0..=u8::MAX).filter(|kind| known(*kind));
        let kinds: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
        self.title(format_args!("{title}: known numbers"));
        self.line(kinds.join(" "));
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// All bytes of shared pages.
pub fn content(slice: &VolatileSlice) -> Vec<u8> {
    let mut bytes = vec![0; slice.len()];
    slice.read(0, &mut bytes).expect("a whole area");
    bytes
}

/// The first lines in which two listings differ, each below the title of its value.
pub fn difference(known: &str, built: &str) -> String {
    let (known, built) = (titled(known), titled(built));
    let only = |sign, of: &[String], other: &[String]| -> Vec<String> {
        let missing = of.iter().filter(|line| !other.contains(line));
        missing.map(|line| format!("  {sign} {line}\n")).collect()
    };
    let mut lines = only('-', &known, &built);
    lines.extend(only('+', &built, &known));
    let rest = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if rest > 0 {
        lines.push(format!("  and {rest} more\n"));
    }
    if lines.is_empty() {
        lines.push("  the same lines in another order\n".into());
    }
    lines.concat()
}

/// The lines of a listing with the title of their value before each.
fn titled(listing: &str) -> Vec<String> {
    let mut title = "";
    let mut lines = Vec::new();
    for line in listing.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            title = line;
        } else {
            lines.push(format!("{title} {line}"));
        }
    }
    lines
}
