//! The machine's own apt entries for Debian, and one more, derived from them, for backports.

/// The entries of `text` (one file of apt's sources) that are Debian's, and the backports entry derived from the one
/// for the release itself. `one_line` tells the old format (`deb …`) from stanzas (`Types: deb`).
pub fn derive(text: &str, codename: &str, one_line: bool) -> Vec<String> {
    let entries: Vec<String> = if one_line {
        text.lines().map(str::to_owned).collect()
    } else {
        stanzas(text)
    };
    let mut kept = Vec::new();
    for entry in entries {
        let suites = if one_line {
            line_suites(&entry)
        } else {
            stanza_suites(&entry)
        };
        let debian = suites.iter().any(|suite| {
            suite
                .strip_prefix(codename)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        if !debian {
            continue;
        }
        if suites.iter().any(|suite| suite == codename) {
            kept.push(with_suite(
                &entry,
                &suites,
                &format!("{codename}-backports"),
                one_line,
            ));
        }
        kept.push(entry);
    }
    kept
}

fn stanzas(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    let stanzas = text.split("\n\n").map(|stanza| stanza.trim().to_owned());
    stanzas
        .filter(|stanza| field(stanza, "Types").is_some_and(|types| types.contains("deb")))
        .collect()
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn stanza_suites(stanza: &str) -> Vec<String> {
    let suites = field(stanza, "Suites").unwrap_or_default();
    suites.split_whitespace().map(str::to_owned).collect()
}

/// The suite of a line `deb [options] address suite component…`.
fn line_suites(line: &str) -> Vec<String> {
    let Some(rest) = line.trim().strip_prefix("deb ") else {
        return Vec::new();
    };
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    rest.split_whitespace()
        .nth(1)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

fn with_suite(entry: &str, suites: &[String], suite: &str, one_line: bool) -> String {
    if one_line {
        let old = suites.first().map_or("", String::as_str);
        return entry.replacen(&format!(" {old} "), &format!(" {suite} "), 1);
    }
    let lines = entry
        .lines()
        .map(|line| match line.strip_prefix("Suites:") {
            Some(_) => format!("Suites: {suite}"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backports_are_asked_of_the_machines_own_mirror_with_its_key() {
        let text = "# a comment\nTypes: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /key\n\nTypes: deb\nURIs: http://other/\nSuites: stable\n";
        let entries = derive(text, "bookworm", false);
        assert_eq!(
            entries,
            [
                "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm-backports\nComponents: main\nSigned-By: /key",
                "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /key",
            ]
        );
    }

    #[test]
    fn lines_of_the_old_format_are_understood() {
        let text = "deb-src http://mirror/debian bookworm main\n\
                    deb [signed-by=/key arch=amd64] http://mirror/debian bookworm main contrib\n\
                    deb http://mirror/security bookworm-security main\n";
        let entries = derive(text, "bookworm", true);
        assert_eq!(
            entries,
            [
                "deb [signed-by=/key arch=amd64] http://mirror/debian bookworm-backports main contrib",
                "deb [signed-by=/key arch=amd64] http://mirror/debian bookworm main contrib",
                "deb http://mirror/security bookworm-security main",
            ]
        );
    }
}
