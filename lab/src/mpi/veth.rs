//! Two networks of their own, joined by a pair of interfaces: two machines, as far as their networks show.

use crate::build::Programs;
use crate::error::{At, Error};
use crate::node::Node;
use crate::run::Run;
use crate::scenario::two_nodes::introduced;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The pair: their names, and their addresses with the network's size.
const ENDS: [(&str, &str); 2] = [("mpi0", "10.77.0.1"), ("mpi1", "10.77.0.2")];
const BITS: &str = "/24";

/// The network that both addresses are of.
pub const NETWORK: &str = "10.77.0.0/24";

/// Two namespaces of the kernel's networks, as long as this lives.
pub struct Veth {
    holders: [Child; 2],
}

impl Veth {
    /// Makes them. The interfaces carry frames of that length.
    pub fn new(mtu: u16) -> Result<Self, Error> {
        let veth = Self {
            holders: [holder()?, holder()?],
        };
        let mtu = mtu.to_string();
        let far = veth.holders[1].id().to_string();
        let [(near, _), (peer, _)] = ENDS;
        let pair = ["ip", "link", "add", near, "mtu", &mtu, "type", "veth"];
        let other = ["peer", "name", peer, "mtu", &mtu, "netns", &far];
        veth.inside(0, &[&pair[..], &other].concat())?;
        for (end, (interface, address)) in ENDS.iter().enumerate() {
            let address = format!("{address}{BITS}");
            veth.inside(end, &["ip", "address", "add", &address, "dev", interface])?;
            for up in ["lo", interface] {
                veth.inside(end, &["ip", "link", "set", up, "up"])?;
            }
        }
        Ok(veth)
    }

    /// A node at each end, who know each other, with frames of that length.
    pub fn nodes<'a>(&self, programs: &'a Programs, mtu: u16) -> Result<[Node<'a>; 2], Error> {
        let node = |name, end| {
            let options = ["--interface", self.interface(end)];
            Node::start_within(programs, name, &self.enter(end), mtu, &options)
        };
        introduced(node("one", 0)?, node("two", 1)?)
    }

    /// The interface at that end.
    pub fn interface(&self, end: usize) -> &'static str {
        ENDS[end].0
    }

    /// Its address.
    pub fn address(&self, end: usize) -> &'static str {
        ENDS[end].1
    }

    /// The words before a command that is to see the network of that end.
    pub fn enter(&self, end: usize) -> Vec<String> {
        let target = format!("--target={}", self.holders[end].id());
        vec!["nsenter".to_owned(), target, "--net".to_owned()]
    }

    fn inside(&self, end: usize, command: &[&str]) -> Result<(), Error> {
        let enter = self.enter(end);
        let run = Run::new(&enter[0], "mpi-veth").args(&enter[1..]);
        run.args(command).output().map(drop)
    }
}

/// A process that holds a new namespace, once it does.
fn holder() -> Result<Child, Error> {
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net"])
        .args(["sh", "-c", "echo ready; exec sleep infinity"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Start {
            program: "setpriv".to_owned(),
            source,
        })?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        let read = BufReader::new(output).read_line(&mut said);
        read.at("read", "what unshare says")?;
    }
    match said.trim() {
        "ready" => Ok(child),
        _ => Err(Error::Judged(
            "this machine does not let this user make a network namespace".to_owned(),
        )),
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // It does nothing but sleep.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
