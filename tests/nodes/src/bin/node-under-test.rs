#![forbid(unsafe_code)]
//! `omxd`, built as a program of this crate so that its tests find it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = omx_node::cli::NodeOptions::parse();
    omx_output::log::begin(&options.log);
    match omx_node::Node::start(&options).and_then(omx_node::Node::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("omxd: {error}");
            ExitCode::FAILURE
        }
    }
}
