#![forbid(unsafe_code)]
//! The program `omxd`: reads options, runs the node, says why it ended.

use std::process::ExitCode;

use clap::Parser;
use omx_node::Node;
use omx_node::cli::{LogLevel, Options};
use tracing::Level;

fn main() -> ExitCode {
    let options = Options::parse();
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
        .init();
    match Node::start(&options).and_then(Node::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("omxd: {error}");
            ExitCode::FAILURE
        }
    }
}
