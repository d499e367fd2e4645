//! The targets.

mod backend;
mod calls;
mod control;
mod device;
mod frame;
mod library;
mod management;
pub mod module;
mod node;
mod packets;
mod toolstack;
mod xenstore;

use std::hash::{DefaultHasher, Hash, Hasher};

/// Something that reads what others wrote.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What it reads, and whose allegation that is.
    pub reads: &'static str,
    /// Reads it; the kind of behaviour that it caused.
    pub run: fn(&[u8]) -> u64,
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frame",
        reads: "frames of all types in all formats, as the network brings them: parse, build again, cut pulls",
        run: frame::run,
        seeds: frame::seeds,
    },
    Target {
        name: "board",
        reads: "sequences of frames at a board with open endpoints, regions and running pulls",
        run: backend::frames,
        seeds: backend::seeds,
    },
    Target {
        name: "backend",
        reads: "a process's commands, windows, indices and regions, between frames",
        run: backend::process,
        seeds: backend::seeds,
    },
    Target {
        name: "control",
        reads: "the control pages of a guest's kernel, and those of a driver domain: requests, responses, references",
        run: control::run,
        seeds: control::seeds,
    },
    Target {
        name: "device",
        reads: "what a guest's kernel asks of the driver domain and writes into its pages, and what its processes write",
        run: device::run,
        seeds: device::seeds,
    },
    Target {
        name: "calls",
        reads: "calls of processes at the module or at omxd, their answers, changes by administrators",
        run: calls::run,
        seeds: calls::seeds,
    },
    Target {
        name: "library",
        reads: "a backend's events, their slots in the receive ring and the board's pages, between calls of an application",
        run: library::run,
        seeds: Vec::new,
    },
    Target {
        name: "module",
        reads: "what a driver domain answers to the guest's module and writes into its pages, between calls of processes",
        run: module::run,
        seeds: module::seeds,
    },
    Target {
        name: "management",
        reads: "frames at the driver domain's management address: connections, requests, addresses that are given",
        run: management::run,
        seeds: management::seeds,
    },
    Target {
        name: "node",
        reads: "datagrams with and without descriptors at the socket of a running omxd",
        run: node::run,
        seeds: calls::seeds,
    },
    Target {
        name: "xenstore",
        reads: "paths, tokens and values of xenstore, and the driver domain's command line",
        run: xenstore::run,
        seeds: xenstore::seeds,
    },
    Target {
        name: "toolstack",
        reads: "what guests and driver domains write into xenstore, xenstored's messages, and files of omx.d, at xl-omx",
        run: toolstack::run,
        seeds: toolstack::seeds,
    },
];

/// A kind of behaviour as one number.
fn kind(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
