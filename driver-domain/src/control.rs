//! Requests of the tools, which dom0 writes to nodes of this domain: read without waiting, answered by the xenstore writer.
//!
//! | node | who writes it | what happens |
//! |---|---|---|
//! | `control/shutdown` | `xl shutdown`, `xl reboot` | devices are told to go, the domain ends; another word (`suspend`) is refused in the log |
//! | `control/sysrq` | `xl sysrq driver-domain s` | the statistics go to the log |
//! | `control/sysrq` | `xl sysrq driver-domain c` | the domain crashes, as a Linux does by that letter: who wants to see what its guests then do |
//! | `data/omx-stats-request` | anybody in dom0 | the statistics go to `data/omx-stats` |

use alloc::string::String;

use xen_pv_boot::xenstore::{Client, Tasks};

use crate::statistics;
use crate::xenstore_writer::{Write, XenstoreWriter};

/// The nodes that are watched; each is its watch's token, too.
pub const NODES: [&str; 3] = [SHUTDOWN, SYSRQ, statistics::REQUEST];

/// Where the tools ask the domain to end.
pub const SHUTDOWN: &str = "control/shutdown";
const SYSRQ: &str = "control/sysrq";

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolRequest {
    /// To end, in the way of this word.
    Shutdown(String),
    /// The statistics, in the log.
    Sysrq,
    /// A panic, for tests of what follows one.
    Crash,
    /// The statistics, with this word, in xenstore.
    Statistics(String),
}

/// Requests that are being read.
pub struct Control {
    client: Client,
    reading: Tasks<Option<ToolRequest>>,
    fresh: bool,
}

impl Control {
    /// Nobody has asked yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            reading: Tasks::default(),
            fresh: false,
        }
    }

    /// A watch fired; whether it is one of these.
    pub fn watch_fired(&mut self, token: &str) -> bool {
        let Some(node) = NODES.into_iter().find(|node| *node == token) else {
            return false;
        };
        let client = self.client.clone();
        self.reading.start(async move {
            // A node that is not there asks for nothing, as does an empty one.
            request(node, client.read(node).await.unwrap_or_default())
        });
        self.fresh = true;
        true
    }

    /// The next request; `news` says that xenstore has answered something. Those of the tools are taken back, which
    /// is how a domain says that it has understood.
    pub fn next(&mut self, news: bool, writer: &mut XenstoreWriter) -> Option<ToolRequest> {
        if !(news || self.fresh) {
            return None;
        }
        while let Some(read) = self.reading.poll() {
            let Some(request) = read else { continue };
            match &request {
                ToolRequest::Shutdown(_) => writer.add(Write::Own(SHUTDOWN.into(), String::new())),
                ToolRequest::Sysrq | ToolRequest::Crash => {
                    writer.add(Write::Own(SYSRQ.into(), String::new()))
                }
                ToolRequest::Statistics(_) => {}
            }
            return Some(request);
        }
        self.fresh = false;
        None
    }
}

/// What a node's value asks for.
fn request(node: &str, value: String) -> Option<ToolRequest> {
    match node {
        _ if value.is_empty() => None,
        SHUTDOWN => Some(ToolRequest::Shutdown(value)),
        SYSRQ if value == "c" => Some(ToolRequest::Crash),
        SYSRQ => Some(ToolRequest::Sysrq),
        _ => Some(ToolRequest::Statistics(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_node_asks_for_nothing() {
        for node in NODES {
            assert_eq!(request(node, String::new()), None);
        }
        assert_eq!(
            request(SHUTDOWN, "reboot".into()),
            Some(ToolRequest::Shutdown("reboot".into()))
        );
        for letter in ["s", "h", "C", "cc"] {
            assert_eq!(request(SYSRQ, letter.into()), Some(ToolRequest::Sysrq));
        }
        assert_eq!(request(SYSRQ, "c".into()), Some(ToolRequest::Crash));
        assert_eq!(
            request(statistics::REQUEST, "7".into()),
            Some(ToolRequest::Statistics("7".into()))
        );
    }
}
