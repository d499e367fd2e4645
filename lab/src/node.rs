//! A node outside of the Xen host: `omxd` in a process of this machine, its wire a datagram socket.

use crate::build::Programs;
use crate::error::{At, Error};
use crate::host::Wire;
use crate::place;
use crate::stall_timeout::{StallTimeout, wait_until};
use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a node may take to open its socket.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running node; it ends when this value is dropped.
pub struct Node<'a> {
    child: Child,
    directory: PathBuf,
    programs: &'a Programs,
}

impl<'a> Node<'a> {
    /// Starts a node called `name` at that end of a wire, with further options of omxd.
    pub fn start(
        programs: &'a Programs,
        name: &str,
        wire: Wire,
        mtu: u16,
        options: &[&str],
    ) -> Result<Self, Error> {
        let wire = format!("127.0.0.1:{},127.0.0.1:{}", wire.local, wire.remote);
        let options = [&["--dgram", &wire], options].concat();
        Self::start_within(programs, name, &[], mtu, &options)
    }

    /// Starts a node by a command that begins with these words, with options of omxd that say what its wire is.
    pub fn start_within(
        programs: &'a Programs,
        name: &str,
        enter: &[String],
        mtu: u16,
        options: &[&str],
    ) -> Result<Self, Error> {
        // Not in the repository: a socket's path may have 107 bytes at most.
        let directory = std::env::temp_dir().join(format!("xen2mx-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).at("create", &directory)?;
        let log = log_file(&format!("node-{name}"))?;
        let output = File::create(&log).at("create", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(enter)
            .arg(programs.path("omxd"))
            .args(["--name", name, "--mtu", &mtu.to_string()])
            .args(options)
            .arg("--socket")
            .arg(directory.join("socket"))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Start {
                program: "omxd".into(),
                source,
            })?;
        let mut node = Node {
            child,
            directory,
            programs,
        };
        let mut timeout = StallTimeout::new(START_LIMIT);
        while !node.socket().exists() {
            let ended = !matches!(node.child.try_wait(), Ok(None));
            if ended || timeout.is_over() {
                return Err(Error::Node {
                    name: name.into(),
                    output: fs::read_to_string(&log).unwrap_or_default(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(node)
    }

    /// Starts a tool of the library on this node, with its output in a log of that name.
    pub fn start_tool(&self, name: &str, arguments: &[&str], log: &str) -> Result<Tool, Error> {
        let [log, errors] = [log_file(log)?, log_file(&format!("{log}-errors"))?];
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(self.programs.path(name))
            .args(arguments)
            .env("OMX_SOCKET", self.socket())
            .stdin(Stdio::null())
            .stdout(File::create(&log).at("create", &log)?)
            .stderr(File::create(&errors).at("create", &errors)?)
            .spawn()
            .map_err(|source| Error::Start {
                program: name.into(),
                source,
            })?;
        let command = format!("{name} {}", arguments.join(" "));
        Ok(Tool {
            child,
            command,
            log,
            errors,
        })
    }

    /// The node's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where processes find the node.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

/// A tool that runs on a node; it is killed when this value is dropped.
pub struct Tool {
    child: Child,
    command: String,
    log: PathBuf,
    errors: PathBuf,
}

impl Tool {
    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far, errors last.
    fn said(&self) -> Result<String, Error> {
        let read = |log: &PathBuf| fs::read_to_string(log).at("read", log);
        Ok(read(&self.log)? + &read(&self.errors)?)
    }

    /// Ends it if it has not ended, and tells which of both, and what it had said.
    pub fn last_words(mut self) -> String {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!("ended ({status})"),
            Ok(None) => "still waited".into(),
            Err(error) => format!("cannot be asked ({error})"),
        };
        let said = self.said().unwrap_or_else(|error| error.to_string());
        format!("{ended}, and had said:\n{said}")
    }

    /// Waits until it has printed something.
    pub fn wait_for(&self, words: &str, limit: Duration) -> Result<(), Error> {
        let what = format!("`{}` says '{words}'", self.command);
        wait_until(limit, &what, || {
            let said = self.said()?;
            Ok(if said.contains(words) {
                Ok(())
            } else {
                Err(said)
            })
        })?;
        Ok(())
    }

    /// Waits for its end and returns what it printed on its standard output. An exit status other than 0 is an error, and so is
    /// silence of that length; what it says on standard error ("still trying") is no progress.
    pub fn finish(mut self, limit: Duration) -> Result<String, Error> {
        let mut timeout = StallTimeout::new(limit);
        let mut printed = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait().at("wait for", &self.log)? {
                break status;
            }
            let now = fs::metadata(&self.log).at("read", &self.log)?.len();
            if now != printed {
                printed = now;
                timeout.renew();
            }
            if timeout.is_over() {
                return Err(Error::Judged(format!(
                    "`{}` neither ended nor printed anything for {} s; it had said:\n{}",
                    self.command,
                    timeout.seconds(),
                    self.said()?
                )));
            }
            thread::sleep(Duration::from_millis(20));
        };
        if status.success() {
            return fs::read_to_string(&self.log).at("read", &self.log);
        }
        Err(Error::Failed {
            command: self.command.clone(),
            status,
            tail: self.said()?,
            log: self.log.clone(),
        })
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_file(name: &str) -> Result<PathBuf, Error> {
    let logs = place::work().join("logs");
    fs::create_dir_all(&logs).at("create", &logs)?;
    Ok(logs.join(format!("{name}.log")))
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A wire of which nobody on this machine uses the ports now.
pub fn free_wire() -> Result<Wire, Error> {
    let bind = || UdpSocket::bind("127.0.0.1:0").at("bind", "127.0.0.1:0");
    let (one, two) = (bind()?, bind()?);
    let port = |socket: &UdpSocket| socket.local_addr().map(|address| address.port());
    Ok(Wire {
        local: port(&one).at("ask", "127.0.0.1:0")?,
        remote: port(&two).at("ask", "127.0.0.1:0")?,
    })
}

impl Wire {
    /// The same wire, seen from its other end.
    pub fn other_end(self) -> Self {
        Wire {
            local: self.remote,
            remote: self.local,
        }
    }
}
