//! Texts of others as a terminal may show them, and as a shell takes them.

pub use omx_output::plain::{is_plain, shown};

/// A text as one word of a shell's command, for whoever copies a command that names it.
pub fn quoted(text: &str) -> String {
    let is_harmless = |letter: char| letter.is_ascii_alphanumeric() || "._/:-".contains(letter);
    if !text.is_empty() && text.chars().all(is_harmless) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_takes_any_text_as_the_word_that_it_is(text in "[^\0]{0,20}") {
            let script = format!("printf %s {}", quoted(&text));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&said.stdout), text);
        }

    }
}
