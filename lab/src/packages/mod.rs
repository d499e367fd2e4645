//! `cargo lab packages`: Debian packages of everything that an operator installs.
//!
//! What is installed where is said by the `install.sh` of each crate alone; here stands which package which file belongs to,
//! and a file that none or two of them claim ends the build. The packages are written by `dpkg-deb` from a table: a few control
//! files, as each commit of the repository has them, need no further tool, and what decides their bytes (order, times, owners,
//! compression) is all in `deb`.
//!
//! | file | what |
//! |---|---|
//! | `table` | the packages: names, descriptions, dependencies, files, maintainer scripts |
//! | `origin` | the commit: version, time, maintainer |
//! | `stage` | everything, built and installed into one tree |
//! | `deb` | one package of it |
//! | `files` | files of a package under way |
//! | `symbols` | the library's exported symbols, held against the list of them |
//! | `trial` | the packages, installed, used and purged in fresh roots |

mod deb;
mod files;
mod origin;
mod stage;
mod symbols;
mod table;
mod trial;

use crate::error::{At, Error};
use crate::place;
use crate::prepare;
use crate::stage::Stage;
use clap::Args;
use origin::Origin;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `cargo lab packages`.
#[derive(Args)]
pub struct PackagesArgs {
    /// Where the packages are put, instead of target/lab/packages.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Then pack them again, which must give the same bytes, and install, use, check and purge them in fresh roots.
    #[arg(long)]
    test: bool,
    /// The roots' releases of Debian, by the names of their suites.
    #[arg(long, value_delimiter = ',', value_name = "SUITE", default_values = trial::RELEASES)]
    release: Vec<String>,
}

/// Builds the packages, and tests them if that is asked for.
pub fn run(args: &PackagesArgs) -> Result<ExitCode, Error> {
    prepare::package("dpkg-dev")?;
    let output = match &args.output {
        Some(directory) => std::path::absolute(directory).at("name", directory)?,
        None => place::work().join("packages"),
    };
    let origin = Origin::of_repository()?;
    let built = stage::build()?;
    let packages = make(&origin, &built, &output)?;
    if !args.test {
        return Ok(ExitCode::SUCCESS);
    }
    let again = place::work().join("packages-again");
    compare(&packages, &make(&origin, &built, &again)?)?;
    fs::remove_dir_all(&again).at("remove", &again)?;
    for release in &args.release {
        trial::run(release, &output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The SHA-256 of each package, by its file's name.
type Sums = BTreeMap<String, String>;

/// Makes all packages anew from what was built.
fn make(origin: &Origin, built: &stage::Built, output: &Path) -> Result<Sums, Error> {
    let stage = Stage::begin(format!("packages of {}", origin.version));
    if output.exists() {
        remove_packages(output)?;
    }
    fs::create_dir_all(output).at("create", output)?;
    let tree = stage::install(origin, built)?;
    let mut sums = Sums::new();
    for (package, files) in table::assigned(&tree)? {
        let file = deb::make(package, origin, &tree, &files, output)?;
        let name = file.file_name().unwrap_or_default();
        sums.insert(name.to_string_lossy().into_owned(), sum(&file)?);
    }
    stage.done(output.display().to_string());
    for (name, sum) in &sums {
        println!("    {sum}  {name}");
    }
    Ok(sums)
}

/// Removes the packages of an earlier build; whatever else is there stays.
fn remove_packages(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).at("read", directory)? {
        let path = entry.at("read", directory)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

fn sum(file: &Path) -> Result<String, Error> {
    let said = crate::run::Run::new("sha256sum", "packages-sum").args([file]);
    let said = said.output()?;
    Ok(said
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn compare(first: &Sums, second: &Sums) -> Result<(), Error> {
    let differing = first
        .iter()
        .filter(|(name, sum)| second.get(*name) != Some(*sum));
    let names: Vec<_> = differing.map(|(name, _)| name.as_str()).collect();
    match names.is_empty() && first.len() == second.len() {
        true => {
            println!(
                "    {} packages, packed twice, have the same bytes",
                first.len()
            );
            Ok(())
        }
        false => Err(Error::Judged(format!(
            "packed twice, these packages differ: {}",
            names.join(", ")
        ))),
    }
}
