//! What the user may choose.

use clap::Parser;
use omx_tools::options::MxOptions;

use crate::plan::Plan;

/// Without -d: waits for a sender. With -d: sends messages, 16 at a time. Each side prints length, MB/s and messages/s.
#[derive(Clone, Debug, Parser)]
#[command(after_help = "\
Example: mx_stream, and on another node mx_stream -d node1:0 -l 65536 -x
Exit status: 0 when all went well, 1 when something failed or a byte was wrong.")]
pub struct Choice {
    #[command(flatten)]
    pub mx: MxOptions,
    /// say what is done
    #[arg(short = 'v')]
    pub verbose: bool,
    /// What a sender tells.
    #[command(flatten)]
    pub plan: Plan,
}
