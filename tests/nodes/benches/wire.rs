//! What a message takes between two nodes on the two ends of a cable (veth, in two network namespaces), beside TCP over the
//! same cable: half a round trip, medians of interleaved rounds.
//!
//! `cargo bench -p nodes --bench wire -- --rounds 9`. With `--against PATH` another omxd is measured in the same rounds.
//! Times are of this machine and of its load: what says something are the ratios.

use clap::Parser;
use nodes::{Child, Namespace, Node, wait_for};

/// The end where messages begin, and the other one; and their addresses.
const ENDS: [(&str, &str); 2] = [("left", "10.78.0.1"), ("right", "10.78.0.2")];
/// Lengths of messages, and how many make up a time.
const LENGTHS: [(u64, u32); 4] = [(0, 2000), (4096, 2000), (65536, 500), (4 << 20, 30)];
/// How the two processes wait: each by its option of `omx_perf`.
const WAITS: [(&str, &[&str]); 2] = [("sleep", &["-w"]), ("poll", &[])];

const NODE: &str = env!("CARGO_BIN_EXE_node-under-test");
const PERF: &str = env!("CARGO_BIN_EXE_perf-under-test");
const TCP: &str = env!("CARGO_BIN_EXE_tcp-ping-pong");

/// Half a round trip between two nodes, and over TCP.
#[derive(Parser)]
struct Options {
    /// How often each is measured.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Another omxd, which is measured in turn with this one.
    #[arg(long, value_name = "PATH")]
    against: Option<String>,
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Two nodes that know each other.
struct Cable {
    networks: [Namespace; 2],
    nodes: [Node; 2],
    _directory: tempfile::TempDir,
}

impl Cable {
    fn new(program: &str) -> Self {
        let near = Namespace::new();
        let networks = [near.another(), near];
        let far = networks[0].pid();
        networks[1].run(&format!(
            "ip link add right mtu 9000 type veth peer name left mtu 9000 netns {far}"
        ));
        let directory = tempfile::tempdir().expect("a directory");
        let node = |end: usize| {
            let (name, address) = ENDS[end];
            networks[end].run(&format!(
                "ip address add {address}/24 dev {name}; ip link set {name} up"
            ));
            let at = |what: &str| directory.path().join(name).with_extension(what);
            let options = ["--interface", name, "--name", name];
            networks[end].node(program, &at("sock"), &at("log"), &options)
        };
        let nodes = [node(0), node(1)];
        nodes[0].wait_for_peers(0, &["right"]);
        nodes[1].wait_for_peers(0, &["left"]);
        Self {
            networks,
            nodes,
            _directory: directory,
        }
    }

    /// Half a round trip between processes of the two nodes, in microseconds.
    fn messages(&self, waits: &[&str], length: u64, count: u32) -> f64 {
        let perf = |end: usize, more: &[&str]| {
            let variables = [("OMX_SOCKET", self.nodes[end].socket())];
            Child::start(PERF, &[waits, more].concat(), &variables)
        };
        let receiver = perf(1, &[]);
        wait_for("the receiver's endpoint", || {
            let openers = open_mx::Board::openers(&self.nodes[1].backend(), 0).unwrap();
            openers.iter().any(Option::is_some)
        });
        let [from, end, count] =
            [length, length + 1, u64::from(count)].map(|number| number.to_string());
        let what = ["-d", "right:0", "-S", &from, "-E", &end, "-N", &count];
        let said = perf(0, &[&what[..], &["--json"]].concat()).said();
        receiver.said();
        let time = said.split("\"us\": ").nth(1);
        let time = time.and_then(|rest| rest.split(',').next()?.parse().ok());
        time.unwrap_or_else(|| panic!("omx_perf printed no time: {said}"))
    }

    /// The same over TCP.
    fn tcp(&self, length: u64, count: u32) -> f64 {
        let address = format!("{}:7000", ENDS[1].1);
        let [length, count] = [length, u64::from(count)].map(|number| number.to_string());
        let mut receiver = self.networks[1].start(TCP, &["answer", &address, &length]);
        receiver.wait_for_word("ready");
        let sender = self.networks[0].start(TCP, &["ask", &address, &length, &count]);
        let said = sender.said();
        said.trim().parse().expect("a time")
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let options = Options::parse();
    let mut cables = vec![Cable::new(NODE)];
    cables.extend(options.against.as_deref().map(Cable::new));
    let against = if cables.len() > 1 {
        " other µs | this : other |"
    } else {
        ""
    };
    println!("| bytes | processes | this µs | TCP µs | this : TCP |{against}");
    println!("|{}", "---|".repeat(if cables.len() > 1 { 7 } else { 5 }));
    for (length, count) in LENGTHS {
        for (waits, option) in WAITS {
            let mut rounds = Vec::new();
            for _ in 0..options.rounds {
                let mut round: Vec<f64> = cables
                    .iter()
                    .map(|cable| cable.messages(option, length, count))
                    .collect();
                round.insert(1, cables[0].tcp(length, count));
                rounds.push(round);
            }
            let time = |which: usize| median(rounds.iter().map(|round| round[which]).collect());
            let ratio =
                |of: usize| median(rounds.iter().map(|round| round[0] / round[of]).collect());
            print!(
                "| {length} | {waits} | {:.1} | {:.1} | {:.2} |",
                time(0),
                time(1),
                ratio(1)
            );
            if cables.len() > 1 {
                print!(" {:.1} | {:.2} |", time(2), ratio(2));
            }
            println!();
        }
    }
}
