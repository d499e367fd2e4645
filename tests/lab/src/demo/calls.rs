//! The system calls of the node in a steady phase: of the process that exchanges messages, and of `omxd`.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use trace::{Calls, system_calls};

use super::fabric::{Fabric, Program};
use super::perf::Line;
use crate::error::{At, Error};

const LIMIT: Duration = Duration::from_secs(120);

/// How long each is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Round trips: enough for two watches on a fast machine, few enough to end soon on a slow one.
const ITERATIONS: &str = "6000";

/// What an onlooker saw.
#[derive(Debug, Serialize)]
pub struct NodeCalls {
    /// Seconds of each watch.
    pub seconds: u64,
    /// Messages in a watch, in both directions, from what omx_perf measured.
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
    let receiver = fabric.start_program("guest1", &["omx_perf", "-e", "4"])?;
    thread::sleep(Duration::from_millis(500));
    let command = [
        "omx_perf", "-d", "guest1:0", "-r", "4", "-S", "8", "-E", "9", "-W", "20", "-P", "0", "-N",
        ITERATIONS, "--json",
    ];
    let sender = fabric.start_program("node1", &command)?;
    // It connects and warms up.
    thread::sleep(Duration::from_secs(1));
    let (Program::Outside(tool), Some(node)) = (&sender, fabric.node_process()) else {
        return Err(Error::Judged("there is no node to be watched".into()));
    };
    let process = system_calls(tool.process(), WATCHED).at("trace", "omx_perf")?;
    let omxd = system_calls(node, WATCHED).at("trace", "omxd")?;
    let output = sender.finish(LIMIT)?;
    receiver.finish(LIMIT)?;
    let one_way = output
        .lines()
        .find_map(|line| serde_json::from_str::<Line>(line).ok());
    match one_way {
        Some(line) if line.us > 0.0 => Ok(NodeCalls {
            seconds: WATCHED.as_secs(),
            messages: (WATCHED.as_secs_f64() * 1e6 / line.us) as u64,
            process,
            omxd,
        }),
        _ => Err(Error::Judged(format!(
            "omx_perf measured nothing:\n{output}"
        ))),
    }
}
