//! Backends die at any step, and others take over: every message arrives once, whole and in order. Each part of a takeover is
//! left out once, and missed. `cargo lab soak --takeovers` does the same at length.

use sim::Omission;
use sim::soak::{Plan, Report, TakeoverPlan, run};

fn carry(messages: u64, long: u8, omission: Option<Omission>, seed: u64) -> Result<Report, String> {
    let takeovers = TakeoverPlan {
        omission,
        ..TakeoverPlan::default()
    };
    let plan = Plan {
        messages,
        long,
        loss: 10,
        strangers: 0,
        seed,
        takeovers: Some(takeovers),
    };
    run(&plan, |_| {})
}

#[test]
fn no_message_is_lost_doubled_or_changed_however_often_backends_die() {
    let report = carry(12_000, 1, None, 1).unwrap();
    assert_eq!(report.messages, 12_000);
    assert!(report.deaths >= 200, "only {} deaths", report.deaths);
}

/// How a run ends from which a part of the takeover is left out.
fn without(omission: Omission, long: u8) -> String {
    let report = carry(20_000, long, Some(omission), 1);
    report.expect_err("the omission went unnoticed")
}

#[test]
fn a_pull_that_nobody_asks_for_again_never_ends() {
    let error = without(Omission::AskingAgain, 1);
    assert!(error.starts_with("stuck"), "{error}");
}

#[test]
fn a_successor_that_does_not_look_at_lap_words_closes_endpoints_for_nothing() {
    let error = without(Omission::LapWords, 1);
    assert!(error.contains("consumer index"), "{error}");
}

#[test]
fn peers_that_are_not_taken_over_are_out_of_reach() {
    let error = without(Omission::Peers, 1);
    let known = error.starts_with("stuck") || error.contains("Unreachable");
    assert!(known, "{error}");
}

/// A pull of the dead backend's, carried out by its successor beside the one that is asked for anew, writes late: into the
/// message that has the memory then.
#[test]
fn a_successor_that_carries_out_pulls_of_the_one_before_spoils_later_messages() {
    let mut runs = (1..40).map(|seed| carry(1_500, 50, Some(Omission::Generation), seed));
    let error = runs.find_map(Result::err);
    let error = error.expect("the omission went unnoticed");
    let spoilt = error.contains("wrongly") || error.contains("Truncated");
    assert!(spoilt, "{error}");
}
