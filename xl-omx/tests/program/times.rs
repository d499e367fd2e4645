//! Waits that come to their end, and what is said then.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::host::Host;
use crate::waiting::eventually;

#[test]
fn a_device_that_does_not_connect_in_time_stays_and_that_is_said() {
    let host = Host::served();
    host.create(2, "guest1", &crate::host::uuid(2));
    host.run(&["attach", "guest1", "--timeout", "1"]).failed(
        3,
        &[
            "is the module open-mx-frontend loaded",
            "stays attached, is remembered",
            "xl-omx detach guest1 0",
        ],
    );
    assert!(host.remembered().contains_key("guest1.0"));
    host.module(2);
    assert_eq!(host.states(1, 2, 0), [4, 4].map(|s| Some(s.to_string())));
}

#[test]
fn a_device_that_does_not_go_in_time_stays_remembered_and_force_is_named() {
    let host = Host::new();
    let serves = host.driver_domain(1, "driver-domain");
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    let mac = host.mac(1, 2, 0);
    serves.store(false, Ordering::Relaxed);
    host.run(&["detach", "guest1", "0", "--timeout", "1"])
        .failed(
            3,
            &[
                "still there",
                "still remembered",
                "xl-omx detach --force guest1 0",
            ],
        );
    assert_eq!(host.mac(1, 2, 0), mac);
    assert!(host.remembered().contains_key("guest1.0"));
    host.run(&["detach", "--force", "guest1", "0", "--timeout", "0"])
        .succeeded();
    assert_eq!(host.states(1, 2, 0), [None, None]);
    assert!(host.remembered().is_empty());
}

#[test]
fn whoever_waits_asks_nothing_until_something_changes() {
    let host = Host::new();
    let serves = host.driver_domain(1, "driver-domain");
    serves.store(false, Ordering::Relaxed);
    host.guest(2, "guest1");
    let attach = host.start(&["attach", "guest1", "--timeout", "3600"]);
    // After two seconds it says what it waits for; then nothing happens any more.
    eventually("it says that it waits", || {
        attach.said().contains("waiting for Connected")
    });
    std::thread::sleep(Duration::from_millis(100));
    let before = host.xenstored.state().requests;
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(host.xenstored.state().requests, before);
    serves.store(true, Ordering::Relaxed);
    host.nudge();
    attach.end().succeeded();

    let watch = host.start(&["watch"]);
    host.guest(3, "guest2");
    host.remember("guest2.0", "backend=driver-domain mac=00:16:3e:00:00:03");
    host.guest(4, "guest3");
    eventually("it is attached", || host.mac(1, 3, 0).is_some());
    eventually("it says so", || watch.said().contains("guest2"));
    std::thread::sleep(Duration::from_millis(300));
    let before = host.xenstored.state().requests;
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(host.xenstored.state().requests, before);
}

#[test]
fn a_guest_or_driver_domain_that_ends_while_it_is_waited_for_ends_the_wait() {
    for guest in [true, false] {
        let host = Host::served();
        host.create(2, "guest1", &crate::host::uuid(2));
        let attach = host.start(&["attach", "guest1", "--timeout", "3600"]);
        eventually("it is attached", || host.mac(1, 2, 0).is_some());
        if guest {
            host.destroy(2);
        } else {
            host.destroy(1);
        }
        attach.end().failed(1, &["device 0 of 'guest1' is gone"]);
    }
}

#[test]
fn a_device_of_a_guest_that_does_not_run_can_be_forgotten() {
    let host = Host::served();
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    host.destroy(2);
    host.run(&["detach", "guest1", "1"])
        .failed(1, &["has no Open-MX device '1'"]);
    host.run(&["detach", "guest1", "0"]).succeeded();
    assert!(host.remembered().is_empty());
    host.run(&["detach", "guest1", "0"])
        .failed(1, &["no running domain 'guest1'"]);
}
