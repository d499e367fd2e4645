//! What the guided search has found: a file for each target, with an input in hexadecimal digits on each line, the shortest
//! first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::targets::Target;

impl Target {
    /// Where the inputs are that the repository keeps.
    pub fn corpus_file(&self) -> PathBuf {
        let name = format!("corpus/{}.hex", self.name);
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// These inputs; none for a target without any.
    pub fn corpus(&self) -> io::Result<Vec<Vec<u8>>> {
        match fs::read_to_string(self.corpus_file()) {
            Ok(text) => text.lines().map(input).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Keeps other ones.
    pub fn write_corpus(&self, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
        inputs.sort_by_key(|input| (input.len(), input.clone()));
        let line = |input: Vec<u8>| {
            let digits = input.iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>() + "\n"
        };
        let text: String = inputs.into_iter().map(line).collect();
        fs::write(self.corpus_file(), text)
    }
}

fn input(line: &str) -> io::Result<Vec<u8>> {
    let digits = line.as_bytes().chunks(2);
    let byte = |digits| {
        let digits = str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let bytes = digits.map(byte).collect::<Option<_>>();
    bytes.ok_or_else(|| io::Error::other(format!("no hexadecimal digits: {line}")))
}
