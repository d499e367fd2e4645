//! `cargo lab fuzz --guided`: the targets under libFuzzer, which keeps inputs that take new branches. It starts from the
//! repository's corpus and from what earlier runs have found on this machine.

use super::FuzzArgs;
use crate::build;
use crate::error::{At, Error};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use omx_fuzz::Target;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The program that is one target under libFuzzer.
const PACKAGE: &str = "omx-fuzz-guided";

/// Has branches counted and comparisons told, on stable Rust: the passes of LLVM's that libFuzzer reads.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Named, so that build scripts and macros are built without counters.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where an input goes that breaks a target.
const BROKEN: &str = "target/fuzz";

/// Bytes of an input, and of one that goes into the repository, whose files are to stay small.
const LENGTH_MAX: &str = "16384";
const KEPT_LENGTH_MAX: &str = "512";

/// Searches. Exit status 1 means that an input broke a target; it lies in `target/fuzz` then.
pub fn run(args: &FuzzArgs, chosen: &[&Target]) -> Result<ExitCode, Error> {
    let program = program()?;
    let folder = place::repository().join(BROKEN);
    fs::create_dir_all(&folder).at("create", &folder)?;
    let mut broken = false;
    for target in chosen {
        let found = found(target)?;
        let search = Run::new(&program.to_string_lossy(), &log(target))
            .env("OMX_FUZZ_TARGET", target.name)
            .args([format!("-max_total_time={}", args.seconds)])
            .args([format!("-seed={}", args.seed.unwrap_or(0))])
            .args(["-max_len=".to_owned() + LENGTH_MAX, "-timeout=20".into()])
            .args([format!("-artifact_prefix={BROKEN}/{}-", target.name)])
            .args([&found]);
        match search.output() {
            Ok(said) => println!("ok    {:10} {}", target.name, outcome(&said)),
            Err(Error::Failed { tail, log, .. }) => {
                broken = true;
                println!(
                    "BROKE {name}:\n{tail}\n      again: cargo lab fuzz {name} --input FILE, with the file named above; \
                     all that was said is in {}",
                    log.display(),
                    name = target.name
                );
                continue;
            }
            Err(other) => return Err(other),
        }
        if args.keep {
            keep(&program, target, &found)?;
        }
    }
    Ok(ExitCode::from(u8::from(broken)))
}

fn log(target: &Target) -> String {
    format!("fuzz-guided-{}", target.name)
}

/// Builds the program.
fn program() -> Result<PathBuf, Error> {
    prepare::cpp_compiler()?;
    let stage = Stage::begin("building the fuzz targets with counters for libFuzzer");
    Run::new("cargo", "build-fuzz-guided")
        .env("RUSTFLAGS", COVERAGE)
        .args(["build", "--profile", "fuzz", "--target", TARGET])
        .args(["--package", PACKAGE])
        .output()?;
    stage.done("");
    Ok(build::target().join(TARGET).join("fuzz").join(PACKAGE))
}

/// Where this machine keeps what it finds for a target: its own seeds and the repository's corpus at first.
fn found(target: &Target) -> Result<PathBuf, Error> {
    let folder = place::work().join("fuzz").join(target.name);
    fs::create_dir_all(&folder).at("create", &folder)?;
    let corpus = target.corpus().at("read", target.corpus_file())?;
    for (number, input) in corpus.into_iter().chain((target.seeds)()).enumerate() {
        let file = folder.join(format!("start-{number}"));
        fs::write(&file, input).at("write", &file)?;
    }
    Ok(folder)
}

/// Keeps in the repository the fewest short ones of the inputs found that take all their branches.
fn keep(program: &Path, target: &Target, found: &Path) -> Result<(), Error> {
    let few = found.with_extension("few");
    if few.exists() {
        fs::remove_dir_all(&few).at("remove", &few)?;
    }
    fs::create_dir_all(&few).at("create", &few)?;
    Run::new(&program.to_string_lossy(), &format!("{}-keep", log(target)))
        .env("OMX_FUZZ_TARGET", target.name)
        .args(["-set_cover_merge=1", &format!("-max_len={KEPT_LENGTH_MAX}")])
        .args([&few, found])
        .output()?;
    let files = fs::read_dir(&few).at("read", &few)?;
    let inputs: io::Result<_> = files.map(|file| fs::read(file?.path())).collect();
    let kept = target.write_corpus(inputs.at("read", &few)?);
    kept.at("write", target.corpus_file())
}

/// What libFuzzer's last line of progress says: runs, branches, kinds of behaviour, inputs.
fn outcome(said: &str) -> &str {
    let lines = said.lines().rev();
    let mut done = lines.filter(|line| line.contains("DONE") && line.contains("cov:"));
    done.next().map_or("no line of progress", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_progress_says_how_a_search_went() {
        let said = "#2\tINITED cov: 5 ft: 6 corp: 1/1b\n#900\tDONE   cov: 50 ft: 61 corp: 9/80b exec/s: 90\n\
                    Done 900 runs in 10 second(s)\n";
        assert_eq!(
            outcome(said),
            "#900\tDONE   cov: 50 ft: 61 corp: 9/80b exec/s: 90"
        );
        assert_eq!(outcome(""), "no line of progress");
    }
}
