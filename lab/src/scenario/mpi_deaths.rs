//! What dies under MPI: a node, and a rank.

use crate::build::Programs;
use crate::error::{At, Error};
use crate::mpi::job::{Job, Running};
use crate::mpi::provider::Provider;
use crate::mpi::transport::Transport;
use crate::node::{Node, free_wire};
use crate::stall_timeout::wait_until;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Looks at its queues when their node is dead.
const GONE: &str = "gone";

/// Sends for ever.
const ENDLESS: &str = "endless";

/// Ranks of that.
const RANKS: u32 = 4;

/// What ends takes a moment.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs it all; how many deaths there were.
pub fn run(programs: &Programs, provider: &Provider) -> Result<u64, Error> {
    queues_of_a_dead_node(programs, provider)?;
    job_of_a_dead_node(programs, provider)?;
    job_of_a_dead_rank(programs, provider)?;
    Ok(3)
}

fn node(programs: &Programs) -> Result<Node<'_>, Error> {
    Node::start(programs, "mpi-deaths", free_wire()?, 9000, &[])
}

/// Every queue of a process tells that its node has gone, and none makes it wait for ever.
fn queues_of_a_dead_node(programs: &Programs, provider: &Provider) -> Result<(), Error> {
    let program = provider.program(GONE)?;
    let node = node(programs)?;
    let mut child = Command::new("timeout")
        .arg(LIMIT.as_secs().to_string())
        .arg(&program)
        .env("FI_PROVIDER_PATH", provider.folder())
        .env("OMX_SOCKET", node.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .at("start", &program)?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        output.read_line(&mut said).at("read", &program)?;
        drop(node);
        if let Some(mut input) = child.stdin.take() {
            // If it has ended this is told below.
            let _ = input.write_all(b"the node is dead\n");
        }
        output.read_to_string(&mut said).at("read", &program)?;
    }
    let status = child.wait().at("wait for", &program)?;
    match status.success() && said.ends_with(" queues told\n") {
        true => Ok(()),
        false => Err(Error::Judged(format!(
            "a process whose node was killed ended with {status}, and had said: {said}"
        ))),
    }
}

/// A job whose node is killed ends, and badly.
fn job_of_a_dead_node(programs: &Programs, provider: &Provider) -> Result<(), Error> {
    let nodes = [node(programs)?];
    let (mut job, _) = begun(&nodes, provider)?;
    drop(nodes);
    ends_badly(&mut job, "its node was killed")
}

/// A job of which a rank is killed ends, and leaves the node to the next one.
fn job_of_a_dead_rank(programs: &Programs, provider: &Provider) -> Result<(), Error> {
    let nodes = [node(programs)?];
    // More ranks than there are endpoints, if each job left its own.
    for _ in 0..10 {
        let (mut job, process) = begun(&nodes, provider)?;
        // It may be ending already.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        ends_badly(&mut job, "a rank was killed")?;
    }
    Ok(())
}

/// A job whose ranks send, and the process of one.
fn begun(
    nodes: &[Node<'_>],
    provider: &Provider,
) -> Result<(Running, rustix::process::Pid), Error> {
    let job = Job {
        transport: Transport::Provider(nodes),
        ranks: RANKS,
        program: vec![provider.program(ENDLESS)?.display().to_string()],
        variables: Vec::new(),
        limit: LIMIT,
    };
    let running = job.start(provider)?;
    let (process, _) = wait_until(LIMIT, "all ranks send", || {
        let said = running.mixed()?;
        let processes: Vec<_> = said.lines().filter_map(process).collect();
        Ok(match processes.len() as u32 {
            RANKS => Ok(processes[1]),
            _ => Err(said),
        })
    })?;
    Ok((running, process))
}

/// The process that a rank says it is.
fn process(line: &str) -> Option<rustix::process::Pid> {
    let (rank, process) = line.split_once(" is process ")?;
    let process = process.parse().ok()?;
    let is_rank = rank.starts_with("rank ");
    is_rank.then(|| rustix::process::Pid::from_raw(process))?
}

fn ends_badly(job: &mut Running, why: &str) -> Result<(), Error> {
    let what = format!("a job ends when {why}");
    let (good, _) = wait_until(LIMIT, &what, || {
        Ok(match job.ended()? {
            Some(good) => Ok(good),
            None => Err(job.mixed()?),
        })
    })?;
    match good {
        false => Ok(()),
        true => Err(Error::Judged(format!("a job ended well although {why}"))),
    }
}
