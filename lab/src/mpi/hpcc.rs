//! Debian's `hpcc`, the HPC Challenge benchmark, which verifies its own results: linear systems (HPL), transposed matrices
//! (PTRANS), updates at random (RandomAccess) and Fourier transforms by messages, and rings of messages.

use super::case::Case;
use super::cases::Group;
use super::provider::Provider;
use crate::error::{At, Error};
use crate::prepare;
use std::fs;
use std::time::Duration;

const PACKAGE: &str = "hpcc";

/// What it reads and writes, in its folder.
const INPUT: &str = "hpccinf.txt";
const OUTPUT: &str = "hpccoutf.txt";

/// Its grids of processes: rows and columns.
const GRIDS: [[u32; 2]; 2] = [[1, 2], [2, 2]];

/// How long it may say nothing, which is all the time: it writes into its file.
const LIMIT: Duration = Duration::from_secs(300);

/// Installs it; its jobs.
pub fn group(provider: &Provider) -> Result<Group, Error> {
    prepare::package(PACKAGE)?;
    let mut cases = Vec::new();
    for [rows, columns] in GRIDS {
        let ranks = rows * columns;
        let folder = provider.folder().join(format!("hpcc-{ranks}"));
        fs::create_dir_all(&folder).at("create", &folder)?;
        let file = folder.join(INPUT);
        fs::write(&file, input(rows, columns)).at("write", &file)?;
        cases.push(Case {
            name: format!("hpcc, {ranks} ranks"),
            ranks,
            program: vec!["hpcc".to_owned()],
            report: Some(folder.join(OUTPUT)),
            folder,
            variables: Vec::new(),
            limit: LIMIT,
            judge,
        });
    }
    Ok(Group {
        title: "hpcc".to_owned(),
        cases,
        left_out: Vec::new(),
    })
}

/// Its input: small problems, by the lines that it reads by their number.
fn input(rows: u32, columns: u32) -> String {
    const LENGTH: u32 = 400;
    const BLOCK: u32 = 32;
    let lines = [
        "input of hpcc",
        "",
        "HPL.out  output file",
        "8        device: the file",
        "1        lengths of matrices",
        &format!("{LENGTH}"),
        "1        lengths of blocks",
        &format!("{BLOCK}"),
        "0        processes in rows",
        "1        grids",
        &format!("{rows}"),
        &format!("{columns}"),
        "16.0     threshold",
        "1        panel factorisations",
        "2",
        "1        stopping criteria",
        "4",
        "1        panels in a recursion",
        "2",
        "1        recursive factorisations",
        "1",
        "1        broadcasts",
        "1",
        "1        depths of the lookahead",
        "1",
        "2        swapping",
        "64       its threshold",
        "0        L1 transposed",
        "0        U transposed",
        "1        equilibration",
        "8        alignment",
        "",
        "0        more lengths for PTRANS",
        "",
        "0        more blocks for PTRANS",
        "",
    ];
    lines.join("\n")
}

/// It writes `Success=1` when every part of it is right, and how many of the updates at random were not.
fn judge(said: &str) -> Result<u64, String> {
    let value = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let wanted = [
        ("Success", "1"),
        ("MPIRandomAccess_Errors", "0"),
        ("MPIRandomAccess_LCG_Errors", "0"),
    ];
    for (name, right) in wanted {
        match value(name) {
            Some(value) if value == right => {}
            Some(value) => return Err(format!("it says {name}={value}")),
            None => return Err(format!("it does not say {name}")),
        }
    }
    Ok(wanted.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_that_all_is_right_has_passed() {
        let right = "Success=1\nMPIRandomAccess_LCG_Errors=0\nMPIRandomAccess_Errors=0\n";
        assert_eq!(judge(right), Ok(3));
        assert!(judge(&right.replace("Success=1", "Success=0")).is_err());
        assert!(judge(&right.replace("s_Errors=0", "s_Errors=7")).is_err());
        assert!(judge("Success=1\n").is_err());
    }

    #[test]
    fn the_grid_is_where_it_is_looked_for() {
        let text = input(2, 3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[9..13],
            ["1        grids", "2", "3", "16.0     threshold"]
        );
        assert_eq!(lines.len(), 35);
    }
}
