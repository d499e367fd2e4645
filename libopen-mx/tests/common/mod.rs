//! The library as a user has it, installed below a prefix, and nodes to run programs at.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A place for this process's files. Those of test processes that have ended go: a library with its debug information is
/// large.
pub fn place() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    const PREFIX: &str = "open-mx-test-";
    let made = || {
        let places = std::env::temp_dir();
        for entry in std::fs::read_dir(&places).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another test may be removing it.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let place = places.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory for temporary files");
        place
    };
    PLACE.get_or_init(made).clone()
}

/// Where the library of this build is installed for the tests of this process.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = place().join("installed");
        // Beside the test's own file lies the static library that was built for it.
        let test = std::env::current_exe().expect("a path");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
        let output = Command::new(script)
            .arg(&prefix)
            .env("ARCHIVE", test.with_file_name("libopen_mx_c.a"))
            .env_remove("DESTDIR")
            .output()
            .expect("a shell");
        succeeded(&output);
        prefix
    })
}

/// The words that pkg-config has for a package of the installed tree. On a machine without pkg-config they are read
/// from its file.
pub fn pkg_config(package: &str) -> Vec<String> {
    let directory = prefix().join("lib/pkgconfig");
    let asked = Command::new("pkg-config")
        .args(["--cflags", "--libs", package])
        .env("PKG_CONFIG_PATH", &directory)
        .output();
    let words = match asked {
        Ok(output) => {
            succeeded(&output);
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Err(_) => words_of(
            &std::fs::read_to_string(directory.join(format!("{package}.pc"))).expect("a file"),
        ),
    };
    words.split_whitespace().map(str::to_owned).collect()
}

/// Flags and libraries of a package file, with its variables put in.
fn words_of(file: &str) -> String {
    let mut file = file.to_owned();
    while let Some((name, value)) = file.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        file.contains(&format!("${{{name}}}"))
            .then(|| (name.to_owned(), value.to_owned()))
    }) {
        file = file.replace(&format!("${{{name}}}"), &value);
    }
    let wanted = |line: &str| {
        let line = line
            .strip_prefix("Cflags:")
            .or_else(|| line.strip_prefix("Libs:"));
        line.map(str::to_owned)
    };
    file.lines().filter_map(wanted).collect()
}

/// Compiles a C program of this crate against the installed tree.
pub fn compiled(source: &str, package: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let program = place().join(source.file_stem().expect("a file"));
    let output = Command::new(compiler("c"))
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            "-O1",
            "-o",
        ])
        .args([&program, &source])
        .args(pkg_config(package))
        .output()
        .expect("a C compiler");
    succeeded(&output);
    program
}

/// Fails with what the program said unless it ended well.
pub fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", output.status);
}

/// Starts a node of this name: its socket.
pub fn node(name: &str, options: &[&str]) -> PathBuf {
    let socket = place().join(format!("{name}.sock"));
    mx_testnode::start(&socket, [&["--name", name], options].concat());
    socket
}

/// The compiler of a language, `c` or `c++`: what CC or CXX names, else the machine's.
pub fn compiler(language: &str) -> String {
    let (variable, usual) = match language {
        "c++" => ("CXX", "c++"),
        _ => ("CC", "cc"),
    };
    std::env::var(variable).unwrap_or_else(|_| usual.to_owned())
}

/// Whether a C or C++ compiler takes a program with every warning an error, with the library's headers of that folder,
/// and what it says.
pub fn checked(headers: &str, language: &str, standard: &str, program: &str) -> (bool, String) {
    let mut compiler = strict(&[headers], language, standard)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C and a C++ compiler: Debian's packages gcc and g++, which `cargo lab test` installs");
    let mut input = compiler.stdin.take().expect("piped");
    // A line that does not end is a warning.
    writeln!(input, "{program}").expect("written");
    drop(input);
    said(&compiler.wait_with_output().expect("ended"))
}

/// The same of a program in a file, which may include its neighbours.
pub fn checked_file(
    headers: &[&str],
    language: &str,
    standard: &str,
    file: &Path,
) -> (bool, String) {
    let output = strict(headers, language, standard).arg(file).output();
    said(&output.expect("a C and a C++ compiler"))
}

/// A compiler to which every warning is an error, so also what many programs leave to chance and compilers refuse from
/// gcc 14 on.
fn strict(headers: &[&str], language: &str, standard: &str) -> Command {
    let include = |folder: &&str| format!("-I{}{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(compiler(language));
    command
        .args(["-x", language, standard, "-fsyntax-only"])
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror"])
        .args((language == "c").then_some("-Werror=implicit-function-declaration"))
        .args(headers.iter().map(include));
    command
}

fn said(output: &Output) -> (bool, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}
