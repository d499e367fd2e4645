//! `cargo lab fuzz`: the long run of the fuzz targets, whose short run is part of the tests.

mod guided;

use crate::error::{At, Error};
use clap::Args;
use omx_fuzz::{Budget, Failure, Progress, TARGETS, Target, check, run as search};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Options of `cargo lab fuzz`.
#[derive(Args)]
pub struct FuzzArgs {
    /// The target; all of them, one after the other, when none is named.
    pub target: Option<String>,
    /// Seconds for each target.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 60)]
    pub seconds: u64,
    /// What the search starts from; another one each time unless it is named.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Search by the branches that inputs take, with libFuzzer, instead of by kinds of behaviour. Takes a C++ compiler and
    /// a build of its own; starts from tests/fuzz/corpus and from what was found before.
    #[arg(long)]
    pub guided: bool,
    /// Keep in tests/fuzz/corpus the fewest short inputs that take all the branches that were found.
    #[arg(long, requires = "guided")]
    pub keep: bool,
    /// Try this one input instead of searching, as a failure names it.
    #[arg(
        long,
        value_name = "FILE",
        requires = "target",
        conflicts_with = "guided"
    )]
    pub input: Option<PathBuf>,
    /// Say which targets there are.
    #[arg(long)]
    pub list: bool,
}

/// Runs targets. Exit status 1 means that an input broke one; it lies in `target/fuzz` then.
pub fn run(args: &FuzzArgs) -> Result<ExitCode, Error> {
    if args.list {
        for target in TARGETS {
            println!("{:10} {}", target.name, target.reads);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&Target> = match &args.target {
        None => TARGETS.iter().collect(),
        Some(name) => {
            let target = TARGETS.iter().find(|target| target.name == name);
            vec![target.ok_or_else(|| Error::FuzzTarget(name.clone()))?]
        }
    };
    if args.guided {
        return guided::run(args, &chosen);
    }
    // What breaks is told below, once and shortened.
    std::panic::set_hook(Box::new(|_| {}));
    if let (Some(path), Some(target)) = (&args.input, chosen.first()) {
        return tried(target, path);
    }
    let seed = args.seed.unwrap_or_else(now);
    println!("seed {seed}");
    let mut broken = 0;
    for target in chosen {
        let budget = Budget {
            time: Duration::from_secs(args.seconds),
            runs: u64::MAX,
        };
        let mut told = Duration::ZERO;
        let outcome = search(target, seed, budget, |progress| {
            if progress.time >= told + Duration::from_secs(10) {
                told = progress.time;
                println!("  … {}", line(target, progress));
            }
        });
        match outcome {
            Ok(progress) => println!("ok    {}", line(target, &progress)),
            Err(failure) => {
                broken += 1;
                let path = kept(target, &failure)?;
                println!(
                    "BROKE {}: {}\n      {} bytes in {}; again: cargo lab fuzz {} --input {}",
                    target.name,
                    failure.message,
                    failure.input.len(),
                    path.display(),
                    target.name,
                    path.display()
                );
            }
        }
    }
    Ok(if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(target: &Target, progress: &Progress) -> String {
    format!(
        "{:10} {} runs, {} kinds of behaviour, {:.0} s",
        target.name,
        progress.runs,
        progress.kinds,
        progress.time.as_secs_f64()
    )
}

/// One input, whose panic is shown as it comes.
fn tried(target: &Target, path: &Path) -> Result<ExitCode, Error> {
    let input = fs::read(path).at("read", path)?;
    let _quiet = std::panic::take_hook();
    Ok(match check(target, &input) {
        Ok(_) => {
            println!("{} holds", target.name);
            ExitCode::SUCCESS
        }
        Err(message) => {
            println!("{} breaks: {message}", target.name);
            ExitCode::FAILURE
        }
    })
}

/// Writes a failing input to a file of its own.
fn kept(target: &Target, failure: &Failure) -> Result<PathBuf, Error> {
    let folder = Path::new("target/fuzz");
    fs::create_dir_all(folder).at("create", folder)?;
    let mut hasher = DefaultHasher::new();
    failure.input.hash(&mut hasher);
    let path = folder.join(format!("{}-{:016x}", target.name, hasher.finish()));
    fs::write(&path, &failure.input).at("write", &path)?;
    Ok(path)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| since.as_nanos() as u64)
}
