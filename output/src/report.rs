//! What a program that looks at things has found, and what is to be done about it: a line for each, and an arrow below those that
//! somebody has to do something about.

use serde::Serialize;

use crate::plain::shown;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should be.
    Fine,
    /// Somebody has to do something.
    ToDo,
    /// It could not be looked at.
    Unknown,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::ToDo => "to do",
            Self::Unknown => "unknown",
        }
    }
}

/// One of the things that were looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How it is.
    pub outcome: Outcome,
    /// What was looked at.
    pub subject: &'static str,
    /// Which one, where there may be several.
    pub of: Option<String>,
    /// What was found.
    pub found: String,
    /// What to do, unless it is fine.
    pub advice: Option<String>,
}

/// All that was found, in order.
#[derive(Debug, Default)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Something is as it should be.
    pub fn fine(&mut self, subject: &'static str, of: Option<&str>, found: impl Into<String>) {
        self.add(Outcome::Fine, subject, of, found.into(), None);
    }

    /// Something has to be done.
    pub fn to_do(
        &mut self,
        subject: &'static str,
        of: Option<&str>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(
            Outcome::ToDo,
            subject,
            of,
            found.into(),
            Some(advice.into()),
        );
    }

    /// Something could not be looked at.
    pub fn unknown(
        &mut self,
        subject: &'static str,
        of: Option<&str>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(
            Outcome::Unknown,
            subject,
            of,
            found.into(),
            Some(advice.into()),
        );
    }

    fn add(
        &mut self,
        outcome: Outcome,
        subject: &'static str,
        of: Option<&str>,
        found: String,
        advice: Option<String>,
    ) {
        self.0.push(Finding {
            outcome,
            subject,
            of: of.map(str::to_owned),
            found,
            advice,
        });
    }

    /// A line for each thing, and below it what to do.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let of = finding.of.iter().map(|of| format!(" {of}"));
            let line = format!(
                "{}{}: {}",
                finding.subject,
                of.collect::<String>(),
                finding.found
            );
            text.push_str(&format!("{:<8} {}\n", finding.outcome.word(), shown(&line)));
            if let Some(advice) = &finding.advice {
                text.push_str(&format!("{:<8} -> {}\n", "", shown(advice)));
            }
        }
        text
    }

    /// The same for machines: an array of objects.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!(self.0)
    }

    /// How many are like that.
    pub fn count(&self, outcome: Outcome) -> usize {
        let same = |finding: &&Finding| finding.outcome == outcome;
        self.0.iter().filter(same).count()
    }

    /// Whether there is such a line whose text has these words.
    #[cfg(any(test, feature = "trial"))]
    pub fn says(&self, outcome: Outcome, words: &str) -> bool {
        self.0.iter().any(|finding| {
            let one = Self(vec![finding.clone()]);
            finding.outcome == outcome && one.text().contains(words)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_a_line_and_below_it_what_to_do() {
        let mut report = Report::default();
        report.fine("Xen", None, "4.17");
        report.unknown("card", Some("0000:00:05.0"), "hidden", "look");
        report.to_do("IOMMU", None, "none", "switch it on");
        let lines = "fine     Xen: 4.17\n\
                     unknown  card 0000:00:05.0: hidden\n         -> look\n\
                     to do    IOMMU: none\n         -> switch it on\n";
        assert_eq!(report.text(), lines);
        let all = [Outcome::Fine, Outcome::Unknown, Outcome::ToDo];
        assert_eq!(all.map(|outcome| report.count(outcome)), [1; 3]);
    }

    #[test]
    fn machines_find_each_thing_with_its_outcome_and_advice() {
        let mut report = Report::default();
        report.to_do("card", Some("0000:00:05.0"), "igb has it", "take it");
        let expected = serde_json::json!([{
            "outcome": "to-do", "subject": "card", "of": "0000:00:05.0", "found": "igb has it", "advice": "take it",
        }]);
        assert_eq!(report.json(), expected);
    }
}
