//! What the user may choose.

use omx_tools::{ToolOptions, Usage};

/// How the tool is used.
pub const USAGE: &str = "\
omx_init_peers [options] [<file> | <address> <hostname>]
 Tells all Open-MX boards of this machine of peers, where discovery is not to be waited for. For administrators.
 The file has a peer a line, as 00:11:22:33:44:55 node1:0; '#' begins a comment.
 -c       forget all peers elsewhere first (they come back when they are heard of)
 -a       keep them (default)
 -d       mark the peer table as configured
 -v       tell of each peer
 -h       this help (--help: the same, as a success)
Exit status: Open-MX's code for what went wrong, 0 for success.
Example: omx_init_peers -v 00:11:22:33:44:55 node1:0
";

/// What is to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Nothing,
    File(String),
    Peer(String, String),
}

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    pub clear: bool,
    pub done: bool,
    pub verbose: bool,
    pub what: What,
}

impl Choice {
    /// Reads the arguments.
    pub fn from_options(mut options: ToolOptions) -> Result<Self, Usage> {
        let mut choice = Self {
            clear: false,
            done: false,
            verbose: false,
            what: What::Nothing,
        };
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-c" => choice.clear = true,
                "-a" => choice.clear = false,
                "-d" => choice.done = true,
                "-v" => choice.verbose = true,
                word if word.starts_with('-') => return Err(options.other()),
                word => {
                    choice.what = match choice.what {
                        What::Nothing => What::File(word.to_owned()),
                        What::File(address) => What::Peer(address, word.to_owned()),
                        What::Peer(..) => return Err(options.other()),
                    }
                }
            }
        }
        Ok(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_file_and_two_are_a_peer() {
        let what = |arguments: &[&str]| {
            let arguments = arguments.iter().map(|it| (*it).to_owned());
            Choice::from_options(ToolOptions::new(arguments)).map(|choice| choice.what)
        };
        assert_eq!(what(&["-v"]), Ok(What::Nothing));
        assert_eq!(what(&["peers", "-c"]), Ok(What::File("peers".into())));
        let peer = What::Peer("1:2:3:4:5:6".into(), "a:0".into());
        assert_eq!(what(&["1:2:3:4:5:6", "a:0"]), Ok(peer));
        assert!(what(&["a", "b", "c"]).is_err());
    }
}
