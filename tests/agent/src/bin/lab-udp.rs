#![forbid(unsafe_code)]
//! UDP ping-pong, to compare with: `lab-udp answer <address>` and `lab-udp ask <address>`.
//!
//! Prints for each length a JSON object with the median of the time stamp counter's ticks one way, as omx_perf does.

use std::io;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::Duration;

/// Payloads that fit into one frame of 9000 bytes.
const LENGTHS: [usize; 8] = [0, 8, 64, 256, 1000, 1024, 4096, 8000];

/// Round trips of each length.
const ROUNDS: usize = 100;

/// Round trips before those that count.
const WARM_UP: usize = 10;

/// A datagram that does not come back within this time is an error.
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["answer", address] => answer(address),
        ["ask", address] => ask(address),
        _ => Err(io::Error::other(
            "usage: lab-udp answer|ask <address>:<port>",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-udp: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends back what comes, for ever.
fn answer(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    let mut bytes = [0; 65536];
    loop {
        let (length, from) = socket.recv_from(&mut bytes)?;
        socket.send_to(&bytes[..length], from)?;
    }
}

fn ask(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(LIMIT))?;
    let no_counter = || io::Error::other("this machine has no time stamp counter");
    let mut bytes = [0; 65536];
    for length in LENGTHS {
        let mut ticks = Vec::with_capacity(ROUNDS);
        for round in 0..WARM_UP + ROUNDS {
            let before = mx_ring::tsc().ok_or_else(no_counter)?;
            socket.send(&bytes[..length])?;
            socket.recv(&mut bytes)?;
            let after = mx_ring::tsc().ok_or_else(no_counter)?;
            if round >= WARM_UP {
                ticks.push(after.wrapping_sub(before));
            }
        }
        ticks.sort_unstable();
        let median = ticks.get(ROUNDS / 2).map_or(0, |ticks| ticks / 2);
        println!("{{\"length\": {length}, \"udp_ticks\": {median}}}");
    }
    Ok(())
}
