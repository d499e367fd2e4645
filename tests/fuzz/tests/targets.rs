//! Each target for a moment, and the search itself.

use std::time::Duration;

use omx_fuzz::{Budget, TARGETS, Target, check, run};

fn budget(milliseconds: u64) -> Budget {
    Budget {
        time: Duration::from_millis(milliseconds),
        runs: u64::MAX,
    }
}

fn holds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of that name");
    match run(target, 1, budget(1000), |_| {}) {
        Ok(progress) => assert!(
            progress.kinds > 3,
            "{name} has seen only {} kinds of behaviour",
            progress.kinds
        ),
        Err(failure) => panic!("{name}: {} at {:02x?}", failure.message, failure.input),
    }
}

/// What the guided search has found (`cargo lab fuzz --guided --keep`).
#[test]
fn no_input_of_the_corpus_breaks_its_target() {
    let mut tried = 0;
    for target in TARGETS {
        for input in target.corpus().unwrap() {
            let kept = check(target, &input);
            assert!(kept.is_ok(), "{}: {kept:?} by {input:02x?}", target.name);
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} inputs are kept");
}

#[test]
fn any_frame_is_refused_or_means_what_it_says() {
    holds("frame");
}

#[test]
fn no_sequence_of_frames_breaks_a_board() {
    holds("board");
}

#[test]
fn nothing_that_a_process_writes_breaks_its_backend() {
    holds("backend");
}

#[test]
fn no_control_page_breaks_its_reader() {
    holds("control");
}

#[test]
fn nothing_that_a_guest_writes_breaks_its_device() {
    holds("device");
}

#[test]
fn any_call_is_refused_or_means_what_it_says() {
    holds("calls");
}

#[test]
fn nothing_that_a_backend_writes_breaks_the_library() {
    holds("library");
}

#[test]
fn nothing_that_a_driver_domain_writes_breaks_the_module() {
    holds("module");
}

#[test]
fn no_neighbour_breaks_the_management() {
    holds("management");
}

#[test]
fn no_datagram_keeps_a_node_from_serving_others() {
    holds("node");
}

#[test]
fn any_text_of_xenstore_is_refused_or_means_what_it_says() {
    holds("xenstore");
}

#[test]
fn nothing_that_a_domain_writes_leads_dom0_to_anothers_device() {
    holds("toolstack");
}

/// Breaks at "ab" followed by a third byte, and says how far an input has come.
const FRAGILE: Target = Target {
    name: "fragile",
    reads: "three bytes in a row",
    run: |bytes| {
        let place = bytes.iter().position(|byte| *byte == b'a');
        let next = place.and_then(|at| bytes.get(at + 1..));
        match next {
            Some([b'b', b'c', ..]) => panic!("found"),
            Some([b'b', ..]) => 2,
            Some(_) => 1,
            None => 0,
        }
    },
    seeds: Vec::new,
};

#[test]
fn a_fault_behind_several_steps_is_found_and_shortened() {
    let failure = run(&FRAGILE, 7, budget(60_000), |_| {}).expect_err("a fault");
    assert_eq!(failure.input, b"abc");
    assert_eq!(failure.message, "found");
    assert_eq!(check(&FRAGILE, b"abc"), Err("found".to_owned()));
    assert_eq!(check(&FRAGILE, b"ab"), Ok(2));
}
