//! The page as Chromium shows it, served by the management itself over a fake link.
//!
//! Behind the feature `browser`, since it needs the program `chromium`. The screenshots are left in Cargo's folder for
//! tests, to be looked at.

#[path = "../management/domain.rs"]
mod domain;
#[path = "../management/link.rs"]
mod link;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use domain::Domain;
use link::Link;

/// Serves the page at a port of this machine; the paths that were asked for.
fn serve() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, paths) = channel();
    thread::spawn(move || {
        let mut link = Link::new(Domain {
            boards: 3,
            peers: 12,
        });
        for (number, stream) in listener.incoming().flatten().enumerate() {
            answer(stream, &mut link, 5000 + number as u16, &asked);
        }
    });
    (port, paths)
}

fn answer(mut stream: TcpStream, link: &mut Link, port: u16, asked: &Sender<String>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    // A browser opens connections in advance, too.
    if let Some(path) = head.split(' ').nth(1) {
        let _ = asked.send(path.to_owned());
        let _ = stream.write_all(link.get(port, path).as_bytes());
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs Chromium on the page; what it prints.
fn chromium(port: u16, profile: &str, options: &[&str]) -> String {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--disable-background-networking"])
        .args(["--disable-component-update", "--hide-scrollbars"])
        .arg(format!(
            "--user-data-dir={}",
            folder().join(profile).display()
        ))
        .args(options)
        .arg(format!("http://127.0.0.1:{port}/"))
        .output()
        .expect("chromium cannot be started; is the package chromium installed?");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The text of the element with that id.
fn text(dom: &str, id: &str) -> String {
    let (_, rest) = dom.split_once(&format!("id=\"{id}\">")).expect(id);
    let mut text = String::new();
    let mut inside = false;
    for character in rest.split("</dd>").next().unwrap().chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    text
}

#[test]
fn a_browser_shows_what_the_domain_does_and_asks_nobody_else() {
    let (port, paths) = serve();
    let dom = chromium(port, "dom", &["--dump-dom"]);
    assert_eq!(text(&dom, "link"), "upvirtio 02:00:00:00:00:05");
    assert!(text(&dom, "asleep").contains(" %of the last "), "{dom}");
    assert!(text(&dom, "in").ends_with(" frames/s"), "{dom}");
    assert!(text(&dom, "out").ends_with(" frames/s"), "{dom}");
    assert_eq!(text(&dom, "queue"), "4of 256 places in use");
    // The browser has made elements of it: a row for each guest, its drops by cause, its peers.
    for number in 0..3 {
        assert!(
            dom.contains(&format!(
                "<a href=\"#guest{number}\">guest{number}&lt;b&gt;\":0</a>"
            )),
            "{dom}"
        );
        assert!(dom.contains(&format!("<h2 id=\"guest{number}\">")), "{dom}");
    }
    assert_eq!(
        dom.matches("<th scope=\"row\">Drop Bad Peer Addr</th><td>5</td>")
            .count(),
        3
    );
    assert_eq!(dom.matches("1\u{202f}234\u{202f}567").count(), 6);
    assert_eq!(dom.matches("<h3>12 peers</h3>").count(), 3);
    assert_eq!(dom.matches("<td>2<small>1 polled</small></td>").count(), 3);
    // Names are no markup.
    assert_eq!(dom.matches("&lt;script&gt;peer").count(), 36);
    assert!(!dom.contains("<script") && !dom.contains("<b>"), "{dom}");
    // Nothing comes from elsewhere.
    for attribute in ["href=\"", "src=\"", "url("] {
        for target in dom.split(attribute).skip(1) {
            let here = ["#guest", "/metrics\"", "data:,\""];
            assert!(
                here.iter().any(|start| target.starts_with(start)),
                "{target}"
            );
        }
    }
    assert!(paths.try_iter().all(|path| path == "/"));
}

#[test]
fn the_page_loads_itself_anew() {
    let (port, paths) = serve();
    chromium(port, "anew", &["--virtual-time-budget=12000", "--dump-dom"]);
    let loads = paths.try_iter().filter(|path| path == "/").count();
    assert!(loads >= 2, "{loads}");
}

/// Width and height that a PNG's header tells.
fn size(picture: &Path) -> (u32, u32) {
    let bytes = std::fs::read(picture).unwrap();
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn a_picture_is_taken_in_light_and_dark_wide_and_narrow() {
    let (port, _paths) = serve();
    for (name, window, more) in [
        (
            "light",
            (1100, 1000),
            "--blink-settings=preferredColorScheme=1",
        ),
        (
            "dark-narrow",
            (500, 1000),
            "--blink-settings=preferredColorScheme=0",
        ),
    ] {
        let picture = folder().join(format!("page-{name}.png"));
        let _ = std::fs::remove_file(&picture);
        let shot = format!("--screenshot={}", picture.display());
        let wide = format!("--window-size={},{}", window.0, window.1);
        chromium(port, name, &[&shot, &wide, more]);
        assert_eq!(size(&picture).0, window.0, "{name}");
    }
}
