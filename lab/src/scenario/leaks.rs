//! What a scenario must leave as it has found it: grants in use and event ports of every domain, by Xen's own dumps; nodes
//! of xenstore; Xen's free memory; what the driver domain says that it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::stall_timeout;

/// Everything is given back at once, or by the kernels' own lists, which look ten times a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Xen's free memory is told in MiB, so it may seem to change by one.
const ROUNDING: u64 = 1;

/// Grants and event ports, then Xen's log alone.
const DUMP: &str = "xl dmesg -c > /dev/null; xl debug-keys ge; xl dmesg";

/// What is held, by what and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    counts: BTreeMap<String, u64>,
    free_mib: u64,
}

impl Holdings {
    /// Looks, while no message is under way.
    pub fn take(fabric: &Fabric<'_>) -> Result<Self, Error> {
        let mut counts = BTreeMap::new();
        for name in ["boards", "pages"] {
            counts.insert(
                format!("{name} of the driver domain"),
                fabric.counter(name)?,
            );
        }
        let names = domains(&fabric.dom0(&["xl", "list"])?);
        add_dump(&mut counts, &fabric.dom0(&["sh", "-c", DUMP])?, &names);
        add_nodes(
            &mut counts,
            &fabric.dom0(&["xenstore-ls", "-f", "/"])?,
            &names,
        );
        let free = fabric.dom0(&["xl", "info", "free_memory"])?;
        let free_mib = free.trim().parse();
        let free_mib = free_mib.map_err(|_| Error::Judged(format!("xl info says: {free}")))?;
        Ok(Self { counts, free_mib })
    }

    /// How `later` differs: a line for each count.
    fn differences(&self, later: &Self) -> String {
        let mut text = String::new();
        let names = self.counts.keys().chain(later.counts.keys());
        let mut names: Vec<&String> = names.collect();
        names.sort();
        names.dedup();
        for name in names {
            let of = |all: &Self| all.counts.get(name).copied().unwrap_or(0);
            let (before, after) = (of(self), of(later));
            if before != after {
                text.push_str(&format!("{name}: {before} before, {after} after\n"));
            }
        }
        if self.free_mib.abs_diff(later.free_mib) > ROUNDING {
            let (before, after) = (self.free_mib, later.free_mib);
            text.push_str(&format!(
                "free memory: {before} MiB before, {after} after\n"
            ));
        }
        text
    }

    /// Waits until all is as it was.
    pub fn judge(&self, fabric: &Fabric<'_>) -> Result<(), Error> {
        let what = "all that was held besides is given back";
        let look = || {
            let differences = self.differences(&Self::take(fabric)?);
            Ok(match differences.is_empty() {
                true => Ok(()),
                false => Err(differences),
            })
        };
        stall_timeout::wait_until(LIMIT, what, look)?;
        Ok(())
    }

    /// A sentence.
    pub fn text(&self) -> String {
        let sum = |begin: &str| -> u64 {
            let fits = self
                .counts
                .iter()
                .filter(|(name, _)| name.starts_with(begin));
            fits.map(|(_, count)| count).sum()
        };
        format!(
            "    {} grants in use, {} event ports, {} nodes of xenstore, {} MiB free, as before",
            sum("grants"),
            sum("event ports"),
            sum("nodes"),
            self.free_mib
        )
    }
}

/// Names of domains by number, of `xl list`. Those of the lab have no blanks in them.
fn domains(list: &str) -> BTreeMap<u32, String> {
    let lines = list.lines().skip(1);
    let named = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((words.next()?.parse().ok()?, name))
    });
    named.collect()
}

fn name(names: &BTreeMap<u32, String>, domain: Option<u32>) -> String {
    let name = domain.and_then(|domain| names.get(&domain));
    name.cloned()
        .unwrap_or_else(|| "a domain that is gone".into())
}

/// The first number in a text.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

/// Xen's answers to the keys `g` and `e`: a heading for each domain, a line for each grant in use, and for each port.
fn add_dump(counts: &mut BTreeMap<String, u64>, dump: &str, names: &BTreeMap<u32, String>) {
    let mut domain = None;
    for line in dump.lines() {
        let line = line.strip_prefix("(XEN)").unwrap_or(line).trim_start();
        let mut count = |what: &str| {
            let key = format!("{what} of {}", name(names, domain));
            *counts.entry(key).or_default() += 1;
        };
        if let Some((_, rest)) = line.split_once("for remote ") {
            domain = number(rest);
        } else if let Some((_, rest)) = line.split_once("channel information for ") {
            domain = number(rest);
        } else if line.starts_with("[0x") {
            count("grants in use");
        } else if line.contains("]: s=") {
            count("event ports");
        }
    }
}

/// A line for each node, with its path. What a driver domain tells of itself comes and goes, but for its devices.
fn add_nodes(counts: &mut BTreeMap<String, u64>, listing: &str, names: &BTreeMap<u32, String>) {
    for line in listing.lines() {
        let Some((path, _)) = line.split_once(" = ") else {
            continue;
        };
        let of_domain = path.strip_prefix("/local/domain/");
        let place = match of_domain.and_then(|rest| rest.split_once('/')) {
            Some((id, own)) => {
                let told = own.starts_with("data/omx") && !own.starts_with("data/omx/devices");
                if told {
                    continue;
                }
                name(names, id.parse().ok())
            }
            None => path.split('/').take(2).collect::<Vec<_>>().join("/"),
        };
        *counts.entry(format!("nodes of {place}")).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   768     1     r-----      13.0
driver-domain                                3    64     1     -b----       1.4
guest1                                       1   256     1     -b----       3.2
";
    const XEN: &str = "(XEN) gnttab_usage_print_all [ key 'g' pressed
(XEN)       -------- active --------       -------- shared --------
(XEN) [ref] localdom mfn      pin          localdom gmfn     flags
(XEN) grant-table for remote d1 (v1)
(XEN)   1 frames (64 max), 1 maptrack frames (1024 max)
(XEN) [0x008]      3 0x05b5a2 0x00000002          3 0x05b5a2 0x19
(XEN) [0x009]      3 0x05b5a3 0x00000001          3 0x05b5a3 0x19
(XEN) grant-table for remote d7 (v1)
(XEN) [0x001]      0 0x05b5a3 0x00000001          0 0x05b5a3 0x19
(XEN) gnttab_usage_print_all ] done
(XEN) 'e' pressed -> dumping event-channel info
(XEN) Event channel information for domain 0:
(XEN) Polling vCPUs: {}
(XEN)     port [p/m/s]
(XEN)        1 [0/0/  -   ]: s=5 n=0 x=0 v=0
(XEN) Event channel information for domain 3:
(XEN)        1 [0/0/  -   ]: s=3 n=0 x=0 d=0 p=12
(XEN)        2 [0/0/  -   ]: s=3 n=0 x=0 d=1 p=9
";
    const NODES: &str = "/local = \"\"
/local/domain/1/device/omx/0/state = \"4\"
/local/domain/3/backend/omx/1/0/state = \"4\"
/local/domain/3/data/omx/devices/1/0 = \"connected\"
/local/domain/3/data/omx/link = \"up\"
/vm/1-2-3 = \"\"
";

    fn counts() -> BTreeMap<String, u64> {
        let names = domains(LIST);
        let mut counts = BTreeMap::new();
        add_dump(&mut counts, XEN, &names);
        add_nodes(&mut counts, NODES, &names);
        counts
    }

    #[test]
    fn each_domain_has_its_grants_ports_and_nodes_by_name() {
        let counts = counts();
        let told: Vec<(&str, u64)> = counts.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(
            told,
            [
                ("event ports of Domain-0", 1),
                ("event ports of driver-domain", 2),
                ("grants in use of a domain that is gone", 1),
                ("grants in use of guest1", 2),
                ("nodes of /local", 1),
                ("nodes of /vm", 1),
                ("nodes of driver-domain", 2),
                ("nodes of guest1", 1),
            ]
        );
    }

    #[test]
    fn what_was_not_given_back_is_named_with_both_counts() {
        let before = Holdings {
            counts: counts(),
            free_mib: 1000,
        };
        assert_eq!(before.differences(&before), "");
        let mut later = before.clone();
        later.counts.insert("grants in use of guest1".into(), 3);
        later.counts.remove("nodes of /vm");
        later.free_mib = 999;
        let text = before.differences(&later);
        assert_eq!(
            text,
            "grants in use of guest1: 2 before, 3 after\nnodes of /vm: 1 before, 0 after\n"
        );
        later.free_mib = 998;
        assert!(
            before
                .differences(&later)
                .contains("free memory: 1000 MiB before, 998")
        );
    }
}
