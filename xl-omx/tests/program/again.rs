//! Guests that come again keep what they had: number, address, backend.

use std::time::Duration;

use crate::host::{Host, uuid};
use crate::waiting::eventually;

/// A guest that had a device was destroyed, and made again with another number and another UUID.
fn made_again() -> (Host, String) {
    let host = Host::served();
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    let mac = host.mac(1, 2, 0).unwrap();
    host.destroy(2);
    host.guest(7, "guest1");
    (host, mac)
}

#[test]
fn a_guest_that_was_made_again_is_attached_with_the_address_that_it_had() {
    let (host, mac) = made_again();
    host.run(&["attach", "guest1"]).succeeded();
    assert_eq!(host.mac(1, 7, 0), Some(mac.clone()));
    assert_eq!(host.states(1, 7, 0), [4, 4].map(|s| Some(s.to_string())));
    let left = host.value("/local/domain/1/backend/omx/2");
    assert_eq!(left, None, "of the guest that is gone");
    let files = host.remembered();
    let line = format!("backend=driver-domain mac={mac} uuid={}\n", uuid(7));
    assert_eq!(
        files.into_iter().collect::<Vec<_>>(),
        [("guest1.0".into(), line)]
    );
}

#[test]
fn apply_gives_a_guest_that_was_made_again_the_address_that_it_had() {
    let (host, mac) = made_again();
    let said = host.run(&["apply"]).succeeded().stdout;
    assert_eq!(said, format!("attached device 0 of guest1 ({mac})\n"));
    assert_eq!(host.mac(1, 7, 0), Some(mac));
    assert_eq!(host.run(&["apply"]).succeeded().stdout, "");
}

#[test]
fn watch_gives_a_guest_that_is_made_again_the_address_that_it_had() {
    let (host, mac) = made_again();
    let _watch = host.start(&["watch"]);
    eventually("attached", || host.mac(1, 7, 0).as_ref() == Some(&mac));
    host.destroy(7);
    host.guest(9, "guest1");
    eventually("attached again", || {
        host.mac(1, 9, 0).as_ref() == Some(&mac)
    });
}

#[test]
fn the_devices_of_a_guest_come_back_one_after_the_other_and_then_it_gets_new_ones() {
    let host = Host::served();
    host.driver_domain(5, "other");
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    host.run(&["attach", "guest1", "backend=other"]).succeeded();
    let had = [host.mac(1, 2, 0), host.mac(5, 2, 1)];
    host.destroy(2);
    host.guest(3, "guest1");
    for _ in 0..3 {
        host.run(&["attach", "guest1"]).succeeded();
    }
    assert_eq!([host.mac(1, 3, 0), host.mac(5, 3, 1)], had);
    let new = host.mac(1, 3, 2);
    assert!(new.is_some() && !had.contains(&new));
}

#[test]
fn what_is_named_wins_over_what_is_remembered() {
    let (host, old) = made_again();
    host.driver_domain(5, "other");
    let new = "00:16:3e:00:00:99";
    host.run(&["attach", "guest1", "backend=other", "mac=00:16:3e:00:00:99"])
        .succeeded();
    assert_eq!(host.mac(5, 7, 0).as_deref(), Some(new));
    let files = host.remembered();
    assert_eq!(files.len(), 1);
    assert!(files["guest1.0"].contains(new) && !files["guest1.0"].contains(&old));
}

#[test]
fn what_the_driver_domain_has_not_given_back_yet_is_waited_for() {
    let host = Host::new();
    let serves = host.driver_domain(1, "driver-domain");
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    let mac = host.mac(1, 2, 0);
    serves.store(false, std::sync::atomic::Ordering::Relaxed);
    host.destroy(2);
    host.guest(7, "guest1");
    let attach = host.start(&["attach", "guest1"]);
    // It has asked all that it asks, and waits.
    let mut before = u64::MAX;
    eventually("nothing is asked any more", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = host.xenstored.state().requests;
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert_eq!(host.mac(1, 7, 0), None, "its former device is still there");
    serves.store(true, std::sync::atomic::Ordering::Relaxed);
    host.nudge();
    attach.end().succeeded();
    assert_eq!((host.mac(1, 2, 0), host.mac(1, 7, 0)), (None, mac));
}

#[test]
fn a_device_that_is_detached_and_attached_at_once_is_a_new_one() {
    let host = Host::served();
    host.guest(2, "guest1");
    for _ in 0..5 {
        host.run(&["attach", "guest1"]).succeeded();
        assert_eq!(host.states(1, 2, 0), [4, 4].map(|s| Some(s.to_string())));
        host.run(&["detach", "guest1", "0"]).succeeded();
        assert_eq!(host.states(1, 2, 0), [None, None]);
        assert!(host.remembered().is_empty());
    }
}

#[test]
fn a_renamed_guest_keeps_its_device_and_can_lose_it_under_its_new_name() {
    let host = Host::served();
    host.guest(2, "old");
    host.run(&["attach", "old"]).succeeded();
    let mac = host.mac(1, 2, 0);
    host.rename(2, "new");
    // Another one has the old name now, and nothing of the first.
    host.guest(3, "old");
    host.run(&["attach", "old"]).succeeded();
    assert!(host.mac(1, 3, 0).is_some() && host.mac(1, 3, 0) != mac);
    // The renamed one reboots: same UUID, same name, another number.
    host.destroy(2);
    host.create(8, "new", &uuid(2));
    host.module(8);
    host.run(&["apply"]).succeeded();
    assert_eq!(host.mac(1, 8, 0), mac);
    host.run(&["detach", "new", "0"]).succeeded();
    assert_eq!(host.states(1, 8, 0), [None, None]);
    // Whoever has the old name is remembered by it.
    let left: Vec<String> = host.remembered().into_keys().collect();
    assert_eq!(left, ["old.0"]);
}

#[test]
fn a_driver_domain_that_was_made_again_serves_its_guests_again() {
    let host = Host::served();
    for (id, name) in [(2, "guest1"), (3, "guest2")] {
        host.guest(id, name);
        host.run(&["attach", name]).succeeded();
    }
    let had = [host.mac(1, 2, 0), host.mac(1, 3, 0)];
    host.destroy(1);
    host.driver_domain(9, "driver-domain");
    let listed = host.run(&["list", "guest1"]).succeeded().stdout;
    assert!(listed.contains(had[0].as_deref().unwrap()), "{listed}");
    host.run(&["apply"]).succeeded();
    assert_eq!([host.mac(9, 2, 0), host.mac(9, 3, 0)], had);
    for guest in [2, 3] {
        assert_eq!(
            host.states(9, guest, 0),
            [4, 4].map(|s| Some(s.to_string()))
        );
    }
}
