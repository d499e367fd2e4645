//! Names of domains as one word in a file, and as part of a file's name.
//!
//! xl takes nearly any text as a name. What would end a word, leave the directory, hide the file or confuse a terminal
//! is written as `%` and two hexadecimal digits for each byte.

use crate::plain;

/// A name as one word. Different names are different words.
pub fn encode(name: &str) -> String {
    let mut word = String::new();
    for (at, letter) in name.char_indices() {
        let special = matches!(letter, '/' | '%' | '=') || letter.is_whitespace();
        let hides = at == 0 && letter == '.';
        if special || hides || !plain::is_plain(letter) {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                word.push_str(&format!("%{byte:02X}"));
            }
        } else {
            word.push(letter);
        }
    }
    word
}

/// The name that [`encode`] has made this word of.
pub fn decode(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode(&name) == word).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ordinary_name_is_written_as_it_is() {
        for name in ["guest1", "web.server", "Büro-3_a"] {
            assert_eq!(encode(name), name);
        }
        assert_eq!(encode(".."), "%2E.");
        assert_eq!(encode("a/b c\n"), "a%2Fb%20c%0A");
    }

    proptest! {
        #[test]
        fn any_name_is_one_word_within_the_directory_and_comes_back(name in any::<String>()) {
            let word = encode(&name);
            prop_assert!(!word.contains(['/', '=', '\0']));
            prop_assert!(!word.contains(char::is_whitespace) && !word.starts_with('.'));
            prop_assert_eq!(decode(&word), Some(name));
        }

        #[test]
        fn a_word_has_one_spelling(word in "[%0-9a-zA-Z./ ]{0,12}") {
            if let Some(name) = decode(&word) {
                prop_assert_eq!(encode(&name), word);
            }
        }
    }
}
