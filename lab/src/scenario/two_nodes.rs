//! Two nodes on one Linux, joined by datagram sockets: they see each other, and every byte of a message arrives.

use crate::build::Programs;
use crate::error::Error;
use crate::node::{Node, free_wire};
use crate::stall_timeout::wait_until;
use std::time::Duration;

/// How long two nodes may take to hear of each other.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

/// How long the verified messages may stand still.
const VERIFY_LIMIT: Duration = Duration::from_secs(120);

/// Runs the scenario with each frame size that fabrics use.
pub fn run(programs: &Programs) -> Result<(), Error> {
    for mtu in [1500, 9000] {
        let [one, two] = joined(programs, mtu)?;
        verify(&one, &two, "two:0")?;
    }
    Ok(())
}

/// Nodes "one" and "two" at the ends of a wire, who know each other.
pub fn joined(programs: &Programs, mtu: u16) -> Result<[Node<'_>; 2], Error> {
    let wire = free_wire()?;
    let one = Node::start(programs, "one", wire, mtu, &[])?;
    let two = Node::start(programs, "two", wire.other_end(), mtu, &[])?;
    for (node, peer) in [(&one, "two:0"), (&two, "one:0")] {
        wait_for_peer(node, peer)?;
    }
    Ok([one, two])
}

/// Waits until `node` knows `peer` by its name.
fn wait_for_peer(node: &Node<'_>, peer: &str) -> Result<(), Error> {
    let what = format!("omx_info shows the peer {peer}");
    wait_until(DISCOVERY_LIMIT, &what, || {
        let info = node.start_tool("omx_info", &[], "two-nodes-info")?;
        let text = info.finish(DISCOVERY_LIMIT)?;
        Ok(if text.contains(peer) {
            Ok(())
        } else {
            Err(text)
        })
    })?;
    Ok(())
}

/// Sends messages of all kinds (tiny, small, medium, large) there and back; both sides check every byte.
fn verify(from: &Node<'_>, to: &Node<'_>, peer: &str) -> Result<(), Error> {
    let answerer = to.start_tool("omx_verify", &["-w"], "two-nodes-answerer")?;
    answerer.wait_for("is open", VERIFY_LIMIT)?;
    let arguments = ["-w", "-d", peer, "-M", "4", "--iterations", "20"];
    let sender = from.start_tool("omx_verify", &arguments, "two-nodes-sender")?;
    sender.finish(VERIFY_LIMIT)?;
    answerer.finish(VERIFY_LIMIT)?;
    Ok(())
}
