//! What a guest writes, and what a name looks like, decides nothing.

use crate::host::Host;

fn attached() -> Host {
    let host = Host::served();
    host.guest(2, "guest1");
    host.run(&["attach", "guest1"]).succeeded();
    host
}

/// All paths of dom0's own directory.
fn of_dom0(host: &Host) -> Vec<String> {
    let state = host.xenstored.state();
    let paths = state.tree.paths();
    paths
        .filter(|path| path.starts_with("/local/domain/0"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_guest_cannot_keep_its_device_by_what_it_writes_nor_lead_into_anothers_directory() {
    let lies = ["0", "x", "", "4294967295", "-1", " 1", "1\n", "2"];
    for key in ["backend-id", "backend", "mac", "state", "ring-ref"] {
        for lie in lies {
            let host = attached();
            let before = of_dom0(&host);
            host.write(2, &format!("/local/domain/2/device/omx/0/{key}"), lie);
            host.run(&["list", "guest1"]).succeeded();
            host.run(&["apply"]).succeeded();
            host.run(&["detach", "guest1", "0"]).succeeded();
            assert_eq!(host.states(1, 2, 0), [None, None], "{key} {lie:?}");
            assert!(host.remembered().is_empty());
            assert_eq!(of_dom0(&host), before, "{key} {lie:?}");
        }
    }
}

#[test]
fn a_guest_that_lies_keeps_no_other_from_being_attached() {
    for lie in ["x", "", "0", "4294967295"] {
        let host = attached();
        host.guest(3, "later");
        host.run(&["attach", "later"]).succeeded();
        let mac = host.mac(1, 3, 0);
        // It starts anew and needs its device again.
        host.destroy(3);
        host.guest(4, "later");
        host.write(2, "/local/domain/2/device/omx/0/backend-id", lie);
        host.write(2, "/local/domain/2/device/omx/0/backend", lie);
        host.run(&["apply"]).succeeded();
        assert_eq!(host.mac(1, 4, 0), mac, "{lie:?}");
        assert_ne!(mac, None);
    }
}

#[test]
fn a_guest_that_removes_its_directory_is_served_again_or_detached() {
    for command in [&["apply"][..], &["detach", "guest1", "0"]] {
        let host = attached();
        let mac = host.mac(1, 2, 0);
        host.xenstored
            .act(|tree| tree.remove(2, "/local/domain/2/device/omx/0"))
            .unwrap();
        host.run(command).succeeded();
        let now = host.mac(1, 2, 0);
        assert_eq!(now, if command == ["apply"] { mac } else { None });
    }
}

#[test]
fn any_name_is_attached_listed_applied_and_detached() {
    let names = [
        "a/b",
        "a b",
        "a\nb",
        "..",
        ".",
        ".hidden",
        "-x",
        "a%2Fb",
        "Guest",
        "guest",
        "g\u{1b}[2J",
        "x.0",
        "backend=1",
        "ü",
    ];
    let host = Host::served();
    for (id, name) in (2..).zip(names) {
        host.guest(id, name);
        host.run(&["attach", &id.to_string()]).succeeded();
    }
    let files = host.remembered();
    assert_eq!(files.len(), names.len(), "{files:?}");
    for (id, name) in (2..).zip(names) {
        let mac = host.mac(1, id, 0).unwrap();
        host.destroy(id);
        host.guest(id + 100, name);
        let said = host.run(&["apply"]).succeeded().stdout;
        assert_eq!(said.lines().count(), 1, "{name:?}");
        assert!(said.trim_end().chars().all(|c| !c.is_control()), "{said:?}");
        assert_eq!(host.mac(1, id + 100, 0), Some(mac.clone()), "{name:?}");
        host.run(&["list", "--json", "--", name]).succeeded();
        host.run(&["detach", "--", name, &mac]).succeeded();
    }
    assert!(host.remembered().is_empty());
}

#[test]
fn a_guest_whose_name_cannot_be_remembered_is_refused_before_anything_is_done() {
    let host = Host::served();
    for (id, name) in [(2, ""), (3, &*"n".repeat(300))] {
        host.guest(id, name);
        host.run(&["attach", &id.to_string()])
            .failed(1, &["xl rename"]);
        assert_eq!(host.mac(1, id, 0), None);
    }
}

#[test]
fn what_others_write_does_not_reach_the_terminal_as_a_command() {
    let host = attached();
    let words = format!(
        "\u{1b}]0;owned\u{7}\u{9b}2J\r\n\u{202e}{}",
        "x".repeat(3000)
    );
    host.write(1, "/local/domain/1/backend/omx/2/0/mac", &words);
    host.write(2, "/local/domain/2/device/omx/0/error", &words);
    host.write(2, "/local/domain/2/device/omx/0/state", "6");
    host.write(1, "/local/domain/1/backend/omx/2/0/state", "6");
    host.guest(3, &words);
    let runs = [
        host.run(&["list", "guest1"]),
        host.run(&["list", "--json", "guest1", "3"]),
        host.run(&["attach", "3"]),
        host.run(&["list", &words]),
        host.run(&["check"]),
        host.run(&["check", "--json"]),
    ];
    for ended in runs {
        let text = ended.stdout + &ended.stderr;
        for line in text.lines() {
            let obeyed = |letter: char| letter.is_control() || letter == '\u{202e}';
            assert!(!line.contains(obeyed), "{line:?}");
            assert!(line.chars().count() < 4500, "{line}");
        }
    }
}
