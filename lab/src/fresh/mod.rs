//! `cargo lab fresh`: the README's two commands, on machines that nobody has prepared.
//!
//! | file | what |
//! |---|---|
//! | `debian` | a root directory by debootstrap, with the network of this machine |
//! | `root` | such a machine: a root directory with an ordinary user, rustup and a clone |
//! | `enter.sh` | runs a command of that user in it |

pub mod debian;
mod root;

use crate::error::{At, Error};
use crate::place;
use crate::prepare;
use crate::stage::Stage;
use clap::{Args, ValueEnum};
use root::Root;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Options of `cargo lab fresh`.
#[derive(Args)]
pub struct FreshArgs {
    /// The releases of Debian, by the names of their suites; all that the lab runs on if none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    release: Vec<Release>,
    /// The commands that are run there.
    #[arg(long = "command", value_enum, value_delimiter = ',', default_values = ["demo", "test"])]
    commands: Vec<ReadmeCommand>,
    /// Keep the root directories (in the lab's cache) for a look at them.
    #[arg(long)]
    keep: bool,
}

/// A release of Debian.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    fn suite(self) -> &'static str {
        match self {
            Release::Bookworm => "bookworm",
            Release::Trixie => "trixie",
        }
    }
}

/// One of the README's two commands.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ReadmeCommand {
    /// `cargo lab demo`.
    Demo,
    /// `cargo lab test`.
    Test,
}

impl ReadmeCommand {
    fn line(self) -> &'static str {
        match self {
            ReadmeCommand::Demo => "cargo lab demo",
            ReadmeCommand::Test => "cargo lab test",
        }
    }
}

/// Installs rustup from the program that lies in the home directory: no toolchain, as `rust-toolchain.toml` names one.
const INSTALL_RUSTUP: &str = "./rustup-init -y --default-toolchain none --profile minimal";

/// Makes each machine anew and runs the commands there; ends with a table, and with exit status 1 if one failed.
pub fn run(args: &FreshArgs) -> Result<ExitCode, Error> {
    prepare::package("debootstrap")?;
    let all = [Release::Bookworm, Release::Trixie];
    let releases = if args.release.is_empty() {
        &all[..]
    } else {
        &args.release
    };
    let mut rows = Vec::new();
    for release in releases {
        let suite = release.suite();
        let stage = Stage::begin(format!("making a fresh {suite}: debootstrap, sudo, rustup"));
        let root = Root::make(suite)?;
        stage.done("");
        let rustup = shown(&root, suite, "rustup-init", INSTALL_RUSTUP)?;
        for command in &args.commands {
            let line = command.line();
            let there = format!("cd xen2mx && {line}");
            let ended = match rustup.well {
                true => shown(&root, suite, line, &there)?,
                false => Ended { ..rustup.clone() },
            };
            rows.push(format!(
                "| {suite} | `{line}` | {} | {:.0} s | {} |",
                if ended.well { "passed" } else { "failed" },
                ended.took.as_secs_f64(),
                ended.last
            ));
        }
        if !args.keep {
            root.remove()?;
        }
    }
    println!("\n| release | command | end | time | its last line |\n|---|---|---|---|---|");
    println!("{}", rows.join("\n"));
    let well = rows.iter().all(|row| row.contains("| passed |"));
    Ok(ExitCode::from(u8::from(!well)))
}

/// How a command of the fresh machine ended.
#[derive(Clone)]
struct Ended {
    well: bool,
    took: Duration,
    last: String,
}

/// Runs a command there, showing what it prints, which is kept in a log as well.
fn shown(root: &Root, suite: &str, title: &str, command: &str) -> Result<Ended, Error> {
    let logs = place::work().join("logs");
    fs::create_dir_all(&logs).at("create", &logs)?;
    let log = logs.join(format!("fresh-{suite}-{}.log", title.replace(' ', "-")));
    let mut file = File::create(&log).at("create", &log)?;
    println!("  {suite}$ {title}");
    let begun = Instant::now();
    let (program, arguments) = root.enter(&format!("({command}) 2>&1"));
    let start = |source| Error::Start {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(&program)
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut last = String::new();
    let output = child.stdout.take().into_iter();
    for line in output.flat_map(|output| BufReader::new(output).split(b'\n')) {
        let line = line.at("read", &log)?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        println!("    | {line}");
        writeln!(file, "{line}").at("write", &log)?;
        if !line.is_empty() {
            last = line;
        }
    }
    let well = child.wait().map_err(start)?.success();
    Ok(Ended {
        well,
        took: begun.elapsed(),
        last,
    })
}
