//! Peers as administrators write them down.

use mx_ring::admin::Name;
use mx_wire::MacAddress;
use omx_tools::name_bytes;

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub mac: MacAddress,
    /// Empty when the peer is to be asked for it.
    pub name: String,
    pub bytes: Name,
}

/// What is no peer; the number of its line in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub number: Option<usize>,
    pub text: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(number) = self.number {
            write!(f, "line {number}: ")?;
        }
        write!(
            f,
            "'{}' is no peer: an address and a name are needed, as in 00:11:22:33:44:55 node1:0",
            self.text
        )
    }
}

impl Peer {
    /// From its address and its name.
    pub fn new(address: &str, name: &str) -> Option<Self> {
        Some(Self {
            mac: address.parse().ok()?,
            name: name.to_owned(),
            bytes: name_bytes(name)?,
        })
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (address, name) = (words.next()?, words.next().unwrap_or_default());
        match words.next() {
            None => Self::new(address, name),
            Some(_) => None,
        }
    }
}

/// The peers of a file: one a line, `#` begins a comment.
pub fn parse(text: &str) -> Result<Vec<Peer>, BadLine> {
    let mut peers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        peers.push(Peer::from_line(line).ok_or_else(|| BadLine {
            number: Some(number),
            text: line.to_owned(),
        })?);
    }
    Ok(peers)
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
            let error = parse(&format!("# peers\n{bad}\n")).unwrap_err();
            assert_eq!((error.number, error.text.as_str()), (Some(2), bad));
        }
    }
}
