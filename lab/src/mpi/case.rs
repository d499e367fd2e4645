//! A job that verifies what it sends or computes, and says so.

use super::job::Job;
use super::provider::Provider;
use super::transport::Transport;
use crate::error::{At, Error};
use crate::place;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// What its ranks are, and how what they say is judged.
pub struct Case {
    /// Its name in lists.
    pub name: String,
    /// Its processes.
    pub ranks: u32,
    /// The program and its arguments.
    pub program: Vec<String>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// More variables of each rank.
    pub variables: Vec<(&'static str, String)>,
    /// The file in which it says what it found, if not on its output.
    pub report: Option<PathBuf>,
    /// How long it may say nothing.
    pub limit: Duration,
    /// How many checks were passed according to what it said, or what is wrong.
    pub judge: fn(&str) -> Result<u64, String>,
}

impl Case {
    /// Runs it: the checks that it passed, or what went wrong, of which its log has more.
    pub fn run(
        &self,
        provider: &Provider,
        transport: Transport<'_>,
    ) -> Result<Result<u64, String>, Error> {
        let report = self.report.as_ref().filter(|report| report.exists());
        if let Some(report) = report {
            fs::remove_file(report).at("remove", report)?;
        }
        let folder = self.folder.display().to_string();
        let mut program = ["env", "--chdir", &folder].map(str::to_owned).to_vec();
        program.extend_from_slice(&self.program);
        let job = Job {
            transport,
            ranks: self.ranks,
            program,
            variables: self.variables.clone(),
            limit: self.limit,
        };
        let ended = match job.run(provider) {
            Ok(ended) => ended,
            // Its ranks did not say what they send by.
            Err(Error::Judged(said)) => return self.failed(transport, first_line(&said), &said),
            Err(error) => return Err(error),
        };
        let said = match &self.report {
            Some(report) => fs::read_to_string(report).unwrap_or_default(),
            None => ended.mixed.clone(),
        };
        let reason = match (self.judge)(&said) {
            Ok(checks) if ended.good => return Ok(Ok(checks)),
            _ if ended.stalled => format!("it hangs for {} s", self.limit.as_secs()),
            judged => match (mpi_error(&ended.mixed), judged) {
                (Some(error), _) => error.to_owned(),
                (None, Err(reason)) => reason,
                (None, Ok(_)) => "it ends with an error after all was right".to_owned(),
            },
        };
        self.failed(transport, &reason, &ended.mixed)
    }

    /// Keeps what a failed job said.
    fn failed(
        &self,
        transport: Transport<'_>,
        reason: &str,
        said: &str,
    ) -> Result<Result<u64, String>, Error> {
        let name = format!("mpi-{}-{}", self.name, transport.name());
        let plain = |letter: char| match letter.is_ascii_alphanumeric() {
            true => letter,
            false => '-',
        };
        let name: String = name.chars().map(plain).collect();
        let log = place::work().join(format!("logs/{name}.log"));
        fs::write(&log, said).at("write", &log)?;
        Ok(Err(reason.to_owned()))
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The error that Open MPI names where it ends a job for it: `[vm:12] *** MPI_ERR_TRUNCATE: message truncated`.
fn mpi_error(said: &str) -> Option<&str> {
    let errors = said.lines().filter_map(|line| line.split_once("*** "));
    let mut errors = errors.map(|(_, error)| error);
    errors.find(|error| error.starts_with("MPI_ERR_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_open_mpi_is_named() {
        let said = "[vm:12] *** An error occurred in MPI_Allreduce\n\
                    [vm:12] *** MPI_ERR_TRUNCATE: message truncated\n\
                    [vm:12] *** MPI_ERRORS_ARE_FATAL (processes will now abort,\n";
        assert_eq!(mpi_error(said), Some("MPI_ERR_TRUNCATE: message truncated"));
        assert_eq!(mpi_error(" No Errors\n"), None);
    }
}
