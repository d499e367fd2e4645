//! IP between two guests, for programs that need it beside Open-MX: guest2 gets a network interface that guest1 serves, as a
//! driver domain does.

use super::judge::in_guest;
use crate::demo::fabric::Fabric;
use crate::error::Error;
use std::time::Duration;

/// Five times what it needs under emulation.
const LIMIT: Duration = Duration::from_secs(60);

/// The guest that serves, and the one that is served.
pub const BACKEND: &str = "guest1";
const FRONTEND: &str = "guest2";

/// Their network.
pub const NETWORK: &str = "10.9.0.0/24";

/// Both know each other's address by name.
const NAMES: &str = "printf '10.9.0.1 guest1\n10.9.0.2 guest2\n' >> /etc/hosts";

/// guest1's end. There is no hotplug script that would say that it is in use.
const SERVE: &str = "while ! ls -d /sys/class/net/vif* > /dev/null 2>&1; do sleep 0.1; done; \
    card=$(basename /sys/class/net/vif*); back=${card#vif}; \
    ip addr add 10.9.0.1/24 dev $card; ip link set $card up; \
    xenstore-write backend/vif/${back%.*}/${back#*.}/hotplug-status connected";

/// guest2's, until the other one answers.
const USE: &str = "modprobe xen-netfront; \
    while ! ip link set eth0 up 2> /dev/null; do sleep 0.1; done; \
    ip addr add 10.9.0.2/24 dev eth0; \
    while ! ping -c 1 -W 1 guest1 > /dev/null; do sleep 0.1; done";

/// Joins them. guest1 has to be the fabric's backend of networks.
pub fn join(fabric: &Fabric<'_>) -> Result<(), Error> {
    for guest in [BACKEND, FRONTEND] {
        in_guest(fabric, guest, NAMES, LIMIT)?;
    }
    in_guest(fabric, BACKEND, "modprobe xen-netback", LIMIT)?;
    let serve = fabric.start_program(BACKEND, &["sh", "-c", SERVE])?;
    let backend = format!("backend={BACKEND}");
    fabric.dom0(&["xl", "network-attach", FRONTEND, &backend])?;
    serve.finish(LIMIT)?;
    in_guest(fabric, FRONTEND, USE, LIMIT).map(drop)
}
