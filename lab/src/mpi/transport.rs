//! What a job's messages go by.

use super::provider::Provider;
use super::veth::{NETWORK, Veth};
use crate::error::{At, Error};
use crate::node::Node;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Only over libfabric, and there only over this provider: without it a job ends instead of going by TCP. It tells which
/// provider each rank has.
const SELECTION: &str = "--mca pml cm --mca mtl ofi --mca opal_common_ofi_provider_include openmx \
                         --mca mtl_base_verbose 10";

/// Open MPI's layer for libfabric, too, but over libfabric's own TCP.
const LIBFABRIC_TCP: &str = "--mca pml cm --mca mtl ofi --mca opal_common_ofi_provider_include net";

/// One of them.
#[derive(Clone, Copy)]
pub enum Transport<'a> {
    /// This project's, on these nodes, each of which has an equal part of the ranks; the first ones have what is left.
    Provider(&'a [Node<'a>]),
    /// Memory that the ranks share.
    Vader,
    /// TCP over the loopback.
    Tcp,
    /// TCP between two networks, with half of the ranks in each.
    Veth(&'a Veth),
    /// libfabric's own TCP over the loopback.
    LibfabricTcp,
}

impl Transport<'_> {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider([_]) => "openmx, one node",
            Self::Provider(_) => "openmx, two nodes",
            Self::Vader => "vader",
            Self::Tcp => "tcp over lo",
            Self::Veth(_) => "tcp over veth",
            Self::LibfabricTcp => "libfabric's tcp",
        }
    }

    /// How many ranks have to say that they send by it.
    pub fn sayers(self, ranks: u32) -> u32 {
        match self {
            Self::Provider(_) => ranks,
            _ => 0,
        }
    }

    /// The command line of a job of so many ranks. `options` are mpirun's for all of the job; those of the ranks stand before the
    /// program, since mpirun forgets them with each part of a job.
    pub fn command(
        self,
        provider: &Provider,
        ranks: u32,
        options: &[String],
        program: &[String],
    ) -> Result<Vec<String>, Error> {
        let mut line = Vec::new();
        if let Self::Veth(veth) = self {
            line.extend(veth.enter(0));
        }
        // Ranks that find nothing give way: there are more of them than processors.
        let begin = "mpirun --allow-run-as-root --oversubscribe --mca mpi_yield_when_idle 1";
        line.extend(words(begin));
        line.extend_from_slice(options);
        match self {
            Self::Provider(nodes) => {
                line.extend(words(SELECTION));
                let count = nodes.len() as u32;
                for (index, node) in (0..).zip(nodes) {
                    let part = (ranks + count - 1 - index) / count;
                    if part == 0 {
                        // mpirun would take it for as many as there are processors.
                        break;
                    }
                    if index > 0 {
                        line.push(":".to_owned());
                    }
                    let socket = format!("OMX_SOCKET={}", node.socket().display());
                    line.extend(words(&format!("-n {part} -x")));
                    line.push(socket);
                    line.extend_from_slice(program);
                }
                return Ok(line);
            }
            Self::Vader => line.extend(words("--mca pml ob1 --mca btl vader,self")),
            Self::Tcp => line.extend(words("--mca pml ob1 --mca btl tcp,self")),
            Self::LibfabricTcp => line.extend(words(LIBFABRIC_TCP)),
            Self::Veth(veth) => {
                let agent = provider.folder().join("enter");
                let enter = veth.enter(1).join(" ");
                // What mpirun runs in ssh's place: a host's name, and a command.
                let script = format!("#!/bin/sh\nshift\nexec {enter} sh -c \"$*\"\n");
                fs::write(&agent, script).at("write", &agent)?;
                fs::set_permissions(&agent, Permissions::from_mode(0o755)).at("change", &agent)?;
                let each = ranks / 2;
                let hosts = [0, 1].map(|end| format!("{}:{each}", veth.address(end)));
                line.extend(words("--mca pml ob1 --mca btl tcp,self"));
                for parameter in ["btl_tcp_if_include", "oob_tcp_if_include"] {
                    line.extend(words(&format!("--mca {parameter} {NETWORK}")));
                }
                line.extend(words("--mca plm_rsh_agent"));
                line.push(agent.display().to_string());
                line.extend(["--host".to_owned(), hosts.join(",")]);
            }
        }
        line.extend(words(&format!("-n {ranks}")));
        line.extend_from_slice(program);
        Ok(line)
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}
