//! A capture in memory, and what it tells about its nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use mx_wire::{Connect, ConnectStatus, Format, Frame, MacAddress, Packet, ParseError};
use omx_captures::{CaptureError, CaptureFile, Frames};

/// Why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Capture(CaptureError),
    /// A frame of it is no frame.
    #[error(
        "{file} frame {number} does not parse ({source}): is the format right? `cargo lab captures` says more"
    )]
    Frame {
        /// The file.
        file: String,
        /// Its number, from 1.
        number: usize,
        /// Why.
        source: ParseError,
    },
}

impl From<CaptureError> for ReplayError {
    fn from(source: CaptureError) -> Self {
        Self::Capture(source)
    }
}

/// The Open-MX frames of a capture.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file's name below the directory that was asked for.
    pub name: String,
    /// Wire mode and frame size.
    pub format: Format,
    frames: Vec<(Duration, Vec<u8>)>,
}

impl Recording {
    /// A capture made up of these frames, each of which parses, with the time of each.
    pub fn from_frames(name: &str, format: Format, frames: Vec<(Duration, Vec<u8>)>) -> Self {
        Self {
            name: name.to_owned(),
            format,
            frames,
        }
    }

    /// Reads a file. Frames of other EtherTypes are left out.
    pub fn read(file: &CaptureFile) -> Result<Self, ReplayError> {
        let bytes = file.read()?;
        let name = file.below.display().to_string();
        let pcap = |source| CaptureError::Pcap {
            path: file.path.clone(),
            source,
        };
        let mut records = Frames::new(&bytes).map_err(pcap)?;
        let mut frames = Vec::new();
        let mut number = 0;
        while let Some(frame) = records.next() {
            let frame = frame.map_err(pcap)?;
            number += 1;
            match Frame::parse(&file.format, frame) {
                Ok(_) => frames.push((records.time(), frame.to_vec())),
                Err(ParseError::ForeignEtherType(_)) => {}
                Err(source) => {
                    return Err(ReplayError::Frame {
                        file: name,
                        number,
                        source,
                    });
                }
            }
        }
        Ok(Self::from_frames(&name, file.format, frames))
    }

    /// The frames, parsed, with the time since the first one.
    pub fn frames(&self) -> Vec<(Duration, Frame<'_>)> {
        let start = self.frames.first().map_or(Duration::ZERO, |(at, _)| *at);
        self.frames
            .iter()
            .filter_map(|(at, bytes)| {
                let frame = Frame::parse(&self.format, bytes).ok()?;
                Some((at.saturating_sub(start), frame))
            })
            .collect()
    }

    /// The file's name without folder and ending.
    pub fn stem(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or(&self.name);
        file.strip_suffix(".pcap").unwrap_or(file)
    }

    /// Whether these are only the first frames of a longer capture: then answers may lie beyond the cut.
    pub fn is_cut(&self) -> bool {
        self.stem().contains(".first-")
    }
}

/// The nodes that speak in a capture, in the order of their first words.
pub fn speakers(frames: &[(Duration, Frame<'_>)]) -> Vec<MacAddress> {
    let mut all = Vec::new();
    for (_, frame) in frames {
        if !all.contains(&frame.source) {
            all.push(frame.source);
        }
    }
    all
}

/// Another node, as one node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Its address.
    pub mac: MacAddress,
    /// Its index in the node's peer table, where the frames tell.
    pub index: Option<u16>,
    /// The node's index in its peer table, once the node knows it.
    pub reverse: Option<u16>,
}

/// Whom a node speaks with, in the order of its peer table.
pub fn acquaintances(frames: &[(Duration, Frame<'_>)], own: MacAddress) -> Vec<Acquaintance> {
    let mut all: Vec<Acquaintance> = Vec::new();
    for (_, frame) in frames {
        let other = if frame.source == own {
            frame.destination
        } else {
            frame.source
        };
        if other.is_group() || other == own {
            continue;
        }
        let place = all.iter().position(|known| known.mac == other);
        let place = place.unwrap_or_else(|| {
            all.push(Acquaintance {
                mac: other,
                index: None,
                reverse: None,
            });
            all.len() - 1
        });
        if frame.source != own {
            continue;
        }
        match frame.packet {
            Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_) | Packet::PullReply(_) => {}
            Packet::Connect { sender_index, .. } => {
                all[place].index = Some(sender_index);
                all[place].reverse = all[place].reverse.or(frame.sender_index);
            }
            _ => all[place].reverse = all[place].reverse.or(frame.sender_index),
        }
    }
    all.sort_by_key(|known| known.index.unwrap_or(u16::MAX));
    all
}

/// An endpoint's session and the application's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its session.
    pub session: u32,
    /// Its key.
    pub key: u32,
}

/// The endpoints of a node, as its CONNECTs tell.
pub fn endpoints(frames: &[(Duration, Frame<'_>)], own: MacAddress) -> BTreeMap<u8, Opened> {
    let mut all = BTreeMap::new();
    for (_, frame) in frames {
        let Packet::Connect {
            ends,
            session,
            connect,
            ..
        } = frame.packet
        else {
            continue;
        };
        match connect {
            Connect::Request(c) if frame.source == own => {
                all.entry(ends.source).or_insert(Opened {
                    session,
                    key: c.key,
                });
            }
            Connect::Reply(c) if frame.source == own => {
                let asked = frames.iter().find_map(|(_, f)| match f.packet {
                    Packet::Connect {
                        session,
                        connect: Connect::Request(r),
                        ..
                    } if f.destination == own
                        && session == c.requester_session
                        && r.connect_seqnum == c.connect_seqnum =>
                    {
                        Some(r.key)
                    }
                    _ => None,
                });
                let key = asked.unwrap_or(0);
                // A refused key was any other.
                let key = if c.status == ConnectStatus::Success {
                    key
                } else {
                    !key
                };
                let opened = Opened { session, key };
                all.insert(ends.source, opened);
            }
            _ => {}
        }
    }
    all
}
