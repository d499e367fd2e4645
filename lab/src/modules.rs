//! `cargo lab modules`: the frontend's module, built for every kernel whose headers Debian has.

use crate::build;
use crate::error::Error;
use crate::image;
use crate::prepare::{self, Kernel};
use crate::scenario::newer_kernel;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Options of `cargo lab modules`.
#[derive(Args)]
pub struct ModulesArgs {
    /// Build only for kernels whose release (`uname -r`) contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
    /// Boot guests with the newest kernel whose release begins with this, like 6.12 or 7.3, on Xen in QEMU instead: they
    /// load the module, and their messages are verified.
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["only", "json"])]
    pub boot: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

/// How a build for one kernel went.
#[derive(Serialize)]
struct Report {
    kernel: String,
    suite: String,
    /// The compiler that the kernel was built with.
    compiler: String,
    /// What compiler, modpost and objtool had to say, or why there is no module.
    problems: Vec<String>,
}

/// Builds for all kernels whose release contains what was asked for, and prints a table. Exit status 1 means that one
/// does not build, or not without a warning.
pub fn run(args: &ModulesArgs) -> Result<ExitCode, Error> {
    prepare::toolchain()?;
    if let Some(begin) = &args.boot {
        boot(&Kernel::newest_of(begin)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut reports = Vec::new();
    for kernel in Kernel::all()? {
        if kernel.release.contains(&args.only) {
            reports.push(report(&kernel));
        }
    }
    if args.json {
        println!("{:#}", serde_json::json!({ "kernels": reports }));
    } else {
        reports.iter().for_each(print);
        let bad = reports.iter().filter(|report| !report.problems.is_empty());
        println!("{} kernels, {} with problems", reports.len(), bad.count());
    }
    Ok(
        match reports.iter().all(|report| report.problems.is_empty()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}

/// Boots guests with this kernel, which load the module, and verifies messages.
pub fn boot(kernel: &Kernel) -> Result<(), Error> {
    let (images, built) = image::made_with(kernel)?;
    newer_kernel::run(images, &built.programs, &kernel.release)
}

/// Builds for the oldest and the newest kernel; how many that were.
pub fn ends() -> Result<u64, Error> {
    let kernels = Kernel::oldest_and_newest()?;
    for kernel in &kernels {
        let (_, said) = build::module(&kernel.headers()?, &kernel.release)?;
        if let Some(warning) = warnings(&said).next() {
            return Err(Error::Module {
                kernel: kernel.release.clone(),
                warning: warning.to_owned(),
            });
        }
    }
    Ok(kernels.len() as u64)
}

fn report(kernel: &Kernel) -> Report {
    let built = kernel.with_headers(|headers| {
        let (_, said) = build::module(headers, &kernel.release)?;
        Ok((headers.compiler(), said))
    });
    let (compiler, problems) = match built {
        Ok((compiler, said)) => (compiler, warnings(&said).map(str::to_owned).collect()),
        Err(error) => (String::new(), vec![error.to_string()]),
    };
    Report {
        kernel: kernel.release.clone(),
        suite: kernel.suite().to_owned(),
        compiler,
        problems,
    }
}

/// What was said that should not be: warnings of compiler, modpost and objtool. A suite's compiler may be newer than the
/// one that its kernel was built with.
fn warnings(said: &str) -> impl Iterator<Item = &str> {
    said.lines().filter(|line| {
        let line = line.to_lowercase();
        line.contains("warning") && !line.contains("the compiler differs")
    })
}

fn print(report: &Report) {
    let verdict = match report.problems.is_empty() {
        true => "ok",
        false => "FAILED",
    };
    println!(
        "{verdict:6} {:9} {:28} {}",
        report.suite, report.kernel, report.compiler
    );
    for problem in &report.problems {
        println!("       {problem}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiler_modpost_or_objtool_complains_of_counts() {
        let said = "open-mx-frontend: the module\n\
                    warning: the compiler differs from the one used to build the kernel\n\
                    logic.o: warning: objtool: f+0x1: unannotated intra-function call\n\
                    memory.c:7:1: warning: unused variable 'x'\n\
                    WARNING: modpost: missing MODULE_LICENSE()\n";
        let found: Vec<&str> = warnings(said).collect();
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
