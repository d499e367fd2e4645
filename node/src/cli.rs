//! The options of `omxd`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use mx_ring::{Geometry, QUEUE_ENTRIES, QUEUE_ENTRIES_MAX, QUEUE_ENTRIES_MIN};
use mx_wire::{Format, FormatError, MacAddress};
use omx_output::log::Filter;

const EXAMPLES: &str = "\
Examples:
  omxd --interface eth1
      One board on eth1, with the interface's address and this machine's name.
  omxd --dgram 127.0.0.1:7002,127.0.0.1:7001 --name node1
      One board whose wire is a UDP socket: it receives on port 7002 and sends to 7001. The other end is another
      omxd, or QEMU: -netdev dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=7001,\\
      remote.type=inet,remote.host=127.0.0.1,remote.port=7002
  omxd --alone --name a --board b
      Two boards that reach each other and nobody else; the tools choose one with -b.
  omxd --interface eth1 --pcap omx.pcap &
  tshark -n -X lua_script:wireshark/openmx.lua -r omx.pcap
      The same with all its frames in a file, of which tshark shows a line each.

Programs find the node by its socket; for another one than the default set OMX_SOCKET, for example
  OMX_SOCKET=./omxd.sock omx_info

All nodes of a fabric must have the same --mtu and --wire: nothing on the wire announces them.
Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot start or go on, 2 for a wrong option.";

/// Microseconds that a node polls by default.
const POLL: u64 = 1000;

/// Open-MX boards in a Linux process.
///
/// Joins the processes of this machine to an Open-MX fabric (Myrinet Express over Ethernet), without a kernel module.
#[derive(Clone, Debug, Parser)]
#[command(name = "omxd", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(group(ArgGroup::new("way").required(true).args(["interface", "dgram", "alone"])))]
pub struct NodeOptions {
    /// The network interface to use (needs root or CAP_NET_RAW). Its own MTU must hold the frames of --mtu.
    #[arg(long, short, value_name = "NAME")]
    pub interface: Option<String>,

    /// A datagram socket instead of an interface, one Ethernet frame per datagram: two UDP addresses, or two paths of
    /// unix sockets.
    #[arg(long, value_name = "LOCAL,REMOTE")]
    pub dgram: Option<DatagramPair>,

    /// No wire: the boards of this node reach each other only.
    #[arg(long)]
    pub alone: bool,

    /// Name of the first board. Its peers see it with ":0" behind it. [default: the machine's name]
    #[arg(long, short, value_name = "NAME")]
    pub name: Option<String>,

    /// Ethernet address of the first board. [default: the interface's, else a random local one]
    #[arg(long, short, value_name = "MAC", value_parser = MacAddress::of_station)]
    pub mac: Option<MacAddress>,

    /// A further board; may be given several times. Its address is random unless given. On a real card, other
    /// addresses than the card's own need promiscuous mode: `ip link set dev NAME promisc on`.
    #[arg(long = "board", value_name = "NAME[,MAC]")]
    pub boards: Vec<BoardArgument>,

    /// Largest frame in bytes, Ethernet header included: 1500 to 9000.
    #[arg(long, default_value_t = 9000, value_name = "BYTES")]
    pub mtu: u16,

    /// Which layout the fabric speaks: Open-MX's own, or Myricom's MX firmware's (whose frame size is fixed).
    #[arg(long, value_enum, default_value = "native")]
    pub wire: WireMode,

    /// Where processes find this node.
    #[arg(long, short, default_value = mx_ring::uapi::SOCKET_PATH, value_name = "PATH")]
    pub socket: PathBuf,

    /// Endpoints that each board may have open, 1 to 256.
    #[arg(long, default_value_t = 32, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub endpoints: u16,

    /// Queue entries of an endpoint whose program does not ask for another number by OMX_QUEUE_ENTRIES: a power of two from 64
    /// to 2048. 256 are 1.64 MiB of memory, and the others in proportion.
    #[arg(long, default_value_t = QUEUE_ENTRIES, value_name = "COUNT", value_parser = queue_entries)]
    pub queue_entries: u16,

    /// Endpoints of a board that a user may have open; root and who runs the node may have all. [default: an eighth of
    /// --endpoints less than those]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub endpoints_per_user: Option<u16>,

    /// Memory that a user's endpoints may have, queues and registered memory together; longer messages go in pieces.
    /// [default: a quarter of the machine's]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub memory_per_user: Option<u64>,

    /// How long to go on polling after the last message before sleeping, in microseconds. [default: 1000, and 10 where somebody else
    /// wants the processor]
    #[arg(long, value_name = "MICROSECONDS")]
    pub poll: Option<u64>,

    /// Write every frame of this node to a file for tshark or Wireshark, those between its own boards too, with what the
    /// messages hold. Only this user can read it; a plain file of that name is replaced.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// How long that file may become; then the capture ends, and the node goes on.
    #[arg(long, default_value_t = 256, value_name = "MIB", requires = "pcap", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub pcap_limit: u64,

    /// What to say on standard error: error, warn, info, debug (each client and endpoint, each dropped frame) or trace (each
    /// frame), or levels of parts, as in info,mx_board=trace.
    #[arg(long, default_value = "info", value_name = "FILTER")]
    pub log: Filter,
}

fn queue_entries(text: &str) -> Result<u16, String> {
    let entries: Option<u16> = text.parse().ok();
    let possible = |entries: &u16| Geometry::of_entries((*entries).into()).is_some();
    let wanted =
        format!("a power of two from {QUEUE_ENTRIES_MIN} to {QUEUE_ENTRIES_MAX} is needed");
    entries.filter(possible).ok_or(wanted)
}

/// Layout of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WireMode {
    /// Open-MX's own.
    Native,
    /// That of Myricom's MX firmware.
    Mx,
}

/// Two ends of a datagram socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramPair {
    /// UDP.
    Inet {
        /// Where frames are received.
        local: std::net::SocketAddr,
        /// Where frames are sent.
        remote: std::net::SocketAddr,
    },
    /// Unix datagrams.
    Unix {
        /// Where frames are received.
        local: PathBuf,
        /// Where frames are sent.
        remote: PathBuf,
    },
}

/// An argument that is not what it should be; the sentence says what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadArgument(String);

impl FromStr for DatagramPair {
    type Err = BadArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, remote) = text.split_once(',').ok_or_else(|| {
            BadArgument("two ends are needed, as in 127.0.0.1:7001,127.0.0.1:7002".into())
        })?;
        if local.contains('/') && remote.contains('/') {
            return Ok(Self::Unix {
                local: local.into(),
                remote: remote.into(),
            });
        }
        let address = |text: &str| {
            text.parse().map_err(|_| {
                BadArgument(format!(
                    "'{text}' is neither ADDRESS:PORT nor a path with a slash"
                ))
            })
        };
        Ok(Self::Inet {
            local: address(local)?,
            remote: address(remote)?,
        })
    }
}

/// A board besides the first, as `--board` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardArgument {
    /// As its peers see it, but for the ":0" behind it.
    pub name: String,
    /// Its address, if given.
    pub mac: Option<MacAddress>,
}

impl FromStr for BoardArgument {
    type Err = BadArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, mac) = match text.split_once(',') {
            None => (text, None),
            Some((name, mac)) => (name, Some(station(mac)?)),
        };
        if name.is_empty() {
            return Err(BadArgument("a board needs a name".into()));
        }
        Ok(Self {
            name: name.into(),
            mac,
        })
    }
}

fn station(text: &str) -> Result<MacAddress, BadArgument> {
    MacAddress::of_station(text).map_err(|error| BadArgument(error.to_string()))
}

impl NodeOptions {
    /// Layout and sizes of the frames.
    pub fn format(&self) -> Result<Format, FormatError> {
        match self.wire {
            WireMode::Native => Format::native(self.mtu),
            WireMode::Mx => Ok(Format::mx_wire()),
        }
    }

    /// How long an endpoint without commands is still polled.
    pub fn idle_spell(&self) -> Duration {
        Duration::from_micros(self.poll.unwrap_or(POLL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_pair_is_two_udp_addresses_or_two_paths() {
        let inet = "127.0.0.1:7001,127.0.0.1:7002".parse();
        assert_eq!(
            inet,
            Ok(DatagramPair::Inet {
                local: ([127, 0, 0, 1], 7001).into(),
                remote: ([127, 0, 0, 1], 7002).into()
            })
        );
        let unix = "./a,./b".parse();
        assert_eq!(
            unix,
            Ok(DatagramPair::Unix {
                local: "./a".into(),
                remote: "./b".into()
            })
        );
        for wrong in ["", "127.0.0.1:7001", "7001,7002", "/a,127.0.0.1:1"] {
            assert!(wrong.parse::<DatagramPair>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_board_has_the_address_of_a_single_station() {
        let parse = |option: &str, value: &str| {
            NodeOptions::try_parse_from(["omxd", "--alone", option, value])
        };
        for (option, name) in [("--mac", ""), ("--board", "b,")] {
            let of = |mac| parse(option, &format!("{name}{mac}"));
            assert!(of("02:00:00:0a:0b:ff").is_ok());
            for wrong in [
                "",
                "02:00:00:00:00",
                "03:00:00:00:00:01",
                "00:00:00:00:00:00",
            ] {
                let said = of(wrong).expect_err(wrong).to_string();
                assert!(said.contains("pair"), "{said}");
            }
        }
    }

    #[test]
    fn exactly_one_way_to_the_wire_is_asked_for() {
        let parse =
            |arguments: &[&str]| NodeOptions::try_parse_from([&["omxd"], arguments].concat());
        assert!(parse(&["--alone"]).is_ok());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--alone", "--interface", "eth0"]).is_err());
        assert!(parse(&["--alone", "--endpoints", "257"]).is_err());
        for wrong in ["0", "32", "300", "4096", "many"] {
            let refused = parse(&["--alone", "--queue-entries", wrong]);
            let said = refused.expect_err("impossible").to_string();
            assert!(said.contains("a power of two from 64 to 2048"), "{said}");
        }
    }
}
