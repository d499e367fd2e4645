//! The Xen host with its driver domain and its guests, and a node outside of it.

use std::thread;
use std::time::Duration;

use lossy::{End, LossyWire};

use super::stage;
use crate::build::Programs;
use crate::error::{At, Error};
use crate::host::{Host, HostSpec, Images, Nic, Output, Session, Wire, kvm, spec};
use crate::node::{Node, Tool, free_wire};
use crate::place;
use crate::stall_timeout::wait_until;

/// The node outside.
const NODE: &str = "node1";

/// Two guests, and one more.
pub const GUESTS: [&str; 3] = ["guest1", "guest2", "guest3"];

/// As xl-configs/guest.cfg has it.
const GUEST_MEMORY: u32 = 256;

/// Five times what a quiet machine needs for the longest command of an operator.
const COMMAND: Duration = Duration::from_secs(90);

/// How long the members may take to hear of each other.
const DISCOVERY: Duration = Duration::from_secs(60);

/// What kind of fabric.
#[derive(Clone, Copy)]
pub struct Shape {
    /// The frame size of all.
    pub mtu: u16,
    /// The driver domain's card.
    pub nic: Option<Nic>,
    /// Whether to try KVM.
    pub kvm: bool,
    /// What a virtio card says it takes at most ([`HostSpec::longest_packet`]).
    pub longest_packet: Option<u16>,
    /// Further options of the driver domain.
    pub options: &'static str,
    /// A port of 127.0.0.1 that is to lead to the driver domain's page ([`HostSpec::http`]).
    pub http: Option<u16>,
    /// Whether a wire that can lose frames lies between card and node ([`Fabric::lose`]).
    pub lossy: bool,
    /// Virtual processors of each guest, which share one of the host's: where the host's are emulated, each change of a
    /// page table waits for all that the guest is on, and two of them make its boot ten times as long.
    pub guest_processors: u32,
    /// The guests.
    pub guests: &'static [&'static str],
    /// A guest that may serve others network interfaces, by netback.
    pub network_backend: Option<&'static str>,
    /// Memory of each guest in MiB.
    pub guest_memory: u32,
    /// Memory of the host in MiB.
    pub memory: u32,
}

impl Shape {
    /// Frames of 9000 bytes over that card, or none, and two guests.
    pub fn of(nic: Option<Nic>) -> Self {
        Self {
            mtu: 9000,
            nic,
            kvm: false,
            longest_packet: None,
            options: "",
            http: None,
            lossy: false,
            guest_processors: 1,
            guests: &GUESTS[..2],
            network_backend: None,
            guest_memory: GUEST_MEMORY,
            memory: spec::MEMORY,
        }
    }
}

/// All of it; it ends when this value is dropped.
pub struct Fabric<'a> {
    // The node goes first: it has the other end of the card's wire.
    node: Option<Node<'a>>,
    host: Host,
    shape: Shape,
    programs: &'a Programs,
    wire: Wire,
    between: Option<LossyWire>,
}

impl<'a> Fabric<'a> {
    /// Boots the host, creates the domains, attaches the guests, starts the node, and waits until all know each other.
    pub fn start(images: Images, programs: &'a Programs, shape: Shape) -> Result<Self, Error> {
        let mut spec = HostSpec::new(images, place::work().join("host"));
        let wire = free_wire()?;
        spec.wire = shape.nic.map(|_| wire);
        spec.http = shape.http;
        spec.nic = shape.nic.unwrap_or_default();
        spec.longest_packet = shape.longest_packet;
        // A processor for each domain: whoever polls holds nobody up.
        spec.cpus = 4;
        spec.memory = shape.memory;
        if shape.kvm {
            kvm::use_if_it_boots(&mut spec);
        }
        let host = stage("booting Xen in QEMU", || Host::start(&spec))?;
        let mut fabric = Self {
            node: None,
            host,
            shape,
            programs,
            wire,
            between: None,
        };
        stage("xl create driver-domain.cfg", || {
            if shape.nic.is_some() {
                fabric.dom0(&["xl", "pci-assignable-add", "00:05.0"])?;
            }
            fabric.create_driver_domain(shape.mtu, shape.options)
        })?;
        let names = shape.guests.join(", ");
        stage(&format!("xl create guest.cfg, for {names}"), || {
            for guest in shape.guests {
                fabric.create_guest(guest)?;
            }
            let mut guests = shape.guests.iter();
            guests.try_for_each(|guest| fabric.wait_for_guest(guest))
        })?;
        stage(&format!("xl-omx attach {names}"), || fabric.attach())?;
        if shape.nic.is_some() {
            stage(
                "omxd on this machine, at the other end of the wire: node1",
                || fabric.start_node(&[]),
            )?;
        }
        stage("the members hear of each other", || fabric.wait_for_names())?;
        Ok(fabric)
    }

    fn start_node(&mut self, options: &[&str]) -> Result<(), Error> {
        let mut wire = self.wire.other_end();
        if self.shape.lossy {
            let far = free_wire()?;
            let end = |wire: Wire| End::Inet {
                local: ([127, 0, 0, 1], wire.local).into(),
                remote: ([127, 0, 0, 1], wire.remote).into(),
            };
            let between = LossyWire::start([&end(wire), &end(far)], 0, 1);
            self.between = Some(between.at("open", "the wire between card and node")?);
            wire = far.other_end();
        }
        let node = Node::start(self.programs, NODE, wire, self.shape.mtu, options)?;
        self.node = Some(node);
        Ok(())
    }

    /// From now on so many frames of a hundred are lost each way between card and node; how many have been so far.
    pub fn lose(&self, percent: u8) -> u64 {
        let Some(between) = &self.between else {
            return 0;
        };
        between.set_percent(percent);
        between.lost()
    }

    /// The process of the node outside, if there is one.
    pub fn node_process(&self) -> Option<u32> {
        self.node.as_ref().map(Node::process)
    }

    /// Creates a driver domain for that frame size, with further options.
    pub fn create_driver_domain(&self, mtu: u16, options: &str) -> Result<(), Error> {
        let extra = format!("extra=\"mtu={mtu} log=info {options}\"");
        let mut command = vec![
            "xl",
            "create",
            "/etc/xen/driver-domain.cfg",
            &extra,
            "cpus=\"1\"",
        ];
        if self.shape.nic.is_none() {
            command.push("pci=[]");
        }
        self.dom0(&command).map(drop)
    }

    fn attach(&self) -> Result<(), Error> {
        for guest in self.shape.guests {
            self.dom0(&["xl-omx", "attach", guest])?;
        }
        Ok(())
    }

    /// Ends the driver domain and creates one with other options, for the same guests: they keep their addresses, by
    /// which the node knows them.
    pub fn renew_driver_domain(&self, options: &str) -> Result<(), Error> {
        self.dom0(&["xl", "shutdown", "-w", "driver-domain"])?;
        self.wait_for_no_driver_domain()?;
        self.create_driver_domain(self.shape.mtu, options)?;
        self.dom0(&["xl-omx", "apply"])?;
        self.wait_for_names()
    }

    /// Waits until there is no driver domain: libxl gives its card another ten seconds.
    pub fn wait_for_no_driver_domain(&self) -> Result<(), Error> {
        let what = "the driver domain goes";
        wait_until(COMMAND, what, || {
            let gone = self.driver_domain()?.is_none();
            Ok(gone.then_some(()).ok_or_else(String::new))
        })?;
        Ok(())
    }

    /// The number of the driver domain, if there is one.
    pub fn driver_domain(&self) -> Result<Option<u32>, Error> {
        let output = self.try_dom0(&["xl", "domid", "driver-domain"])?;
        Ok(output.text().trim().parse().ok())
    }

    /// A node of the driver domain's own in xenstore, if it is there.
    pub fn driver_domain_node(&self, path: &str) -> Result<Option<String>, Error> {
        let Some(id) = self.driver_domain()? else {
            return Ok(None);
        };
        let read = ["xenstore-read", &format!("/local/domain/{id}/{path}")];
        let output = self.try_dom0(&read)?;
        Ok((output.status == 0).then(|| output.text().trim().to_owned()))
    }

    /// What the driver domain has counted: its line of `name=count`.
    pub fn statistics(&self) -> Result<String, Error> {
        let id = self.dom0(&["xl", "domid", "driver-domain"])?;
        let path = |key: &str| format!("/local/domain/{}/data/{key}", id.trim());
        // It may not be there.
        let _ = self.try_dom0(&["xenstore-rm", &path("omx-stats")])?;
        self.dom0(&["xenstore-write", &path("omx-stats-request"), "lab"])?;
        for _ in 0..100 {
            let output = self.try_dom0(&["xenstore-read", &path("omx-stats")])?;
            if output.status == 0 {
                return Ok(output.text());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(Error::Judged(
            "the driver domain does not tell its counters".into(),
        ))
    }

    /// One of these counts.
    pub fn counter(&self, name: &str) -> Result<u64, Error> {
        let line = self.statistics()?;
        let mut counts = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let found = counts.find(|(counted, _)| *counted == name);
        found
            .and_then(|(_, count)| count.parse().ok())
            .ok_or_else(|| {
                Error::Judged(format!(
                    "the driver domain does not count {name}, but:\n{line}"
                ))
            })
    }

    /// [`Host::ran_and_waited`].
    pub fn ran_and_waited(&self) -> (f64, f64) {
        self.host.ran_and_waited()
    }

    /// Plugs the cable of the card in, or pulls it.
    pub fn set_link(&self, up: bool) -> Result<(), Error> {
        self.host.set_link(up)
    }

    /// Ends the node and starts one that does not sleep.
    pub fn renew_node(&mut self) -> Result<(), Error> {
        self.node = None;
        self.start_node(&["--poll", "60000000"])?;
        self.wait_for_names()
    }

    fn end_driver_domain(&self) -> Result<(), Error> {
        for guest in self.shape.guests {
            self.dom0(&["xl-omx", "detach", guest, "0"])?;
        }
        self.dom0(&["xl", "shutdown", "-w", "driver-domain"])
            .map(drop)
    }

    /// Creates a guest of that name.
    pub fn create_guest(&self, name: &str) -> Result<(), Error> {
        let name_line = format!("name=\"{name}\"");
        let processor = if name == "guest1" {
            "cpus=\"2\""
        } else {
            "cpus=\"3\""
        };
        let processors = format!("vcpus={}", self.shape.guest_processors);
        let memory = format!("memory={}", self.shape.guest_memory);
        let mut command = vec![
            "xl",
            "create",
            "/etc/xen/guest.cfg",
            &name_line,
            "on_reboot=\"destroy\"",
            processor,
            &processors,
            &memory,
        ];
        if self.shape.network_backend == Some(name) {
            command.push("driver_domain=1");
        }
        self.dom0(&command).map(drop)
    }

    /// Waits until a guest's agent answers: it is up then.
    pub fn wait_for_guest(&self, name: &str) -> Result<(), Error> {
        wait_until(COMMAND, &format!("{name} runs commands"), || {
            let asked = self.host.exec(name, &["true"], Duration::from_secs(3));
            Ok(asked.map(drop).map_err(|error| error.to_string()))
        })?;
        Ok(())
    }

    /// Runs a command in dom0 that has to end well.
    pub fn dom0(&self, command: &[&str]) -> Result<String, Error> {
        self.host
            .exec("dom0", command, COMMAND)?
            .expect_success("dom0", command)
    }

    /// Runs a command in dom0, which may end as it likes.
    pub fn try_dom0(&self, command: &[&str]) -> Result<Output, Error> {
        self.host.exec("dom0", command, COMMAND)
    }

    /// Starts a program of a member.
    pub fn start_program(&self, member: &str, command: &[&str]) -> Result<Program, Error> {
        match (&self.node, member) {
            (Some(node), NODE) => {
                let (name, arguments) = command.split_first().unwrap_or((&"", &[]));
                let log = format!("node1-{name}-{}", arguments.len());
                Ok(Program::Outside(node.start_tool(name, arguments, &log)?))
            }
            _ => Ok(Program::Inside(
                self.host.spawn(member, command)?,
                member.into(),
                command.join(" "),
            )),
        }
    }

    /// Starts a program of a member that opens an endpoint and waits for others, and waits until it has opened it.
    pub fn start_answerer(&self, member: &str, command: &[&str]) -> Result<Program, Error> {
        let before = self.open_endpoints(member)?;
        let program = self.start_program(member, command)?;
        let what = format!("`{}` opens an endpoint in {member}", command.join(" "));
        wait_until(COMMAND, &what, || {
            let opened = self.open_endpoints(member)? > before;
            Ok(opened.then_some(()).ok_or_else(String::new))
        })?;
        Ok(program)
    }

    fn open_endpoints(&self, member: &str) -> Result<usize, Error> {
        let command = ["omx_endpoint_info", "-b", "0"];
        let text = self.start_program(member, &command)?.finish(COMMAND)?;
        Ok(text.matches("open by pid").count())
    }

    /// What omx_info says there.
    pub fn info(&self, member: &str) -> Result<String, Error> {
        self.start_program(member, &["omx_info"])?.finish(COMMAND)
    }

    /// The guests' names.
    pub fn guests(&self) -> &'static [&'static str] {
        self.shape.guests
    }

    /// Who takes part: the node outside, if there is one, and the guests.
    pub fn members(&self) -> impl Iterator<Item = &'static str> + use<> {
        let node = self.node.as_ref().map(|_| NODE);
        node.into_iter().chain(self.shape.guests.iter().copied())
    }

    /// Waits until all members know each other, by the addresses that they have now.
    pub fn wait_for_names(&self) -> Result<(), Error> {
        let mut entries = Vec::new();
        for member in self.members() {
            let what = format!("omx_info in {member} shows its own address");
            let (entry, _) = wait_until(DISCOVERY, &what, || {
                let info = self.info(member)?;
                Ok(own_entry(&info, member).ok_or(info))
            })?;
            entries.push(entry);
        }
        for member in self.members() {
            let what = format!("omx_info in {member} shows all of its peers");
            wait_until(DISCOVERY, &what, || {
                let info = self.info(member)?;
                let all = entries.iter().all(|entry| info.contains(entry));
                Ok(if all { Ok(()) } else { Err(info) })
            })?;
        }
        Ok(())
    }

    /// Takes the guests' devices away and ends the driver domain, as an operator would.
    pub fn end(self) -> Result<(), Error> {
        stage("xl-omx detach, xl shutdown driver-domain", || {
            self.end_driver_domain()
        })
    }

    /// What a domain wrote to its console.
    pub fn log(&self, domain: &str) -> Result<String, Error> {
        self.dom0(&["cat", &format!("/var/log/xen/console/guest-{domain}.log")])
    }
}

/// Address and name of a member as its own `omx_info` shows them: the first of its peers is its own board.
fn own_entry(info: &str, member: &str) -> Option<String> {
    let named = format!(" {member}:0");
    info.lines()
        .filter_map(|line| line.trim_start().strip_prefix("0) "))
        .find(|entry| entry.ends_with(&named))
        .map(|entry| format!(") {entry}\n"))
}

/// A program of a member.
pub enum Program {
    /// On this machine.
    Outside(Tool),
    /// In a domain: the session, the domain, the command.
    Inside(Session, String, String),
}

impl Program {
    /// Waits for a good end and returns what it printed on its standard output.
    pub fn finish(self, limit: Duration) -> Result<String, Error> {
        match self {
            Self::Outside(tool) => tool.finish(limit),
            Self::Inside(session, domain, command) => {
                session.wait(limit)?.expect_success(&domain, &[&command])
            }
        }
    }

    /// Ends it, whatever it does.
    pub fn kill(self) -> Result<(), Error> {
        match self {
            Self::Outside(tool) => drop(tool),
            Self::Inside(session, ..) => session.kill()?,
        }
        Ok(())
    }

    /// Ends it if it has not ended, and tells which of both, and what it had said: for the report of another's failure.
    pub fn last_words(self, limit: Duration) -> String {
        let output = match self {
            Self::Outside(tool) => return tool.last_words(),
            Self::Inside(session, ..) => session.kill().and_then(|()| session.wait(limit)),
        };
        match output {
            Ok(Output {
                stdout,
                stderr,
                status,
            }) => {
                let [stdout, stderr] =
                    [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
                format!(
                    "ended with status {status} (137: it still waited), and had said:\n{stdout}{stderr}"
                )
            }
            Err(error) => format!("cannot be asked: {error}"),
        }
    }

    /// Waits for its end, good or not. Only for programs in a domain.
    pub fn output(self, limit: Duration) -> Result<Output, Error> {
        match self {
            Self::Outside(tool) => {
                let stdout = tool.finish(limit)?.into_bytes();
                Ok(Output {
                    stdout,
                    ..Output::default()
                })
            }
            Self::Inside(session, ..) => session.wait(limit),
        }
    }
}
