//! Texts of others as a terminal may show them: as a part of a line, and not as a command.

/// Characters of a line at most.
const LINE: usize = 1000;

/// Whether a terminal shows the character, where it stands.
pub fn is_plain(letter: char) -> bool {
    // Invisible ones, and those that turn the direction of writing.
    let unseen = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !letter.is_control() && !unseen
}

/// A text as a part of one line of a bounded length.
pub fn shown(text: &str) -> String {
    let visible = |letter| {
        if is_plain(letter) {
            letter
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().take(LINE).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_reaches_the_terminal_as_a_command(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(shown.chars().all(is_plain));
            prop_assert!(shown.chars().count() <= LINE);
        }
    }
}
