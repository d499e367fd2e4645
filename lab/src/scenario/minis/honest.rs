//! Honest messages of mini guests, beside verified exchanges of Linux guests.

use super::domains::{Mini, Minis, value};
use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::scenario::judge::{exchange, expect};

/// Milliseconds between an order and the time that counts: all have begun by then.
const LEAD: u64 = 2_000;
/// Milliseconds that count.
const LONG: u64 = 3_000;

/// One mini guest, whose partner it is itself, beside a verified exchange of Linux guests.
pub fn alone(fabric: &Fabric<'_>, minis: &Minis) -> Result<(), Error> {
    for size in ["tiny", "small", "large"] {
        let order = order(fabric, minis, size)?;
        minis.order(fabric, &order)?;
        if size == "tiny" {
            exchange(fabric, "guest1", "guest2")?;
        }
        for count in verified(fabric, minis, &order)? {
            expect(count > 0, || format!("no {size} message was verified"))?;
        }
    }
    Ok(())
}

/// The order for each, with one time for all: they send to their partners.
fn order<'a>(
    fabric: &Fabric<'_>,
    minis: &'a Minis,
    size: &'a str,
) -> Result<impl Fn(usize, &Mini) -> Option<String> + use<'a>, Error> {
    let from = fabric.counter("time-us")? / 1_000 + LEAD;
    Ok(move |index: usize, _: &Mini| {
        let partner = &minis.partner(index).mac;
        Some(format!("load {size} partner {partner} {from} {LONG}"))
    })
}

/// How many messages each has verified; none was wrong, lost or doubled.
fn verified(
    fabric: &Fabric<'_>,
    minis: &Minis,
    order: impl Fn(usize, &Mini) -> Option<String>,
) -> Result<Vec<u64>, Error> {
    let answers = minis.answers(fabric, order)?;
    let verified = answers.iter().zip(minis.iter()).map(|(answer, mini)| {
        let right = ["wrong", "lost", "doubled"].map(|name| value(answer, name));
        if right.into_iter().any(|count| !matches!(count, Ok(0))) {
            let log = fabric.log(&mini.name)?;
            let name = &mini.name;
            return Err(Error::Judged(format!(
                "{name}: {answer}; its console:\n{log}"
            )));
        }
        value(answer, "verified")
    });
    verified.collect()
}
