//! What was found, and what is to be done about it.

use std::process::ExitCode;

use omx_tools::json_string;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    ToDo,
    Unknown,
}

struct Finding {
    outcome: Outcome,
    subject: &'static str,
    of: Option<String>,
    found: String,
    advice: Option<String>,
}

/// All that was found, in order.
#[derive(Default)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Something is as it should be.
    pub fn fine(&mut self, subject: &'static str, of: Option<&str>, found: impl Into<String>) {
        self.add(Outcome::Fine, subject, of, found.into(), None);
    }

    /// Something has to be done.
    pub fn wrong(
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
        for Finding {
            outcome,
            subject,
            of,
            found,
            advice,
        } in &self.0
        {
            let word = match outcome {
                Outcome::Fine => "fine",
                Outcome::ToDo => "to do",
                Outcome::Unknown => "unknown",
            };
            let of = of.iter().map(|of| format!(" {of}")).collect::<String>();
            text.push_str(&format!("{word:<8} {subject}{of}: {found}\n"));
            if let Some(advice) = advice {
                text.push_str(&format!("{:<8} -> {advice}\n", ""));
            }
        }
        text
    }

    /// The same for machines.
    pub fn json(&self) -> String {
        let maybe = |text: &Option<String>| {
            text.as_deref()
                .map_or_else(|| "null".to_owned(), json_string)
        };
        let objects = self.0.iter().map(|finding| {
            let outcome = match finding.outcome {
                Outcome::Fine => "fine",
                Outcome::ToDo => "to-do",
                Outcome::Unknown => "unknown",
            };
            format!(
                "{{\"outcome\": \"{outcome}\", \"subject\": \"{}\", \"of\": {}, \"found\": {}, \"advice\": {}}}",
                finding.subject,
                maybe(&finding.of),
                json_string(&finding.found),
                maybe(&finding.advice)
            )
        });
        format!("[{}]", objects.collect::<Vec<_>>().join(", "))
    }

    /// 0 when all is fine, 1 when something is to be done, 4 when something could not be looked at.
    pub fn status(&self) -> ExitCode {
        let has = |outcome| self.0.iter().any(|finding| finding.outcome == outcome);
        match (has(Outcome::ToDo), has(Outcome::Unknown)) {
            (true, _) => ExitCode::from(1),
            (false, true) => ExitCode::from(4),
            (false, false) => ExitCode::SUCCESS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_decides_the_status_before_what_could_not_be_seen() {
        let mut report = Report::default();
        let is =
            |report: &Report, status| format!("{:?}", report.status()) == format!("{status:?}");
        report.fine("memory", None, "512 MiB");
        assert!(is(&report, ExitCode::SUCCESS));
        report.unknown("frames", Some("to b:0"), "untried", "try");
        assert!(is(&report, ExitCode::from(4)));
        report.wrong("boards", None, "none", "start omxd");
        assert!(is(&report, ExitCode::from(1)));
        let lines = "fine     memory: 512 MiB\n\
                     unknown  frames to b:0: untried\n         -> try\n\
                     to do    boards: none\n         -> start omxd\n";
        assert_eq!(report.text(), lines);
        let end = "{\"outcome\": \"to-do\", \"subject\": \"boards\", \"of\": null, \"found\": \"none\", \"advice\": \"start omxd\"}]";
        assert!(report.json().ends_with(end), "{}", report.json());
    }
}
