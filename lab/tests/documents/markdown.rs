//! What of a Markdown file can be pointed at, and where it points to.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Headings and links of a file.
#[derive(Debug, Default)]
pub struct Page {
    /// Numbers of its headings ("2.1" of "### 2.1 Device pages"), and of decisions ("D5" of a paragraph "**D5. …**").
    pub numbers: Vec<String>,
    /// Anchors of its headings, as code hosts make them.
    pub anchors: Vec<String>,
    /// Targets of its links.
    pub links: Vec<String>,
    /// What stands in backticks, outside of blocks of code.
    pub codes: Vec<String>,
}

impl Page {
    /// Reads a file.
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut titles: BTreeMap<String, usize> = BTreeMap::new();
        let mut title: Option<String> = None;
        let mut strong = false;
        for event in Parser::new(text) {
            match event {
                Event::Start(Tag::Heading { .. }) => title = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let title = title.take().unwrap_or_default();
                    page.numbers.extend(number(&title));
                    let slug = slug(&title);
                    let earlier = titles.entry(slug.clone()).or_default();
                    page.anchors.push(match *earlier {
                        0 => slug,
                        more => format!("{slug}-{more}"),
                    });
                    *earlier += 1;
                }
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.to_string()),
                Event::Start(Tag::Strong) => strong = true,
                Event::End(TagEnd::Strong) => strong = false,
                Event::Text(part) if strong && title.is_none() => {
                    page.numbers.extend(decision(&part));
                    strong = false;
                }
                Event::Text(part) => title.iter_mut().for_each(|title| title.push_str(&part)),
                Event::Code(part) => {
                    title.iter_mut().for_each(|title| title.push_str(&part));
                    page.codes.push(part.to_string());
                }
                _ => {}
            }
        }
        page
    }
}

/// The number that a heading begins with.
fn number(title: &str) -> Option<String> {
    let word = title.split(' ').next()?.trim_end_matches('.');
    let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    digits.then(|| word.to_owned())
}

/// The number of a decision.
fn decision(text: &str) -> Option<String> {
    let (word, _) = text.split_once(". ")?;
    let digits = word.strip_prefix('D')?;
    (!digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit())).then(|| word.to_owned())
}

/// The anchor of a heading: lower case, blanks as hyphens, no other punctuation.
fn slug(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    let lower = title.to_lowercase();
    lower
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}
