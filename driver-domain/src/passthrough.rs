//! The card as dom0 takes it back while the domain runs: for `xl pci-detach`, and before `xl destroy`, which asks first and
//! waits ten seconds for whoever does not answer.
//!
//! The questions are states of dom0's pciback, the answers states of this end, as Linux' pcifront has them:
//!
//! | pciback's state | what it says | this end |
//! |---|---|---|
//! | Reconfiguring | devices whose `state-<n>` is Closing are to be given up | gives up the card if it is one of them, then says Reconfiguring |
//! | Reconfigured | they are gone | says Connected |

use alloc::format;
use alloc::string::{String, ToString};

use xen_pv_boot::pci::DIRECTORY;
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::{Client, Tasks};

use crate::xenstore_writer::{Write, XenstoreWriter};

/// What the watch of pciback's state is told to remember it by.
pub const TOKEN: &str = "pciback";

/// Devices that pciback passes through to one domain at most: as many as a bus has.
const DEVICES: u32 = 32;

/// What pciback asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// That devices be given up.
    GiveUp {
        /// Whether this domain's card is one of them.
        card: bool,
    },
    /// Whether this end knows that they are gone.
    Gone,
}

impl Question {
    /// What this end says when that is so.
    fn answer(self) -> XenbusState {
        match self {
            Self::GiveUp { .. } => XenbusState::Reconfiguring,
            Self::Gone => XenbusState::Connected,
        }
    }
}

/// The connection to pciback, as far as it asks.
pub struct Passthrough {
    client: Client,
    backend: String,
    card: String,
    reading: Tasks<Option<Question>>,
    fresh: bool,
}

impl Passthrough {
    /// For the card that pciback calls by this name in its directory; nothing was asked yet.
    pub fn new(client: Client, backend: &str, card: &impl ToString) -> Self {
        Self {
            client,
            backend: backend.to_string(),
            card: card.to_string(),
            reading: Tasks::default(),
            fresh: false,
        }
    }

    /// The watch by which pciback's questions are heard.
    pub fn watch(&self) -> Write {
        Write::Watch {
            path: state(&self.backend),
            token: TOKEN.into(),
        }
    }

    /// That watch fired.
    pub fn watch_fired(&mut self) {
        let question = read(self.client.clone(), self.backend.clone(), self.card.clone());
        self.reading.start(question);
        self.fresh = true;
    }

    /// The next question; `news` says that xenstore has answered something.
    pub fn next(&mut self, news: bool) -> Option<Question> {
        if !(news || self.fresh) {
            return None;
        }
        while let Some(read) = self.reading.poll() {
            if read.is_some() {
                return read;
            }
        }
        self.fresh = false;
        None
    }

    /// Answers a question, once it is as the answer says.
    pub fn answer(&self, question: Question, writer: &mut XenstoreWriter) {
        writer.add(Write::Below {
            there: "backend",
            directory: DIRECTORY.into(),
            nodes: alloc::vec![("state", question.answer().number().to_string())],
        });
    }
}

fn state(directory: &str) -> String {
    format!("{directory}/state")
}

/// What is asked now. A node that is not there, or that cannot be read, asks for nothing.
async fn read(client: Client, backend: String, card: String) -> Option<Question> {
    match read_state(&client, &state(&backend)).await {
        XenbusState::Reconfiguring => {
            let devices: u32 = client
                .read_number(&format!("{backend}/num_devs"))
                .await
                .unwrap_or(0);
            let mut asked = false;
            for number in 0..devices.min(DEVICES) {
                let name = client.read(&format!("{backend}/vdev-{number}")).await;
                let state = read_state(&client, &format!("{backend}/state-{number}")).await;
                asked |= name.as_ref() == Ok(&card) && state == XenbusState::Closing;
            }
            Some(Question::GiveUp { card: asked })
        }
        XenbusState::Reconfigured => Some(Question::Gone),
        _ => None,
    }
}

async fn read_state(client: &Client, path: &str) -> XenbusState {
    let text = client.read(path).await;
    text.map_or(XenbusState::Unknown, |text| XenbusState::parse(&text))
}
