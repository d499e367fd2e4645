//! Cards that misbehave: each time the driver recovers, or comes to a clear end.

use std::time::Duration;

use mx_nic::intel::{Chip, Igb, IntelOptions, Interrupts, Ixgbe, open};
use mx_nic::{Armed, Fault, LinkState, Nic, OpenError, Token};
use proptest::prelude::*;

use super::bench::{ModelBench, Modelled};
use crate::model::intel::Model;

fn started<C: Modelled>() -> ModelBench<C> {
    let mut bench = ModelBench::<C>::new(Interrupts::Msi);
    while bench.nic.link() == LinkState::Down {
        bench.model.0.borrow_mut().pass(100);
    }
    bench
}

fn frame(number: u8) -> Vec<u8> {
    vec![number; 100]
}

fn send<C: Modelled>(bench: &mut ModelBench<C>, number: u8) {
    let token = Token(number.into());
    bench
        .nic
        .transmit(0, &[&frame(number)], &[], token)
        .expect("room");
    bench.nic.flush(0);
}

fn tokens<C: Chip>(nic: &mut super::bench::Card<C>) -> Vec<u64> {
    let mut tokens = [Token::default(); 300];
    let count = nic.completed(0, &mut tokens);
    tokens[..count].iter().map(|token| token.0).collect()
}

fn received<C: Modelled>(bench: &mut ModelBench<C>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    bench
        .nic
        .receive(0, 300, &mut |frame| frames.push(frame.to_vec()));
    frames
}

/// Runs a check on both models.
macro_rules! on_both {
    ($check:ident) => {
        $check::<Igb>();
        $check::<Ixgbe>();
    };
}

fn length_is_a_lie<C: Modelled>() {
    let mut bench = started::<C>();
    bench.model.0.borrow_mut().faults.hung = true;
    send(&mut bench, 1);
    bench.model.0.borrow_mut().faults.lie.len = Some(u16::MAX);
    bench.model.0.borrow_mut().come(&frame(7));
    assert_eq!(received(&mut bench), Vec::<Vec<u8>>::new());
    let expected = Fault::Length {
        claimed: 65535,
        size: 9216,
    };
    assert_eq!(bench.nic.fault(), Some(expected));
    assert_eq!(tokens(&mut bench.nic), [1]);
    bench.model.0.borrow_mut().faults.lie.len = None;
    bench.nic.recover().expect("it comes back");
    bench.model.0.borrow_mut().pass(1000);
    bench.model.0.borrow_mut().come(&frame(8));
    assert_eq!(received(&mut bench), [frame(8)]);
}

#[test]
fn a_length_beyond_the_buffer_stops_the_card_and_it_can_be_recovered() {
    on_both!(length_is_a_lie);
}

fn frame_is_damaged<C: Modelled>() {
    let mut bench = started::<C>();
    bench.model.0.borrow_mut().faults.lie.errors = C::RECEIVE_ERRORS.into();
    bench.model.0.borrow_mut().come(&frame(1));
    bench.model.0.borrow_mut().faults.lie.errors = !u64::from(C::RECEIVE_ERRORS) & 0xfff;
    bench.model.0.borrow_mut().come(&frame(2));
    assert_eq!(received(&mut bench), [frame(2)]);
    bench.model.0.borrow_mut().faults.bad_wire = true;
    bench.model.0.borrow_mut().come(&frame(3));
    bench.model.0.borrow_mut().faults.bad_wire = false;
    bench.nic.link();
    assert_eq!(bench.nic.statistics().received_bad, 2);
    // Longer than the card was told to take.
    bench.model.0.borrow_mut().come(&vec![0; 9015]);
    assert_eq!(received(&mut bench), Vec::<Vec<u8>>::new());
    bench.nic.link();
    assert_eq!(bench.nic.statistics().received_long, 1);
    (0..300).for_each(|_| bench.model.0.borrow_mut().come(&[0xff; 60]));
    bench.nic.link();
    assert_eq!(bench.nic.statistics().received_missed, 300 - 255);
}

#[test]
fn damaged_long_and_missed_frames_are_counted_and_not_shown() {
    on_both!(frame_is_damaged);
}

/// A frame comes before the first access of `arm`, before the second, and so on until after the last.
fn no_wake_up_is_lost<C: Modelled>() {
    for interrupts in [Interrupts::Msi, Interrupts::MsiX] {
        let mut bench = ModelBench::<C>::new(interrupts);
        bench.model.0.borrow_mut().pass(2000);
        for accesses_before in 0..20 {
            let before = bench.model.0.borrow().interrupts;
            bench.model.0.borrow_mut().coming = Some((accesses_before, frame(9)));
            let armed = bench.nic.arm(0);
            let coming = bench.model.0.borrow_mut().coming.take();
            let is_late = coming.is_some();
            if let Some((_, frame)) = coming {
                bench.model.0.borrow_mut().come(&frame);
            }
            let woken = bench.model.0.borrow().interrupts > before;
            assert!(
                woken || armed == Armed::WorkPending,
                "{} accesses, {interrupts:?}",
                accesses_before
            );
            assert_eq!(is_late, armed == Armed::Quiet);
            bench.nic.disarm(0);
            assert_eq!(received(&mut bench), [frame(9)]);
        }
    }
}

#[test]
fn whenever_a_frame_comes_it_is_seen_by_the_last_look_or_it_interrupts() {
    on_both!(no_wake_up_is_lost);
}

/// A frame to an address that was wanted and still is comes before the first access, before the eighth, and so on.
fn no_frame_is_lost_while_the_table_changes<C: Modelled>() {
    let mut bench = started::<C>();
    let tables = [[[2; 6], [4; 6]], [[4; 6], [2; 6]]];
    bench.nic.set_addresses(&tables[0], &[]);
    for accesses in (0..900).step_by(7) {
        bench.model.0.borrow_mut().coming = Some((accesses, frame(4)));
        bench.nic.set_addresses(&tables[accesses % 2], &[]);
        let coming = bench.model.0.borrow_mut().coming.take();
        if let Some((_, frame)) = coming {
            bench.model.0.borrow_mut().come(&frame);
        }
        assert_eq!(received(&mut bench), [frame(4)], "{accesses} accesses");
        bench.model.0.borrow_mut().come(&frame(6));
        assert_eq!(received(&mut bench), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_table_of_addresses_changes_without_losing_a_frame() {
    on_both!(no_frame_is_lost_while_the_table_changes);
}

fn no_dma_after_the_end<C: Modelled>() {
    let bench = started::<C>();
    let model = bench.model.clone();
    drop(bench);
    let before = model.0.borrow().dma;
    model.0.borrow_mut().pass(100_000);
    model.0.borrow_mut().come(&frame(1));
    assert_eq!(model.0.borrow().dma, before);
}

#[test]
fn a_dropped_card_accesses_no_memory() {
    on_both!(no_dma_after_the_end);
}

fn bus_stays_busy<C: Modelled>() {
    let mut bench = started::<C>();
    bench.model.0.borrow_mut().faults.busy_bus = true;
    bench.nic.recover().expect("a second reset helps");
    assert!(!bench.model.0.borrow().faults.busy_bus);
}

#[test]
fn a_bus_that_stays_busy_takes_two_resets() {
    on_both!(bus_stays_busy);
}

fn reset_never_ends<C: Modelled>() {
    let model = Model::new(C::KIND);
    model.0.borrow_mut().faults.stuck_in_reset = true;
    let failed = open::<C, _, _>(model.clone(), model, &IntelOptions::default());
    assert_eq!(failed.err(), Some(OpenError::Reset));
}

#[test]
fn a_reset_that_never_ends_is_an_error() {
    on_both!(reset_never_ends);
}

#[test]
fn firmware_that_keeps_the_link_is_an_error() {
    let model = Model::new(Ixgbe::KIND);
    model.0.borrow_mut().faults.greedy_firmware = true;
    let failed = open::<Ixgbe, _, _>(model.clone(), model, &IntelOptions::default());
    let expected = OpenError::Feature("firmware that lets go of the link");
    assert_eq!(failed.err(), Some(expected));
}

/// What a test does to a card.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send(u8),
    Come(u8),
    Look,
    Late(bool),
    Lie(u16),
    Errors(u16),
    Hang,
    Gone(bool),
    Partner(bool),
    Pass,
    Recover,
    Arm,
    Health(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any::<u8>().prop_map(Step::Send),
        8 => any::<u8>().prop_map(Step::Come),
        8 => Just(Step::Look),
        1 => any::<bool>().prop_map(Step::Late),
        1 => any::<u16>().prop_map(Step::Lie),
        1 => any::<u16>().prop_map(Step::Errors),
        1 => Just(Step::Hang),
        1 => any::<bool>().prop_map(Step::Gone),
        1 => any::<bool>().prop_map(Step::Partner),
        4 => Just(Step::Pass),
        2 => Just(Step::Recover),
        2 => Just(Step::Arm),
        2 => any::<u8>().prop_map(Step::Health),
    ];
    proptest::collection::vec(step, 1..200)
}

fn survives<C: Modelled>(steps: &[Step]) {
    let mut bench = ModelBench::<C>::new(Interrupts::MsiX);
    let (mut next, mut back) = (0, 0);
    let mut expect_in_order = |tokens: Vec<u64>| {
        for token in tokens {
            assert_eq!(token, back, "tokens come back once, and in order");
            back += 1;
        }
    };
    for step in steps {
        let model = bench.model.clone();
        match *step {
            Step::Send(number) => {
                let sent = bench.nic.transmit(0, &[&frame(number)], &[], Token(next));
                next += u64::from(sent.is_ok());
                bench.nic.flush(0);
            }
            Step::Come(number) => model.0.borrow_mut().come(&frame(number)),
            Step::Look => {
                received(&mut bench);
                expect_in_order(tokens(&mut bench.nic));
            }
            Step::Late(late) => {
                model.0.borrow_mut().faults.late = late;
                model.0.borrow_mut().write_back();
            }
            Step::Lie(len) => model.0.borrow_mut().faults.lie.len = (len > 9000).then_some(len),
            Step::Errors(errors) => {
                model.0.borrow_mut().faults.lie.errors = u64::from(errors) & 0xfff;
            }
            Step::Hang => model.0.borrow_mut().faults.hung = true,
            Step::Gone(gone) => model.0.borrow_mut().gone = gone,
            Step::Partner(there) => model.0.borrow_mut().set_partner(there),
            Step::Pass => model.0.borrow_mut().pass(500),
            Step::Recover => {
                let _ = bench.nic.recover();
            }
            Step::Arm => {
                bench.nic.arm(0);
            }
            Step::Health(seconds) => {
                let _ = bench.nic.health(Duration::from_secs(seconds.into()));
            }
        }
    }
    // In the end the card is well again, and everything has come back.
    bench.model.0.borrow_mut().gone = false;
    bench.model.0.borrow_mut().faults = Default::default();
    bench.nic.recover().expect("the card comes back");
    expect_in_order(tokens(&mut bench.nic));
    assert_eq!(back, next);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_mischief_panics_or_loses_a_token(steps in steps()) {
        survives::<Igb>(&steps);
        survives::<Ixgbe>(&steps);
    }
}
