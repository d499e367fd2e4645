//! `xl-omx check` on a host that gets everything it needs, one after the other.

use serde_json::Value;

use crate::host::{Host, Running};
use crate::waiting::eventually;

const INFO: &str = "\
virt_caps              : pv hvm hvm_directio pv_directio hap
free_memory            : 1024
xen_version            : 4.17.3
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_64
";

/// A driver domain with a card serves a guest, and what has gone comes back.
fn fine() -> (Host, Running) {
    let host = Host::served();
    host.xl().says("info", INFO);
    let image = host.file("image");
    std::fs::write(&image, "an image").unwrap();
    let text = format!(
        "kernel = \"{}\"\nmemory = 64\npci = ['00:05.0']\n",
        image.display()
    );
    host.remember("driver-domain.cfg", &text);
    host.write(0, "/local/domain/0/backend/pci/1/0/dev-0", "0000:00:05.00");
    for (key, value) in [("state", "ready"), ("wire", "native 9000"), ("link", "up")] {
        host.write(1, &format!("/local/domain/1/data/omx/{key}"), value);
    }
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    let watch = host.start(&["watch"]);
    let is_seen = || host.run(&["check"]).stdout.contains("xl-omx watch: runs");
    eventually("it is seen that watch runs", is_seen);
    (host, watch)
}

#[test]
fn where_all_is_fine_each_line_says_so_and_the_status_is_0() {
    let (host, _watch) = fine();
    let said = host.run(&["check"]).succeeded();
    assert!(
        said.stdout.lines().all(|line| line.starts_with("fine ")),
        "{said:?}"
    );
    assert_eq!(said.stderr, "");
    let json = host.run(&["check", "--json"]).succeeded().stdout;
    let found: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert!(found.iter().all(|finding| finding["outcome"] == "fine"));
    assert_eq!(found.len(), said.stdout.lines().count());
}

#[test]
fn what_is_to_be_done_is_said_with_an_arrow_and_the_status_is_1() {
    let (host, watch) = fine();
    drop(watch);
    host.write(2, "/local/domain/2/device/omx/0/state", "6");
    let said = host.run(&["check"]).failed(1, &["to do: 2"]);
    let advices = said
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with("-> "));
    assert_eq!(advices.count(), 2, "{said:?}");
    for words in ["systemctl enable --now xl-omx-watch", "detach guest1 0"] {
        assert!(said.stdout.contains(words), "{said:?}");
    }
    let json = host
        .run(&["check", "--json"])
        .failed(1, &["to do: 2"])
        .stdout;
    let found: Vec<Value> = serde_json::from_str(&json).unwrap();
    let to_do = found.iter().filter(|finding| finding["outcome"] == "to-do");
    assert!(to_do.clone().all(|finding| finding["advice"].is_string()));
    assert_eq!(to_do.count(), 2);
}

#[test]
fn what_cannot_be_looked_at_is_said_and_the_status_is_4() {
    let (host, _watch) = fine();
    host.xl().says("info", "");
    let said = host
        .run(&["check"])
        .failed(4, &["could not be looked at: 2"]);
    assert!(said.stdout.contains("unknown  Xen: "), "{said:?}");
}

#[test]
fn a_look_changes_nothing() {
    let host = Host::new();
    host.xl().says("info", INFO);
    let before: Vec<String> = host
        .xenstored
        .state()
        .tree
        .paths()
        .map(str::to_owned)
        .collect();
    let said = host.run(&["check"]).failed(1, &[]);
    assert!(said.stdout.contains("no guest has one"), "{said:?}");
    let after: Vec<String> = host
        .xenstored
        .state()
        .tree
        .paths()
        .map(str::to_owned)
        .collect();
    assert_eq!(before, after);
    assert!(!host.has_directory(), "nothing was ever remembered");
}
