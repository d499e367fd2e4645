//! What was measured at one length.

use serde::Serialize;

/// The result of one length.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Bytes of a message.
    pub length: u64,
    /// Messages in one direction.
    pub iterations: u32,
    /// Microseconds one way.
    pub latency_us: f64,
    /// Megabytes (10^6) a second.
    pub mb_per_s: f64,
    /// Median of the time stamp counter's ticks one way, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticks: Option<u64>,
}

impl Measured {
    /// From the microseconds that all iterations took.
    pub fn new(length: u64, iterations: u32, unidirectional: bool, total_us: f64) -> Self {
        let messages = f64::from(iterations) * if unidirectional { 1.0 } else { 2.0 };
        Self {
            length,
            iterations,
            latency_us: total_us / messages,
            mb_per_s: messages * length as f64 / total_us,
            ticks: None,
        }
    }

    /// The line that scripts read.
    pub fn line(&self) -> String {
        let length = format!(" {}", self.length);
        let mut line = format!(
            "length {length:>9}:\t{:.3} us\t{:.2} MB/s\t {:.2} MiB/s",
            self.latency_us,
            self.mb_per_s,
            self.mb_per_s / 1.048_576
        );
        if let Some(ticks) = self.ticks {
            line.push_str(&format!("\t{ticks} ticks"));
        }
        line
    }
}

/// The middle one of a set of samples; 0 of none.
pub fn median(samples: &mut [u64]) -> u64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_the_original_prints_it() {
        // 1000 round trips of 4096 bytes in 20 ms.
        let line = Measured::new(4096, 1000, false, 20_000.0).line();
        assert_eq!(
            line,
            "length      4096:\t10.000 us\t409.60 MB/s\t 390.63 MiB/s"
        );
    }

    #[test]
    fn one_direction_counts_once() {
        let measured = Measured::new(1000, 100, true, 1000.0);
        assert_eq!((measured.latency_us, measured.mb_per_s), (10.0, 100.0));
    }

    #[test]
    fn the_median_is_a_sample() {
        assert_eq!(median(&mut [5, 1, 9]), 5);
        assert_eq!(median(&mut []), 0);
    }
}
