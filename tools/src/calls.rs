//! Calling, and being called.

use std::time::Duration;

use mx_engine::Code;
use open_mx::{Address, Error};

use super::line::{Call, Failure, LOOK, Line};
use super::partner::Partner;

/// How long a connect is tried before the user is told that nobody answers.
const ATTEMPT: Duration = Duration::from_secs(3);

impl Line {
    /// Address of the machine of this name. While two have it, it goes on asking, and says so: one of them may have gone,
    /// or is renamed.
    fn find(&self, host: &str) -> Result<u64, Failure> {
        let mut told = false;
        loop {
            let found = self
                .endpoint
                .with_board(|board| board.nic_id_by_hostname(host));
            match found {
                Err(twice @ Error::NameTwice(..)) => {
                    if !told {
                        told = true;
                        eprintln!("{}: {twice}. Trying on", self.tool);
                    }
                    std::thread::sleep(LOOK);
                }
                found => return Ok(found?),
            }
        }
    }

    /// Connects to a receiver. While nobody answers it goes on trying, and says so.
    pub fn reach(&self, host: &str, endpoint: u32) -> Result<Partner<'_>, Failure> {
        let nic = self.find(host)?;
        let mut told = false;
        loop {
            match self
                .endpoint
                .connect(nic, endpoint, self.key(), Some(ATTEMPT))
            {
                Ok(address) => return Ok(Partner::connected(self, address, host.to_owned())),
                Err(Error::Connect(Code::Timeout)) => {}
                Err(Error::Connect(code)) => {
                    let (tool, peer) = (self.tool, host.to_owned());
                    return Err(match code {
                        Code::RemoteEndpointClosed => Failure::NotOpen {
                            tool,
                            peer,
                            endpoint,
                        },
                        Code::RemoteEndpointBadConnectionKey => Failure::OtherKey {
                            tool,
                            peer,
                            endpoint,
                        },
                        code => Failure::Refused {
                            peer,
                            endpoint,
                            code,
                        },
                    });
                }
                Err(error) => return Err(error.into()),
            }
            if !told {
                told = true;
                eprintln!(
                    "{}: {host} does not answer: is the machine there, and its program not stopped? Trying on",
                    self.tool
                );
            }
        }
    }

    /// Waits for the first message of a sender, which has `length` bytes.
    pub fn called(&self, length: usize) -> Result<Call, Failure> {
        let is_first = |call: &Call| call.match_info == self.call && call.bytes.len() == length;
        if let Some(call) = self.kept_where(is_first) {
            return Ok(call);
        }
        let found = loop {
            if let Some(found) = self.endpoint.probe(0, 0, None)? {
                break found;
            }
        };
        let from = found.address.ok_or(Error::Confused)?;
        let sender = Partner::heard_of(self, from, self.name_of(from));
        let (status, bytes) = sender.take(found.match_info, length)?;
        if status.match_info == self.call && status.message_length as usize == length {
            let match_info = self.call;
            return Ok(Call {
                from,
                match_info,
                bytes,
            });
        }
        Err(Failure::Stranger {
            tool: self.tool,
            peer: sender.name().to_owned(),
            match_info: status.match_info,
            length: status.message_length,
        })
    }

    /// Connects to who called. While it is silent this waits for it, as every wait for a [`Partner`] does.
    pub fn call_back(&self, from: Address) -> Result<Partner<'_>, Failure> {
        let name = self.name_of(from);
        let caller = Partner::heard_of(self, from, name.clone());
        let Address {
            nic_id, endpoint, ..
        } = from;
        let connect = self.endpoint.iconnect(nic_id, endpoint, self.key(), 0, 0)?;
        let status = caller.end_of(connect, None)?;
        match (status.code, status.address) {
            (Code::Success, Some(address)) if address == from => {
                Ok(Partner::connected(self, address, name))
            }
            _ => Err(Failure::Gone(name)),
        }
    }

    /// The first message that was kept for this sender.
    pub fn kept_of(&self, sender: &Partner<'_>) -> Option<Call> {
        self.kept_where(|call| call.from == sender.address)
    }
}
