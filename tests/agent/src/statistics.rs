//! What the frontend module has counted since it was loaded.

use std::fs::OpenOptions;
use std::process::ExitCode;

use mx_ring::uapi::{CallReply, CallRequest, DEVICE_PATH};

/// Prints a line of `name=count`.
pub fn print() -> ExitCode {
    let asked = OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE_PATH)
        .and_then(|device| {
            let mut call = CallRequest::Statistics.encode();
            mx_ring::device::call(&device, &mut call)?;
            Ok(CallReply::decode(&call))
        });
    match asked {
        Ok(CallReply::Statistics {
            calls,
            sleeps,
            events_sent,
            events_received,
            grants,
            grants_ended,
        }) => {
            println!(
                "calls={calls} sleeps={sleeps} events-sent={events_sent} events-received={events_received} \
                 grants={grants} grants-ended={grants_ended}"
            );
            ExitCode::SUCCESS
        }
        Ok(_) => {
            eprintln!("lab-agent: the module does not understand the question");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("lab-agent: {DEVICE_PATH}: {error}");
            ExitCode::FAILURE
        }
    }
}
