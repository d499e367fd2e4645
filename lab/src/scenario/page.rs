//! The driver domain's page, its /metrics and its /capture.pcap, read from the other end of the card's wire: by curl while
//! messages flow, by a browser, which also takes a picture, and by tshark.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::demo::fabric::{Fabric, Program};
use crate::demo::stage;
use crate::error::{At, Error};
use crate::host::spec::MANAGEMENT;
use crate::place;
use crate::run::Run;
use crate::scenario::judge::{exchange, expect, wait_until};

/// The options of a driver domain that is to be read: its address is from QEMU's DHCP server, and it keeps frames.
pub const OPTIONS: &str = "manage=dhcp capture=256";

/// How long a lease may take: a driver domain asks again after some seconds.
const LEASE: Duration = Duration::from_secs(60);
/// How long it may take until messages flow.
const FLOW: Duration = Duration::from_secs(30);
/// How often curl reads meanwhile, and after which pause.
const READS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Seconds that one answer may take under emulation.
const TIMEOUT: &str = "20";
/// Round trips of one length; more than there is time for.
const WITHOUT_END: &str = "10000000";

/// Reads all of it. `port` leads to the driver domain of `fabric`.
pub fn judge(fabric: &Fabric<'_>, port: u16) -> Result<(), Error> {
    stage("the driver domain gets an address by DHCP", || {
        wait_until(LEASE, "xenstore tells an address from DHCP", || {
            let told = fabric.driver_domain_node("data/omx/address")?;
            Ok(told.is_some_and(|told| told.starts_with(MANAGEMENT) && told.contains("dhcp")))
        })
    })?;
    let programs = load(fabric)?;
    let address = format!("http://127.0.0.1:{port}");
    stage("curl reads /metrics while node1 sends to guest1", || {
        by_curl(&address)
    })?;
    stage(
        "a browser shows the page, and takes a picture of it",
        || by_browser(&address),
    )?;
    programs.into_iter().try_for_each(Program::kill)?;
    stage(
        "tshark reads the last frames, those between guests too",
        || {
            exchange(fabric, "guest2", "guest1")?;
            by_tshark(&address)
        },
    )
}

/// Messages without data and without end from node1 to guest1: receiver and sender.
fn load(fabric: &Fabric<'_>) -> Result<[Program; 2], Error> {
    let receiver = fabric.start_answerer("guest1", &["omx_perf", "-w", "-e", "4"])?;
    let command = ["omx_perf", "-w", "-d", "guest1:0", "-r", "4"];
    let lengths = ["-S", "0", "-E", "1", "-N", WITHOUT_END];
    let sender = fabric.start_program("node1", &[&command[..], &lengths].concat())?;
    Ok([receiver, sender])
}

/// Each answer is whole, no count falls, and messages come to guest1 all the while.
fn by_curl(address: &str) -> Result<(), Error> {
    let begun = read(address)?;
    wait_until(FLOW, "messages come to guest1", || {
        Ok(read(address)? > begun)
    })?;
    let first = read(address)?;
    let mut last = first;
    for _ in 0..READS {
        thread::sleep(PAUSE);
        let now = read(address)?;
        expect(now >= last, || {
            format!("a counter of /metrics fell from {last} to {now}")
        })?;
        last = now;
    }
    println!(
        "    read {READS} times, while {} tiny messages came to guest1",
        last - first
    );
    expect(last > first, || {
        "no message came to guest1 while /metrics was read".into()
    })
}

/// Tiny messages that have come to guest1, read by curl.
fn read(address: &str) -> Result<u64, Error> {
    let text = Run::new("curl", "page-curl")
        .args(["--fail", "--silent", "--show-error", "--max-time", TIMEOUT])
        .args([format!("{address}/metrics")])
        .output()?;
    delivered(&text, "guest1:0")
        .ok_or_else(|| Error::Judged(format!("/metrics tells no deliveries of guest1:\n{text}")))
}

/// Tiny messages that a board has received, by /metrics.
fn delivered(metrics: &str, board: &str) -> Option<u64> {
    let labels = format!("{{board=\"{board}\",counter=\"Recv Tiny\"}} ");
    let (_, rest) = metrics.split_once(&labels)?;
    rest.lines().next()?.parse().ok()
}

/// The page that Chromium has made of what came names both guests; the picture stays.
fn by_browser(address: &str) -> Result<(), Error> {
    let dom = chromium(address, &["--dump-dom"])?;
    for guest in ["guest1", "guest2"] {
        expect(dom.contains(&format!(">{guest}:0</a>")), || {
            format!("the page does not name {guest}:\n{dom}")
        })?;
    }
    let results = place::work().join("results");
    fs::create_dir_all(&results).at("create", &results)?;
    let picture = results.join("page.png");
    let shot = format!("--screenshot={}", picture.display());
    chromium(address, &[&shot, "--window-size=1100,1000"])?;
    let bytes = fs::read(&picture).unwrap_or_default();
    expect(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), || {
        format!("{} is no picture", picture.display())
    })?;
    println!("    Picture: {}", picture.display());
    Ok(())
}

/// Who has sent short messages of late, by the frames that the driver domain keeps: all three, though the wire has none
/// of those between the guests.
fn by_tshark(address: &str) -> Result<(), Error> {
    let file = place::work().join("results/capture.pcap");
    Run::new("curl", "page-capture")
        .args(["--fail", "--silent", "--show-error", "--max-time", TIMEOUT])
        .args(["--output", &file.display().to_string()])
        .args([format!("{address}/capture.pcap")])
        .output()?;
    let script = place::repository().join("wireshark/openmx.lua");
    let shown = Run::new("tshark", "page-tshark")
        .args(["-n", "-T", "tabs", "-o"])
        .args(["gui.column.format:\"from\",\"%s\",\"what\",\"%i\""])
        .args(["-X", &format!("lua_script:{}", script.display())])
        .args(["-r", &file.display().to_string()])
        .output()?;
    let senders = senders_of_tiny(&shown);
    println!("    {} frames", shown.lines().count());
    expect(senders.len() == 3, || {
        format!(
            "senders of short messages, by {}: {senders:?}",
            file.display()
        )
    })
}

fn senders_of_tiny(shown: &str) -> BTreeSet<&str> {
    let columns = shown.lines().filter_map(|line| line.split_once('\t'));
    let tiny = columns.filter(|(_, what)| what.starts_with("TINY "));
    tiny.map(|(from, _)| from.trim()).collect()
}

/// Runs Chromium on the page, with a profile of its own; what it prints.
fn chromium(address: &str, options: &[&str]) -> Result<String, Error> {
    let profile = place::work().join("chromium");
    Run::new("chromium", "page-chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--disable-background-networking"])
        .args(["--disable-component-update", "--hide-scrollbars"])
        .args([format!("--user-data-dir={}", profile.display())])
        .args(options)
        .args([format!("{address}/")])
        .output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_short_messages_is_told_by_their_frames() {
        let shown =
            "02:00:00:00:00:0a\tTINY 0 > 0, session 1\n02:00:00:00:00:0b\tTRUC 0 > 0, session 1\n";
        let senders = senders_of_tiny(shown);
        assert_eq!(
            senders.into_iter().collect::<Vec<_>>(),
            ["02:00:00:00:00:0a"]
        );
    }

    #[test]
    fn a_count_is_found_by_its_board() {
        let text = "xen2mx_board_counter_total{board=\"guest1:0\",counter=\"Recv Tiny\"} 41\n\
                    xen2mx_board_counter_total{board=\"guest2:0\",counter=\"Recv Tiny\"} 7\n";
        assert_eq!(delivered(text, "guest2:0"), Some(7));
        assert_eq!(delivered(text, "guest3:0"), None);
    }
}
