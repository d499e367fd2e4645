#![forbid(unsafe_code)]
//! What messages take where processes are more than processors.
//!
//! One node and 1, 2 and 4 processes for each processor, half of which play with the other half: they send a message and
//! wait for it to come back, for a while, polling or asleep. Prints a table of the time one way, in microseconds.
//! `cargo run --release -p nodes --bin crowd`; compare the rows, since the load of the machine is in all of them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::Parser;
use nodes::{KEY, Node, name_of};
use open_mx::{Address, Backend, Buffer, Code, Endpoint, EndpointOptions, Error};

/// What messages take where processes are more than processors.
#[derive(Parser)]
struct Arguments {
    /// How long each row plays, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    milliseconds: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 1)]
    length: usize,
    /// What this program starts itself as: a member of a crowd.
    #[arg(long, hide = true, num_args = 2)]
    member: Option<Vec<String>>,
    /// The member's endpoint; the other one's is the next, or the one before.
    #[arg(long, hide = true, default_value_t = 0)]
    endpoint: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.member.as_deref() {
        Some([socket, way]) => play(&arguments, socket, way == "polling"),
        _ => table(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crowd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::current_exe()?;
    let directory = tempfile::tempdir()?;
    let options = ["--alone", "--name", "crowd", "--log", "error"];
    let program = own.with_file_name("node-under-test");
    let node = Node::start(
        &program.to_string_lossy(),
        directory.path().join("sock"),
        &options,
    );
    let processors = available_parallelism()?.get();
    println!(
        "{processors} processors, {} bytes, one way:",
        arguments.length
    );
    println!("| processes for each | polling, us | asleep, us |");
    println!("|---|---|---|");
    for each in [1, 2, 4] {
        let mut row = Vec::new();
        for way in ["polling", "asleep"] {
            let pairs = (processors * each).div_ceil(2);
            row.push(crowd(arguments, &own, node.socket(), way, pairs)?);
        }
        println!("| {each} | {:.1} | {:.1} |", row[0], row[1]);
    }
    Ok(())
}

/// The mean time one way of so many pairs.
fn crowd(
    arguments: &Arguments,
    own: &Path,
    socket: &str,
    way: &str,
    pairs: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let start = |endpoint: usize| -> std::io::Result<Child> {
        Command::new(own)
            .args(["--member", socket, way, "--endpoint", &endpoint.to_string()])
            .args(["--length", &arguments.length.to_string()])
            .args(["--milliseconds", &arguments.milliseconds.to_string()])
            .stdout(Stdio::piped())
            .spawn()
    };
    let members: Result<Vec<Child>, _> = (0..2 * pairs).map(start).collect();
    let mut times = Vec::new();
    for mut member in members? {
        let output = member.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            times.push(line?.parse::<f64>()?);
        }
        if !member.wait()?.success() {
            return Err("a member failed".into());
        }
    }
    Ok(times.iter().sum::<f64>() / times.len() as f64)
}

/// The first of a pair counts and prints; the match info 1 ends the game.
fn play(
    arguments: &Arguments,
    socket: &str,
    polls: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let first = arguments.endpoint.is_multiple_of(2);
    let other = arguments.endpoint ^ 1;
    let options = EndpointOptions {
        endpoint: Some(arguments.endpoint),
        ..EndpointOptions::new(KEY)
    };
    let own = Endpoint::open(&Backend::Socket(socket.into()), &options)?;
    let to = connect(&own, other)?;
    let buffer = Buffer::new(2 * arguments.length)?;
    let length = arguments.length;
    let wait = |request| loop {
        let found = if polls {
            own.test(request)?
        } else {
            own.wait(request, None)?
        };
        match found {
            Some(status) if status.code == Code::Success => return Ok(status),
            Some(status) => return Err(Error::Connect(status.code)),
            None => {}
        }
    };
    let (mut rounds, mut begun) = (0_u32, Instant::now());
    let while_it_lasts = Duration::from_millis(arguments.milliseconds);
    loop {
        let receive = own.irecv(buffer.part(length, length)?, 0, 0, 0)?;
        let ends = first && rounds > 0 && begun.elapsed() > while_it_lasts;
        if first {
            own.isend(buffer.part(0, length)?, to, ends.into(), 0, false)?;
        }
        let status = wait(receive)?;
        if !first {
            own.isend(buffer.part(0, length)?, to, status.match_info, 0, false)?;
        }
        if status.match_info == 1 {
            break;
        }
        if rounds == 0 {
            begun = Instant::now();
        }
        rounds += 1;
    }
    if first {
        println!(
            "{}",
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(2 * rounds)
        );
    }
    own.settle(Duration::from_secs(5))?;
    Ok(())
}

/// The other one may not be there yet.
fn connect(own: &Endpoint, other: u32) -> Result<Address, Error> {
    let begun = Instant::now();
    loop {
        let nic_id = own.with_board(|board| board.nic_id_by_hostname(&name_of("crowd")))?;
        match own.connect(nic_id, other, KEY, Some(nodes::TIMEOUT)) {
            Err(Error::Connect(_)) if begun.elapsed() < nodes::TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}
