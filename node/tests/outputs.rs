//! `omxd` when nobody reads what it prints, or its log.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use omx_output::trial::{broken_pipe, full_disk, judge};

const OMXD: &str = env!("CARGO_BIN_EXE_omxd");

#[test]
fn omxd_ends_quietly_without_a_reader_and_fails_with_a_word_on_a_full_disk() {
    judge(OMXD, &["--help"], &[]);
    judge(OMXD, &["--version"], &[]);
}

#[test]
fn a_node_whose_log_nobody_reads_goes_on() {
    for (number, log) in [broken_pipe(), full_disk()].into_iter().enumerate() {
        let name = format!("omxd-log-{}-{number}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let mut node = Command::new(OMXD)
            .args(["--alone", "--log", "debug", "--socket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a program that starts");
        let begun = Instant::now();
        while !socket.exists() {
            let ended = node.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(60), "no node");
            std::thread::sleep(Duration::from_millis(5));
        }
        node.kill().expect("it runs");
        node.wait().expect("a child");
        std::fs::remove_file(&socket).expect("its socket");
    }
}
