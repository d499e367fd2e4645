//! What a card does wrong: each time the driver recovers, or comes to a clear end, and no token is lost.

use std::time::Duration;

use mx_nic::{Armed, Fault, LinkState, OpenError, Token, TransmitError};

use super::{Bench, Mischief, Outcome, STRANGER, exchange, frame, link_up, receive, tokens, until};

/// Hands frames to the card; their tokens.
fn send(bench: &mut dyn Bench, count: u64) -> Vec<Token> {
    let nic = bench.nic();
    for number in 0..count {
        let head = frame(STRANGER, number, 60);
        nic.transmit(0, &[&head], &[], Token(number)).expect("room");
        nic.flush(0);
    }
    (0..count).map(Token).collect()
}

/// Brings a card back that was stopped. What waited on the wire comes in now.
fn recover(bench: &mut dyn Bench) {
    bench.nic().recover().expect("the card comes back");
    assert_eq!(bench.nic().fault(), None);
    link_up(bench);
    while !look(bench).is_empty() {}
}

/// Frames that came in.
fn look(bench: &mut dyn Bench) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    bench.pass();
    let nic = bench.nic();
    nic.receive(0, 32, &mut |frame| frames.push(frame.to_vec()));
    frames
}

/// A frame to the card.
fn to_card(bench: &mut dyn Bench, number: u64) -> Vec<u8> {
    let own = bench.nic().capabilities().mac;
    frame(own, number, 200)
}

/// A card that sends no more is noticed, gives its tokens back, and is what it was after its recovery.
pub(super) fn hang_and_reset(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.nic().capabilities().recovers || !bench.inject(Mischief::Hang, true) {
        return Outcome::NotOffered;
    }
    bench.nic().set_addresses(&[[2, 0x10, 0, 0, 0, 5]], &[]);
    let expected = send(bench, 10);
    let nic = bench.nic();
    assert_eq!(nic.health(Duration::from_secs(100)), Ok(()));
    assert_eq!(nic.health(Duration::from_secs(101)), Ok(()));
    assert_eq!(nic.health(Duration::from_secs(120)), Err(Fault::Hung));
    assert_eq!(nic.link(), LinkState::Down);
    let refused = nic.transmit(0, &[&[0; 60]], &[], Token(0));
    assert_eq!(refused, Err(TransmitError::Stopped));
    assert_eq!(tokens(bench, 10), expected);
    bench.inject(Mischief::Hang, false);
    recover(bench);
    // Its addresses, too.
    assert!(bench.send(&frame(STRANGER, 1, 60)));
    let to_it = frame([2, 0x10, 0, 0, 0, 5], 2, 60);
    assert!(bench.send(&to_it));
    assert_eq!(receive(bench, 1), [to_it]);
    for number in 0..600 {
        exchange(bench, number);
    }
    let own = bench.nic().capabilities().mac;
    bench.nic().set_addresses(&vec![own; 1000], &[]);
    Outcome::Done("10 tokens, then 600".to_owned())
}

/// Whoever looks finds what no interrupt told of.
pub(super) fn lost_interrupts(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::LostInterrupts, true) {
        return Outcome::NotOffered;
    }
    for number in 0..50 {
        until(bench, "nothing waits", |bench| {
            bench.nic().arm(0) == Armed::Quiet
        });
        let before = bench.interrupts();
        let coming = to_card(bench, number);
        assert!(bench.send(&coming));
        (0..5).for_each(|_| bench.pass());
        assert_eq!(bench.interrupts(), before, "{}", bench.name());
        assert_eq!(bench.nic().arm(0), Armed::WorkPending);
        bench.nic().disarm(0);
        assert_eq!(receive(bench, 1), [coming]);
    }
    bench.inject(Mischief::LostInterrupts, false);
    exchange(bench, 1);
    Outcome::Done("50 frames found".to_owned())
}

/// An interrupt that nobody asked for finds nothing, and does no harm.
pub(super) fn spurious_interrupts(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    for _ in 0..100 {
        let nic = bench.nic();
        nic.acknowledge();
        nic.disarm(0);
        assert_eq!(nic.receive(0, 32, &mut |_| panic!("a frame")), 0);
        assert_eq!(nic.completed(0, &mut [Token(0); 4]), 0);
        assert_eq!(nic.arm(0), Armed::Quiet);
    }
    bench.nic().disarm(0);
    exchange(bench, 1);
    Outcome::Done("100 times nothing".to_owned())
}

/// What is written back late is waited for, and what is written back never is a hang.
pub(super) fn late_reports(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::LateReports, true) {
        return Outcome::NotOffered;
    }
    let many = 100.min(bench.nic().capabilities().transmit_slots as u64);
    let expected = send(bench, many);
    for number in 0..many {
        assert_eq!(bench.come(), Some(frame(STRANGER, number, 60)));
    }
    let coming = to_card(bench, 7);
    assert!(bench.send(&coming));
    assert_eq!(bench.nic().completed(0, &mut [Token(0); 4]), 0);
    assert_eq!(look(bench), Vec::<Vec<u8>>::new());
    assert_eq!(bench.nic().arm(0), Armed::Quiet);
    bench.inject(Mischief::LateReports, false);
    assert_eq!(bench.nic().arm(0), Armed::WorkPending);
    bench.nic().disarm(0);
    assert_eq!(tokens(bench, many as usize), expected);
    assert_eq!(receive(bench, 1), [coming]);
    bench.inject(Mischief::LateReports, true);
    let expected = send(bench, 10);
    for number in 0..10 {
        assert_eq!(bench.come(), Some(frame(STRANGER, number, 60)));
    }
    assert_eq!(bench.nic().health(Duration::from_secs(200)), Ok(()));
    let late = bench.nic().health(Duration::from_secs(220));
    assert_eq!(late, Err(Fault::Hung));
    assert_eq!(tokens(bench, 10), expected);
    bench.inject(Mischief::LateReports, false);
    recover(bench);
    exchange(bench, 1);
    Outcome::Done(format!("{many} late, 10 too late"))
}

/// A length that cannot be stops the card; nothing is shown, and it comes back.
pub(super) fn wrong_reports(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::WrongReports, true) {
        return Outcome::NotOffered;
    }
    let expected = send(bench, 3);
    let coming = to_card(bench, 1);
    assert!(bench.send(&coming));
    until(bench, "the lie is noticed", |bench| {
        assert_eq!(look(bench), Vec::<Vec<u8>>::new());
        matches!(bench.nic().fault(), Some(Fault::Length { .. }))
    });
    assert_eq!(tokens(bench, 3), expected);
    while bench.come().is_some() {}
    bench.inject(Mischief::WrongReports, false);
    recover(bench);
    exchange(bench, 1);
    Outcome::Done("stopped, recovered".to_owned())
}

/// Damaged frames are counted and not shown.
pub(super) fn damaged_frames(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::DamagedFrames, true) {
        return Outcome::NotOffered;
    }
    let before = bench.nic().statistics().received_bad;
    for number in 0..20 {
        let coming = to_card(bench, number);
        assert!(bench.send(&coming));
        assert_eq!(look(bench), Vec::<Vec<u8>>::new());
    }
    assert_eq!(bench.nic().statistics().received_bad - before, 20);
    bench.inject(Mischief::DamagedFrames, false);
    exchange(bench, 1);
    Outcome::Done("20 counted, none shown".to_owned())
}

/// A card that is pulled out is noticed; until it is back, and was reset, nobody can say what it still does, so
/// nothing is given back.
pub(super) fn pulled_out(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::Hang, true) {
        return Outcome::NotOffered;
    }
    let expected = send(bench, 1);
    if !bench.inject(Mischief::PulledOut, true) {
        bench.inject(Mischief::Hang, false);
        recover(bench);
        assert_eq!(tokens(bench, 1), expected);
        return Outcome::NotOffered;
    }
    // Until somebody looks, frames vanish.
    let head = frame(STRANGER, 1, 60);
    let nic = bench.nic();
    nic.transmit(0, &[&head], &[], Token(1)).expect("room");
    nic.flush(0);
    assert_eq!(nic.arm(0), Armed::Quiet);
    let health = nic.health(Duration::from_secs(300));
    assert_eq!(health, Err(Fault::Vanished));
    assert_eq!(nic.link(), LinkState::Down);
    let refused = nic.transmit(0, &[&head], &[], Token(2));
    assert_eq!(refused, Err(TransmitError::Stopped));
    assert_eq!(nic.receive(0, 32, &mut |_| panic!("a frame")), 0);
    assert_eq!(nic.completed(0, &mut [Token(0); 4]), 0);
    assert_eq!(nic.recover(), Err(OpenError::Reset));
    assert_eq!(nic.arm(0), Armed::Quiet);
    bench.inject(Mischief::PulledOut, false);
    bench.inject(Mischief::Hang, false);
    recover(bench);
    // The first one may have left before the reset.
    while bench.come().is_some() {}
    assert_eq!(tokens(bench, 2), [Token(0), Token(1)]);
    exchange(bench, 1);
    Outcome::Done("kept, then recovered".to_owned())
}

/// A card that is kept from memory goes on with damaged frames, or stops; then it comes back.
pub(super) fn dma_fails(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.inject(Mischief::DmaFails, true) {
        return Outcome::NotOffered;
    }
    let expected = send(bench, 1);
    let coming = to_card(bench, 1);
    assert!(bench.send(&coming));
    (0..50).for_each(|_| bench.pass());
    look(bench);
    bench.inject(Mischief::DmaFails, false);
    let mut healthy = true;
    for second in 400..420 {
        healthy = bench.nic().health(Duration::from_secs(second)).is_ok();
        look(bench);
    }
    assert_eq!(tokens(bench, 1), expected);
    while bench.come().is_some() {}
    let outcome = if healthy {
        "went on"
    } else {
        recover(bench);
        "stopped, recovered"
    };
    exchange(bench, 1);
    Outcome::Done(outcome.to_owned())
}
