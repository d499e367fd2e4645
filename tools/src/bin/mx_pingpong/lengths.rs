//! Lengths from a file.

use std::path::{Path, PathBuf};

/// Why there are no lengths.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    #[error("{0}, line {1}: '{2}' is no length")]
    Line(PathBuf, usize, String),
}

/// Reads a file with a length a line; empty lines and those that begin with # are passed over.
pub fn read(path: &Path) -> Result<Vec<u32>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::File(path.to_owned(), e))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            // The plan tells one more than the longest.
            let length = line.parse().ok().filter(|length| *length < u32::MAX);
            length.ok_or_else(|| Failure::Line(path.to_owned(), number, line.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_what_is_none_is_named_with_its_line() {
        let name = format!("mx-pingpong-lengths-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "# two\n\n17\n 4 \n").unwrap();
        assert_eq!(read(&path).unwrap(), [17, 4]);
        for wrong in ["x", "-1", "4294967295"] {
            std::fs::write(&path, format!("1\n{wrong}\n")).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("line 2: '"), "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(Failure::File(..))));
    }
}
