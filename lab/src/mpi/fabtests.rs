//! fabtests, libfabric's own tests of providers, as far as they are of reliable datagrams: what MPI uses.

use super::provider::Provider;
use crate::build::Programs;
use crate::error::{At, Error};
use crate::node::{Node, free_wire};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use crate::stall_timeout::StallTimeout;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Its lists for `rdm`, some of them with data that is verified, and by each way to wait.
const PAIRS: [&str; 40] = [
    "fi_av_xfer -e rdm",
    "fi_cq_data -e rdm -o senddata",
    "fi_cq_data -e rdm -o writedata",
    "fi_rdm",
    "fi_rdm -U",
    "fi_rdm_tagged_peek",
    "fi_multi_ep -e rdm -v",
    "fi_multi_ep -e rdm -v -A",
    "fi_multi_ep -e rdm -v -Q",
    "fi_multi_ep -e rdm -v -A -Q",
    "fi_multi_ep -e rdm -v --threading completion",
    "fi_recv_cancel -e rdm -V",
    "fi_unexpected_msg -e rdm -I 10 -v",
    "fi_inject_test -A inject -v",
    "fi_inject_test -N -A inject -v",
    "fi_inject_test -A inj_complete -v",
    "fi_inject_test -N -A inj_complete -v",
    "fi_flood -e rdm -v -T 1",
    "fi_flood -e rdm -v -T 1 -U",
    "fi_rdm_cntr_pingpong -I 5",
    "fi_multi_recv -e rdm -I 5",
    "fi_rdm_pingpong -I 5 -v",
    "fi_rdm_pingpong -I 5 -v -U",
    "fi_rdm_pingpong -I 5 -v -c sread",
    "fi_rdm_pingpong -I 5 -v -c fd",
    "fi_rdm_tagged_pingpong -I 5 -v",
    "fi_rdm_tagged_pingpong -I 5 -v -U",
    "fi_rdm_tagged_pingpong -I 5 -v -c sread",
    "fi_rdm_tagged_pingpong -I 5 -v -c fd",
    "fi_rdm_tagged_bw -I 5 -v",
    "fi_rdm_tagged_bw -I 5 -v -U",
    "fi_rdm_bw -I 5 -v",
    "fi_rma_bw -e rdm -o write -I 5 -v",
    "fi_rma_bw -e rdm -o write -I 5 -v -U",
    "fi_rma_bw -e rdm -o read -I 5 -v",
    "fi_rma_bw -e rdm -o writedata -I 5 -v",
    "fi_rma_bw -e rdm -o write -I 5 -v -c fd",
    "fi_rma_pingpong -e rdm -o write -I 5 -v",
    "fi_rdm_rma_event",
    "fi_rdm_atomic -I 5 -o all -v",
];

/// One whose client can only be told a name and a number for the server: those of the node, and of an endpoint.
const BY_NAME: &str = "fi_rdm_shared_av";

/// Those of one process.
const ALONE: [&str; 6] = [
    "fi_av_test -g 127.0.0.1 -n 1 -e rdm",
    "fi_dom_test -n 2",
    "fi_eq_test",
    "fi_cq_test",
    "fi_mr_test",
    "fi_cntr_test",
];

/// This project's own, of one process: the program, and what it ends with.
const OWN: [(&str, &str); 2] = [
    ("beside", " messages with data verified"),
    ("atomics", " checks of atomic operations"),
];

/// The node, and its only board.
const NODE_NAME: &str = "fab";
const NODE: &str = "fab:0";

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a test ends with when the provider offers nothing of what it asks for, or has not a function.
const NOT_OFFERED: [i32; 2] = [61, 38];

/// A server listens for addresses by then.
const HEAD_START: Duration = Duration::from_millis(500);

/// Runs them, a server and a client on one node each; whether none fails. What asks for something that the provider does not
/// offer is counted apart.
pub fn run(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let installed = prepare::fabtests()?;
    let node = Node::start(programs, NODE_NAME, free_wire()?, 9000, &[])?;
    let stage = Stage::begin("fabtests, one node");
    let place = Place {
        installed: &installed,
        provider,
        node: &node,
    };
    let (mut passed, mut failed, mut not_offered) = (0, Vec::new(), Vec::new());
    for line in ALONE.iter().chain(&[BY_NAME]).chain(&PAIRS) {
        let statuses = match *line {
            BY_NAME => place.pair(line, &[], &["-P", "0", NODE])?,
            line if ALONE.contains(&line) => {
                place.wait(vec![place.start(line, "alone", &[])?])?
            }
            line => place.pair(line, &["-E"], &["-E", "127.0.0.1"])?,
        };
        match statuses {
            statuses if statuses.iter().all(|status| *status == 0) => passed += 1,
            statuses if NOT_OFFERED.contains(&statuses[0]) => not_offered.push(*line),
            statuses => failed.push(format!("{line} (statuses {statuses:?})")),
        }
    }
    let mut own = Vec::new();
    for (name, end) in OWN {
        match place.own(name)? {
            said if said.trim_end().ends_with(end) => own.push(said),
            said => failed.push(format!("{name} ({})", said.trim_end())),
        }
    }
    stage.done("");
    for said in &own {
        print!("    {said}");
    }
    println!(
        "    fabtests: {passed} passed, {} failed, {} ask for what is not offered",
        failed.len(),
        not_offered.len()
    );
    for line in &failed {
        println!("      {line} fails");
    }
    for line in &not_offered {
        println!("      {line} is not offered");
    }
    Ok(failed.is_empty())
}

struct Place<'a> {
    installed: &'a Path,
    provider: &'a Provider,
    node: &'a Node<'a>,
}

impl Place<'_> {
    /// Compiles and runs a program of this project's; what it has said.
    fn own(&self, name: &str) -> Result<String, Error> {
        let program = self.provider.folder().join(format!("{name}-fabtests"));
        let library = self.installed.join("lib");
        Run::new("cc", "fabtests-compile")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-I"])
            .args([self.installed.join("include")])
            .args(["-o".as_ref(), program.as_os_str()])
            .args([Provider::source(name)])
            .args(["-L".as_ref(), library.as_os_str()])
            .args(["-lfabric"])
            .output()?;
        let limit = LIMIT.as_secs().to_string();
        Run::new("timeout", "fabtests-own")
            .args([&limit])
            .args([&program])
            .env("LD_LIBRARY_PATH", &library)
            .env("FI_PROVIDER_PATH", self.provider.folder())
            .env("OMX_SOCKET", self.node.socket())
            .output()
    }

    /// Runs a server and a client, each with more words; their statuses.
    fn pair(&self, line: &str, server: &[&str], client: &[&str]) -> Result<Vec<i32>, Error> {
        let server = self.start(line, "server", server)?;
        thread::sleep(HEAD_START);
        let client = self.start(line, "client", client)?;
        self.wait(vec![server, client])
    }

    fn start(&self, line: &str, role: &str, more: &[&str]) -> Result<Child, Error> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let log = place::work().join(format!("logs/fabtests-{role}.log"));
        let file = File::create(&log).at("create", &log)?;
        let second = file.try_clone().at("write", &log)?;
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(self.installed.join("bin").join(program))
            .args(["-p", "openmx"])
            .args(words)
            .args(more)
            .env("LD_LIBRARY_PATH", self.installed.join("lib"))
            .env("FI_PROVIDER_PATH", self.provider.folder())
            .env("OMX_SOCKET", self.node.socket())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            .spawn()
            .map_err(|source| Error::Start {
                program: program.to_owned(),
                source,
            })
    }

    /// Waits for them all; those that take too long are killed, and have no status.
    fn wait(&self, mut processes: Vec<Child>) -> Result<Vec<i32>, Error> {
        const KILLED: i32 = -1;
        let mut timeout = StallTimeout::new(LIMIT);
        let mut statuses = vec![None; processes.len()];
        while statuses.contains(&None) {
            for (process, status) in processes.iter_mut().zip(&mut statuses) {
                if status.is_none() {
                    let ended = process.try_wait().at("wait for", "a test")?;
                    *status = ended.map(|ended| ended.code().unwrap_or(KILLED));
                }
                if status.is_none() && timeout.is_over() {
                    // It may have ended just now.
                    let _ = process.kill();
                    let _ = process.wait();
                    *status = Some(KILLED);
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(statuses.into_iter().flatten().collect())
    }
}
