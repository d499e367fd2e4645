//! Mini guests that lie, while the Linux guests and the node outside go on with messages that are verified. Of some pairs
//! of liars each helps the other one, as the seed says.
//!
//! Which kinds of lies there are stands in `tests/minis/src/lies/kinds.rs`; the liars name them in their reports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;

use super::consoles;
use super::domains::{Mini, Minis};
use crate::demo::fabric::Fabric;
use crate::demo::stage;
use crate::error::Error;
use crate::host::Nic;
use crate::scenario::judge::{exchange, expect};
use crate::scenario::leaks::Holdings;
use crate::stall_timeout::StallTimeout;

/// Five times what liars may take for a hundred lies under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);
/// How often the progress of a long run is printed.
const PROGRESS: Duration = Duration::from_secs(30);
/// A kind has too few lies if there is not one of it among so many.
const RAREST: u64 = 10_000;
/// What the driver domain's log says of a guest whose channel it has masked.
const MASKED: &str = "events for nothing: looked at every ms";
/// Lines of a log that are printed after a failure.
const LAST_WORDS: usize = 30;
/// Lines of a guest in the driver domain's log, in a minute, and as many at once.
const LINES: u64 = 60;

/// Options of `cargo lab hostile`.
#[derive(Args)]
pub struct HostileArgs {
    #[command(flatten)]
    pub plan: Plan,
    /// The driver domain's card.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
}

/// Who lies, and how much.
#[derive(Args)]
pub struct Plan {
    /// Lies of all liars together.
    #[arg(long, default_value_t = 1_000_000)]
    lies: u64,
    /// What decides which lies they are, and who helps whom.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Guests that lie.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=64))]
    minis: u8,
}

impl Plan {
    /// What is part of `cargo lab test`.
    pub const SHORT: Self = Self {
        lies: 100_000,
        seed: 1,
        minis: 8,
    };

    /// What the liar of that index is told to do.
    fn order(&self, liars: &Minis, index: usize, liar: &Mini) -> String {
        let seed = self.seed.wrapping_mul(64).wrapping_add(index as u64);
        // Of the pairs that follow each other every third is alone.
        let alone = (self.seed.wrapping_add(index as u64 / 2)) % 3 == 2;
        let partner = match alone {
            true => liar,
            false => liars.partner(index),
        };
        let each = self.lies.div_ceil(self.minis.into());
        format!("lie {seed} {each} {}", partner.mac)
    }
}

/// Has them lie, and judges what that did.
pub fn lie(fabric: &Fabric<'_>, plan: &Plan) -> Result<(), Error> {
    let before = stage("what is held without liars", || Holdings::take(fabric))?;
    let (begun, lines) = (Instant::now(), log_lines(fabric)?);
    let mut liars = Minis::default();
    stage(
        &format!("xl create, xl-omx attach, for {} liars", plan.minis),
        || liars.create(fabric, plan.minis.into()),
    )?;
    let title = format!(
        "{} lies of seed {}, beside verified exchanges",
        plan.lies, plan.seed
    );
    let counts = stage(&title, || told(fabric, &liars, plan));
    let counts = counts.inspect_err(|_| print_last_words(fabric, &liars))?;
    print_table(&counts);
    judge(&counts, plan)?;
    stage("no console has a panic, a warning or a bug", || {
        consoles::judge(fabric, &liars)
    })?;
    expect(fabric.log("driver-domain")?.contains(MASKED), || {
        "no channel that rang for nothing was masked".into()
    })?;
    let lines = log_lines(fabric)?.saturating_sub(lines);
    let minutes = begun.elapsed().as_secs().div_ceil(60);
    println!("    {lines} lines in the driver domain's log, in {minutes} minutes");
    let liars_and_guests = u64::from(plan.minis) + 2;
    expect(lines <= LINES * (minutes + 1) * liars_and_guests, || {
        format!("{lines} lines in the driver domain's log are too many")
    })?;
    stage("xl destroy, for all liars", || liars.destroy(fabric))?;
    stage("messages go on, and nothing is left", || {
        exchange(fabric, "guest1", "guest2")?;
        before.judge(fabric)
    })?;
    println!("{}", before.text());
    Ok(())
}

/// How often each kind was told, by name.
type Counts = BTreeMap<String, u64>;

/// Gives the orders, and exchanges messages until all have been carried out.
fn told(fabric: &Fabric<'_>, liars: &Minis, plan: &Plan) -> Result<Counts, Error> {
    let order = |index: usize, liar: &Mini| Some(plan.order(liars, index, liar));
    liars.order(fabric, order)?;
    let begun = Instant::now();
    let mut shown = begun;
    let mut timeout = StallTimeout::new(LIMIT);
    let mut before = 0;
    for exchanges in 0.. {
        let reports = liars.reports(fabric)?;
        let mut done = 0;
        let mut counts = Counts::new();
        for (index, (liar, report)) in liars.iter().zip(&reports).enumerate() {
            let order = plan.order(liars, index, liar);
            let Some(said) = report.strip_prefix(order.as_str()) else {
                continue;
            };
            expect(!said.contains("failed"), || failure(fabric, liar, report))?;
            done += usize::from(said.starts_with(" -> "));
            add(&mut counts, said);
        }
        let all = counts.get(SUM).copied().unwrap_or(0);
        let seconds = begun.elapsed().as_secs_f64();
        if done == liars.len() {
            let speed = all as f64 / seconds;
            println!("    {all} lies, {speed:.0} a second, beside {exchanges} verified exchanges");
            return Ok(counts);
        }
        if all > before {
            timeout.renew();
            before = all;
        }
        expect(!timeout.is_over(), || {
            format!("no liar goes on; the reports:\n{}", reports.join("\n"))
        })?;
        if shown.elapsed() > PROGRESS {
            shown = Instant::now();
            println!("    {all} lies after {seconds:.0} s");
        }
        let members: Vec<_> = fabric.members().collect();
        let member = |index: usize| members[index % members.len()];
        exchange(fabric, member(exchanges), member(exchanges + 1))?;
    }
    Ok(Counts::new())
}

fn failure(fabric: &Fabric<'_>, liar: &Mini, report: &str) -> String {
    let log = fabric.log(&liar.name).unwrap_or_default();
    format!("{}: {report}; its console:\n{log}", liar.name)
}

/// The sum, as the liars call it; beside the kinds they tell how often they had to connect anew.
const SUM: &str = "lies";
const RECONNECTS: &str = "reconnects";

/// Adds the words `name=count` of a report.
fn add(counts: &mut Counts, report: &str) {
    let words = report.split_whitespace();
    for (name, count) in words.filter_map(|word| word.split_once('=')) {
        *counts.entry(name.to_owned()).or_default() += count.parse().unwrap_or(0);
    }
}

/// The end of the driver domain's log, and of what it says of each liar's guest, for whoever looks for what broke it.
fn print_last_words(fabric: &Fabric<'_>, liars: &Minis) {
    let log = fabric.log("driver-domain").unwrap_or_default();
    let print = |about: &str| {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(about)).collect();
        for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
            println!("    {line}");
        }
    };
    for liar in liars.iter() {
        println!("    {}:", liar.name);
        print(&format!("guest {}, ", liar.id));
    }
    println!("    all:");
    print("");
}

fn print_table(counts: &Counts) {
    for (name, count) in counts {
        println!("    | {name:<18} | {count:>8} |");
    }
}

/// Whether there are enough, of every kind.
fn judge(counts: &Counts, plan: &Plan) -> Result<(), Error> {
    let all = counts.get(SUM).copied().unwrap_or(0);
    expect(all >= plan.lies, || format!("only {all} lies were told"))?;
    let mut kinds = counts
        .iter()
        .filter(|(name, _)| ![SUM, RECONNECTS].contains(&name.as_str()));
    let rare = kinds.find(|(_, count)| **count < plan.lies / RAREST);
    expect(rare.is_none(), || {
        format!("of a kind there were too few: {rare:?}")
    })
}

fn log_lines(fabric: &Fabric<'_>) -> Result<u64, Error> {
    Ok(fabric.log("driver-domain")?.lines().count() as u64)
}
