//! Saying what is being done, while it is being done.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// A stretch of work with a name. On a terminal it is a moving line; in a log a line at its begin and one at its end.
pub struct Stage {
    title: String,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Stage {
    /// Begins a stage.
    pub fn begin(title: impl Into<String>) -> Self {
        let title = title.into();
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(title.clone());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if bar.is_none() {
            println!("  … {title}");
        }
        Stage {
            title,
            begun: Instant::now(),
            bar,
        }
    }

    /// Ends the stage well; `note` (a figure, a count) is printed beside the time it took.
    pub fn done(self, note: impl AsRef<str>) {
        self.end("✓", note.as_ref());
    }

    /// Ends the stage badly; the error itself is told by the caller.
    pub fn failed(self) {
        self.end("✗", "failed");
    }

    fn end(self, mark: &str, note: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("  {note}")
        };
        println!("  {mark} {}  {seconds:.1} s{note}", self.title);
    }
}
