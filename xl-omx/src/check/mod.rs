//! `xl-omx check`: looks at everything that the first day needs, and says of each that it is fine, or what to do.
//!
//! | file | what |
//! |---|---|
//! | `machine` | where it is looked for: `xl`, the kernel's files |
//! | `xen` | Xen itself, and its IOMMU |
//! | `configuration`, `syntax` | the configurations of driver domains |
//! | `slot` | where a card is |
//! | `card` | the cards that they name |
//! | `driver_domain` | the driver domains that run, and who creates them again |
//! | `devices` | the guests' devices, and what is left of former ones |
//! | `trial` | a host of the tests, on which all is fine |
//!
//! It changes nothing, and waits for nobody but `xl`. What it reads is others' text: it decides which line is said, and is
//! shown as [`crate::plain`] allows.

mod card;
mod configuration;
mod devices;
mod driver_domain;
mod machine;
mod slot;
pub mod syntax;
#[cfg(test)]
mod trial;
mod xen;

pub use machine::Machine;

use omx_output::report::{Outcome, Report};

use crate::attachments::Attachments;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::xenstore::{Store, StoreError};

/// Looks at everything, in the order in which it is needed.
pub fn check<S: Store>(
    machine: &Machine,
    store: Result<&mut S, StoreError>,
    remembered: &Attachments,
) -> Report {
    let mut report = Report::default();
    let xen = xen::look(machine, &mut report);
    let mut plans = configuration::look(machine, remembered, &mut report);
    if let Err(error) = look_at_domains(machine, &xen, store, remembered, &mut plans, &mut report) {
        let advice = "run this in dom0, as root; without xenstored no domain runs";
        report.unknown("xenstore", None, error.to_string(), advice);
    }
    report
}

/// Whether all is fine; what is to be done counts more than what could not be looked at.
pub fn judge(report: &Report) -> Result<(), Error> {
    match [Outcome::ToDo, Outcome::Unknown].map(|outcome| report.count(outcome)) {
        [0, 0] => Ok(()),
        [0, unknown] => Err(Error::NotLookedAt(unknown)),
        [to_do, _] => Err(Error::ToDo(to_do)),
    }
}

fn look_at_domains<S: Store>(
    machine: &Machine,
    xen: &xen::Xen,
    store: Result<&mut S, StoreError>,
    remembered: &Attachments,
    plans: &mut Vec<configuration::Plan>,
    report: &mut Report,
) -> Result<(), Error> {
    let store = store?;
    let inventory = Inventory::take(store)?;
    let known = remembered.all()?;
    let held = card::held(store)?;
    card::look(machine, plans, &inventory.domains, &held, report);
    driver_domain::add_unplanned(plans, &inventory, &known.whole);
    driver_domain::look(store, plans, &inventory, xen, report)?;
    driver_domain::look_at_service(remembered, report);
    devices::look(store, &inventory, &known, plans, report)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::trial::Trial;
    use super::*;
    use crate::plain;

    #[test]
    fn on_a_host_where_all_is_fine_every_line_says_so() {
        let trial = Trial::fine();
        let report = trial.check();
        assert!(
            report.text().lines().all(|l| l.starts_with("fine ")),
            "{report:?}"
        );
        judge(&report).unwrap();
    }

    #[test]
    fn the_first_day_of_the_documents_is_what_is_said_on_such_a_host() {
        let mut trial = Trial::fine();
        trial.forget("guest1.0");
        for path in [
            "/local/domain/1",
            "/local/domain/0/backend/pci",
            "/local/domain/2/device",
        ] {
            trial.remove(path);
        }
        let page = include_str!("../../../docs/using.md");
        let said = format!("```\n{}```\n", trial.text());
        assert!(page.contains(&said), "{said}");
    }

    #[test]
    fn without_xenstore_what_can_be_seen_is_said_and_that_the_rest_cannot() {
        let mut trial = Trial::fine();
        trial.store = None;
        let report = trial.check();
        assert!(report.says(Outcome::Fine, "Xen"), "{report:?}");
        assert!(report.says(Outcome::Fine, "configuration"), "{report:?}");
        assert!(report.says(Outcome::Unknown, "xenstore"), "{report:?}");
        assert_eq!(judge(&report).unwrap_err().exit_code(), 4);
    }

    #[test]
    fn what_is_to_be_done_decides_the_status_before_what_could_not_be_seen() {
        let mut report = Report::default();
        report.fine("Xen", None, "4.17");
        judge(&report).unwrap();
        report.unknown("card", None, "hidden", "look");
        assert_eq!(judge(&report).unwrap_err().exit_code(), 4);
        report.to_do("IOMMU", None, "none", "switch it on");
        assert_eq!(judge(&report).unwrap_err().exit_code(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whoever may write there.
        #[test]
        fn whatever_xl_files_and_other_domains_say_the_report_is_plain_lines_and_json(
            answer in any::<String>(),
            file in any::<String>(),
            value in any::<String>(),
            place in 0_usize..14,
        ) {
            let mut trial = Trial::fine();
            match place {
                0 => trial.answers("info", &answer),
                1 => trial.answers("pci-assignable-list", &answer),
                2 => trial.configure("driver-domain", &file),
                3 => trial.remember("guest1.0", &file),
                _ => trial.set(trial::OTHERS_NODES[place - 4], &value),
            }
            let report = trial.check();
            let lines = report.text();
            prop_assert!(lines.chars().all(|letter| letter == '\n' || plain::is_plain(letter)));
            prop_assert!(lines.lines().all(|line| line.chars().count() < 2500));
            prop_assert!(report.json().is_array());
        }
    }
}
