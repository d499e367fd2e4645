//! Two nodes on one Linux, joined by datagram sockets: they see each other, and every byte of a message arrives.

use crate::build::Programs;
use crate::error::{At, Error};
use crate::host::Wire;
use crate::node::{Node, free_wire};
use crate::stall_timeout::wait_until;
use lossy::{End, LossyWire};
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
    joined_by(programs, mtu, [wire, wire.other_end()])
}

/// The same, and the wire, which loses so many frames of a hundred each way once they know each other.
pub fn joined_with_loss(
    programs: &Programs,
    mtu: u16,
    percent: u8,
) -> Result<([Node<'_>; 2], LossyWire), Error> {
    let [one, two] = [free_wire()?, free_wire()?];
    let end = |wire: Wire| End::Inet {
        local: ([127, 0, 0, 1], wire.remote).into(),
        remote: ([127, 0, 0, 1], wire.local).into(),
    };
    let wire = LossyWire::start([&end(one), &end(two)], 0, 1).at("open", "the wire")?;
    let nodes = joined_by(programs, mtu, [one, two])?;
    wire.set_percent(percent);
    Ok((nodes, wire))
}

fn joined_by(programs: &Programs, mtu: u16, [one, two]: [Wire; 2]) -> Result<[Node<'_>; 2], Error> {
    let one = Node::start(programs, "one", one, mtu, &[])?;
    let two = Node::start(programs, "two", two, mtu, &[])?;
    introduced(one, two)
}

/// Nodes "one" and "two" once they know each other.
pub fn introduced<'a>(one: Node<'a>, two: Node<'a>) -> Result<[Node<'a>; 2], Error> {
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
