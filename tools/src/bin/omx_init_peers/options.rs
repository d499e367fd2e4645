//! What the user may choose.

use clap::Parser;

/// Tells all Open-MX boards of this machine of peers, where discovery is not to be waited for. For administrators. The file
/// has a peer a line, as 00:11:22:33:44:55 node1:0; '#' begins a comment.
#[derive(Clone, Debug, Parser)]
#[command(
    override_usage = "omx_init_peers [options] [<file> | <address> <hostname>]",
    after_help = "\
Exit status: Open-MX's code for what went wrong, 0 for success.
Example: omx_init_peers -v 00:11:22:33:44:55 node1:0"
)]
pub struct Choice {
    /// forget all peers elsewhere first (they come back when they are heard of)
    #[arg(short = 'c')]
    pub clear: bool,
    /// keep them (default)
    #[arg(short = 'a', overrides_with = "clear")]
    keep: bool,
    /// mark the peer table as configured
    #[arg(short = 'd')]
    pub done: bool,
    /// tell of each peer
    #[arg(short = 'v')]
    pub verbose: bool,
    /// a file, or a peer's address
    pub file: Option<String>,
    /// the peer's name, behind its address
    pub hostname: Option<String>,
}

#[cfg(test)]
mod tests {
    use omx_tools::options::read;

    use super::*;

    #[test]
    fn one_word_is_a_file_and_two_are_a_peer() {
        let words = |arguments: &[&str]| {
            let read = read::<Choice>("omx_init_peers", arguments);
            read.map(|(choice, _)| (choice.file, choice.hostname)).ok()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(words(&["-v"]), Some((None, None)));
        assert_eq!(words(&["peers", "-c"]), Some((some("peers"), None)));
        let peer = Some((some("1:2:3:4:5:6"), some("a:0")));
        assert_eq!(words(&["1:2:3:4:5:6", "a:0"]), peer);
        assert_eq!(words(&["a", "b", "c"]), None);
    }
}
