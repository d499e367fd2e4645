#![forbid(unsafe_code)]
//! `lab-agent <device> [--relay]`: runs what the lab asks for on that device. With `--relay` (in dom0) what is for
//! another domain goes to that domain's console.
//! `lab-agent statistics`: what the Open-MX module of this guest has counted.
//! `lab-agent user <command>`: becomes the command, as an ordinary user.
//! `lab-agent window <seconds>`: the processor time of this domain's tasks in that window.

mod relay;
mod serve;
mod sink;
mod statistics;
mod user;
mod window;

use std::fs::OpenOptions;
use std::process::ExitCode;
use std::sync::Arc;

use serve::serve;
use sink::Sink;

fn main() -> ExitCode {
    let all: Vec<String> = std::env::args().skip(1).collect();
    if let [word, command @ ..] = &all[..]
        && word == "user"
    {
        return user::run(command);
    }
    let mut arguments = all.into_iter();
    let (device, relay) = (arguments.next(), arguments.next());
    match (device.as_deref(), relay.as_deref()) {
        (Some("statistics"), None) => return statistics::print(),
        (Some("window"), Some(seconds)) => return window::print(seconds),
        _ => {}
    }
    let Some(device) = device.filter(|_| relay.as_deref().is_none_or(|word| word == "--relay"))
    else {
        eprintln!(
            "usage: lab-agent <device> [--relay] | statistics | user <command> | window <seconds>"
        );
        return ExitCode::from(2);
    };
    match run(&device, relay.is_some()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-agent: {device}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(device: &str, relay: bool) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(device)?;
    sink::make_raw(&file)?;
    let sink = Arc::new(Sink::new(file.try_clone()?));
    serve(file, sink, relay)
}
