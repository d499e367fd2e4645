//! The number of queue entries of an endpoint: who chooses it, and who tells it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use open_mx::{Backend, Endpoint, EndpointOptions};

const ENDPOINT_INFO: &str = env!("CARGO_BIN_EXE_omx_endpoint_info");
const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");

/// Starts a node of this name: its socket.
fn start_node(name: &str, options: &[&str]) -> PathBuf {
    let place = std::env::temp_dir().join(format!("open-mx-entries-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a directory");
    let socket = place.join(format!("{name}.sock"));
    mx_testnode::start(&socket, [&["--name", name], options].concat());
    socket
}

/// What a node that was started with `options` tells of a program's endpoint, which is opened with this environment.
fn queue_entries(name: &str, options: &[&str], environment: &[(&str, &str)]) -> String {
    let socket = start_node(name, options);
    let mut program = Command::new(PERF);
    program.args(["-e", "3"]).env("OMX_SOCKET", &socket);
    program.envs(environment.iter().copied());
    let program = program.stdout(Stdio::null()).spawn();
    let mut program = program.expect("a program");
    let begun = Instant::now();
    let line = loop {
        let told = Command::new(ENDPOINT_INFO)
            .env("OMX_SOCKET", &socket)
            .output();
        let told = String::from_utf8_lossy(&told.expect("a program").stdout).into_owned();
        let line = told.lines().find(|line| line.starts_with("  3\topen"));
        if let Some(line) = line {
            break line.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{told}");
        std::thread::sleep(Duration::from_millis(10));
    };
    program.kill().expect("it runs");
    program.wait().expect("it runs");
    let (_, entries) = line.rsplit_once("), ").expect("a line of an endpoint");
    entries.to_owned()
}

#[test]
fn the_operator_chooses_the_queue_entries_of_endpoints_and_the_user_may_choose_others() {
    let chosen = ["--alone", "--queue-entries", "512"];
    assert_eq!(
        queue_entries("usual", &["--alone"], &[]),
        "256 queue entries"
    );
    assert_eq!(queue_entries("operator", &chosen, &[]), "512 queue entries");
    let of_user = [("OMX_QUEUE_ENTRIES", "2048")];
    assert_eq!(
        queue_entries("user", &chosen, &of_user),
        "2048 queue entries"
    );
    let absurd = [("OMX_QUEUE_ENTRIES", "4096")];
    assert_eq!(
        queue_entries("absurd", &chosen, &absurd),
        "512 queue entries"
    );
}

#[test]
fn queue_entries_that_no_endpoint_can_have_are_refused_by_name() {
    let backend = Backend::Socket(start_node("refusing", &["--alone"]));
    let options = EndpointOptions {
        queue_entries: Some(300),
        ..EndpointOptions::new(1)
    };
    let refused = Endpoint::open(&backend, &options).err().expect("refused");
    assert!(
        refused
            .to_string()
            .contains("a power of two from 64 to 2048"),
        "{refused}"
    );
}
