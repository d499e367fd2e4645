#![forbid(unsafe_code)]
//! The language between the lab and its agents: lines of text, so that it survives a console on which a kernel also
//! prints.
//!
//! ```text
//! @lab <domain> <session> run <base64 of the arguments, each ended by NUL>
//! @lab <domain> <session> kill
//! @lab <domain> <session> out|err <base64>
//! @lab <domain> <session> exit <status>      a signal n is told as 128 + n
//! @lab <domain> <session> lost <base64 of the reason>
//! ```
//! The agent in dom0 relays what is for another domain to that domain's console. It refuses nothing: the lab is its
//! only user.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Run a command.
    Run(Vec<String>),
    /// Kill the session's command.
    Kill,
    /// It printed this.
    Out(Vec<u8>),
    /// It printed this on its standard error.
    Err(Vec<u8>),
    /// It ended with this status.
    Exit(i32),
    /// It could not be run, or its domain has gone; why.
    Lost(String),
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The domain that runs the command: a name without blanks.
    pub domain: String,
    /// Tells the commands apart.
    pub session: u32,
    /// What it says.
    pub message: Message,
}

const MARK: &str = "@lab ";

impl Line {
    /// The text, with its newline.
    pub fn text(&self) -> String {
        let body = match &self.message {
            Message::Run(arguments) => {
                let bytes: Vec<u8> = arguments
                    .iter()
                    .flat_map(|a| a.bytes().chain([0]))
                    .collect();
                format!("run {}", STANDARD.encode(bytes))
            }
            Message::Kill => "kill".into(),
            Message::Out(bytes) => format!("out {}", STANDARD.encode(bytes)),
            Message::Err(bytes) => format!("err {}", STANDARD.encode(bytes)),
            Message::Exit(status) => format!("exit {status}"),
            Message::Lost(reason) => format!("lost {}", STANDARD.encode(reason)),
        };
        format!("{MARK}{} {} {body}\n", self.domain, self.session)
    }

    /// Finds a line in what a console printed; `None` for whatever else is printed there.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(MARK)?;
        let mut words = text[start + MARK.len()..].split_whitespace();
        let domain = words.next()?.to_owned();
        let session = words.next()?.parse().ok()?;
        let kind = words.next()?;
        let bytes = |word: Option<&str>| STANDARD.decode(word.unwrap_or_default()).ok();
        let message = match kind {
            "run" => {
                let bytes = bytes(words.next())?;
                let text = String::from_utf8(bytes).ok()?;
                Message::Run(text.split_terminator('\0').map(str::to_owned).collect())
            }
            "kill" => Message::Kill,
            "out" => Message::Out(bytes(words.next())?),
            "err" => Message::Err(bytes(words.next())?),
            "exit" => Message::Exit(words.next()?.parse().ok()?),
            "lost" => Message::Lost(String::from_utf8(bytes(words.next())?).ok()?),
            _ => return None,
        };
        Some(Self {
            domain,
            session,
            message,
        })
    }

    /// Whether a line of a console belongs to this language and not to the console's log.
    pub fn is_one(text: &str) -> bool {
        text.contains(MARK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Message> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..64);
        prop_oneof![
            prop::collection::vec("[^\0]{0,12}", 1..5).prop_map(Message::Run),
            Just(Message::Kill),
            bytes().prop_map(Message::Out),
            bytes().prop_map(Message::Err),
            any::<i32>().prop_map(Message::Exit),
            ".{0,20}".prop_map(Message::Lost),
        ]
    }

    proptest! {
        #[test]
        fn a_line_survives_a_console_that_prints_before_it(
            domain in "[a-z0-9-]{1,12}", session: u32, message in message(), noise in "[a-z\\[\\] .]{0,20}",
        ) {
            let line = Line { domain, session, message };
            prop_assert_eq!(Line::parse(&format!("{noise}{}", line.text())), Some(line));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Line::parse(&text);
            let _ = Line::parse(&format!("@lab {text}"));
        }
    }
}
