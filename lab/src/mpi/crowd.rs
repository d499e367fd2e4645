//! Many ranks on two nodes, each of which sends to every other one.

use super::job::Job;
use super::provider::Provider;
use super::transport::Transport;
use crate::build::Programs;
use crate::error::{At, Error};
use crate::node::{Node, free_wire};
use crate::scenario::two_nodes::introduced;
use crate::stage::Stage;
use std::fs;
use std::time::Duration;

/// Ranks, of which each node has half.
const RANKS: u32 = 64;

/// Its processes time and verify.
const PROGRAM: &str = "crowd";

/// How long the job may say nothing: on few processors they take their turns.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs it, and prints times and memory; whether every byte was right.
pub fn run(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let program = provider.program(PROGRAM)?;
    let endpoints = (RANKS / 2).to_string();
    let options = ["--endpoints", endpoints.as_str()];
    let wire = free_wire()?;
    let node = |name, wire| Node::start(programs, name, wire, 9000, &options);
    let nodes = introduced(node("one", wire)?, node("two", wire.other_end())?)?;
    let stage = Stage::begin(format!("{RANKS} ranks on two nodes"));
    let job = Job {
        transport: Transport::Provider(&nodes),
        ranks: RANKS,
        program: vec![program.display().to_string()],
        variables: Vec::new(),
        limit: LIMIT,
    };
    let ended = job.run(provider)?;
    stage.done("");
    let begin = format!("{RANKS} ranks: ");
    let line = ended.mixed.lines().find(|line| line.starts_with(&begin));
    match line.filter(|_| ended.good) {
        Some(line) => println!("    {line}"),
        None => println!("    the job failed:\n{}", ended.mixed),
    }
    for node in &nodes {
        println!("    a node had {} at most", most_memory(node)?);
    }
    Ok(ended.good && line.is_some())
}

/// The most memory that a node has had, as the kernel writes it.
fn most_memory(node: &Node<'_>) -> Result<String, Error> {
    let file = format!("/proc/{}/status", node.process());
    let status = fs::read_to_string(&file).at("read", &file)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("unknown memory").trim().to_owned())
}
