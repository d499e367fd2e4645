//! Xen, and its IOMMU, as `xl info` shows them.

use std::collections::BTreeMap;

use omx_output::report::Report;

use super::machine::Machine;

/// What later questions need to know of Xen; nothing of it where `xl` does not say it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Xen {
    /// MiB that no domain has.
    pub free: Option<u64>,
    /// Whether dom0 was given its memory by Xen's command line: then xl takes none of it for others.
    pub dom0_keeps_memory: bool,
}

/// Looks.
pub fn look(machine: &Machine, report: &mut Report) -> Xen {
    let text = match machine.xl(&["info"]) {
        Ok(text) => text,
        Err(error) => {
            let advice = "run this in dom0, as root: on a machine that Xen has booted, with Xen's tools installed \
                          (Debian: apt install xen-system-amd64, then reboot)";
            report.unknown("Xen", None, error.to_string(), advice);
            return Xen::default();
        }
    };
    let info = lines(&text);
    let look_again = "`xl info` says more";
    match (info.get("xen_version"), info.get("xen_caps")) {
        (Some(version), Some(caps)) if caps.split(' ').any(|cap| cap.starts_with("xen-")) => {
            report.fine("Xen", None, format!("version {version}"));
        }
        (Some(version), Some(_)) => report.to_do(
            "Xen",
            None,
            format!("version {version}, built without PV guests, and a driver domain is one"),
            "boot another Xen (Debian's has them)",
        ),
        _ => report.unknown("Xen", None, "`xl info` names no version", look_again),
    }
    match info.get("virt_caps") {
        Some(caps) if caps.split(' ').any(|cap| cap.ends_with("_directio")) => {
            report.fine("IOMMU", None, "on: a card reaches only the memory of its domain");
        }
        Some(_) => report.to_do(
            "IOMMU",
            None,
            "none: nothing would confine a card to its domain's memory, and xl passes none through",
            "switch VT-d or AMD-Vi on in the firmware, and take iommu=off from Xen's command line; `xl dmesg` says \
             what Xen has found",
        ),
        None => report.unknown("IOMMU", None, "`xl info` does not say (virt_caps)", look_again),
    }
    let command_line = info.get("xen_commandline").copied().unwrap_or_default();
    Xen {
        free: info.get("free_memory").and_then(|text| text.parse().ok()),
        dom0_keeps_memory: command_line
            .split(' ')
            .any(|word| word.starts_with("dom0_mem=")),
    }
}

/// Names and values; of a name that comes twice the first value.
fn lines(text: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(':') {
            found.entry(name.trim()).or_insert(value.trim());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use omx_output::report::Outcome;

    use crate::check::trial::{INFO, Trial};

    #[test]
    fn a_host_without_xl_is_one_that_cannot_be_looked_at() {
        let mut trial = Trial::fine();
        trial.refuses("info");
        let report = trial.check();
        assert!(
            report.says(Outcome::Unknown, "xen-system-amd64"),
            "{report:?}"
        );
        assert!(!report.says(Outcome::Fine, "IOMMU"), "{report:?}");
    }

    #[test]
    fn an_answer_without_a_version_is_not_taken_for_one() {
        let mut trial = Trial::fine();
        trial.answers("info", "host : dom0\n");
        let report = trial.check();
        for subject in [
            "Xen: `xl info` names no version",
            "IOMMU: `xl info` does not say",
        ] {
            assert!(report.says(Outcome::Unknown, subject), "{report:?}");
        }
    }

    #[test]
    fn xen_without_pv_guests_cannot_have_a_driver_domain() {
        let mut trial = Trial::fine();
        let without = INFO.replace("xen-3.0-x86_64 ", "");
        assert!(trial.check().says(Outcome::Fine, "Xen: version 4.17.3"));
        trial.answers("info", &without);
        assert!(trial.check().says(Outcome::ToDo, "built without PV guests"));
    }

    #[test]
    fn a_host_without_an_iommu_is_told_to_switch_it_on() {
        let mut trial = Trial::fine();
        assert!(trial.check().says(Outcome::Fine, "IOMMU: on"));
        trial.answers(
            "info",
            &INFO
                .replace("pv_directio ", "")
                .replace("hvm_directio ", ""),
        );
        assert!(trial.check().says(Outcome::ToDo, "VT-d"));
    }

    #[test]
    fn memory_is_read_where_xl_says_it() {
        let trial = Trial::fine();
        let xen = look(&trial.machine(), &mut Report::default());
        assert_eq!((xen.free, xen.dom0_keeps_memory), (Some(1024), false));
    }
}
