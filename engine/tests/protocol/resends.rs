//! When messages are sent again, and which.

use std::collections::BTreeSet;
use std::time::Duration;

use mx_engine::Engine;
use mx_ring::{Command, CommandBody};
use mx_wire::{Connect, FrameKind};

use super::peer::tiny;
use super::recorder::Recorder;
use super::start::{engine, greeted, receive, send};

const MS: Duration = Duration::from_millis(1);

/// Sequence numbers of the tiny messages that were posted since the last call.
fn posted(port: &mut Recorder) -> Vec<u16> {
    let tinies = port
        .commands
        .drain(..)
        .filter_map(|command| match command.message() {
            Some(m) if m.content.kind() == FrameKind::Tiny => Some(m.seq),
            _ => None,
        });
    tinies.collect()
}

fn work_at(engine: &mut Engine, port: &mut Recorder, time: Duration) -> Vec<u16> {
    engine.set_now(time);
    engine.work(port);
    posted(port)
}

#[test]
fn a_lost_message_is_sent_again_soon_when_its_partner_answers_fast_and_ever_later_while_it_does_not()
 {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    for seq in 1..10 {
        send(&mut engine, &mut port, to);
        engine.event(&tiny(seq + 1, seq + 1), None, &mut port);
    }
    assert_eq!(posted(&mut port), (1..10).collect::<Vec<_>>());
    send(&mut engine, &mut port, to);
    posted(&mut port);
    let times: Vec<u32> = (1..2000)
        .filter(|time| !work_at(&mut engine, &mut port, *time * MS).is_empty())
        .collect();
    assert_eq!(times, [40, 80, 160, 320, 640, 1140, 1640]);
}

/// Milliseconds after a connect at which it is repeated.
fn repeats(engine: &mut Engine, port: &mut Recorder, until: u32) -> Vec<u32> {
    let start = 1000;
    engine.set_now(start * MS);
    engine.connect(1, 3, 7, 0, 0, port);
    port.commands.clear();
    let mut times = Vec::new();
    for time in 1..until {
        engine.set_now((start + time) * MS);
        engine.work(port);
        let connects =
            |command: &Command| matches!(command.body, CommandBody::Connect(Connect::Request(_)));
        times.extend(port.commands.drain(..).filter(connects).map(|_| time));
    }
    times
}

#[test]
fn a_connect_is_repeated_soon_and_then_ever_more_rarely() {
    let (mut unknown, mut port) = (engine(), Recorder::new());
    assert_eq!(
        repeats(&mut unknown, &mut port, 20_000),
        [100, 300, 700, 1500, 3100, 6300, 10_300, 14_300, 18_300]
    );
}

#[test]
fn a_connect_to_a_partner_whose_answers_were_measured_is_repeated_sooner() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    for seq in 1..10 {
        send(&mut engine, &mut port, to);
        engine.event(&tiny(seq + 1, seq + 1), None, &mut port);
    }
    assert_eq!(repeats(&mut engine, &mut port, 300), [40, 120, 280]);
}

#[test]
fn a_slow_partner_is_not_sent_the_same_again_and_again() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let mut again = Vec::new();
    for seq in 1..20u16 {
        let start = u32::from(seq) * 1000;
        engine.set_now(start * MS);
        send(&mut engine, &mut port, to);
        posted(&mut port);
        let mut resent = 0;
        for time in start..start + 300 {
            resent += work_at(&mut engine, &mut port, time * MS).len();
        }
        engine.event(&tiny(seq + 1, seq + 1), None, &mut port);
        again.push(resent);
    }
    assert_eq!(again[3..].iter().sum::<usize>(), 0, "{again:?}");
}

#[test]
fn the_newest_message_is_always_among_those_sent_again_for_native_nodes_answer_no_other() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    for _ in 0..500 {
        send(&mut engine, &mut port, to);
    }
    posted(&mut port);
    let mut rounds = 0;
    for time in 1..10_000 {
        let again = work_at(&mut engine, &mut port, time * MS);
        if !again.is_empty() {
            rounds += 1;
            assert!(again.contains(&500), "{again:?}");
            assert!(again.contains(&1), "{again:?}");
            assert!(again.len() <= 64);
        }
    }
    assert!(rounds > 10);
}

#[test]
fn no_regular_loss_starves_a_message() {
    for period in 2..40 {
        for messages in 2..40u16 {
            let (mut engine, mut port) = (engine(), Recorder::new());
            let to = greeted(&mut engine, &mut port);
            for _ in 0..messages {
                send(&mut engine, &mut port, to);
            }
            posted(&mut port);
            let (mut sent, mut arrived) = (0, BTreeSet::new());
            for round in 1..100 {
                for seq in work_at(&mut engine, &mut port, round * 500 * MS) {
                    sent += 1;
                    // All but one of each period are lost.
                    if sent % period == 0 {
                        arrived.insert(seq);
                    }
                }
                if arrived.len() == usize::from(messages) {
                    break;
                }
            }
            let needed = usize::from(messages).min(99 * usize::from(messages) / period / 20);
            assert!(
                arrived.len() >= needed,
                "{} of {messages} with one of {period}",
                arrived.len()
            );
        }
    }
}

#[test]
fn a_repeated_message_that_is_not_the_newest_is_acknowledged_too() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    for seq in 2..20 {
        receive(&mut engine, &mut port);
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    engine.work(&mut port);
    port.commands.clear();
    engine.event(&tiny(5, 1), None, &mut port);
    engine.set_now(16 * MS);
    engine.work(&mut port);
    let acks: Vec<_> = port
        .commands
        .iter()
        .map(|command| match command.body {
            CommandBody::Ack(ack) => Some(ack.ack),
            _ => None,
        })
        .collect();
    assert_eq!(acks, [Some(20)]);
}
