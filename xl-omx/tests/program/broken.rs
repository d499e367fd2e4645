//! xenstored ends, the disk is full, others do the same at the same time.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::host::Host;
use crate::waiting::eventually;

/// A command during which xenstored ends, at each of its requests.
fn ends_during(command: &[&str]) {
    for moment in 0.. {
        let host = Host::served();
        host.guest(2, "guest0");
        host.guest(3, "guest1");
        host.run(&["attach", "guest0"]).succeeded();
        host.remember("guest1.0", "backend=driver-domain mac=00:16:3e:00:00:03");
        host.xenstored.state().dies_in = Some(moment);
        let ended = host.run(command);
        if ended.status == Some(0) {
            assert!(moment > 3, "{command:?}");
            break;
        }
        ended.failed(1, &["xenstore"]);
        for guest in [2, 3] {
            let [backend, frontend] = host.states(1, guest, 0);
            assert_eq!(backend.is_some(), frontend.is_some(), "at {moment}");
        }
        // What was to be done can be done now.
        host.xenstored.revive();
        host.run(command).succeeded();
    }
}

#[test]
fn a_xenstored_that_ends_while_a_device_is_attached_leaves_no_half() {
    ends_during(&["attach", "guest1"]);
}

#[test]
fn a_xenstored_that_ends_while_a_device_is_detached_leaves_no_half() {
    ends_during(&["detach", "guest0", "0"]);
}

#[test]
fn a_xenstored_that_ends_while_all_is_applied_leaves_no_half() {
    ends_during(&["apply"]);
}

#[test]
fn a_xenstored_that_ends_while_devices_are_listed_is_an_error() {
    ends_during(&["list", "guest0"]);
}

#[test]
fn watch_goes_on_when_xenstored_is_there_again() {
    let host = Host::served();
    let watch = host.start(&["watch"]);
    // One that finds no xenstored when it begins ends.
    eventually("it watches", || {
        host.xenstored.is_watched("@introduceDomain")
    });
    host.remember("guest1.0", "backend=driver-domain mac=00:16:3e:00:00:03");
    host.xenstored.die();
    eventually("it says so", || watch.said().contains("xenstored"));
    host.xenstored.revive();
    host.guest(2, "guest1");
    eventually("it is attached", || host.mac(1, 2, 0).is_some());
}

#[test]
fn without_xenstored_nothing_is_waited_for() {
    let host = Host::served();
    host.xenstored.die();
    for command in [&["list", "guest1"][..], &["apply"]] {
        host.run(command).failed(1, &["xenstored"]);
    }
}

#[test]
fn on_a_full_disk_nothing_is_attached_that_would_be_forgotten() {
    let host = Host::served();
    host.guest(2, "guest1");
    symlink("/dev/full", host.file(".guest1.0.part")).unwrap();
    host.run(&["attach", "guest1"])
        .failed(1, &["guest1.0", "No space left"]);
    assert_eq!(host.states(1, 2, 0), [None, None]);
    assert!(host.remembered().is_empty());
    host.run(&["attach", "guest1"]).succeeded();
}

#[test]
fn several_at_the_same_time_give_each_what_it_asks_for() {
    let host = Host::served();
    host.guest(2, "guest1");
    let all: Vec<_> = (0..6).map(|_| host.start(&["attach", "guest1"])).collect();
    for running in all {
        running.end().succeeded();
    }
    let macs: BTreeSet<_> = (0..6).map(|index| host.mac(1, 2, index).unwrap()).collect();
    assert_eq!(macs.len(), 6);
    assert_eq!(host.remembered().len(), 6);
    host.destroy(2);
    host.guest(3, "guest1");
    let all: Vec<_> = (0..6).map(|_| host.start(&["apply"])).collect();
    for running in all {
        running.end().succeeded();
    }
    let again: BTreeSet<_> = (0..6).map(|index| host.mac(1, 3, index).unwrap()).collect();
    assert_eq!(again, macs);
}

#[test]
fn a_signal_that_is_ignored_does_not_end_a_wait() {
    let host = Host::served();
    host.create(2, "guest1", &crate::host::uuid(2));
    let attach = host.start(&["attach", "guest1", "--timeout", "3600"]);
    eventually("it is attached", || host.mac(1, 2, 0).is_some());
    for _ in 0..20 {
        attach.signal(Signal::STOP);
        attach.signal(Signal::CONT);
        attach.signal(Signal::WINCH);
    }
    host.module(2);
    attach.end().succeeded();
}
