//! What host is wanted.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::monitor::WIRE;
use crate::error::{At, Error};

/// Which card the driver domain gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Nic {
    /// virtio-net.
    #[default]
    Virtio,
    /// An Intel 82576.
    Igb,
}

impl Nic {
    /// The card that is not this one.
    pub fn other(self) -> Self {
        match self {
            Self::Virtio => Self::Igb,
            Self::Igb => Self::Virtio,
        }
    }

    /// QEMU's device, at 00:05.0 behind the wire. A virtio card may say that it takes no longer packets.
    pub fn device(self, longest_packet: Option<u16>) -> String {
        let (name, more) = match (self, longest_packet) {
            (Self::Virtio, None) => ("virtio-net-pci", ",mq=off".to_owned()),
            (Self::Virtio, Some(bytes)) => ("virtio-net-pci", format!(",mq=off,host_mtu={bytes}")),
            (Self::Igb, _) => ("igb", String::new()),
        };
        format!("{name},netdev={WIRE},addr=5,mac=02:00:00:00:00:05,romfile={more}")
    }
}

/// The address that the driver domain is managed by, where [`HostSpec::http`] leads: from QEMU's DHCP server
/// (`manage=dhcp`), or given (`manage=10.0.2.15/24`).
pub const MANAGEMENT: &str = "10.0.2.15";

/// A port of this machine that nobody uses now.
pub fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").at("bind", "127.0.0.1:0")?;
    let address = listener.local_addr().at("ask", "127.0.0.1:0")?;
    Ok(address.port())
}

/// What QEMU boots.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Images {
    /// The hypervisor, an ELF file.
    pub xen: PathBuf,
    /// dom0's kernel, an ELF file.
    pub dom0_kernel: PathBuf,
    /// dom0's root, with the guests' kernel, root and configurations in it.
    pub dom0_initrd: PathBuf,
}

impl Images {
    /// The images of a folder, under their usual names.
    pub fn of(folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self {
            xen: folder.join("xen"),
            dom0_kernel: folder.join("vmlinux"),
            dom0_initrd: folder.join("dom0.cpio"),
        }
    }
}

/// The other end of the card's wire: datagrams on 127.0.0.1, one Ethernet frame each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The port that QEMU listens on.
    pub local: u16,
    /// The port that it sends to.
    pub remote: u16,
}

impl std::str::FromStr for Wire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text.split_once(':').and_then(|(local, remote)| {
            Some(Self {
                local: local.parse().ok()?,
                remote: remote.parse().ok()?,
            })
        });
        ports.ok_or_else(|| format!("'{text}' is not <local port>:<remote port>, like 7001:7002"))
    }
}

/// Memory of the usual host in MiB: dom0, a driver domain, and about six Linux guests.
pub const MEMORY: u32 = 2560;
/// Of it, dom0's, whose files are all in memory.
pub const DOM0_MEMORY: u32 = 768;

/// A host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostSpec {
    /// What to boot.
    pub images: Images,
    /// Memory in MiB.
    pub memory: u32,
    /// Of it, dom0's.
    pub dom0_memory: u32,
    /// Processors.
    pub cpus: u32,
    /// The card for the driver domain, at 00:05.0, and its wire; without it and without `http` the host has no card.
    pub wire: Option<Wire>,
    /// A port of 127.0.0.1 that leads to the driver domain's web server, see [`MANAGEMENT`]. With it the host has a card,
    /// and its wire a small network of QEMU's: a DHCP server that gives one address, and the forwarder of this port.
    pub http: Option<u16>,
    /// Which card that is.
    pub nic: Nic,
    /// Bytes of the longest packet that a virtio card says to take, Ethernet header not included; it says nothing
    /// otherwise.
    pub longest_packet: Option<u16>,
    /// Where QEMU writes every frame of the card.
    pub pcap: Option<PathBuf>,
    /// The deterministic clock: a tick per instruction.
    pub icount: bool,
    /// dom0 runs a script of its image and switches off; there is no agent, whose port would not be deterministic.
    pub scripted: bool,
    /// Hardware virtualisation instead of software emulation.
    pub kvm: bool,
    /// Where sockets and logs are put.
    pub directory: PathBuf,
}

impl HostSpec {
    /// The usual host: two processors, software emulation.
    pub fn new(images: Images, directory: PathBuf) -> Self {
        Self {
            images,
            memory: MEMORY,
            dom0_memory: DOM0_MEMORY,
            cpus: 2,
            wire: None,
            http: None,
            nic: Nic::default(),
            longest_packet: None,
            pcap: None,
            icount: false,
            scripted: false,
            kvm: false,
            directory,
        }
    }

    /// What Xen and dom0 print.
    pub fn console_log(&self) -> PathBuf {
        self.directory.join("dom0.log")
    }

    /// Five times what a quiet machine needs; the deterministic clock is slower still.
    pub fn boot_limit(&self) -> Duration {
        Duration::from_secs(match (self.icount, self.kvm) {
            (true, _) => 240,
            (false, false) => 90,
            (false, true) => 40,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_is_two_ports() {
        assert_eq!(
            "7001:7002".parse(),
            Ok(Wire {
                local: 7001,
                remote: 7002
            })
        );
        for wrong in ["", "7001", "7001:", "a:b", "7001:70020"] {
            assert!(wrong.parse::<Wire>().is_err(), "{wrong}");
        }
    }
}
