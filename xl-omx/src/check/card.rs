//! The cards that configurations name: whether xl can pass them through, and who has them now.

use std::collections::{BTreeMap, BTreeSet};

use omx_output::report::Report;

use super::configuration::Plan;
use super::machine::Machine;
use super::slot::Slot;
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory;
use crate::xenstore::{NONE, Store};

/// Where the kernel shows who drives what.
const DEVICES: &str = "/sys/bus/pci/devices";
const PCIBACK: &str = "/sys/bus/pci/drivers/pciback";

const SUBJECT: &str = "card";

/// The domains that have cards now, by pciback's directories, which dom0 alone writes.
pub fn held(store: &mut impl Store) -> Result<BTreeMap<Slot, u32>, Error> {
    let mut held = BTreeMap::new();
    let root = "/local/domain/0/backend/pci";
    for owner in inventory::numbers(store, root)? {
        let directory = format!("{root}/{owner}/0");
        for name in store.list(NONE, &directory)? {
            if name.strip_prefix("dev-").and_then(domain::number).is_none() {
                continue;
            }
            let device = store.read(NONE, &format!("{directory}/{name}"))?;
            if let Some(slot) = device.as_deref().and_then(Slot::parse) {
                held.insert(slot, owner);
            }
        }
    }
    Ok(held)
}

/// Looks at all cards of all configurations.
pub fn look(
    machine: &Machine,
    plans: &[Plan],
    domains: &[Domain],
    held: &BTreeMap<Slot, u32>,
    report: &mut Report,
) {
    let all = plans
        .iter()
        .flat_map(|plan| plan.cards.iter().map(move |card| (plan, *card)));
    let running = |card: &Slot| {
        held.get(card)
            .and_then(|id| domains.iter().find(|d| d.id == *id))
    };
    let (had, free): (Vec<_>, Vec<_>) = all.partition(|(_, card)| running(card).is_some());
    for (plan, card) in &had {
        let of = card.to_string();
        match running(card) {
            Some(owner) if owner.name == plan.name => {
                report.fine(
                    SUBJECT,
                    Some(&of),
                    format!("driver domain '{}' has it", plan.name),
                );
            }
            owner => report.to_do(
                SUBJECT,
                Some(&of),
                format!(
                    "domain '{}' has it",
                    owner.map(|o| o.name.as_str()).unwrap_or_default()
                ),
                format!("name another card for '{}', or end that domain", plan.name),
            ),
        }
    }
    if free.is_empty() {
        return;
    }
    if !machine.path(PCIBACK).is_dir() {
        report.to_do(
            "pciback",
            None,
            "dom0's kernel has not loaded xen-pciback, which passes cards through",
            "`modprobe xen-pciback`, and for each boot `echo xen-pciback > /etc/modules-load.d/xen-pciback.conf`",
        );
    }
    let assignable = match machine.xl(&["pci-assignable-list"]) {
        Ok(text) => text.lines().filter_map(first_word).collect(),
        Err(error) => {
            report.unknown(SUBJECT, None, error.to_string(), "run this as root");
            BTreeSet::new()
        }
    };
    for (_, card) in free {
        let of = card.to_string();
        if assignable.contains(&card) {
            report.fine(SUBJECT, Some(&of), "assignable");
        } else {
            not_assignable(machine, card, report);
        }
    }
}

/// With names (`xl pci-assignable-list -n`) a second word follows.
fn first_word(line: &str) -> Option<Slot> {
    line.split_whitespace().next().and_then(Slot::parse)
}

fn not_assignable(machine: &Machine, card: Slot, report: &mut Report) {
    let of = card.to_string();
    let all = machine.names(DEVICES);
    if !all.contains(&of) {
        let others = all.iter().filter(|slot| is_network(machine, slot));
        let others: Vec<&str> = others.map(String::as_str).collect();
        let advice = match others.as_slice() {
            [] => "this host has no network card that dom0 sees: look into the firmware, and `lspci -D`".into(),
            some => format!("name another in pci=; the network cards of this host: {}", some.join(", ")),
        };
        report.to_do(SUBJECT, Some(&of), "this host has no such card", advice);
        return;
    }
    if !is_network(machine, &of) {
        let advice = "name a network card in pci=: `lspci -D` lists them";
        report.to_do(SUBJECT, Some(&of), "it is no network card", advice);
        return;
    }
    let driver = machine.target(&format!("{DEVICES}/{of}/driver"));
    let found = match driver.as_deref() {
        Some("pciback") => {
            report.fine(SUBJECT, Some(&of), "pciback has it");
            return;
        }
        Some(driver) => format!("dom0's driver {driver} has it"),
        None => "no driver has it".into(),
    };
    let interfaces = machine.names(&format!("{DEVICES}/{of}/net")).join(", ");
    let loses = match interfaces.as_str() {
        "" => String::new(),
        names => format!("; dom0 then loses {names}"),
    };
    let advice =
        format!("`xl pci-assignable-add {of}` makes it assignable, until dom0 reboots{loses}");
    report.to_do(SUBJECT, Some(&of), found, advice);
}

/// By its class, as the kernel shows it.
fn is_network(machine: &Machine, slot: &str) -> bool {
    let class = super::machine::text(&machine.path(&format!("{DEVICES}/{slot}/class")));
    class.is_ok_and(|class| class.starts_with("0x02"))
}

#[cfg(test)]
mod tests {
    use omx_output::report::Outcome;

    use crate::check::trial::{CARD, Trial};

    /// The driver domain does not run, and its card is free.
    fn stopped() -> Trial {
        let mut trial = Trial::fine();
        trial.remove("/local/domain/1");
        trial.remove("/local/domain/0/backend/pci");
        trial
    }

    #[test]
    fn a_card_is_fine_where_its_driver_domain_has_it_or_can_get_it() {
        assert!(
            Trial::fine()
                .check()
                .says(Outcome::Fine, "driver domain 'driver-domain' has it")
        );
        for list in ["0000:00:05.0\n", "0000:00:03.0\n0000:00:05.0 omx\n"] {
            let mut trial = stopped();
            trial.answers("pci-assignable-list", list);
            let report = trial.check();
            assert!(
                report.says(Outcome::Fine, "card 0000:00:05.0: assignable"),
                "{report:?}"
            );
            assert!(!report.says(Outcome::ToDo, "card"), "{report:?}");
        }
    }

    #[test]
    fn a_card_that_dom0_drives_is_made_assignable_and_what_dom0_loses_is_said() {
        let trial = stopped();
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "dom0's driver igb has it"),
            "{report:?}"
        );
        let words = "`xl pci-assignable-add 0000:00:05.0` makes it assignable, until dom0 reboots; dom0 then loses eth1";
        assert!(report.says(Outcome::ToDo, words), "{report:?}");
        trial.unfile(&format!("{CARD}/driver"));
        trial.unfile(&format!("{CARD}/net"));
        let report = trial.check();
        assert!(report.says(Outcome::ToDo, "no driver has it"), "{report:?}");
        assert!(!report.says(Outcome::ToDo, "loses"), "{report:?}");
    }

    #[test]
    fn a_card_that_is_not_there_is_told_beside_those_that_are() {
        let mut trial = stopped();
        trial.file("/sys/bus/pci/devices/0000:00:06.0/class", "0x020000\n");
        trial.file("/sys/bus/pci/devices/0000:00:07.0/class", "0x010000\n");
        trial.unfile(CARD);
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "cards of this host: 0000:00:06.0\n"),
            "{report:?}"
        );
        trial.unfile("/sys/bus/pci/devices/0000:00:06.0");
        assert!(
            trial
                .check()
                .says(Outcome::ToDo, "no network card that dom0 sees")
        );
        let text = trial.configuration();
        trial.configure("driver-domain", &text.replace("00:05.0", "00:07.0"));
        assert!(trial.check().says(Outcome::ToDo, "it is no network card"));
    }

    #[test]
    fn a_card_of_another_domain_is_not_taken_for_free() {
        let mut trial = Trial::fine();
        trial.remove("/local/domain/0/backend/pci");
        trial.set("/local/domain/0/backend/pci/2/0/dev-0", "0000:00:05.00");
        let report = trial.check();
        assert!(
            report.says(Outcome::ToDo, "domain 'guest1' has it"),
            "{report:?}"
        );
    }

    #[test]
    fn without_pciback_it_is_loaded_and_with_it_nothing_is_said() {
        let trial = stopped();
        assert!(!trial.check().says(Outcome::ToDo, "pciback"));
        trial.unfile("/sys/bus/pci/drivers/pciback");
        assert!(trial.check().says(Outcome::ToDo, "modprobe xen-pciback"));
    }

    #[test]
    fn a_card_that_pciback_has_is_fine_whatever_xl_says() {
        let trial = stopped();
        assert!(!trial.check().says(Outcome::Fine, "pciback has it"));
        trial.unfile(&format!("{CARD}/driver"));
        trial.link(&format!("{CARD}/driver"), "/nowhere/drivers/pciback");
        assert!(
            trial
                .check()
                .says(Outcome::Fine, "card 0000:00:05.0: pciback has it")
        );
    }

    #[test]
    fn an_xl_that_fails_is_no_card_that_is_there() {
        let mut trial = stopped();
        trial.refuses("pci-assignable-list");
        let report = trial.check();
        assert!(report.says(Outcome::Unknown, "card: `xl"), "{report:?}");
        assert!(
            report.says(Outcome::ToDo, "xl pci-assignable-add"),
            "{report:?}"
        );
    }
}
