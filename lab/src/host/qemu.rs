//! The QEMU process and its command line.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::FdFlags;
use rustix::net::sockopt;

use super::monitor::WIRE;
use super::spec::{HostSpec, MANAGEMENT, Wire};
use crate::error::{At, Error};

const PROGRAM: &str = "qemu-system-x86_64";

/// A running QEMU; it is killed when this value is dropped.
pub struct Qemu {
    child: Child,
    agent: PathBuf,
    monitor: PathBuf,
}

impl Qemu {
    /// Starts it. It dies with the thread's process, even if that is killed.
    pub fn start(spec: &HostSpec) -> Result<Self, Error> {
        let [agent, monitor] = ["agent.sock", "monitor.sock"].map(|name| {
            let socket = spec.directory.join(name);
            let _ = fs::remove_file(&socket);
            socket
        });
        let log = spec.directory.join("qemu.log");
        let output = File::create(&log).at("create", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let wire = spec.wire.map(wire_socket).transpose()?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", PROGRAM])
            .args(arguments(spec, &agent, &monitor, wire.as_ref()))
            .current_dir(&spec.directory)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Start {
                program: "setpriv".into(),
                source,
            })?;
        Ok(Self {
            child,
            agent,
            monitor,
        })
    }

    /// The socket of dom0's agent.
    pub fn agent_socket(&self) -> &Path {
        &self.agent
    }

    /// The socket of its monitor.
    pub fn monitor_socket(&self) -> &Path {
        &self.monitor
    }

    /// Seconds that its threads have run so far, and that they were kept waiting for a processor (proc(5), `schedstat`).
    pub fn ran_and_waited(&self) -> (f64, f64) {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let texts = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
        texts.fold((0.0, 0.0), |(ran, waited), text| {
            let mut nanoseconds = text
                .split_whitespace()
                .map(|word| word.parse().unwrap_or(0.0));
            let mut next = || nanoseconds.next().unwrap_or(0.0) / 1e9;
            (ran + next(), waited + next())
        })
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that wait in the wire's socket: a block of pull replies is 32 frames of 9000 bytes, and four may come at once.
/// A socket of the usual size drops the end of each block.
const WIRE_BUFFER: usize = 8 << 20;

/// The card's end of the wire, for QEMU to inherit.
fn wire_socket(wire: Wire) -> Result<UdpSocket, Error> {
    let open = || {
        let socket = UdpSocket::bind(("127.0.0.1", wire.local))?;
        socket.connect(("127.0.0.1", wire.remote))?;
        // Beyond the system's limit only for root; others get what the limit allows.
        if sockopt::set_socket_recv_buffer_size_force(&socket, WIRE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, WIRE_BUFFER)?;
        }
        rustix::io::fcntl_setfd(&socket, FdFlags::empty())?;
        Ok(socket)
    };
    open().at("open", format!("127.0.0.1:{}", wire.local))
}

fn arguments(
    spec: &HostSpec,
    agent: &Path,
    monitor: &Path,
    wire: Option<&UdpSocket>,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |option: &str, value: &str| words.extend([option.into(), value.into()]);
    add("-nodefaults", "-no-user-config");
    // A Xen that fails would boot for ever, which looks like progress.
    add("-action", "reboot=shutdown");
    add("-display", "none");
    add("-machine", "q35");
    add("-m", &spec.memory.to_string());
    add("-smp", &spec.cpus.to_string());
    match (spec.kvm, spec.icount) {
        (true, _) => {
            add("-accel", "kvm");
            add("-cpu", "host");
        }
        (false, false) => {
            add("-accel", "tcg,thread=multi,tb-size=512");
            add("-cpu", CPU);
        }
        (false, true) => {
            add("-accel", "tcg,tb-size=512");
            add("-icount", "shift=0,sleep=off");
            add("-rtc", "base=2026-01-01T00:00:00,clock=vm");
            add("-seed", "1");
            add("-cpu", CPU);
        }
    }
    // libxl passes a card through only where there is an IOMMU.
    add("-device", "intel-iommu,intremap=on");
    if !spec.scripted {
        add("-device", "virtio-serial-pci,addr=3");
        add(
            "-chardev",
            &format!(
                "socket,id=agent,server=on,wait=off,path={}",
                agent.display()
            ),
        );
        add("-device", "virtserialport,chardev=agent,name=lab");
        let monitor = monitor.display();
        add("-qmp", &format!("unix:{monitor},server=on,wait=off"));
    }
    for netdev in netdevs(wire, spec.http) {
        add("-netdev", &netdev);
    }
    if wire.is_some() || spec.http.is_some() {
        add("-device", &spec.nic.device(spec.longest_packet));
    }
    if let Some(pcap) = &spec.pcap {
        // The option ends at a comma, so commas in a name are doubled.
        let file = pcap.display().to_string().replace(',', ",,");
        add(
            "-object",
            &format!("filter-dump,id=pcap,netdev={WIRE},file={file}"),
        );
    }
    add("-serial", &format!("file:{}", spec.console_log().display()));
    add("-kernel", &spec.images.xen.display().to_string());
    add("-append", &xen_options(spec));
    // The module's own options end at a comma, so commas in them are doubled.
    let module = format!("{} {DOM0_OPTIONS}", spec.images.dom0_kernel.display()).replace(',', ",,");
    add(
        "-initrd",
        &format!("{module},{}", spec.images.dom0_initrd.display()),
    );
    words
}

/// What the card's [`WIRE`] is joined with: the datagram socket alone, or a hub with QEMU's own network on it, too.
fn netdevs(wire: Option<&UdpSocket>, http: Option<u16>) -> Vec<String> {
    let socket = |id: &str, wire: &UdpSocket| {
        let descriptor = wire.as_raw_fd();
        format!("dgram,id={id},local.type=fd,local.str={descriptor}")
    };
    let port = |id: &str, joined: &str| format!("hubport,id={id},hubid=0{joined}");
    let mut words = Vec::new();
    match (wire, http) {
        (None, None) => {}
        (Some(wire), None) => words.push(socket(WIRE, wire)),
        (wire, Some(http)) => {
            // Restricted: nothing of this network gets out, but for the answers to the port that is forwarded.
            words.push(format!(
                "user,id=network,restrict=on,net=10.0.2.0/24,dhcpstart={MANAGEMENT},hostfwd=tcp:127.0.0.1:{http}-{MANAGEMENT}:80"
            ));
            words.push(port("network-port", ",netdev=network"));
            if let Some(wire) = wire {
                words.push(socket("outside", wire));
                words.push(port("outside-port", ",netdev=outside"));
            }
            words.push(port(WIRE, ""));
        }
    }
    words
}

/// No XSAVE (registers of guests are corrupted across switches under emulation), no MONITOR; with a random generator,
/// without which `xl create` waits for entropy; no x2apic (interrupts of passed-through cards are lost on several CPUs).
const CPU: &str = "Nehalem,+rdrand,-x2apic";

const DOM0_OPTIONS: &str = "console=hvc0 quiet loglevel=4 mitigations=off tsc=reliable nokaslr rdinit=/init \
                            raid=noautodetect xen_timer_slop=100000";

fn xen_options(spec: &HostSpec) -> String {
    let memory = spec.dom0_memory;
    let mut options = format!(
        "dom0_mem={memory}M,max:{memory}M dom0_max_vcpus=1 console=com1 com1=115200,8n1 loglvl=warning \
         guest_loglvl=warning conring_size=1M noreboot=0 spec-ctrl=no ucode=no cpuidle=0 no-real-mode vga=none"
    );
    if spec.cpus > 1 {
        options.push_str(" dom0_vcpus_pin");
    }
    options
}

#[cfg(test)]
mod tests {
    use super::super::spec::Images;
    use super::*;

    #[test]
    fn commas_of_a_modules_options_are_doubled_and_the_initrd_follows() {
        let images = Images {
            xen: "/x/xen".into(),
            dom0_kernel: "/x/a,b".into(),
            dom0_initrd: "/x/initrd".into(),
        };
        let mut spec = HostSpec::new(images, "/x".into());
        spec.pcap = Some("/x/c,d".into());
        let wire = UdpSocket::bind("127.0.0.1:0").unwrap();
        let words = arguments(
            &spec,
            Path::new("/x/a.sock"),
            Path::new("/x/m.sock"),
            Some(&wire),
        );
        let initrd = words.iter().position(|word| word == "-initrd").unwrap();
        let value = words[initrd + 1].to_string_lossy().into_owned();
        assert!(
            value.starts_with("/x/a,,b ") && value.ends_with(",/x/initrd"),
            "{value}"
        );
        let any = |part: &str| {
            let mut words = words.iter();
            words.any(|word| word.to_string_lossy().contains(part))
        };
        assert!(any("local.type=fd"));
        assert!(any(&format!("netdev={WIRE},file=/x/c,,d")));
    }
}
