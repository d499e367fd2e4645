//! The syntax of xl's configurations, as far as a driver domain's is read: `name = value` with texts, numbers, and lists
//! of them, comments, and lines that end by themselves or by a semicolon.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

use crate::plain::shown;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text or a number.
    Text(String),
    /// A list; what is in lists within it is in it.
    List(Vec<String>),
}

/// What a configuration says.
pub type Values = BTreeMap<String, Value>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    End,
}

struct Reader<'a> {
    text: &'a str,
    letters: Peekable<CharIndices<'a>>,
    line: usize,
}

/// Reads a configuration; the line that cannot be read, and why.
pub fn parse(text: &str) -> Result<Values, String> {
    let mut reader = Reader {
        text,
        letters: text.char_indices().peekable(),
        line: 1,
    };
    let mut values = Values::new();
    loop {
        let name = match reader.next()? {
            Token::End => return Ok(values),
            Token::Sign('\n' | ';') => continue,
            Token::Word(name) => name,
            other => return Err(reader.unexpected(&other, "a name")),
        };
        let mut sign = reader.next()?;
        let adds = sign == Token::Sign('+');
        if adds {
            sign = reader.next()?;
        }
        if sign != Token::Sign('=') {
            return Err(reader.unexpected(&sign, &format!("= after {name}")));
        }
        let value = reader.value()?;
        match (values.get_mut(&name).filter(|_| adds), value) {
            (Some(Value::List(had)), Value::List(more)) => had.extend(more),
            (Some(Value::Text(had)), Value::Text(more)) => had.push_str(&more),
            (_, value) => {
                values.insert(name, value);
            }
        }
        match reader.next()? {
            Token::End => return Ok(values),
            Token::Sign('\n' | ';') => {}
            other => return Err(reader.unexpected(&other, "the end of the line")),
        }
    }
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, String> {
        match self.next()? {
            Token::Word(word) if is_number(&word) => Ok(Value::Text(word)),
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Sign('[') => self.list().map(Value::List),
            other => Err(self.unexpected(&other, "a value: a text in quotes, a number, or [")),
        }
    }

    /// What stands between brackets; the first one is read already.
    fn list(&mut self) -> Result<Vec<String>, String> {
        let mut items = Vec::new();
        let mut depth = 1_usize;
        let mut is_item_next = true;
        loop {
            let token = self.next()?;
            match token {
                Token::Sign('\n') => continue,
                Token::Sign(']') => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(items);
                    }
                    is_item_next = false;
                }
                Token::Sign('[') if is_item_next => depth += 1,
                Token::Sign(',') if !is_item_next => is_item_next = true,
                Token::Text(text) if is_item_next => {
                    items.push(text);
                    is_item_next = false;
                }
                Token::Word(word) if is_item_next && is_number(&word) => {
                    items.push(word);
                    is_item_next = false;
                }
                other => return Err(self.unexpected(&other, "an item of a list, a comma, or ]")),
            }
        }
    }

    fn next(&mut self) -> Result<Token, String> {
        loop {
            let Some((at, letter)) = self.letters.next() else {
                return Ok(Token::End);
            };
            match letter {
                ' ' | '\t' | '\r' => {}
                '#' => {
                    while self
                        .letters
                        .next_if(|(_, letter)| *letter != '\n')
                        .is_some()
                    {}
                }
                '\n' => {
                    self.line += 1;
                    return Ok(Token::Sign('\n'));
                }
                '=' | '+' | '[' | ']' | ',' | ';' => return Ok(Token::Sign(letter)),
                '"' | '\'' => return self.quoted(at + 1, letter),
                _ if is_of_word(letter) => {
                    let mut end = at + 1;
                    while let Some((at, _)) = self.letters.next_if(|(_, l)| is_of_word(*l)) {
                        end = at + 1;
                    }
                    return Ok(Token::Word(self.text[at..end].into()));
                }
                _ => return Err(self.unexpected(&Token::Sign(letter), "a name, a value or a sign")),
            }
        }
    }

    /// A text up to the same quote in the same line: there are no escapes.
    fn quoted(&mut self, from: usize, quote: char) -> Result<Token, String> {
        while let Some((at, letter)) = self.letters.next_if(|(_, letter)| *letter != '\n') {
            if letter == quote {
                return Ok(Token::Text(self.text[from..at].into()));
            }
        }
        Err(format!(
            "line {}: a text that does not end: {quote} is missing",
            self.line
        ))
    }

    fn unexpected(&self, token: &Token, wanted: &str) -> String {
        let (line, what) = match token {
            Token::End => (self.line, "the file ends".into()),
            // It was counted.
            Token::Sign('\n') => (self.line - 1, "the line ends".into()),
            Token::Sign(letter) => (self.line, format!("'{letter}' stands")),
            Token::Word(text) | Token::Text(text) => (self.line, format!("'{text}' stands")),
        };
        shown(&format!("line {line}: {what} where {wanted} is expected"))
    }
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn is_number(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plain;

    fn text(value: &str) -> Value {
        Value::Text(value.into())
    }
    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| String::from(*item)).collect())
    }

    #[test]
    fn the_configurations_of_this_repository_are_read() {
        let values = parse(include_str!("../../../xl-configs/driver-domain.cfg")).unwrap();
        assert_eq!(values["kernel"], text("/boot/driver-domain"));
        assert_eq!(values["memory"], text("64"));
        assert_eq!(values["pci"], list(&["00:05.0"]));
        assert_eq!(values["extra"], text("mtu=9000 wire=native log=info"));
        parse(include_str!("../../../xl-configs/guest.cfg")).unwrap();
    }

    #[test]
    fn all_that_xl_takes_is_taken() {
        let values = parse(
            "a='x\"# y'; b=0x40 # of c\nc = [ # open\n 'p',\n\n \"q\", 7,\n]\n\nd=[];e = [['r'], 's']\n\
             c += ['t']\na += 'z'\r\nb = 5",
        );
        let values = values.unwrap();
        assert_eq!(values["a"], text("x\"# yz"));
        assert_eq!(values["b"], text("5"));
        assert_eq!(values["c"], list(&["p", "q", "7", "t"]));
        assert_eq!(
            (&values["d"], &values["e"]),
            (&list(&[]), &list(&["r", "s"]))
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (wrong, line, word) in [
            ("a = 1\nb = \"x\n", 2, "does not end"),
            ("a = 1\nb 2\n", 2, "= after b"),
            ("kernel = /boot/x\n", 1, "'/' stands"),
            ("a = x\n", 1, "a value"),
            ("a =\nb = 1", 1, "the line ends"),
            ("a = ['x' 'y']", 1, "a comma"),
            ("a = ['x',\n", 2, "the file ends"),
            ("a = ['x']]", 1, "the end of the line"),
            ("= 1", 1, "a name"),
            ("a = [,]", 1, "an item"),
        ] {
            let why = parse(wrong).unwrap_err();
            let begin = format!("line {line}: ");
            assert!(
                why.starts_with(&begin) && why.contains(word),
                "{wrong:?}: {why}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_in_a_plain_line(any in any::<String>(), like in "[a-c=+'\"\\[\\],;#\n 01]{0,40}") {
            for text in [any, like] {
                if let Err(why) = parse(&text) {
                    prop_assert!(why.starts_with("line ") && why.chars().all(plain::is_plain));
                }
            }
        }

        #[test]
        fn what_is_written_is_what_is_read(items in prop::collection::vec("[^'\n]{0,9}", 0..5), word in "[^'\n]{0,9}") {
            let quoted: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
            let values = parse(&format!("a = [{}]\nb='{word}'", quoted.join(" ,\n"))).unwrap();
            prop_assert_eq!(&values["a"], &Value::List(items));
            prop_assert_eq!(&values["b"], &Value::Text(word));
        }
    }
}
