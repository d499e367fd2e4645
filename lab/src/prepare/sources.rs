//! The machine's own apt entries for Debian, and others derived from them, for other suites of the same archive.

/// The entries for `suite` that follow from those for the machine's own release in `text`, one file of apt's sources:
/// the suite itself, and its updates, its security and its backports as far as it has them. `one_line` tells the old
/// format (`deb …`) from stanzas (`Types: deb`).
pub fn derive(text: &str, release: &str, suite: &str, one_line: bool) -> Vec<String> {
    let entries: Vec<String> = if one_line {
        text.lines().map(str::to_owned).collect()
    } else {
        stanzas(text)
    };
    let mut kept = Vec::new();
    for entry in entries {
        let old = if one_line {
            line_suites(&entry)
        } else {
            stanza_suites(&entry)
        };
        let mut new: Vec<String> = old
            .iter()
            .filter_map(|old| {
                let part = old.strip_prefix(release)?;
                let is_part = part.is_empty() || (part.starts_with('-') && suite != UNSTABLE);
                is_part.then(|| format!("{suite}{part}"))
            })
            .collect();
        let backports = format!("{suite}-backports");
        if new.iter().any(|new| new == suite) && suite != UNSTABLE && !new.contains(&backports) {
            new.push(backports);
        }
        if one_line {
            kept.extend(new.iter().map(|new| with_suites(&entry, &old, new, true)));
        } else if !new.is_empty() {
            kept.push(with_suites(&entry, &old, &new.join(" "), false));
        }
    }
    kept.sort();
    kept.dedup();
    kept
}

/// A file of apt's sources, of either format, that asks for source packages where it asked for packages.
pub fn for_sources(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.starts_with("Types:") {
            "Types: deb-src\n".to_owned()
        } else if let Some(rest) = line.strip_prefix("deb ") {
            format!("deb-src {rest}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// The address of the first entry for `suite`, among entries of the old format or stanzas.
pub fn mirror(lines: &str, stanzas: &str, suite: &str) -> Option<String> {
    let is_suite = |suites: Vec<String>| suites.iter().any(|named| named == suite);
    let stanza = self::stanzas(stanzas)
        .into_iter()
        .find(|stanza| is_suite(stanza_suites(stanza)));
    if let Some(stanza) = stanza {
        let uris = field(&stanza, "URIs")?;
        return uris.split_whitespace().next().map(str::to_owned);
    }
    let line = lines.lines().find(|line| is_suite(line_suites(line)))?;
    let words = line.split_whitespace().take_while(|word| *word != suite);
    words.last().map(str::to_owned)
}

/// The suite that is never released: it has neither updates nor backports.
const UNSTABLE: &str = "sid";

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

fn with_suites(entry: &str, old: &[String], new: &str, one_line: bool) -> String {
    if one_line {
        let old = old.first().map_or("", String::as_str);
        return entry.replacen(&format!(" {old} "), &format!(" {new} "), 1);
    }
    let lines = entry
        .lines()
        .map(|line| match line.strip_prefix("Suites:") {
            Some(_) => format!("Suites: {new}"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "# a comment\nTypes: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n\
                           Components: main\nSigned-By: /key\n\n\
                           Types: deb\nURIs: http://mirror/security\nSuites: bookworm-security\nComponents: main\n\n\
                           Types: deb\nURIs: http://other/\nSuites: stable\n";

    #[test]
    fn backports_are_asked_of_the_machines_own_mirror_with_its_key() {
        assert_eq!(
            derive(STANZAS, "bookworm", "bookworm", false),
            [
                "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates bookworm-backports\n\
                 Components: main\nSigned-By: /key",
                "Types: deb\nURIs: http://mirror/security\nSuites: bookworm-security\nComponents: main",
            ]
        );
    }

    #[test]
    fn another_suite_is_asked_of_the_machines_own_mirror_with_its_key() {
        let of = |suite: &str| derive(STANZAS, "bookworm", suite, false);
        let suites = |suite: &str| {
            let entries = of(suite);
            let lines = entries.iter().filter_map(|entry| field(entry, "Suites"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            suites("trixie"),
            [
                " trixie trixie-updates trixie-backports",
                " trixie-security"
            ]
        );
        assert_eq!(suites("sid"), [" sid"]);
        assert!(of("sid")[0].contains("http://mirror/debian") && of("sid")[0].contains("/key"));
    }

    #[test]
    fn source_packages_are_asked_for_by_both_formats() {
        let stanza = "Types: deb\nURIs: http://mirror/debian\nSuites: trixie\n";
        assert_eq!(
            for_sources(stanza),
            "Types: deb-src\nURIs: http://mirror/debian\nSuites: trixie\n"
        );
        assert_eq!(
            for_sources("deb [signed-by=/key] http://mirror/debian trixie main\n"),
            "deb-src [signed-by=/key] http://mirror/debian trixie main\n"
        );
    }

    #[test]
    fn lines_of_the_old_format_are_understood() {
        let text = "deb-src http://mirror/debian bookworm main\n\
                    deb [signed-by=/key arch=amd64] http://mirror/debian bookworm main contrib\n\
                    deb http://mirror/debian bookworm-backports main\n\
                    deb http://mirror/security bookworm-security main\n";
        assert_eq!(
            derive(text, "bookworm", "bookworm", true),
            [
                "deb [signed-by=/key arch=amd64] http://mirror/debian bookworm main contrib",
                "deb [signed-by=/key arch=amd64] http://mirror/debian bookworm-backports main contrib",
                "deb http://mirror/debian bookworm-backports main",
                "deb http://mirror/security bookworm-security main",
            ]
        );
        assert_eq!(
            derive(text, "bookworm", "sid", true),
            ["deb [signed-by=/key arch=amd64] http://mirror/debian sid main contrib"]
        );
        let mirror = Some("http://mirror/debian".to_owned());
        assert_eq!(super::mirror(text, "", "bookworm"), mirror);
        assert_eq!(super::mirror("", STANZAS, "bookworm"), mirror);
        assert_eq!(super::mirror(text, STANZAS, "sid"), None);
    }
}
