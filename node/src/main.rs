#![forbid(unsafe_code)]
//! The program `omxd`: reads options, runs the node, says why it ended.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use omx_node::Node;
use omx_node::cli::{LogLevel, Options};
use tracing::Level;

fn main() -> ExitCode {
    let options: Options = omx_output::options();
    tracing_subscriber::fmt()
        .with_max_level(match options.log {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
        })
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        // A log that nobody reads must not end a node that works.
        .log_internal_errors(false)
        .init();
    match Node::start(&options).and_then(Node::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("omxd: {error}");
            ExitCode::FAILURE
        }
    }
}
