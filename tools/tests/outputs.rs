//! The tools when standard output or standard error is a pipe whose reader has gone, is closed, or is full.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use omx_output::trial::{broken_pipe, full_disk, judge, judge_endless};

const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");
/// Each tool with each way of printing at once: to people, and to machines.
const TOOLS: [(&str, &[&[&str]]); 12] = [
    (env!("CARGO_BIN_EXE_omx_check"), &[&[], &["--json"]]),
    (env!("CARGO_BIN_EXE_omx_info"), &[&[], &["--json"]]),
    (env!("CARGO_BIN_EXE_omx_endpoint_info"), &[&[], &["--json"]]),
    (env!("CARGO_BIN_EXE_omx_counters"), &[&["-v"], &["--json"]]),
    (env!("CARGO_BIN_EXE_omx_hostname"), &[&[], &["--json"]]),
    (
        env!("CARGO_BIN_EXE_omx_init_peers"),
        &[&["-v", "02:00:00:00:00:77", "far:0"]],
    ),
    (PERF, &[]),
    (env!("CARGO_BIN_EXE_mx_perf"), &[]),
    (VERIFY, &[]),
    (env!("CARGO_BIN_EXE_mx_pingpong"), &[]),
    (env!("CARGO_BIN_EXE_mx_stream"), &[]),
    (env!("CARGO_BIN_EXE_omx_mpi_setup"), &[&["--undo"]]),
];

fn socket() -> &'static str {
    static SOCKET: OnceLock<String> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let place = std::env::temp_dir().join(format!("open-mx-outputs-{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory");
        let socket = place.join("omxd.sock");
        mx_testnode::of_two_boards(&socket);
        socket.to_str().expect("a plain path").to_owned()
    })
}

#[test]
fn a_tool_ends_quietly_without_a_reader_and_fails_with_a_word_on_a_full_disk() {
    let home = Path::new(socket()).parent().and_then(Path::to_str);
    let home = home.expect("a plain path");
    let variables = [("OMX_SOCKET", socket()), ("HOME", home)];
    for (tool, ways) in TOOLS {
        judge(tool, &["--help"], &variables);
        for arguments in ways {
            judge(tool, arguments, &variables);
        }
    }
    judge_endless(PERF, &["-e", "1"], &variables);
    judge_endless(VERIFY, &["-e", "2"], &variables);
}

#[test]
fn a_tool_that_cannot_say_why_it_fails_still_fails_as_it_should() {
    for (tool, _) in TOOLS {
        for error in [broken_pipe(), full_disk()] {
            let mut command = Command::new(tool);
            let status = command.arg("-Z").stdout(full_disk()).stderr(error).status();
            assert_eq!(status.expect("started").code(), Some(255), "{tool}");
        }
    }
}
