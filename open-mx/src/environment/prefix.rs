//! What stands before each message of the library: `OMX_VERBOSE_PREFIX`.

/// Without the variable.
pub const DEFAULT: &str = "OMX: ";
/// When the variable begins with 1.
const DETAILED: &str = "OMX:%H:%p ";

/// Of which endpoint a message tells, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaker {
    /// Index of the endpoint.
    pub endpoint: Option<u32>,
    /// Number of its board.
    pub board: Option<u32>,
    /// Name of its board.
    pub board_name: Option<String>,
}

/// The text of a format: `%p` process, `%e` endpoint, `%b` board, `%B` the board's name, `%H` the machine's name, the
/// last two with `[first-last]` cut to these bytes. What is not known is `?`.
pub fn text(format: &str, speaker: &Speaker) -> String {
    let mut rest = if format.starts_with('1') {
        DETAILED
    } else {
        format
    };
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        let mut letters = after.chars();
        let letter = letters.next();
        rest = letters.as_str();
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let value = match letter {
            Some('p') => Some(std::process::id().to_string()),
            Some('e') => number(speaker.endpoint),
            Some('b') => number(speaker.board),
            Some('B') => speaker
                .board_name
                .as_deref()
                .map(|name| cut(name, &mut rest)),
            Some('H') => {
                let machine = rustix::system::uname();
                Some(cut(&machine.nodename().to_string_lossy(), &mut rest))
            }
            Some(other) => Some(format!("%{other}")),
            None => Some("%".to_owned()),
        };
        text += value.as_deref().unwrap_or("?");
    }
    text + rest
}

/// The part of a name that `[first-last]` at the beginning of `rest` asks for, if it does; it is taken from `rest` then.
fn cut(name: &str, rest: &mut &str) -> String {
    let asked = rest.strip_prefix('[').and_then(|inner| {
        let (range, after) = inner.split_once(']')?;
        let (first, last) = range.split_once('-')?;
        Some((
            first.parse::<usize>().ok()?,
            last.parse::<usize>().ok()?,
            after,
        ))
    });
    let Some((first, last, after)) = asked else {
        return name.to_owned();
    };
    *rest = after;
    let wanted = last.saturating_add(1).saturating_sub(first);
    name.chars().skip(first).take(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(format: &str) -> String {
        let speaker = Speaker {
            endpoint: Some(3),
            board: Some(1),
            board_name: Some("left:1".into()),
        };
        text(format, &speaker)
    }

    #[test]
    fn each_letter_has_its_value() {
        let (pid, machine) = (std::process::id(), rustix::system::uname());
        let machine = machine.nodename().to_string_lossy();
        assert_eq!(of("%p"), pid.to_string());
        assert_eq!(of("ep %e of %b, "), "ep 3 of 1, ");
        assert_eq!(of("<%B>"), "<left:1>");
        assert_eq!(of("%H"), machine);
        assert_eq!(of("1"), format!("OMX:{machine}:{pid} "));
        assert_eq!(of(DEFAULT), "OMX: ");
        assert_eq!(of("100%"), format!("OMX:{machine}:{pid} "));
        assert_eq!(of("a%%b%"), "a%%b%");
    }

    #[test]
    fn names_are_cut_where_the_brackets_say() {
        assert_eq!(of("%B[0-3]|"), "left|");
        assert_eq!(of("%B[5-9]"), "1");
        assert_eq!(of("%B[9-5]x"), "x");
        assert_eq!(of("%B[x-y]"), "left:1[x-y]");
    }

    #[test]
    fn what_is_not_known_is_a_question_mark() {
        assert_eq!(text("%e%b%B ", &Speaker::default()), "??? ");
    }
}
