//! `omx_info`: the boards of this machine and the peers that they know.

#[macro_use]
extern crate omx_output;

mod mpi;

use std::process::ExitCode;

use clap::Parser;
use mx_wire::MacAddress;
use omx_tools::options::of_process;
use omx_tools::{board_line, json_string, tool};
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

/// The Open-MX whose interface and wire format this is, in the words that programs look for.
const SPOKEN: &str = "1.5.4.90";

/// Lists the Open-MX boards of this machine, and the peers that they know.
#[derive(Parser)]
struct Choice {
    /// only the board of this number
    #[arg(short = 'b', value_name = "n")]
    board: Option<u32>,
    /// only the boards
    #[arg(short = 'q')]
    quiet: bool,
    /// also versions and peers (default)
    #[arg(short = 'v', overrides_with = "quiet")]
    verbose: bool,
    /// whether MPI's mpirun sends by the boards, by what if not, and what to do then; a failure if not
    #[arg(long, conflicts_with_all = ["board", "quiet", "verbose"])]
    mpi: bool,
    /// one JSON object instead
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match of_process::<Choice>("omx_info") {
        Ok(choice) if choice.mpi => mpi::show(choice.json),
        choice => tool("omx_info", choice, show),
    }
}

fn show(choice: &Choice) -> Result<(), Error> {
    let backend = Backend::find()?;
    let boards = Board::chosen(&backend, choice.board)?;
    if choice.json {
        let boards = boards.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        println!("{{\"boards\": [{}]}}", boards.join(", "));
        return Ok(());
    }
    if !choice.quiet {
        println!("Open-MX version {SPOKEN}");
        println!(
            " build: Xen2MX {} for {}, shared memory version {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            mx_ring::ABI_VERSION
        );
        println!();
    }
    let endpoints = match boards.first() {
        Some((_, board)) => board.description()?.endpoint_max,
        None => 0,
    };
    println!(
        "Found {} boards (32 max) supporting {endpoints} endpoints each:",
        boards.len()
    );
    for (number, board) in &boards {
        show_board(*number, board, !choice.quiet)?;
    }
    if !choice.quiet {
        for (_, board) in &boards {
            show_peers(board)?;
        }
    }
    Ok(())
}

fn show_board(number: u32, board: &Board, verbose: bool) -> Result<(), Error> {
    let description = board.description()?;
    println!(" {}", board_line(number, &description));
    let driver = text(&description.driver);
    if verbose && !driver.is_empty() {
        println!("   managed by driver '{driver}'");
    }
    if !description.link_up {
        eprintln!("   WARNING: interface is currently DOWN.");
    }
    if description.interface_mtu > 0 {
        eprintln!("   WARNING: MTU={} invalid", description.interface_mtu);
    }
    for (warning, notice) in description.notices.present() {
        let about = match notice.about {
            MacAddress([0, 0, 0, 0, 0, 0]) => String::new(),
            mac => format!(" ({mac}, {} times)", notice.times),
        };
        eprintln!("   WARNING: {}{about}", warning.sentence());
    }
    Ok(())
}

fn show_peers(board: &Board) -> Result<(), Error> {
    let description = board.description()?;
    println!();
    if description.peers_configured {
        // Discovery has no mapper; who declares the table complete (omx_init_peers -d) is none either.
        let mapper = if description.peers_marked { 0xff } else { 0 };
        println!("Peer table is ready, mapper is {}", MacAddress([mapper; 6]));
    } else {
        println!("Peer table is not configured yet");
    }
    println!("{}", "=".repeat(48));
    for (index, peer) in board.peers() {
        let name = text(&peer.hostname);
        let name = if name.is_empty() { "<unknown>" } else { &name };
        println!("{index:>3}) {} {name}", peer.mac);
    }
    if description.peers_full {
        eprintln!("WARNING: peer table is full, some peers could not be added.");
    }
    Ok(())
}

fn json((number, board): &(u32, Board)) -> Result<String, Error> {
    let description = board.description()?;
    let peers: Vec<String> = board
        .peers()
        .map(|(index, peer)| {
            format!(
                "{{\"index\": {index}, \"mac\": \"{}\", \"name\": {}, \"local\": {}}}",
                peer.mac,
                json_string(&text(&peer.hostname)),
                peer.local
            )
        })
        .collect();
    let warnings = description.notices.present().map(|(warning, notice)| {
        format!(
            "{{\"warning\": \"{}\", \"mac\": \"{}\", \"times\": {}}}",
            warning.word(),
            notice.about,
            notice.times
        )
    });
    let warnings: Vec<String> = warnings.collect();
    Ok(format!(
        "{{\"board\": {number}, \"name\": {}, \"interface\": {}, \"driver\": {}, \"mac\": \"{}\", \"mtu\": {}, \
         \"mx_wire\": {}, \"link\": {}, \"configured\": {}, \"generation\": {}, \"warnings\": [{}], \"peers\": [{}]}}",
        json_string(&text(&description.hostname)),
        json_string(&text(&description.interface)),
        json_string(&text(&description.driver)),
        description.mac,
        description.mtu,
        description.mx_wire,
        description.link_up,
        description.peers_configured,
        description.generation,
        warnings.join(", "),
        peers.join(", ")
    ))
}
