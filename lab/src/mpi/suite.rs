//! mpi4py's own tests over the provider, and the same over Open MPI's own transports.

use super::job::{Ended, Job};
use super::outcome::{self, Outcome};
use super::provider::Provider;
use super::transport::Transport;
use crate::build::Programs;
use crate::error::{At, Error};
use crate::node::{Node, free_wire};
use crate::prepare;
use crate::scenario::two_nodes::{joined, joined_with_loss};
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// mpi4py itself, and what more of its tests need.
const PACKAGES: [&str; 2] = ["python3-mpi4py", "python3-numpy"];

/// Debian's interpreter, which alone finds Debian's mpi4py.
const PYTHON: &str = "/usr/bin/python3";

/// Passes over the tests that were run before.
const RUNNER: &str = include_str!("suite.py");

/// How long a test may say nothing.
const LIMIT: Duration = Duration::from_secs(20);

/// Files of tests that start further jobs, for which mpirun has no places here, and one whose tests hang over libfabric's own TCP,
/// too: Open MPI's layer for libfabric does not complete a synchronous send that a matched probe has taken.
const LEFT_OUT: &str = "spawn|dynproc|pkl5";

/// Tests that hang over this provider and crash over libfabric's own TCP: Open MPI's layer for libfabric takes a type of absolute
/// addresses for a buffer at address 0.
const LEFT_OUT_TESTS: &str = "testAlltoallwBottom";

const FRAME: u16 = 9000;

/// What became of each test.
type Outcomes = BTreeMap<String, Outcome>;

/// Runs all of it on one node and on two, and beside it over vader and TCP. Whether nothing fails but what fails elsewhere, too.
pub fn run(programs: &Programs, provider: &Provider, ranks: &[u32]) -> Result<bool, Error> {
    let suite = Suite::prepare(provider)?;
    let alone = [Node::start(programs, "mpi", free_wire()?, FRAME, &[])?];
    let pair = joined(programs, FRAME)?;
    let mut good = true;
    for &ranks in ranks {
        let mut elsewhere = Vec::new();
        for other in [Transport::Vader, Transport::Tcp] {
            let outcomes = suite.over(other, ranks, &[])?;
            summary(other.name(), ranks, &outcomes, "");
            elsewhere.push((other.name(), outcomes));
        }
        for nodes in [&alone[..], &pair[..]] {
            let transport = Transport::Provider(nodes);
            let outcomes = suite.over(transport, ranks, &[])?;
            good &= suite.judge(transport.name(), ranks, &outcomes, &elsewhere)?;
        }
    }
    Ok(good)
}

/// Runs it on two nodes between which frames are lost.
pub fn run_with_loss(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let suite = Suite::prepare(provider)?;
    let mut good = true;
    for percent in [1, 5] {
        let (pair, wire) = joined_with_loss(programs, FRAME, percent)?;
        let outcomes = suite.over(Transport::Provider(&pair), 2, &[])?;
        let name = format!("openmx, two nodes, {percent} % of frames lost");
        good &= suite.judge(&name, 2, &outcomes, &[])?;
        println!("    frames lost: {}", wire.lost());
        good &= wire.lost() > 0;
    }
    Ok(good)
}

struct Suite<'a> {
    provider: &'a Provider,
    runner: String,
    tests: String,
}

impl<'a> Suite<'a> {
    fn prepare(provider: &'a Provider) -> Result<Self, Error> {
        for package in PACKAGES {
            prepare::package(package)?;
        }
        let runner = provider.folder().join("suite.py");
        fs::write(&runner, RUNNER).at("write", &runner)?;
        let text = |path: &Path| path.display().to_string();
        Ok(Self {
            provider,
            runner: text(&runner),
            tests: text(&prepare::mpi4py()?.join("test/runtests.py")),
        })
    }

    /// Runs the tests whose names have one of these in them, or all. A job that a test breaks is begun again behind that test.
    fn over(
        &self,
        transport: Transport<'_>,
        ranks: u32,
        patterns: &[String],
    ) -> Result<Outcomes, Error> {
        let stage = Stage::begin(format!(
            "mpi4py's tests, {}, {ranks} ranks",
            transport.name()
        ));
        let mut outcomes = Outcomes::new();
        let mut after = String::new();
        let mut program = [PYTHON, &self.runner, &self.tests, "-v", "-e", LEFT_OUT]
            .map(str::to_owned)
            .to_vec();
        program.extend(patterns.iter().map(|pattern| format!("-k{pattern}")));
        loop {
            let job = Job {
                transport,
                ranks,
                program: program.clone(),
                variables: vec![
                    ("AFTER", after.clone()),
                    ("LEFT_OUT", LEFT_OUT_TESTS.to_owned()),
                    // Receives of objects would be matched probes, too.
                    ("MPI4PY_RC_RECV_MPROBE", "0".to_owned()),
                ],
                limit: LIMIT,
            };
            let ended = job.run(self.provider)?;
            match take(&ended, &mut outcomes) {
                Some(broke) if broke != after => after = broke,
                Some(_) => return Err(Error::Judged(ended.mixed)),
                None => break,
            }
        }
        stage.done("");
        Ok(outcomes)
    }

    /// Prints what passed and failed, and where else. Over libfabric's own TCP runs only what has failed.
    fn judge(
        &self,
        name: &str,
        ranks: u32,
        outcomes: &Outcomes,
        elsewhere: &[(&str, Outcomes)],
    ) -> Result<bool, Error> {
        let failed: Vec<&String> = outcomes
            .iter()
            .filter(|(_, outcome)| **outcome >= Outcome::Failed)
            .map(|(name, _)| name)
            .collect();
        let mut all = Vec::new();
        if !failed.is_empty() {
            let other = Transport::LibfabricTcp;
            let patterns: Vec<String> = failed.iter().map(|name| (*name).clone()).collect();
            all.push((other.name(), self.over(other, ranks, &patterns)?));
        }
        let places = || elsewhere.iter().chain(&all);
        let fails_too = |test: &str| {
            let fails = |outcomes: &Outcomes| outcomes.get(test) >= Some(&Outcome::Failed);
            places()
                .filter(|(_, outcomes)| fails(outcomes))
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
        };
        let own = failed.iter().filter(|test| fails_too(test).is_empty());
        let own = own.count();
        summary(
            name,
            ranks,
            outcomes,
            &format!(" ({} elsewhere, too)", failed.len() - own),
        );
        for test in failed {
            let outcome = match outcomes[test] {
                Outcome::Broke => "breaks its job",
                _ => "fails",
            };
            let too = match &fails_too(test)[..] {
                [] => "nowhere else".to_owned(),
                names => format!("over {}, too", names.join(" and ")),
            };
            println!("      {test} {outcome}; {too}");
        }
        Ok(own == 0)
    }
}

/// The line of a run.
fn summary(name: &str, ranks: u32, outcomes: &Outcomes, elsewhere: &str) {
    let count = |wanted: &[Outcome]| {
        let found = outcomes.values().filter(|outcome| wanted.contains(outcome));
        found.count()
    };
    println!(
        "    {name}, {ranks} ranks: {} passed, {} failed{elsewhere}, {} skipped",
        count(&[Outcome::Passed]),
        count(&[Outcome::Failed, Outcome::Broke]),
        count(&[Outcome::Skipped]),
    );
}

/// Adds what a job has found; the test that broke it, if one did. A test is as good as on the rank where it went worst.
fn take(ended: &Ended, outcomes: &mut Outcomes) -> Option<String> {
    let whole = ended.said.iter().all(|said| outcome::is_whole(said));
    let ranks: Vec<_> = ended
        .said
        .iter()
        .map(|said| outcome::of_rank(said))
        .collect();
    // The rank that is behind the others is where the job broke.
    let furthest = ranks.iter().map(Vec::len).min().unwrap_or(0);
    for rank in &ranks {
        for (test, outcome) in &rank[..furthest] {
            let outcome = outcome.unwrap_or(Outcome::Broke);
            let known = outcomes.entry(test.clone()).or_insert(outcome);
            *known = outcome.max(*known);
        }
    }
    if whole && !ended.stalled {
        return None;
    }
    let broke = furthest
        .checked_sub(1)
        .and_then(|last| ranks.first()?.get(last));
    let broke = broke.map_or_else(String::new, |(test, _)| test.clone());
    outcomes.insert(broke.clone(), Outcome::Broke);
    Some(broke)
}
