//! Peers as administrators write them down.

use mx_ring::admin::Name;
use mx_wire::MacAddress;
use omx_tools::name_bytes;

/// A peer that boards are to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub mac: MacAddress,
    /// Empty when the peer is to be asked for it.
    pub name: String,
    pub bytes: Name,
}

/// What is no peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no peer: an address and a name are needed, as in 00:11:22:33:44:55 node1:0")]
pub struct BadPeer(String);

impl Peer {
    /// From its address and its name.
    pub fn new(address: &str, name: &str) -> Result<Self, BadPeer> {
        let peer = address.parse().ok().zip(name_bytes(name));
        let (mac, bytes) = peer.ok_or_else(|| BadPeer(format!("{address} {name}")))?;
        let name = name.to_owned();
        Ok(Self { mac, name, bytes })
    }

    fn from_line(line: &str) -> Result<Self, BadPeer> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let peer = match words[..] {
            [address] => Self::new(address, ""),
            [address, name] => Self::new(address, name),
            _ => Err(BadPeer(String::new())),
        };
        peer.map_err(|_| BadPeer(line.to_owned()))
    }
}

/// The peers of a file, one a line, `#` begins a comment; or the number of a line that is none.
pub fn parse(text: &str) -> Result<Vec<Peer>, (usize, BadPeer)> {
    let lines = (1..).zip(text.lines());
    let lines =
        lines.map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()));
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| Peer::from_line(line).map_err(|bad| (number, bad)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        let text = "# all nodes\n\n00:11:22:33:44:55 node1:0 # the first\n  02:0:0:0:0:1\n";
        let peers = parse(text).unwrap();
        let expected = [
            Peer::new("00:11:22:33:44:55", "node1:0").unwrap(),
            Peer::new("02:00:00:00:00:01", "").unwrap(),
        ];
        assert_eq!(peers, expected);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for bad in ["node1:0 00:11:22:33:44:55", "00:11:22:33:44:55 a b"] {
            let error = parse(&format!("# peers\n{bad}\n"));
            assert_eq!(error, Err((2, BadPeer(bad.to_owned()))));
        }
    }
}
