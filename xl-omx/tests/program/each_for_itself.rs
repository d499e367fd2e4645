//! A device that cannot be attached costs no other.

use crate::host::{Host, Running};
use crate::waiting::eventually;

const BAD: [(&str, &str); 5] = [
    ("bad1.0", "hello"),
    ("bad2.0", "backend=gone mac=00:16:3e:00:00:02"),
    ("bad3.0", "backend=driver-domain mac=00:16:3e:00:00:77"),
    ("bad4.0", "backend=bad4 mac=00:16:3e:00:00:04"),
    ("twin.0", "backend=driver-domain mac=00:16:3e:00:00:05"),
];

/// Between devices that can be attached there are some that cannot, each for another reason.
fn mixed() -> Host {
    let host = Host::served();
    for (id, name) in [
        (11, "aaa"),
        (12, "bad1"),
        (13, "bad2"),
        (14, "bad3"),
        (15, "bad4"),
    ] {
        host.guest(id, name);
    }
    for id in [16, 17] {
        host.guest(id, "twin");
    }
    host.guest(18, "zzz");
    host.guest(19, "taker");
    host.run(&["attach", "taker", "mac=00:16:3e:00:00:77"])
        .succeeded();
    for (name, text) in BAD {
        host.remember(name, text);
    }
    for (name, last) in [("aaa.0", "a0"), ("aaa.1", "a1"), ("zzz.0", "f0")] {
        host.remember(
            name,
            &format!("backend=driver-domain mac=00:16:3e:00:00:{last}"),
        );
    }
    host
}

fn good_ones(host: &Host) -> bool {
    [(11, 0), (11, 1), (18, 0)]
        .into_iter()
        .all(|(guest, index)| host.states(1, guest, index) == [4, 4].map(|s| Some(s.to_string())))
}

const WORDS: [&str; 5] = [
    "bad1.0: 'hello'",
    "device 0 of 'bad2': there is no running domain 'gone'",
    "device 0 of 'bad3': address 00:16:3e:00:00:77 is taken",
    "device 0 of 'bad4': domain 'bad4' cannot be its own backend",
    "more than one domain is called 'twin'",
];

#[test]
fn apply_attaches_what_it_can_and_tells_of_each_that_it_cannot() {
    let host = mixed();
    let ended = host.run(&["apply"]).failed(1, &WORDS);
    assert!(good_ones(&host), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), WORDS.len() + 1, "{ended:?}");
    host.run(&["apply", "aaa"]).succeeded();
    host.run(&["apply", "bad2"]).failed(1, &["'gone'"]);
    host.run(&["apply", "nobody"])
        .failed(1, &["no Open-MX device of 'nobody' is remembered"]);
    // What is broken of others is told, and keeps nobody from a list.
    host.run(&["list", "aaa"]).succeeded();
}

#[test]
fn apply_attaches_all_even_when_nobody_reads_what_it_says() {
    let host = mixed();
    host.start_unread(&["apply"]).end().failed(1, &[]);
    assert!(good_ones(&host));
}

/// How often it was said.
fn count(watch: &Running, words: &str) -> usize {
    watch.said().matches(words).count()
}

#[test]
fn watch_goes_on_tells_each_failure_once_and_tries_again() {
    let host = mixed();
    let mut watch = host.start(&["watch"]);
    eventually("all is told", || {
        good_ones(&host) && WORDS.iter().all(|words| count(&watch, words) == 1)
    });
    // One reason goes away by a domain that comes, the other without any event.
    host.driver_domain(20, "gone");
    eventually("bad2 is served", || host.mac(20, 13, 0).is_some());
    host.run(&["detach", "taker", "0"]).succeeded();
    eventually("bad3 is served", || host.mac(1, 14, 0).is_some());
    assert!(watch.runs());
    for words in WORDS {
        assert_eq!(count(&watch, words), 1, "{}", watch.said());
    }
}

#[test]
fn a_name_that_looks_like_a_number_is_nobody_elses() {
    let host = Host::served();
    host.guest(3, "guest1");
    host.remember("3.0", "backend=driver-domain mac=00:16:3e:00:00:03");
    host.remember("guest1.0", "backend=1 mac=00:16:3e:00:00:04");
    host.run(&["apply"])
        .failed(1, &["there is no running domain '1'"]);
    assert_eq!(host.mac(1, 3, 0), None);
}
