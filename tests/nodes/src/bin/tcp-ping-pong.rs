#![forbid(unsafe_code)]
//! Messages over TCP, to be measured beside those of nodes:
//!
//! * `answer <address> <length>` says `ready`, and sends back each message until the connection ends;
//! * `ask <address> <length> <count>` prints half a round trip in microseconds.
//!
//! A message of no byte is one of one.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Instant;

/// Messages before those that count.
const WARMUP: u32 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["answer", address, length] => answer(address, length),
        ["ask", address, length, count] => ask(address, length, count),
        _ => Err("tcp-ping-pong answer|ask <address> <length> …".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn buffer(length: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(vec![0; length.parse::<usize>()?.max(1)])
}

fn answer(address: &str, length: &str) -> Result<(), Box<dyn Error>> {
    let mut buffer = buffer(length)?;
    let listener = TcpListener::bind(address)?;
    println!("ready");
    io::stdout().flush()?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    while stream.read_exact(&mut buffer).is_ok() {
        stream.write_all(&buffer)?;
    }
    Ok(())
}

fn ask(address: &str, length: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let mut buffer = buffer(length)?;
    let count: u32 = count.parse()?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut begun = Instant::now();
    for message in 0..WARMUP + count {
        if message == WARMUP {
            begun = Instant::now();
        }
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
    }
    let microseconds = begun.elapsed().as_secs_f64() * 1e6;
    println!("{}", microseconds / 2.0 / f64::from(count));
    Ok(())
}
