//! What a mini is told to do, as a line of words, and what it answers.
//!
//! | order | what it does |
//! |---|---|
//! | `open <endpoints>` | opens so many endpoints, 1, 2, 4 or 8, unless some are open; without it `load` opens one |
//! | `load <size> <target> <address> <from> <for>` | sends messages of a size (`tiny`, `small`, `medium`, `large`) to the `partner` or the `station` of that address (large ones to its `conformance peer`) until `from` + `for`, in milliseconds of Xen's clock, and counts what is done from `from` on |
//! | `lie <seed> <lies> <address>` | tells so many lies, the same for the same seed, some of them with the help of a partner |

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use mx_wire::MacAddress;

use crate::load::ENDPOINTS_MAX;
use crate::work::{Size, Tally, Target};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Endpoints for honest messages.
    Open {
        /// How many.
        endpoints: u8,
    },
    /// Honest messages.
    Load {
        /// Of what size.
        size: Size,
        /// To whom.
        target: Target,
        /// From when to when they count.
        window: (Duration, Duration),
    },
    /// Lies.
    Lie {
        /// What decides which.
        seed: u64,
        /// How many.
        lies: u64,
        /// Who helps.
        partner: MacAddress,
    },
}

impl Order {
    /// Reads an order; none for a line that is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let order = match words.next()? {
            "open" => {
                let endpoints: u8 = words.next()?.parse().ok()?;
                if !endpoints.is_power_of_two() || endpoints > ENDPOINTS_MAX {
                    return None;
                }
                Self::Open { endpoints }
            }
            "load" => {
                let size = match words.next()? {
                    "tiny" => Size::Tiny,
                    "small" => Size::Small,
                    "medium" => Size::Medium,
                    "large" => Size::Large,
                    _ => return None,
                };
                let target = match words.next()? {
                    "partner" => Target::Partner,
                    "station" => Target::Station,
                    _ => return None,
                };
                let mac = words.next()?.parse().ok()?;
                let mut millis = || words.next()?.parse().ok().map(Duration::from_millis);
                let (from, long) = (millis()?, millis()?);
                Self::Load {
                    size,
                    target: target(mac),
                    window: (from, from.checked_add(long)?),
                }
            }
            "lie" => Self::Lie {
                seed: words.next()?.parse().ok()?,
                lies: words.next()?.parse().ok()?,
                partner: words.next()?.parse().ok()?,
            },
            _ => return None,
        };
        words.next().is_none().then_some(order)
    }
}

/// A tally as words.
pub fn told(tally: &Tally) -> String {
    let Tally {
        done,
        size,
        sent,
        verified,
        wrong,
        lost,
        doubled,
        asleep,
    } = tally;
    format!(
        "done={done} size={size} sent={sent} verified={verified} wrong={wrong} lost={lost} doubled={doubled} asleep={asleep}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_what_is_none_is_refused() {
        let mac = MacAddress([0, 0x16, 0x3e, 0, 0, 7]);
        assert_eq!(
            Order::parse("load tiny partner 00:16:3e:00:00:07 1000 500"),
            Some(Order::Load {
                size: Size::Tiny,
                target: Target::Partner(mac),
                window: (Duration::from_secs(1), Duration::from_millis(1500)),
            })
        );
        assert_eq!(
            Order::parse("lie 7 100000 00:16:3e:00:00:07"),
            Some(Order::Lie {
                seed: 7,
                lies: 100_000,
                partner: mac
            })
        );
        assert_eq!(Order::parse("open 8"), Some(Order::Open { endpoints: 8 }));
        for wrong in [
            "",
            "open",
            "open 0",
            "open 3",
            "open 16",
            "load",
            "load huge partner 00:16:3e:00:00:07 1 1",
            "load tiny partner 00:16:3e:00:00:07 1",
            "load tiny partner 00:16:3e:00:00:07 1 1 1",
            "lie 7 1",
        ] {
            assert_eq!(Order::parse(wrong), None, "{wrong}");
        }
    }
}
