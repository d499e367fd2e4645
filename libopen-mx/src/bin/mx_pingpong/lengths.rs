//! Which lengths are sent.

use std::path::PathBuf;

/// How lengths are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub first: u32,
    /// Inclusive.
    pub last: u32,
    pub increment: u32,
    /// Instead of the increment.
    pub multiplier: Option<u32>,
    /// Instead of all of these: a file with a length a line.
    pub file: Option<PathBuf>,
    /// In random order.
    pub random: bool,
}

/// Why there are no lengths.
#[derive(Debug)]
pub enum Failure {
    File(PathBuf, std::io::Error),
    Line(PathBuf, usize, String),
    /// The next length would not be a larger one.
    Standstill,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Line(path, number, line) => {
                write!(
                    f,
                    "{}, line {number}: '{line}' is no length",
                    path.display()
                )
            }
            Self::Standstill => {
                f.write_str("lengths must grow: choose an increment from 1, or a multiplier from 2")
            }
        }
    }
}

/// The lengths.
pub fn of(choice: &Choice) -> Result<Vec<u32>, Failure> {
    let mut lengths = match &choice.file {
        Some(path) => from_file(path)?,
        None => series(choice)?,
    };
    if choice.random {
        shuffle(&mut lengths);
    }
    Ok(lengths)
}

fn series(choice: &Choice) -> Result<Vec<u32>, Failure> {
    let grows = match choice.multiplier {
        Some(multiplier) => multiplier > 1,
        None => choice.increment > 0,
    };
    if !grows {
        return Err(Failure::Standstill);
    }
    let next = |length: &u32| match choice.multiplier {
        Some(multiplier) => length.max(&1).checked_mul(multiplier),
        None => length.checked_add(choice.increment),
    };
    // After 0 a multiplier goes on with 1.
    let next = |length: &u32| match (length, choice.multiplier) {
        (0, Some(_)) => Some(1),
        (length, _) => next(length),
    };
    let lengths = std::iter::successors(Some(choice.first), next);
    Ok(lengths
        .take_while(|length| *length <= choice.last)
        .collect())
}

fn from_file(path: &PathBuf) -> Result<Vec<u32>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::File(path.clone(), e))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let bad = |_| Failure::Line(path.clone(), number, line.to_owned());
            line.parse().map_err(bad)
        })
        .collect()
}

/// Another order, the same each time.
fn shuffle(lengths: &mut [u32]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..lengths.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        lengths.swap(at, (state % (at as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(first: u32, last: u32, increment: u32, multiplier: Option<u32>) -> Choice {
        Choice {
            first,
            last,
            increment,
            multiplier,
            file: None,
            random: false,
        }
    }

    #[test]
    fn the_last_length_belongs_to_them() {
        assert_eq!(of(&choice(0, 4, 2, None)).unwrap(), [0, 2, 4]);
        assert_eq!(of(&choice(0, 8, 1, Some(2))).unwrap(), [0, 1, 2, 4, 8]);
        assert_eq!(of(&choice(9, 8, 1, None)).unwrap(), [0_u32; 0]);
        let end = choice(u32::MAX - 1, u32::MAX, 1, None);
        assert_eq!(of(&end).unwrap(), [u32::MAX - 1, u32::MAX]);
    }

    #[test]
    fn lengths_that_do_not_grow_are_refused() {
        assert!(of(&choice(0, 4, 0, None)).is_err());
        assert!(of(&choice(0, 4, 1, Some(1))).is_err());
    }

    #[test]
    fn random_order_leaves_none_out() {
        let mut random = Choice {
            random: true,
            ..choice(0, 100, 1, None)
        };
        let mut lengths = of(&random).unwrap();
        random.random = false;
        assert_ne!(lengths, of(&random).unwrap());
        lengths.sort_unstable();
        assert_eq!(lengths, of(&random).unwrap());
    }
}
