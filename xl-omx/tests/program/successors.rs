//! A driver domain ends, and another one takes its place.

use std::fs;

use crate::host::{Host, Module, uuid, value};
use crate::waiting::eventually;

/// What a guest's module does that lets another backend adopt its device, by what it may read and write.
fn adopting(host: &Host, id: u32, name: &str) {
    host.create(id, name, &uuid(id));
    let own = format!("/local/domain/{id}/device/omx/0");
    let mut served_by = None;
    let mut module = Module::new(id, "7");
    host.xenstored.join(Box::new(move |tree| {
        let backend = value(tree, &format!("{own}/backend"));
        let there = backend
            .as_ref()
            .is_some_and(|path| tree.node(path).is_some());
        if there && served_by.is_some() && served_by != backend {
            tree.write(id, &format!("{own}/state"), b"1").unwrap();
        }
        if there {
            served_by = backend;
        }
        module.act(tree);
    }));
}

/// Two guests that adopt, and one that gives its device up, with a driver domain that has a card.
fn served() -> Host {
    let host = Host::served();
    for (id, name) in [(2, "guest1"), (3, "guest2")] {
        adopting(&host, id, name);
    }
    host.guest(4, "guest3");
    for (id, name) in [(2, "guest1"), (3, "guest2"), (4, "guest3")] {
        host.run(&["attach", name]).succeeded();
        // It goes with the directory that it is in.
        host.write(id, &mark(id), "of old");
    }
    host.write(0, "/local/domain/0/backend/pci/1/0/state", "4");
    host.write(0, "/local/domain/1/device/pci/0/state", "4");
    host
}

fn mark(guest: u32) -> String {
    format!("/local/domain/{guest}/device/omx/0/mark")
}

fn macs(host: &Host, backend: u32) -> [Option<String>; 3] {
    [2, 3, 4].map(|guest| host.mac(backend, guest, 0))
}

/// All have the driver domain of that number, with what they had; who adopts has never lost its directory.
fn have(host: &Host, backend: u32, had: &[Option<String>; 3]) {
    for guest in [2, 3, 4] {
        eventually("connected", || {
            host.states(backend, guest, 0) == [4, 4].map(|s| Some(s.to_string()))
        });
    }
    assert_eq!(&macs(host, backend), had);
    assert!(host.value(&mark(2)).is_some() && host.value(&mark(3)).is_some());
    for guest in [2, 3, 4] {
        let led_to = host.value(&format!("/local/domain/{guest}/device/omx/0/backend-id"));
        assert_eq!(led_to, Some(backend.to_string()));
    }
}

/// pciback asks both its questions, and is answered.
fn take_the_card(host: &Host) {
    for (asks, answer) in [("7", "7"), ("8", "4")] {
        host.write(0, "/local/domain/0/backend/pci/1/0/state", asks);
        eventually("pciback is answered", || {
            host.value("/local/domain/1/device/pci/0/state").as_deref() == Some(answer)
        });
    }
}

#[test]
fn watch_creates_a_driver_domain_that_has_ended_again_and_its_guests_have_it_at_once() {
    let host = served();
    let xl = host.xl();
    let configuration = host.file("driver-domain.cfg");
    fs::write(&configuration, "").unwrap();
    let had = macs(&host, 1);
    let watch = host.start(&["watch"]);
    host.destroy(1);
    xl.is_asked("create");
    let path = configuration.display();
    assert_eq!(
        xl.asked(),
        [format!("create -q {path} name=\"driver-domain\"")]
    );
    // Before xl has ended: the domain is there from the moment that xenstore knows it.
    host.driver_domain(9, "driver-domain");
    have(&host, 9, &had);
    xl.ends("create", 0);
    eventually("it says so", || {
        watch
            .said()
            .contains("created driver domain driver-domain again")
    });
    assert!(
        !watch.said().contains("no running domain"),
        "{}",
        watch.said()
    );
    assert_eq!(xl.count("create"), 1);
}

#[test]
fn a_driver_domain_that_cannot_be_created_is_told_once_and_tried_again() {
    let host = served();
    let xl = host.xl();
    fs::write(host.file("driver-domain.cfg"), "").unwrap();
    xl.ends("create", 1);
    let watch = host.start(&["watch"]);
    host.destroy(1);
    eventually("it is tried again", || xl.count("create") > 2);
    let said = watch.said();
    let words = "driver domain 'driver-domain' cannot be created from";
    assert_eq!(said.matches(words).count(), 1, "{said}");
    let had = host.remembered();
    assert_eq!(had.keys().filter(|name| name.ends_with(".0")).count(), 3);
}

#[test]
fn without_a_configuration_nobody_creates_a_driver_domain() {
    let host = served();
    let xl = host.xl();
    let watch = host.start(&["watch"]);
    host.destroy(1);
    eventually("it says that there is none", || {
        watch.said().contains("no running domain 'driver-domain'")
    });
    assert!(xl.asked().is_empty());
}

#[test]
fn watch_answers_pciback_for_a_driver_domain_that_stands_still_and_for_no_other() {
    let host = served();
    let xl = host.xl();
    let _watch = host.start(&["watch"]);
    host.write(0, "/local/domain/0/backend/pci/1/0/state", "7");
    eventually("it looks more than once", || xl.count("list 1") > 1);
    let answered = host.value("/local/domain/1/device/pci/0/state");
    assert_eq!(answered.as_deref(), Some("4"), "it may answer for itself");
    xl.says_of_a_domain("--p---");
    take_the_card(&host);
}

#[test]
fn replace_creates_the_successor_when_the_card_is_free_and_all_guests_go_on() {
    let host = served();
    let xl = host.xl();
    let configuration = host.file("new.cfg");
    fs::write(&configuration, "").unwrap();
    // Whoever watches would create it, too, and from here.
    fs::write(host.file("driver-domain.cfg"), "").unwrap();
    let watch = host.start(&["watch"]);
    let had = macs(&host, 1);
    let path = configuration.to_str().unwrap();
    let replace = host.start(&["replace", "driver-domain", path, "--json"]);
    xl.is_asked("destroy 1");
    take_the_card(&host);
    assert_eq!(xl.count("create"), 0, "the card is not free yet");
    host.run(&["replace", "driver-domain", path])
        .failed(1, &["another xl-omx", "try again"]);
    host.destroy(1);
    xl.ends("destroy", 0);
    xl.is_asked("create");
    host.driver_domain(9, "driver-domain");
    xl.ends("create", 0);
    let ended = replace.end().succeeded();
    have(&host, 9, &had);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["old_id"], &report["new_id"]),
        (&1.into(), &9.into())
    );
    let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(seconds(&report["destroyed"]) <= seconds(&report["created"]));
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 3);
    for device in devices {
        assert!(seconds(&report["created"]) <= seconds(&device["connected"]));
    }
    assert!(ended.stderr.contains("is gone, after"), "{ended:?}");
    assert_eq!(xl.count("create"), 1);
    assert!(
        !watch.said().contains("no running domain"),
        "{}",
        watch.said()
    );
}

#[test]
fn replace_leads_the_guests_to_a_running_successor_before_the_old_one_goes() {
    let host = served();
    let xl = host.xl();
    host.driver_domain(9, "successor");
    let had = macs(&host, 1);
    let replace = host.start(&["replace", "driver-domain", "successor"]);
    xl.is_asked("destroy 1");
    let led_to = |guest| host.value(&format!("/local/domain/{guest}/device/omx/0/backend-id"));
    assert_eq!([2, 3].map(led_to), [9; 2].map(|id| Some(id.to_string())));
    host.destroy(1);
    xl.ends("destroy", 0);
    let said = replace.end().succeeded().stdout;
    assert!(said.contains("device 0 of guest2 is connected"), "{said}");
    have(&host, 9, &had);
    assert_eq!(xl.count("create"), 0);
    for (_, line) in host.remembered() {
        assert!(line.starts_with("backend=successor "), "{line}");
    }
}

#[test]
fn what_cannot_be_replaced_is_left_alone() {
    let host = served();
    let xl = host.xl();
    for (old, new, words) in [
        ("nobody", "/etc/xen/x.cfg", "no running domain 'nobody'"),
        ("driver-domain", "/nonexistent/x.cfg", "/nonexistent/x.cfg"),
        ("driver-domain", "nobody", "no running domain 'nobody'"),
        ("driver-domain", "1", "cannot take its own place"),
    ] {
        host.run(&["replace", old, new]).failed(1, &[words]);
    }
    assert!(xl.asked().is_empty());
    have(&host, 1, &macs(&host, 1));
}

#[test]
fn devices_that_do_not_connect_in_time_are_counted_and_keep_their_successor() {
    let host = served();
    let xl = host.xl();
    host.create(9, "successor", &uuid(9));
    xl.ends("destroy", 0);
    let replace = ["replace", "driver-domain", "successor", "--timeout", "1"];
    host.run(&replace)
        .failed(3, &["3 devices have 'successor'", "xl-omx list"]);
    assert!(macs(&host, 9).iter().all(Option::is_some));
}

#[test]
fn watch_sweeps_away_what_a_gone_guest_has_left_when_its_driver_domain_gives_it_back() {
    let host = Host::new();
    let serves = host.driver_domain(1, "driver-domain");
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    let _watch = host.start(&["watch"]);
    serves.store(false, std::sync::atomic::Ordering::Relaxed);
    host.destroy(2);
    let left = "/local/domain/1/backend/omx/2";
    let mut before = u64::MAX;
    eventually("it has looked", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = host.xenstored.state().requests;
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert!(host.value(left).is_some());
    serves.store(true, std::sync::atomic::Ordering::Relaxed);
    host.nudge();
    eventually("it is swept away", || host.value(left).is_none());
}
