//! The driver domains that run, or should: what they say of themselves, and whether somebody creates them again.

use std::collections::BTreeSet;
use std::path::Path;

use omx_output::report::Report;

use super::configuration::{Frames, Plan};
use super::xen::Xen;
use crate::attachments::{Attachment, Attachments};
use crate::domain;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::plain::{quoted, shown};
use crate::xenstore::{NONE, Store};

const SUBJECT: &str = "driver domain";

/// Adds the driver domains that have no configuration: those that remembered devices name, and those that serve.
pub fn add_unplanned(plans: &mut Vec<Plan>, inventory: &Inventory, entries: &[Attachment]) {
    let serving: BTreeSet<u32> = inventory
        .served
        .iter()
        .map(|served| served.backend)
        .collect();
    let serving = inventory
        .domains
        .iter()
        .filter(|domain| serving.contains(&domain.id));
    let mut names: BTreeSet<&str> = serving.map(|domain| domain.name.as_str()).collect();
    names.extend(entries.iter().map(|entry| entry.backend.as_str()));
    for name in names {
        if !plans.iter().any(|plan| plan.name == name) {
            plans.push(Plan {
                name: name.into(),
                path: None,
                memory: None,
                cards: Vec::new(),
                frames: None,
            });
        }
    }
}

/// Looks at each of them.
pub fn look(
    store: &mut impl Store,
    plans: &[Plan],
    inventory: &Inventory,
    xen: &Xen,
    report: &mut Report,
) -> Result<(), Error> {
    for plan in plans {
        match domain::named(&inventory.domains, &plan.name) {
            Ok(domain) => look_at_one(store, plan, domain.id, report)?,
            Err(Error::NoSuchDomain(_)) => not_running(plan, xen, report),
            Err(error) => report.to_do(
                SUBJECT,
                Some(&plan.name),
                error.to_string(),
                "`xl rename` one of them",
            ),
        }
    }
    Ok(())
}

fn shell_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn not_running(plan: &Plan, xen: &Xen, report: &mut Report) {
    let of = Some(plan.name.as_str());
    let Some(path) = &plan.path else {
        let advice = "create it, and put a link to its configuration beside what is remembered, as <its name>.cfg";
        report.to_do(
            SUBJECT,
            of,
            "does not run, has no configuration here, and remembered devices name it",
            advice,
        );
        return;
    };
    report.to_do(
        SUBJECT,
        of,
        "does not run",
        format!("`xl create {}`", shell_path(path)),
    );
    if let (Some(needed), Some(free), true) = (plan.memory, xen.free, xen.dom0_keeps_memory)
        && free < needed
    {
        report.to_do(
            "memory",
            of,
            format!(
                "it needs {needed} MiB, {free} MiB are free, and dom0 keeps what dom0_mem= gave it"
            ),
            "give dom0 less by `xl mem-set Domain-0 <MiB>`, or end another domain",
        );
    }
}

/// What a driver domain writes among its own nodes.
fn look_at_one(
    store: &mut impl Store,
    plan: &Plan,
    id: u32,
    report: &mut Report,
) -> Result<(), Error> {
    let mut told = |name: &str| -> Result<Option<String>, Error> {
        let text = store.read(NONE, &format!("/local/domain/{id}/data/omx/{name}"))?;
        Ok(text.map(|text| shown(&text).chars().take(200).collect()))
    };
    let of = Some(plan.name.as_str());
    let console = format!(
        "`xl console {}` shows its log (/var/log/xen has what came before)",
        quoted(&plan.name)
    );
    let again = plan.path.as_ref().map_or_else(
        || format!("`xl destroy {}`, and create it again", quoted(&plan.name)),
        |path| {
            format!(
                "`xl-omx replace {} {}`",
                quoted(&plan.name),
                shell_path(path)
            )
        },
    );
    match told("state")?.as_deref() {
        Some("ready") => {}
        Some("failed") => {
            let reason = told("reason")?.unwrap_or_else(|| "no reason is told".into());
            report.to_do(
                SUBJECT,
                of,
                format!("serves nobody: {reason}"),
                format!("when that is done: {again}"),
            );
            return Ok(());
        }
        Some("ending") => {
            report.to_do(SUBJECT, of, "is ending", "look again when it has ended");
            return Ok(());
        }
        Some(other) => {
            report.to_do(SUBJECT, of, format!("says of its state '{other}'"), console);
            return Ok(());
        }
        None => {
            report.to_do(
                SUBJECT,
                of,
                "runs, and says nothing of itself: it does not serve yet, or is none",
                console,
            );
            return Ok(());
        }
    }
    let word = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
    let (version, card, link) = (
        word(told("version")?),
        word(told("card")?),
        word(told("link")?),
    );
    let wire = told("wire")?;
    let frames = wire.as_deref().and_then(Frames::told);
    let mut is_fine = true;
    let mut to_do = |found: String, advice: String| {
        is_fine = false;
        report.to_do(SUBJECT, of, found, advice);
    };
    if card == "none" && !plan.cards.is_empty() {
        to_do(
            "has found no card that it can drive: its guests reach only each other".into(),
            format!("it drives virtio-net, igb (82576) and ixgbe (82599); {console}"),
        );
    }
    if link == "down" {
        let advice = "look at the cable and the switch's port";
        to_do("the link of its card is down".into(), advice.into());
    }
    if let (Some(wanted), Some(has)) = (plan.frames, frames)
        && wanted != has
    {
        to_do(
            format!("has {has}, and its configuration says {wanted}"),
            again,
        );
    }
    if is_fine {
        let frames = frames.map_or_else(|| "unknown frames".into(), |frames| frames.to_string());
        let found = format!("serves, version {version}, card {card}, link {link}, {frames}");
        report.fine(SUBJECT, of, found);
    }
    Ok(())
}

/// Whether somebody attaches again what comes back, and creates driver domains again.
pub fn look_at_service(remembered: &Attachments, report: &mut Report) {
    const SUBJECT: &str = "xl-omx watch";
    match remembered.is_watched() {
        Ok(true) => report.fine(SUBJECT, None, "runs"),
        Ok(false) => report.to_do(
            SUBJECT,
            None,
            "does not run: nobody attaches guests again that come back, or creates a driver domain again that has ended",
            "`systemctl enable --now xl-omx-watch`",
        ),
        Err(error) => report.unknown(SUBJECT, None, error.to_string(), "run this as root"),
    }
}

#[cfg(test)]
mod tests {
    use omx_output::report::Outcome;

    use crate::check::trial::{INFO, Trial};

    #[test]
    fn a_driver_domain_that_does_not_run_is_created_from_its_configuration() {
        let mut trial = Trial::fine();
        assert!(!trial.check().says(Outcome::ToDo, "xl create"));
        trial.remove("/local/domain/1");
        let report = trial.check();
        assert!(report.says(Outcome::ToDo, "`xl create "), "{report:?}");
        trial.unconfigure("driver-domain");
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "remembered devices name it"),
            "{report:?}"
        );
    }

    #[test]
    fn memory_is_missing_only_where_xl_cannot_take_it_from_dom0() {
        let mut trial = Trial::fine();
        let little = INFO.replace(
            "free_memory            : 1024",
            "free_memory            : 63",
        );
        let keeps = INFO.replace("placeholder", "placeholder dom0_mem=1G");
        let both = little.replace("placeholder", "placeholder dom0_mem=1G");
        trial.answers("info", &both);
        assert!(!trial.check().says(Outcome::ToDo, "memory"), "it runs");
        trial.remove("/local/domain/1");
        assert!(
            trial
                .check()
                .says(Outcome::ToDo, "it needs 64 MiB, 63 MiB are free")
        );
        for enough in [&little, &keeps] {
            trial.answers("info", enough);
            assert!(!trial.check().says(Outcome::ToDo, "memory"));
        }
    }

    #[test]
    fn what_a_driver_domain_says_of_itself_decides_whether_it_is_fine() {
        let words = "serves, version 0.1.0, card igb 02:00:00:00:00:05, link up, frames of up to 9000 bytes";
        assert!(Trial::fine().check().says(Outcome::Fine, words));
        for (node, value, words) in [
            ("state", "failed", "serves nobody: no reason is told"),
            ("state", "ending", "is ending"),
            ("state", "\u{1b}[2J", "says of its state"),
            ("link", "down", "the link of its card is down"),
            ("card", "none", "no card that it can drive"),
            (
                "wire",
                "native 1500",
                "its configuration says frames of up to 9000 bytes",
            ),
            ("wire", "mx 4178", "has frames of MX"),
        ] {
            let mut trial = Trial::fine();
            assert!(!trial.check().says(Outcome::ToDo, words));
            trial.set(&format!("/local/domain/1/data/omx/{node}"), value);
            let report = trial.check();
            assert!(report.says(Outcome::ToDo, words), "{words}: {report:?}");
            assert!(!report.says(Outcome::Fine, "serves, version"), "{report:?}");
        }
    }

    #[test]
    fn the_reason_of_one_that_serves_nobody_is_told() {
        let mut trial = Trial::fine();
        trial.set("/local/domain/1/data/omx/state", "failed");
        trial.set(
            "/local/domain/1/data/omx/reason",
            "option mtu: 1; correct it",
        );
        assert!(
            trial
                .check()
                .says(Outcome::ToDo, "serves nobody: option mtu: 1; correct it")
        );
    }

    #[test]
    fn a_domain_that_says_nothing_is_not_taken_for_one_that_serves() {
        let mut trial = Trial::fine();
        trial.remove("/local/domain/1/data");
        assert!(trial.check().says(Outcome::ToDo, "says nothing of itself"));
    }

    #[test]
    fn two_domains_of_one_name_are_told_apart_by_nobody() {
        let mut trial = Trial::fine();
        trial.set("/local/domain/9/name", "driver-domain");
        assert!(trial.check().says(
            Outcome::ToDo,
            "more than one domain is called 'driver-domain'"
        ));
    }

    #[test]
    fn one_that_serves_without_a_configuration_is_looked_at_all_the_same() {
        let mut trial = Trial::fine();
        trial.unconfigure("driver-domain");
        assert!(
            trial
                .check()
                .says(Outcome::Fine, "driver domain driver-domain: serves")
        );
    }

    #[test]
    fn a_watch_that_runs_is_seen_and_one_that_does_not_is_missed() {
        let mut trial = Trial::fine();
        assert!(trial.check().says(Outcome::Fine, "xl-omx watch: runs"));
        trial.watch = None;
        assert!(
            trial
                .check()
                .says(Outcome::ToDo, "systemctl enable --now xl-omx-watch")
        );
    }
}
