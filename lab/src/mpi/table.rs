//! A table of round trips and bandwidth, over the provider and over Open MPI's own transports.

use super::job::Job;
use super::provider::Provider;
use super::transport::Transport;
use super::veth::Veth;
use crate::build::Programs;
use crate::error::Error;
use crate::node::{Node, free_wire};
use crate::stage::Stage;
use std::time::Duration;

const FRAME: u16 = 9000;

/// Its processes measure and verify.
const PROGRAM: &str = "measure";

/// How long a job may say nothing.
const LIMIT: Duration = Duration::from_secs(120);

/// What is measured of a length: half a round trip in microseconds, and MiB per second.
type Row = (u64, f64, f64);

/// Measures each transport so often, one after the other in each round, and prints medians and their ratios.
pub fn run(programs: &Programs, provider: &Provider, rounds: u32) -> Result<bool, Error> {
    let program = vec![provider.program(PROGRAM)?.display().to_string()];
    let veth = Veth::new(FRAME)?;
    let alone = [Node::start(programs, "mpi", free_wire()?, FRAME, &[])?];
    let pair = veth.nodes(programs, FRAME)?;
    let transports = [
        Transport::Provider(&alone),
        Transport::Provider(&pair),
        Transport::Vader,
        Transport::Tcp,
        Transport::Veth(&veth),
    ];
    let stage = Stage::begin(format!("{rounds} rounds of {} jobs", transports.len()));
    let mut measured = transports.map(|_| Vec::new());
    for _ in 0..rounds {
        for (transport, rows) in transports.iter().zip(&mut measured) {
            let job = Job {
                transport: *transport,
                ranks: 2,
                program: program.clone(),
                variables: Vec::new(),
                limit: LIMIT,
            };
            let ended = job.run(provider)?;
            if !ended.good {
                let reason = format!("a job failed, {}:\n{}", transport.name(), ended.mixed);
                return Err(Error::Judged(reason));
            }
            rows.push(read(ended.said.first().map_or("", String::as_str)));
        }
    }
    stage.done("");
    let medians = measured.map(|runs| medians(&runs));
    let names = transports.map(Transport::name);
    print("half a round trip, µs", &names, &medians, |row| row.1);
    print("MiB/s, 16 sends at a time", &names, &medians, |row| row.2);
    Ok(true)
}

/// The rows that rank 0 has printed.
fn read(said: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut words = line.split(' ');
        let row = (
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
        );
        words.next().is_none().then_some(row)
    };
    said.lines().filter_map(row).collect()
}

/// Of each length the medians of all runs that have it.
fn medians(runs: &[Vec<Row>]) -> Vec<Row> {
    let lengths = runs.first().into_iter().flatten().map(|row| row.0);
    let of = |length, value: fn(&Row) -> f64| {
        let rows = runs.iter().flatten().filter(|row| row.0 == length);
        median(rows.map(value).collect())
    };
    lengths
        .map(|length| (length, of(length, |row| row.1), of(length, |row| row.2)))
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A column for each transport, and the ratios of one node to vader and lo, of two nodes to veth.
fn print(title: &str, names: &[&str; 5], medians: &[Vec<Row>; 5], value: fn(&Row) -> f64) {
    println!(
        "\n| {title} | {} | one node : vader | one node : lo | two nodes : veth |",
        names.join(" | ")
    );
    println!("|{}", "---|".repeat(names.len() + 4));
    // Nothing has no bandwidth.
    let some = |(_, row): &(usize, &Row)| value(row) > 0.0;
    for (index, (length, ..)) in medians[0].iter().enumerate().filter(some) {
        let values = medians
            .each_ref()
            .map(|rows| rows.get(index).map_or(f64::NAN, value));
        let [alone, pair, vader, lo, veth] = values;
        let columns = values.map(|value| format!("{value:.1}")).join(" | ");
        let ratios = [alone / vader, alone / lo, pair / veth].map(|ratio| format!("{ratio:.2}"));
        println!("| {length} | {columns} | {} |", ratios.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_those_of_each_length_and_noise_is_no_row() {
        let runs = [
            "0 3.0 0.0\n64 5.0 9.0\n",
            "0 1.0 0.0\n[vm:1] 2 3\n64 7.0 1.0\n",
            "0 2.0 0.0\n64 6.0 2.0\n",
        ];
        let runs = runs.map(read);
        assert_eq!(medians(&runs), [(0, 2.0, 0.0), (64, 6.0, 2.0)]);
    }
}
