//! The configurations of driver domains: those from which `xl-omx watch` creates them again, or the one that lies where
//! the package puts it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use omx_output::report::Report;

use super::machine::{self, Machine};
use super::slot::Slot;
use super::syntax::{self, Value, Values};
use crate::attachments::Attachments;
use crate::plain::{quoted, shown};

/// Where the package puts it.
const USUAL: &str = "/etc/xen/driver-domain.cfg";
const USUAL_NAME: &str = "driver-domain";

const SUBJECT: &str = "configuration";

/// The frames that a driver domain speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Open-MX's own, up to so many bytes.
    Native(u32),
    /// Those of Myricom's firmware, which have fixed sizes.
    Mx,
}

impl Frames {
    /// What a driver domain says of itself.
    pub fn told(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("native", mtu)) => mtu.parse().ok().map(Self::Native),
            Some(("mx", _)) => Some(Self::Mx),
            _ => None,
        }
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(mtu) => write!(f, "frames of up to {mtu} bytes"),
            Self::Mx => f.write_str("frames of MX"),
        }
    }
}

/// A driver domain that is to run.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its configuration, if there is one.
    pub path: Option<PathBuf>,
    /// MiB that it gets.
    pub memory: Option<u64>,
    /// Its cards.
    pub cards: Vec<Slot>,
    /// The frames that it is to speak, if that is said well.
    pub frames: Option<Frames>,
}

/// Looks at all configurations; the driver domains that they describe.
pub fn look(machine: &Machine, remembered: &Attachments, report: &mut Report) -> Vec<Plan> {
    let mut found = match remembered.configurations() {
        Ok(found) => found,
        Err(error) => {
            report.unknown(SUBJECT, None, error.to_string(), "run this as root");
            return Vec::new();
        }
    };
    if found.is_empty() {
        let path = machine.path(USUAL);
        if !path.is_file() {
            let found = format!(
                "neither {USUAL} nor one in {}",
                remembered.directory().display()
            );
            let advice = "install the package open-mx-driver-domain, or copy xl-configs/driver-domain.cfg there";
            report.to_do(SUBJECT, None, found, advice);
            return Vec::new();
        }
        let directory = remembered.directory().to_string_lossy();
        report.to_do(
            SUBJECT,
            None,
            format!("no driver domain is created again when it has ended: nothing in {directory}"),
            format!("`mkdir -p {0}; ln -s {USUAL} {0}/`", quoted(&directory)),
        );
        found.push((USUAL_NAME.into(), path));
    }
    let plans = found
        .into_iter()
        .map(|(name, path)| plan(name, path, report));
    let plans: Vec<Plan> = plans.collect();
    compare(&plans, report);
    plans
}

fn plan(name: String, path: PathBuf, report: &mut Report) -> Plan {
    let mut plan = Plan {
        name,
        path: Some(path.clone()),
        memory: None,
        cards: Vec::new(),
        frames: None,
    };
    let file = path.display().to_string();
    let read = machine::text(&path).map_err(|error| error.to_string());
    let values = match read.and_then(|text| syntax::parse(&text)) {
        Ok(values) => values,
        Err(why) => {
            report.to_do(
                SUBJECT,
                Some(&file),
                why,
                "correct the file, or the link to it",
            );
            return plan;
        }
    };
    let mut wrong = Vec::new();
    let kernel = kernel(&values).map_err(|problem| wrong.push(problem));
    if let Some(kind) = word(&values, "type").filter(|kind| *kind != "pv") {
        wrong.push((
            format!("type = \"{kind}\": a driver domain is a PV guest"),
            "write type = \"pv\"".into(),
        ));
    }
    match word(&values, "memory").map(str::parse) {
        Some(Ok(memory)) => plan.memory = Some(memory),
        _ => wrong.push((
            "it names no memory".into(),
            "write memory = 64 (MiB)".into(),
        )),
    }
    cards(&values, &mut plan, &mut wrong);
    match frames(word(&values, "extra").unwrap_or_default()) {
        Ok(frames) => plan.frames = Some(frames),
        Err(problem) => wrong.push(problem),
    }
    if let (Ok(kernel), Some(memory), Some(frames)) = (kernel, plan.memory, plan.frames)
        && wrong.is_empty()
    {
        let mut cards = plan
            .cards
            .iter()
            .map(|card| format!("card {card}, "))
            .collect::<String>();
        if cards.is_empty() {
            cards = "no card (guests reach only each other), ".into();
        }
        report.fine(
            SUBJECT,
            Some(&file),
            format!("{cards}{frames}, {memory} MiB, kernel {kernel}"),
        );
    }
    for (found, advice) in wrong {
        report.to_do(SUBJECT, Some(&file), found, advice);
    }
    plan
}

/// What is wrong, and what to do.
type Problem = (String, String);

fn kernel(values: &Values) -> Result<String, Problem> {
    let Some(kernel) = word(values, "kernel") else {
        return Err((
            "it names no kernel".into(),
            "write kernel = \"/boot/driver-domain\"".into(),
        ));
    };
    let path = Path::new(kernel);
    if !path.is_absolute() {
        let found = format!("kernel {kernel} is looked for where xl happens to be started");
        return Err((
            found,
            "write its whole path, with a / at the beginning".into(),
        ));
    }
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() > 0 => Ok(kernel.into()),
        Ok(_) => Err((
            format!("kernel {kernel} is no file, or an empty one"),
            image(),
        )),
        Err(error) => Err((format!("kernel {kernel}: {error}"), image())),
    }
}

fn image() -> String {
    "install the package open-mx-driver-domain, or name the image where it lies".into()
}

fn cards(values: &Values, plan: &mut Plan, wrong: &mut Vec<Problem>) {
    let items = match values.get("pci") {
        Some(Value::List(items)) => items.as_slice(),
        Some(Value::Text(text)) => {
            wrong.push((
                format!("pci = \"{text}\" is no list, and xl passes it over"),
                format!("write pci = [\"{text}\"]"),
            ));
            &[]
        }
        None => &[],
    };
    for item in items {
        match Slot::parse(item) {
            Some(card) => plan.cards.push(card),
            None => wrong.push((
                format!("pci: '{item}' is not understood"),
                "write it as `lspci -D` does: pci = [\"0000:05:00.0\"]".into(),
            )),
        }
    }
}

/// The frames that the options name; those of the driver domain where they name none.
fn frames(options: &str) -> Result<Frames, Problem> {
    let option = |name| {
        options
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name))
    };
    let (wire, mtu) = (option("wire="), option("mtu="));
    let problem = |found: String, advice: &str| Err((format!("extra: {found}"), advice.to_owned()));
    match (wire.unwrap_or("native"), mtu.unwrap_or("9000").parse()) {
        ("native", Ok(mtu @ 1500..=9000)) => Ok(Frames::Native(mtu)),
        ("mx", _) if mtu.is_none() => Ok(Frames::Mx),
        ("mx", _) => problem("wire=mx has frames of fixed sizes".into(), "take mtu= away"),
        ("native", _) => problem(
            format!(
                "mtu={} is none of 1500 to 9000",
                shown(mtu.unwrap_or_default())
            ),
            "name the longest frame in bytes, Ethernet header included",
        ),
        (wire, _) => problem(
            format!("wire={} is unknown", shown(wire)),
            "write wire=native or wire=mx",
        ),
    }
}

fn word<'a>(values: &'a Values, name: &str) -> Option<&'a str> {
    match values.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// Nothing on the wire announces frames.
fn compare(plans: &[Plan], report: &mut Report) {
    let known = plans.iter().filter_map(|plan| Some((plan, plan.frames?)));
    let known: Vec<(&Plan, Frames)> = known.collect();
    let Some((first, frames)) = known.first() else {
        return;
    };
    match known.iter().find(|(_, other)| other != frames) {
        Some((other, others)) => report.to_do(
            "frame size",
            None,
            format!("{} has {frames}, {} has {others}", first.name, other.name),
            "on one network all nodes must have the same: make mtu= and wire= equal, unless their networks are apart",
        ),
        None => report.fine(
            "frame size",
            None,
            format!("{frames}: all other nodes of the network, and its switches, must have the same"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use omx_output::report::Outcome;

    use crate::check::trial::Trial;

    /// What is said of the driver domain's configuration with a part of it replaced.
    fn said_with(part: &str, other: &str) -> Report {
        let mut trial = Trial::fine();
        let text = trial.configuration();
        assert!(text.contains(part), "{text}");
        trial.configure("driver-domain", &text.replace(part, other));
        trial.check()
    }

    #[test]
    fn what_a_configuration_has_wrong_is_said_with_what_to_write() {
        assert!(Trial::fine().check().says(Outcome::Fine, "configuration"));
        for (part, other, words) in [
            ("kernel =", "kernels =", "names no kernel"),
            ("kernel = \"", "kernel = \"x", "whole path"),
            (
                "/boot/driver-domain\"",
                "/boot/driver\"",
                "install the package open-mx-driver-domain",
            ),
            ("/boot/driver-domain\"", "\"", "is no file"),
            ("memory = 64", "", "names no memory"),
            ("memory = 64", "memory = 'x'", "names no memory"),
            ("type = \"pv\"", "type = \"pvh\"", "is a PV guest"),
            ("[\"00:05.0\"]", "\"00:05.0\"", "write pci = [\"00:05.0\"]"),
            ("\"00:05.0\"", "\"eth0\"", "lspci -D"),
            ("mtu=9000", "mtu=9018", "none of 1500 to 9000"),
            ("mtu=9000", "mtu=", "none of 1500 to 9000"),
            ("mtu=9000", "wire=max", "wire=native or wire=mx"),
            ("mtu=9000", "wire=mx mtu=9000", "take mtu= away"),
            ("type =", "type", "line 1: "),
        ] {
            let report = said_with(part, other);
            assert!(report.says(Outcome::ToDo, words), "{words}: {report:?}");
            assert!(!Trial::fine().check().says(Outcome::ToDo, words));
        }
    }

    #[test]
    fn a_driver_domain_without_a_card_or_with_frames_of_mx_is_as_somebody_wants_it() {
        let report = said_with("pci = [\"00:05.0\"]", "");
        assert!(
            report.says(Outcome::Fine, "guests reach only each other"),
            "{report:?}"
        );
        let report = said_with("mtu=9000", "wire=mx");
        assert!(report.says(Outcome::Fine, "frames of MX"), "{report:?}");
        let report = said_with("extra = \"mtu=9000\"", "");
        assert!(report.says(Outcome::Fine, "up to 9000 bytes"), "{report:?}");
    }

    #[test]
    fn a_configuration_that_is_not_where_watch_looks_is_linked_there() {
        let mut trial = Trial::fine();
        let text = trial.configuration();
        trial.unconfigure("driver-domain");
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "install the package open-mx-driver-domain"),
            "{report:?}"
        );
        trial.file("/etc/xen/driver-domain.cfg", &text);
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "; ln -s /etc/xen/driver-domain.cfg "),
            "{report:?}"
        );
        assert!(
            report.says(Outcome::Fine, "card 0000:00:05.0, frames"),
            "{report:?}"
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_said() {
        let mut trial = Trial::fine();
        trial.link_configuration("spare", "/nowhere/spare.cfg");
        assert!(trial.check().says(Outcome::ToDo, "the link to it"));
    }

    #[test]
    fn configurations_that_differ_in_their_frames_are_set_side_by_side() {
        let mut trial = Trial::fine();
        assert!(
            trial
                .check()
                .says(Outcome::Fine, "frame size: frames of up to 9000 bytes")
        );
        let text = trial.configuration();
        trial.configure("spare", &text.replace("mtu=9000", "mtu=1500"));
        let words =
            "driver-domain has frames of up to 9000 bytes, spare has frames of up to 1500 bytes";
        assert!(trial.check().says(Outcome::ToDo, words));
    }
}
