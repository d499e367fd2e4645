//! Jobs that verify, run over the provider; those that fail there run over Open MPI's own transports, too, and over libfabric's
//! TCP.

use super::case::Case;
use super::provider::Provider;
use super::transport::Transport;
use crate::error::Error;
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a job that fails is run over, too.
const ELSEWHERE: [Transport<'static>; 3] =
    [Transport::Vader, Transport::Tcp, Transport::LibfabricTcp];

/// So often a long list says how far it is.
const STEP: usize = 25;

/// Jobs that belong together.
pub struct Group {
    /// Its name in lists.
    pub title: String,
    /// The jobs.
    pub cases: Vec<Case>,
    /// What is not run: each with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// What became of a group over one transport.
struct Row {
    title: String,
    over: &'static str,
    passed: usize,
    checks: u64,
    /// Each with the reason.
    failed: BTreeMap<String, String>,
}

/// Where a job fails that fails over the provider: transports, each with the reason.
type Places = Vec<(&'static str, String)>;

/// Runs each group over each of these, prints a table and what failed; whether nothing fails but what fails elsewhere, too.
pub fn run(
    provider: &Provider,
    transports: &[Transport<'_>],
    groups: &[Group],
) -> Result<bool, Error> {
    let mut rows = Vec::new();
    let mut elsewhere = BTreeMap::new();
    for transport in transports {
        for group in groups {
            let row = row(provider, *transport, group)?;
            let failed = |case: &&Case| row.failed.contains_key(&case.name);
            for case in group.cases.iter().filter(failed) {
                if let Entry::Vacant(entry) = elsewhere.entry(case.name.clone()) {
                    entry.insert(places(provider, case)?);
                }
            }
            rows.push(row);
        }
    }
    let alone = |name: &str| elsewhere.get(name).is_none_or(Places::is_empty);
    print(&rows, &alone);
    for group in groups {
        for (name, reason) in &group.left_out {
            println!("      {name} is left out: {reason}");
        }
    }
    for row in &rows {
        for (name, reason) in &row.failed {
            let places = elsewhere.get(name).into_iter().flatten();
            let places: Vec<String> = places
                .map(|(place, reason)| format!("over {place} {reason}"))
                .collect();
            let places = match &places[..] {
                [] => "nowhere else".to_owned(),
                places => places.join(", "),
            };
            println!(
                "      {}: {name} fails, {}: {reason}; {places}",
                row.title, row.over
            );
        }
    }
    let mut failed = rows.iter().flat_map(|row| row.failed.keys());
    Ok(!failed.any(|name| alone(name)))
}

fn row(provider: &Provider, transport: Transport<'_>, group: &Group) -> Result<Row, Error> {
    let over = transport.name();
    let count = group.cases.len();
    let stage = Stage::begin(format!("{}, {over}: {count} jobs", group.title));
    let mut row = Row {
        title: group.title.clone(),
        over,
        passed: 0,
        checks: 0,
        failed: BTreeMap::new(),
    };
    for (index, case) in (1..).zip(&group.cases) {
        match case.run(provider, transport)? {
            Ok(checks) => {
                row.passed += 1;
                row.checks += checks;
            }
            Err(reason) => {
                println!("      {} fails: {reason}", case.name);
                row.failed.insert(case.name.clone(), reason);
            }
        }
        if index % STEP == 0 && index < count {
            println!("      {index} of {count}, {} failed", row.failed.len());
        }
    }
    stage.done(format!("{} passed", row.passed));
    Ok(row)
}

/// Where a job fails that failed over the provider.
fn places(provider: &Provider, case: &Case) -> Result<Places, Error> {
    let stage = Stage::begin(format!("{} elsewhere", case.name));
    let mut places = Vec::new();
    for transport in ELSEWHERE {
        if let Err(reason) = case.run(provider, transport)? {
            places.push((transport.name(), reason));
        }
    }
    stage.done(format!(
        "fails over {} of {}",
        places.len(),
        ELSEWHERE.len()
    ));
    Ok(places)
}

fn print(rows: &[Row], alone: &dyn Fn(&str) -> bool) {
    println!("\n| jobs | over | passed | checks in them | failed | of which elsewhere, too |");
    println!("|{}", "---|".repeat(6));
    for row in rows {
        let too = row.failed.keys().filter(|name| !alone(name)).count();
        println!(
            "| {} | {} | {} | {} | {} | {too} |",
            row.title,
            row.over,
            row.passed,
            row.checks,
            row.failed.len()
        );
    }
}
