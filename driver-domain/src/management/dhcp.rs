//! An address by DHCP: asked for, renewed, lost; and a server that gives what no host can use.

use core::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4::{Event, Socket};

use super::address::{self, Own};

/// After a lease that cannot be used, or that ended as soon as it began, the server is left alone for so long.
const PAUSE: Duration = Duration::from_secs(30);

/// How often the server may be asked in that time. A lease takes two messages; a server that refuses what it offers gets
/// as many as it answers.
const MESSAGES: u64 = 12;

/// Asks the network for an address, and renews it.
pub struct DhcpClient {
    /// The socket, while the network is asked.
    socket: Option<SocketHandle>,
    /// When to ask again, while it is not.
    again_at: Duration,
    /// When the present address came.
    since: Option<Duration>,
    /// How often the server had been asked at the beginning of the present [`PAUSE`].
    asked: u64,
    counted_at: Duration,
}

/// What became of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is this one now.
    Taken(Own),
    /// There is none any more.
    Lost,
}

impl DhcpClient {
    /// Asks the network from now on.
    pub fn new(sockets: &mut SocketSet<'static>) -> Self {
        log::info!("management: asking for an address by DHCP");
        Self {
            socket: Some(sockets.add(Socket::new())),
            again_at: Duration::ZERO,
            since: None,
            asked: 0,
            counted_at: Duration::ZERO,
        }
    }

    /// When it has to ask again.
    pub fn deadline(&self) -> Option<Duration> {
        self.socket.is_none().then_some(self.again_at)
    }

    /// What has changed since the last call; the network was asked so often so far.
    pub fn turn(
        &mut self,
        now: Duration,
        sockets: &mut SocketSet<'static>,
        asked: u64,
    ) -> Option<Change> {
        if now.saturating_sub(self.counted_at) >= PAUSE {
            (self.asked, self.counted_at) = (asked, now);
        }
        let Some(handle) = self.socket else {
            if now >= self.again_at {
                self.socket = Some(sockets.add(Socket::new()));
            }
            return None;
        };
        if asked - self.asked > MESSAGES {
            log::warn!(
                "management: the DHCP server answers, but gives no address; asking again in {} s",
                PAUSE.as_secs()
            );
            return self.pause(now, handle, sockets);
        }
        match sockets.get_mut::<Socket>(handle).poll()? {
            Event::Configured(config) => {
                let own = Own::leased(config.address, config.router);
                if address::is_hosts(own.address) {
                    self.since = Some(now);
                    return Some(Change::Taken(own));
                }
                log::warn!(
                    "management: the DHCP server gives {}, which no host can have; asking again in {} s",
                    own.address,
                    PAUSE.as_secs()
                );
                self.pause(now, handle, sockets)
            }
            // It says so at its start, too.
            Event::Deconfigured => {
                let since = self.since.take()?;
                if now.saturating_sub(since) < PAUSE {
                    log::warn!(
                        "management: the DHCP server takes its address back at once; asking again in {} s",
                        PAUSE.as_secs()
                    );
                    self.pause(now, handle, sockets);
                } else {
                    log::warn!("management: the lease has ended, asking for an address by DHCP");
                }
                Some(Change::Lost)
            }
        }
    }

    fn pause(
        &mut self,
        now: Duration,
        handle: SocketHandle,
        sockets: &mut SocketSet<'static>,
    ) -> Option<Change> {
        sockets.remove(handle);
        self.socket = None;
        self.again_at = now + PAUSE;
        self.since.take().map(|_| Change::Lost)
    }
}
