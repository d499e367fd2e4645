//! The test programs of Debian's ScaLAPACK, whose matrices are spread over processes: of its communication (BLACS), of products
//! (PBLAS), and of solvers, each with the residuals that it allows.

use super::case::Case;
use super::cases::Group;
use super::provider::Provider;
use crate::error::{At, Error};
use crate::prepare;
use crate::run::Run;
use std::fs;
use std::time::Duration;

const PACKAGE: &str = "scalapack-mpi-test";

/// Where the package has them and what they read.
const INSTALLED: &str = "/usr/lib/x86_64-linux-gnu/scalapack/openmpi-tests/.";

/// The programs by their folders; those of matrices in double precision, real and complex.
const PROGRAMS: [(&str, &str); 3] = [
    ("BLACS", "xCbtest xFbtest"),
    ("PBLAS", "dpb1tst dpb2tst dpb3tst zpb1tst zpb2tst zpb3tst"),
    (
        ".",
        "xdlu xzlu xdllt xzllt xdqr xzqr xdinv xzinv xdbrd xzbrd xdhrd xzhrd xdtrd xztrd xdls xzls xddblu xzdblu xdpbllt \
         xzpbllt xdptllt xzptllt xdnep xznep",
    ),
];

/// What the programs of BLACS run, and the last part of it: it ends the job by an abort, and is left out.
const BLACS_INPUT: &str = "BLACS/bt.dat";
const ABORT: (&str, &str) = ("'T'                             Run AUX?", "'F' Run AUX?");

/// Their grids have as many processes at most.
const RANKS: u32 = 4;

/// How long one may say nothing.
const LIMIT: Duration = Duration::from_secs(120);

/// Installs it; its jobs.
pub fn group(provider: &Provider) -> Result<Group, Error> {
    prepare::package(PACKAGE)?;
    let copy = provider.folder().join("scalapack");
    if copy.exists() {
        fs::remove_dir_all(&copy).at("remove", &copy)?;
    }
    fs::create_dir_all(&copy).at("create", &copy)?;
    // They write beside what they read, which lies there as links.
    Run::new("cp", "scalapack-copy")
        .args(["--recursive", "--dereference", INSTALLED])
        .args([&copy])
        .output()?;
    let input = copy.join(BLACS_INPUT);
    let text = fs::read_to_string(&input).at("read", &input)?;
    fs::write(&input, text.replace(ABORT.0, ABORT.1)).at("write", &input)?;
    let mut cases = Vec::new();
    for (folder, programs) in PROGRAMS {
        for program in programs.split_whitespace() {
            cases.push(Case {
                name: program.to_owned(),
                ranks: RANKS,
                program: vec![format!("./{program}")],
                folder: copy.join(folder),
                variables: Vec::new(),
                report: None,
                limit: LIMIT,
                judge,
            });
        }
    }
    Ok(Group {
        title: "ScaLAPACK".to_owned(),
        cases,
        left_out: Vec::new(),
    })
}

/// Each of its programs counts in one of three ways: `1152 TESTS;  864 PASSED,  288 SKIPPED,    0 FAILED.`, a row
/// `|  PDSWAP  16  16  0  0` of tests, passed, failed and skipped, or `96 tests completed and passed residual checks.`
fn judge(said: &str) -> Result<u64, String> {
    let (mut passed, mut failed) = (0, 0);
    for line in said.lines() {
        if let Some([good, bad]) = counts(line) {
            passed += good;
            failed += bad;
        }
    }
    match (passed, failed) {
        (0, 0) => Err("it does not say what it tested".to_owned()),
        (passed, 0) => Ok(passed),
        (passed, failed) => Err(format!("{failed} of {} of its tests fail", passed + failed)),
    }
}

/// How many tests have passed and failed according to a line.
fn counts(line: &str) -> Option<[u64; 2]> {
    let number_before = |mark: &str| -> Option<u64> {
        let before = line.split_once(mark)?.0;
        before.split_whitespace().last()?.parse().ok()
    };
    if let Some(passed) = number_before(" PASSED,") {
        return Some([passed, number_before(" FAILED")?]);
    }
    if let Some(passed) = number_before(" tests completed and passed") {
        return Some([passed, 0]);
    }
    if let Some(failed) = number_before(" tests completed and failed") {
        return Some([0, failed]);
    }
    let row = line.trim_start().strip_prefix('|')?;
    let mut numbers = row.split_whitespace().skip(1).map(str::parse);
    let [
        Some(Ok(_)),
        Some(Ok(passed)),
        Some(Ok(failed)),
        Some(Ok(_)),
        None,
    ] = std::array::from_fn(|_| numbers.next())
    else {
        return None;
    };
    Some([passed, failed])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_in_each_of_its_ways() {
        let blacs =
            "DOUBLE COMPLEX SUM TESTS: 1152 TESTS;  864 PASSED,  288 SKIPPED,    0 FAILED.\n";
        assert_eq!(judge(blacs), Ok(864));
        assert!(judge(&blacs.replace("   0 FAILED", "   1 FAILED")).is_err());
        let pblas =
            "  |  PDSWAP           16        15        0       1\n  |  PDSCAL  16  16  0  0\n";
        assert_eq!(judge(pblas), Ok(31));
        assert!(judge(&pblas.replace("15        0", "14        1")).is_err());
        let solver = "  240 tests completed and passed residual checks.\n    \
                      0 tests completed and failed residual checks.\n";
        assert_eq!(judge(solver), Ok(240));
        assert!(judge(&solver.replace("    0 tests", "    2 tests")).is_err());
        assert!(judge("END OF TESTS.\n").is_err());
    }
}
