//! What a card of QEMU's is plugged into. The other end is always the test's datagram socket, one frame to a datagram.
//!
//! A socket has one queue. A card with several gets a tap of the kernel, which has as many and chooses one for each frame; a
//! bridge leads from there to a second tap, and QEMU's hub from that to the socket. They live in namespaces of this QEMU
//! alone, which end with it, so that nobody needs to be root and nothing is left behind. (QEMU warns that there is no card at
//! the hub, which is so.)

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// A socket.
    Socket,
    /// A tap with that many queues.
    Tap { queues: u16 },
}

/// Makes the taps and the bridge, and becomes the program that its arguments name.
const TAPS: &str = r#"
set -e
PATH=$PATH:/usr/sbin:/sbin
ip link add bridge type bridge
ip tuntap add near mode tap multi_queue
ip tuntap add far mode tap
for port in near far; do ip link set $port master bridge mtu 9000 up; done
ip link set bridge mtu 9000 up
exec "$@"
"#;

/// What makes a network of one's own. Root needs no user namespace for it, and in many a container, or inside of a changed
/// root, gets none.
fn own_network() -> &'static [&'static str] {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    let suffices = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    const AS_ROOT: &[&str] = &["--net"];
    const AS_USER: &[&str] = &["--user", "--map-root-user", "--net"];
    let ways = if is_root {
        &[AS_ROOT, AS_USER][..]
    } else {
        &[AS_USER]
    };
    ways.iter().find(suffices).copied().unwrap_or_else(|| {
        panic!("this machine lacks leave to make a network namespace: run the tests as root, or allow user namespaces")
    })
}

/// What [`TAPS`] needs.
const NEEDED: &str = "it needs qemu-system-x86_64 (package qemu-system-x86), unshare (package util-linux), ip (package \
    iproute2), a kernel with taps and bridges, and root or leave to make user namespaces";

impl Wire {
    /// The program that takes QEMU's arguments. It is QEMU's process from its start to its end.
    pub fn program(self) -> Command {
        const QEMU: &str = "qemu-system-x86_64";
        match self {
            Self::Socket => Command::new(QEMU),
            Self::Tap { .. } => {
                let tun = File::options().read(true).write(true).open("/dev/net/tun");
                if let Err(error) = tun {
                    panic!(
                        "this machine lacks /dev/net/tun, which a card with several queues needs: {error}"
                    );
                }
                let mut command = Command::new("unshare");
                command.args(own_network());
                command.args(["sh", "-c", TAPS, "sh", QEMU]);
                command
            }
        }
    }

    /// Arguments for the backend `n` of the card, from the sockets of both ends.
    pub fn arguments(self, card: &str, test: &str) -> Vec<String> {
        let socket = |id| {
            format!(
                "dgram,id={id},local.type=unix,local.path={card},remote.type=unix,remote.path={test}"
            )
        };
        let backends = match self {
            Self::Socket => vec![socket("n")],
            Self::Tap { queues } => vec![
                format!("tap,id=n,ifname=near,queues={queues},script=no,downscript=no"),
                "tap,id=far,ifname=far,script=no,downscript=no".to_owned(),
                "hubport,id=port0,hubid=0,netdev=far".to_owned(),
                socket("socket"),
                "hubport,id=port1,hubid=0,netdev=socket".to_owned(),
            ],
        };
        let arguments = backends
            .into_iter()
            .map(|backend| ["-netdev".to_owned(), backend]);
        arguments.flatten().collect()
    }

    /// What is missing where QEMU does not start, as far as this knows.
    pub const fn needs(self) -> &'static str {
        match self {
            Self::Socket => "it needs qemu-system-x86_64 (package qemu-system-x86)",
            Self::Tap { .. } => NEEDED,
        }
    }
}
