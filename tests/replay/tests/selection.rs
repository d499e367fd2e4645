//! The captures in this repository, and what must not pass.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mx_wire::{Format, Frame, MacAddress, Packet};
use omx_captures::capture_files;
use omx_replay::{Recording, SideReport, replay_directory, replay_file};

fn selection() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire/tests/captures")
}

#[test]
fn our_stack_says_what_the_native_nodes_said() {
    let reports = replay_directory(&selection(), None, |_| {}).expect("readable captures");
    let failures: Vec<String> = reports
        .iter()
        .flat_map(|report| {
            let side = format!("{} as {}", report.file, report.node);
            report.failures.iter().map(move |f| format!("{side}: {f}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let same: u64 = reports.iter().map(|report| report.same).sum();
    assert!(same > 300, "only {same} frames were compared");
    let messages: u64 = reports.iter().map(|report| report.messages).sum();
    assert!(messages > 60, "only {messages} messages were compared");
}

/// A capture of the selection, its frames changed by `change`, played as node B.
fn as_b(file: &str, change: impl FnOnce(&Format, &mut Vec<(Duration, Vec<u8>)>)) -> SideReport {
    let files = capture_files(&selection(), None).expect("readable captures");
    let file = files
        .iter()
        .find(|f| f.below == Path::new(file))
        .expect("a capture of the selection");
    let recording = Recording::read(file).expect("a capture");
    let mut frames: Vec<_> = recording
        .frames()
        .iter()
        .map(|(at, frame)| {
            let mut bytes = vec![0; 9100];
            let length = frame.emit(&file.format, &mut bytes).expect("it was parsed");
            bytes.truncate(length);
            (*at, bytes)
        })
        .collect();
    change(&file.format, &mut frames);
    let changed = Recording::from_frames(&recording.name, file.format, frames);
    let b = MacAddress([0x52, 0x54, 0, 0, 0x0b, 2]).to_string();
    let reports = replay_file(&changed);
    reports.into_iter().find(|r| r.node == b).expect("B speaks")
}

/// The places of the frames of B for which `which` holds.
fn of_b(
    format: &Format,
    frames: &[(Duration, Vec<u8>)],
    which: impl Fn(&Packet) -> bool,
) -> Vec<usize> {
    let is_it = |(_, bytes): &(Duration, Vec<u8>)| {
        let frame = Frame::parse(format, bytes).expect("a frame");
        frame.source == MacAddress([0x52, 0x54, 0, 0, 0x0b, 2]) && which(&frame.packet)
    };
    (0..frames.len()).filter(|at| is_it(&frames[*at])).collect()
}

#[test]
fn an_unchanged_capture_passes_and_one_with_another_sequence_number_fails() {
    let same = as_b("mtu9000/03-tiny.pcap", |_, _| {});
    assert!(same.failures.is_empty(), "{:?}", same.failures);
    let other = as_b("mtu9000/03-tiny.pcap", |format, frames| {
        let tinies = of_b(format, frames, |packet| packet.name() == "TINY");
        // The low byte of the sequence number (wire.md §6.5).
        frames[tinies[2]].1[25] ^= 0x10;
    });
    assert!(!other.failures.is_empty());
}

#[test]
fn a_frame_that_the_native_node_did_not_send_fails() {
    let report = as_b("mxwire/41-truncated-recv.pcap", |format, frames| {
        let notifies = of_b(format, frames, |packet| packet.name() == "NOTIFY");
        frames.remove(notifies[0]);
    });
    assert!(report.failures.iter().any(|f| f.contains("Notify")));
}

#[test]
fn frames_in_another_order_fail() {
    let report = as_b("mtu9000/06-medium-nfrag.first-11.pcap", |format, frames| {
        let fragments = of_b(format, frames, |packet| packet.name() == "MEDIUM");
        frames.swap(fragments[1], fragments[2]);
    });
    assert!(!report.failures.is_empty());
}

#[test]
fn a_session_that_no_connect_has_told_fails() {
    let report = as_b("mtu1500/04-small.pcap", |format, frames| {
        let smalls = of_b(format, frames, |packet| packet.name() == "SMALL");
        frames[smalls[0]].1[36] ^= 1;
    });
    assert!(!report.failures.is_empty());
}
