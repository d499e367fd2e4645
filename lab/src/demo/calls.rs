//! The system calls of the node in a steady phase: of the process that exchanges messages, and of `omxd`.

use std::time::Duration;

use serde::Serialize;
use trace::{Calls, system_calls};

use super::fabric::{Fabric, Program};
use crate::error::{At, Error};
use crate::stall_timeout::wait_until;

const LIMIT: Duration = Duration::from_secs(120);

/// How long each is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Messages after which both sides have connected and warmed up.
const WARM: u64 = 100;

/// Round trips: more than there is time for. Both programs are ended when enough was seen.
const ITERATIONS: &str = "10000000";

/// What an onlooker saw.
#[derive(Debug, Serialize)]
pub struct NodeCalls {
    /// Seconds of each watch.
    pub seconds: u64,
    /// Messages in the first watch, in both directions, by the board's counters.
    pub messages: u64,
    /// The process's system calls.
    pub process: Calls,
    /// The node's: its wire is a socket.
    pub omxd: Calls,
}

impl NodeCalls {
    /// A line for each of the two.
    pub fn text(&self) -> String {
        let list = |calls: &Calls| match calls.is_empty() {
            true => "none".to_owned(),
            false => calls
                .iter()
                .map(|(name, count)| format!("{count} {name}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        format!(
            "    system calls on node1 in {} s with about {} messages, both sides awake:\n    omx_perf: {}\n    omxd, \
             whose wire is a socket: {}",
            self.seconds,
            self.messages,
            list(&self.process),
            list(&self.omxd)
        )
    }
}

/// Traces a process on the node, then the node, while the process and one in a guest exchange messages and both poll.
pub fn watch(fabric: &Fabric<'_>) -> Result<NodeCalls, Error> {
    let receiver = fabric.start_answerer("guest1", &["omx_perf", "-e", "4"])?;
    let command = [
        "omx_perf", "-d", "guest1:0", "-r", "4", "-S", "8", "-E", "9", "-W", "20", "-P", "0", "-N",
        ITERATIONS,
    ];
    let sender = fabric.start_program("node1", &command)?;
    let connecting = messages(fabric)?;
    wait_until(LIMIT, "node1 and guest1 exchange messages", || {
        let warm = messages(fabric)? > connecting + WARM;
        Ok(warm.then_some(()).ok_or_else(String::new))
    })?;
    let (Program::Outside(tool), Some(node)) = (&sender, fabric.node_process()) else {
        return Err(Error::Judged("there is no node to be watched".into()));
    };
    let before = messages(fabric)?;
    let process = system_calls(tool.process(), WATCHED).at("trace", "omx_perf")?;
    let messages = messages(fabric)? - before;
    let omxd = system_calls(node, WATCHED).at("trace", "omxd")?;
    receiver.kill()?;
    Ok(NodeCalls {
        seconds: WATCHED.as_secs(),
        messages,
        process,
        omxd,
    })
}

/// Small messages that the node has sent and received so far.
fn messages(fabric: &Fabric<'_>) -> Result<u64, Error> {
    let command = ["omx_counters", "-b", "0", "-v"];
    let text = fabric.start_program("node1", &command)?.finish(LIMIT)?;
    Ok(text
        .lines()
        .filter(|line| line.ends_with("Send Tiny") || line.ends_with("Recv Tiny"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum())
}
