#![forbid(unsafe_code)]
//! The program `omxd`: reads options, runs the node, says why it ended.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use omx_node::Node;
use omx_node::cli::NodeOptions;

fn main() -> ExitCode {
    let options: NodeOptions = omx_output::options();
    omx_output::log::begin(&options.log);
    match Node::start(&options).and_then(Node::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("omxd: {error}");
            ExitCode::FAILURE
        }
    }
}
