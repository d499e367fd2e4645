//! The installed library: names, versions of symbols, and the example as a new user builds and runs it.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{compiled, node, place, prefix, succeeded};

/// What `readelf` says of a file, line by line.
fn readelf(option: &str, file: &Path) -> Vec<String> {
    let output = Command::new("readelf")
        .args(["--wide", option])
        .arg(file)
        .output()
        .expect("readelf");
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().map(str::to_owned).collect()
}

/// The symbols that the shared library defines, with their versions ("" for none).
fn symbols() -> BTreeMap<String, String> {
    let lines = readelf("--dyn-syms", &prefix().join("lib/libopen-mx.so.0.0.0"));
    let mut symbols = BTreeMap::new();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, _, kind, "GLOBAL", "DEFAULT", section, name] = words[..] else {
            continue;
        };
        if !matches!(kind, "FUNC" | "OBJECT") || section == "UND" {
            continue;
        }
        let (name, version) = name.split_once("@@").unwrap_or((name, ""));
        // The nodes themselves are symbols too.
        if section != "ABS" {
            symbols.insert(name.to_owned(), version.to_owned());
        }
    }
    symbols
}

#[test]
fn the_library_has_the_names_that_programs_look_for() {
    let library = prefix().join("lib/libopen-mx.so.0.0.0");
    let dynamic = readelf("--dynamic", &library);
    assert!(
        dynamic
            .iter()
            .any(|line| line.contains("soname: [libopen-mx.so.0]")),
        "{dynamic:?}"
    );
    for (link, file) in [
        ("libopen-mx.so.0", "libopen-mx.so.0.0.0"),
        ("libopen-mx.so", "libopen-mx.so.0.0.0"),
        ("libmyriexpress.so", "libopen-mx.so.0.0.0"),
        ("libmyriexpress.a", "libopen-mx.a"),
    ] {
        let real = |name: &str| prefix().join("lib").join(name).canonicalize().expect(name);
        assert_eq!(real(link), real(file));
    }
}

#[test]
fn symbols_have_the_versions_of_the_table_and_all_others_have_none() {
    let versioned = [
        ("mx_open_endpoint", "MX_0.9"),
        ("mx_decompose_endpoint_addr", "MX_0.9"),
        ("mx_get_info", "MX_0.91"),
        ("mx_test", "MX_0.91"),
        ("mx_wait", "MX_0.91"),
        ("mx_iprobe", "MX_0.91"),
        ("mx__init_api", "MX_0.92"),
    ];
    let symbols = symbols();
    for (name, version) in versioned {
        assert_eq!(
            symbols.get(name).map(String::as_str),
            Some(version),
            "{name}"
        );
    }
    for (name, version) in &symbols {
        let listed = versioned.iter().any(|(versioned, _)| versioned == name);
        assert_eq!(version.is_empty(), !listed, "{name}@{version}");
        let own = ["omx_", "OMX_", "mx_", "MX_"];
        assert!(
            own.iter().any(|prefix| name.starts_with(prefix)),
            "{name} is none of ours"
        );
    }
    let nodes = readelf("--version-info", &prefix().join("lib/libopen-mx.so.0.0.0")).join("\n");
    for (node, parent) in [
        ("MX_0.0", ""),
        ("MX_0.9", "MX_0.0"),
        ("MX_0.91", "MX_0.9"),
        ("MX_0.92", "MX_0.91"),
    ] {
        let at = nodes.find(&format!("Name: {node}\n")).expect(node);
        let after: String = nodes[at..].lines().skip(1).take(1).collect();
        assert!(
            parent.is_empty() || after.ends_with(&format!("Parent 1: {parent}")),
            "{node}: {after}"
        );
    }
}

#[test]
fn every_function_that_the_headers_declare_is_in_the_library() {
    let symbols = symbols();
    let headers = [
        include_str!("../include/open-mx.h"),
        include_str!("../include/mx/myriexpress.h"),
        include_str!("../include/omx_raw.h"),
        include_str!("../include/mx/mx_extensions.h"),
        include_str!("../include/mx/mx_raw.h"),
        include_str!("../include/mx/mx_internals/mx__fops.h"),
        include_str!("../include/mx/mx_internals/mx__driver_interface.h"),
    ];
    let mut declared = 0;
    for header in headers {
        for line in header
            .lines()
            .filter(|line| !line.starts_with([' ', '#', '/', '}']))
        {
            let name = match line.split_once('(') {
                Some((before, _))
                    if !line.starts_with("typedef") && !line.starts_with("static") =>
                {
                    before.rsplit([' ', '*']).next()
                }
                _ => line
                    .strip_prefix("extern const ")
                    .and_then(|rest| rest.trim_end_matches(';').rsplit(' ').next()),
            };
            if let Some(name) = name {
                assert!(symbols.contains_key(name), "{name} is declared only");
                declared += 1;
            }
        }
    }
    assert!(declared > 90, "{declared} declarations found");
}

#[test]
fn the_example_is_built_through_pkg_config_and_runs_between_two_nodes() {
    let hello = compiled("examples/hello.c", "myriexpress");
    let wire = |name: &str| place().join(name).display().to_string();
    let between = |own: &str, other: &str| format!("{},{}", wire(own), wire(other));
    let left = node("left", &["--dgram", &between("left", "right")]);
    let right = node("right", &["--dgram", &between("right", "left")]);
    let mut waiting = Command::new("timeout")
        .arg("60")
        .arg(&hello)
        .env("OMX_SOCKET", &right)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a program");
    let mut heard = BufReader::new(waiting.stdout.take().expect("piped"));
    let mut line = String::new();
    heard.read_line(&mut line).expect("a line");
    assert_eq!(line, "right:0 waits for a greeting\n");
    let start = Instant::now();
    // Names are known a moment after the nodes have found each other.
    let greeted = loop {
        let output = Command::new("timeout")
            .arg("60")
            .arg(&hello)
            .arg("right:0")
            .env("OMX_SOCKET", &left)
            .output()
            .expect("a program");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !said.contains("no peer is called") || start.elapsed() > Duration::from_secs(30) {
            break output;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    succeeded(&greeted);
    let said = String::from_utf8_lossy(&greeted.stdout);
    assert_eq!(said, "left:0 heard: hello yourself, from right:0\n");
    line.clear();
    heard.read_line(&mut line).expect("a line");
    assert_eq!(line, "right:0 heard: hello from left:0\n");
    assert!(waiting.wait().expect("ended").success());
}
