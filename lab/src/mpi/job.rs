//! A job of Open MPI, watched to its end.

use super::provider::Provider;
use super::transport::Transport;
use crate::error::{At, Error};
use crate::stall_timeout::StallTimeout;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// By what Open MPI's layer begins the line that names a rank's provider, which for this one is its board.
pub const SAID: &str = "mtl:ofi:provider: omx";

/// How often a job is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one that was told to end may take.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What is to run.
pub struct Job<'a> {
    /// What its messages go by.
    pub transport: Transport<'a>,
    /// Its processes.
    pub ranks: u32,
    /// The program and its arguments.
    pub program: Vec<String>,
    /// More variables of each rank.
    pub variables: Vec<(&'static str, String)>,
    /// How long it may be silent.
    pub limit: Duration,
}

/// How it ended.
pub struct Ended {
    /// Whether by itself, and well.
    pub good: bool,
    /// Whether it was silent for too long, and was killed.
    pub stalled: bool,
    /// What each rank has printed, errors included.
    pub said: Vec<String>,
    /// What mpirun has printed: all of it, mixed.
    pub mixed: String,
}

impl Job<'_> {
    /// Runs it. Ranks that do not say that they send by this project's provider are an error where they should.
    pub fn run(&self, provider: &Provider) -> Result<Ended, Error> {
        let mut running = self.start(provider)?;
        let mut timeout = StallTimeout::new(self.limit);
        let (mut printed, mut stalled) = (0, false);
        let status = loop {
            if let Some(status) = running.ended()? {
                break Some(status);
            }
            let now = running.printed();
            if now != printed {
                printed = now;
                timeout.renew();
            }
            if timeout.is_over() {
                stalled = true;
                running.kill();
                break None;
            }
            thread::sleep(PAUSE);
        };
        let ended = Ended {
            good: status == Some(true),
            stalled,
            said: running.said(self.ranks)?,
            mixed: running.mixed()?,
        };
        let sayers = self.transport.sayers(self.ranks);
        let saying = ended.mixed.matches(SAID).count() as u32;
        if saying < sayers {
            return Err(Error::Judged(format!(
                "{saying} of {sayers} ranks said that they send by this provider; the job said:\n{}",
                ended.mixed
            )));
        }
        Ok(ended)
    }

    /// Starts it.
    pub fn start(&self, provider: &Provider) -> Result<Running, Error> {
        let name = format!("xen2mx-{}-mpi-job", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).at("create", &folder)?;
        let mut options = vec!["--output-filename".to_owned()];
        options.push(folder.join("ranks").display().to_string());
        let variables = self.variables.iter();
        let variables = variables.flat_map(|(name, value)| {
            let both = format!("{name}={value}");
            ["-x".to_owned(), both]
        });
        let program: Vec<String> = variables.chain(self.program.iter().cloned()).collect();
        let line = self
            .transport
            .command(provider, self.ranks, &options, &program)?;
        let all = folder.join("mixed");
        let file = File::create(&all).at("create", &all)?;
        let second = file.try_clone().at("write", &all)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(&line)
            .env("FI_PROVIDER_PATH", provider.folder())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            .spawn()
            .map_err(|source| Error::Start {
                program: "mpirun".to_owned(),
                source,
            })?;
        Ok(Running { child, folder })
    }
}

/// A job that runs; it is killed when this value is dropped.
pub struct Running {
    child: Child,
    folder: PathBuf,
}

impl Running {
    /// Whether it has ended, and then whether well.
    pub fn ended(&mut self) -> Result<Option<bool>, Error> {
        let status = self.child.try_wait().at("wait for", "mpirun")?;
        Ok(status.map(|status| status.success()))
    }

    /// What mpirun has printed so far.
    pub fn mixed(&self) -> Result<String, Error> {
        let all = self.folder.join("mixed");
        let bytes = fs::read(&all).at("read", &all)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Bytes that all of its files have.
    fn printed(&self) -> u64 {
        let all = fs::metadata(self.folder.join("mixed"));
        all.map_or(0, |data| data.len())
    }

    /// What each rank has printed.
    fn said(&self, ranks: u32) -> Result<Vec<String>, Error> {
        let width = ranks.saturating_sub(1).to_string().len();
        let apps = fs::read_dir(self.folder.join("ranks"));
        let apps: Vec<PathBuf> = apps
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        let said = |rank: u32| {
            let folder = format!("rank.{rank:0width$}");
            let of_rank = apps.iter().map(|app| app.join(&folder));
            let files = of_rank.flat_map(|of| ["stdout", "stderr"].map(|file| of.join(file)));
            let texts = files.filter_map(|file| fs::read(file).ok());
            texts
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .collect()
        };
        Ok((0..ranks).map(said).collect())
    }

    /// Ends it: mpirun ends its ranks when it is told to.
    fn kill(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended just now.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let mut timeout = StallTimeout::new(END_LIMIT);
        while matches!(self.child.try_wait(), Ok(None)) && !timeout.is_over() {
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
        // What was of interest has been read.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
