#![forbid(unsafe_code)]
//! A message of 2^32 - 1 bytes, the longest that MX has, between two nodes, in virtual time.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mx_ring::Geometry;
use mx_testnet::Faults;
use mx_wire::Format;
use sim::{BoardPlace, Carried, Fabric, carry};

/// Send a long message between two nodes over a good network and verify every byte.
///
/// Library, queues, backends and boards are the real ones; network and time are simulated. The message's bytes repeat,
/// and so does the memory that holds them: a few megabytes are enough. Exit status 0 means that it arrived whole.
#[derive(Parser)]
#[command(name = "longest", version)]
struct Options {
    /// Length in bytes.
    #[arg(default_value_t = u32::MAX)]
    length: u32,
}

const WITHIN: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let Options { length } = Options::parse();
    let Ok(format) = Format::native(9000) else {
        eprintln!("longest: frames of 9000 bytes are not possible any more");
        return ExitCode::FAILURE;
    };
    for (name, format) in [("native", format), ("MX's", Format::mx_wire())] {
        let begun = Instant::now();
        let mut fabric = Fabric::new(format, &[1, 1], Faults::default(), 1);
        for backend in [0, 1] {
            let place = BoardPlace { backend, board: 0 };
            fabric.open(place, 0, 1 + backend as u32, Geometry::default());
        }
        let carried = carry(&mut fabric, length, WITHIN);
        if carried != Carried::whole(length) {
            eprintln!("longest: {length} bytes in the {name} format: {carried:?}");
            return ExitCode::FAILURE;
        }
        let (took, virtual_time) = (begun.elapsed(), fabric.elapsed());
        println!(
            "{length} bytes verified in {:.1} s ({:.1} s of the network's time), in the {name} format",
            took.as_secs_f64(),
            virtual_time.as_secs_f64(),
        );
    }
    ExitCode::SUCCESS
}
