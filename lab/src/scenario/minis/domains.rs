//! Domains that are created, attached, and told what to do.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::scenario::judge::wait_until;

/// Five times what a mini guest may be silent for on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Mini guests that one command creates: far fewer than it has time for.
const BATCH: usize = 16;

/// One of them.
pub struct Mini {
    /// Its name, `mini1` and so on.
    pub name: String,
    /// Its address.
    pub mac: String,
    /// The number of its domain.
    pub id: u32,
}

/// Mini guests, in the order in which they were created.
#[derive(Default)]
pub struct Minis(Vec<Mini>);

impl Minis {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Mini> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The partner of one: the other one of its pair, or itself if there is none.
    pub fn partner(&self, index: usize) -> &Mini {
        self.0.get(index ^ 1).unwrap_or(&self.0[index])
    }

    /// Creates and attaches more, until there are so many and all say that they are ready.
    pub fn create(&mut self, fabric: &Fabric<'_>, count: usize) -> Result<(), Error> {
        let before = self.len();
        while self.len() < count {
            let last = count.min(self.len() + BATCH);
            self.create_batch(fabric, last)?;
        }
        self.wait_for(fabric, before, |_, said| said.starts_with("ready"))
            .map(drop)
    }

    /// One program for some of them, which ends before a command in dom0 takes too long.
    fn create_batch(&mut self, fabric: &Fabric<'_>, last: usize) -> Result<(), Error> {
        let first = self.len() + 1;
        let script = format!(
            "for i in $(seq {first} {last}); do \
             xl create -q /etc/xen/mini.cfg \"name='mini$i'\" 'cpus=\"2-3\"' || exit 1; \
             xl-omx attach --timeout 0 mini$i mac=$(printf 00:16:3e:00:01:%02x $i) >/dev/null || exit 1; \
             done; xl list"
        );
        let said = fabric.dom0(&["sh", "-c", &script])?;
        for number in first..=last {
            let name = format!("mini{number}");
            let id = id_of(&said, &name);
            self.0.push(Mini {
                id: id.ok_or_else(|| Error::Judged(format!("there is no {name}:\n{said}")))?,
                mac: format!("00:16:3e:00:01:{number:02x}"),
                name,
            });
        }
        Ok(())
    }

    /// Ends all of them, and has xl-omx take away what they leave with the driver domain, which may not.
    pub fn destroy(self, fabric: &Fabric<'_>) -> Result<(), Error> {
        for batch in self.0.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(|mini| mini.name.as_str()).collect();
            let script = format!(
                "for i in {}; do xl destroy $i & done; wait",
                names.join(" ")
            );
            fabric.dom0(&["sh", "-c", &script])?;
        }
        let what = "nothing of the mini guests is left with the driver domain";
        wait_until(LIMIT, what, || {
            fabric.dom0(&["xl-omx", "apply"])?;
            let driver_domain = fabric.dom0(&["xl", "domid", "driver-domain"])?;
            let directory = format!("/local/domain/{}/backend/omx", driver_domain.trim());
            let guests = fabric.dom0(&["xenstore-list", &directory])?;
            let is_left = |mini: &Mini| guests.lines().any(|guest| guest == mini.id.to_string());
            Ok(!self.iter().any(is_left))
        })
        .map(drop)
    }

    /// Gives each its order; those for which there is none have nothing to do.
    pub fn order(
        &self,
        fabric: &Fabric<'_>,
        order: impl Fn(usize, &Mini) -> Option<String>,
    ) -> Result<(), Error> {
        let mut command = vec!["xenstore-write".to_owned()];
        for (index, mini) in self.0.iter().enumerate() {
            if let Some(order) = order(index, mini) {
                command.extend([mini.node("order"), order]);
            }
        }
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        fabric.dom0(&command).map(drop)
    }

    /// What each says once it has carried out its order, as names and values; the same orders as for [`Self::order`].
    pub fn answers(
        &self,
        fabric: &Fabric<'_>,
        order: impl Fn(usize, &Mini) -> Option<String>,
    ) -> Result<Vec<String>, Error> {
        let said = self.wait_for(fabric, 0, |index, said| {
            let order = order(index, &self.0[index]);
            order.is_none_or(|order| said.starts_with(&format!("{order} -> ")))
        })?;
        let answer = |text: String| text.split_once(" -> ").map(|(_, answer)| answer.to_owned());
        let answers = said.into_iter().enumerate().filter_map(|(index, text)| {
            order(index, &self.0[index]).map(|_| answer(text).unwrap_or_default())
        });
        Ok(answers.collect())
    }

    /// What each has reported last.
    pub fn reports(&self, fabric: &Fabric<'_>) -> Result<Vec<String>, Error> {
        let nodes: Vec<String> = self.iter().map(|mini| mini.node("report")).collect();
        let mut command = vec!["xenstore-read"];
        command.extend(nodes.iter().map(String::as_str));
        let said = fabric.dom0(&command)?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Waits until the reports from the one of that index on are what is wanted.
    fn wait_for(
        &self,
        fabric: &Fabric<'_>,
        first: usize,
        wanted: impl Fn(usize, &str) -> bool,
    ) -> Result<Vec<String>, Error> {
        let nodes: Vec<String> = self.0[first..]
            .iter()
            .map(|mini| mini.node("report"))
            .collect();
        let mut command = vec!["xenstore-read"];
        command.extend(nodes.iter().map(String::as_str));
        let mut reports = Vec::new();
        wait_until(LIMIT, "all mini guests have reported", || {
            let output = fabric.try_dom0(&command)?;
            reports = output.text().lines().map(str::to_owned).collect();
            let all = output.status == 0 && reports.len() == nodes.len();
            let mut each = reports.iter().zip(first..);
            Ok(all && each.all(|(said, index)| wanted(index, said)))
        })
        .map_err(|error| Error::Judged(format!("{error}; the reports:\n{}", reports.join("\n"))))?;
        Ok(reports)
    }
}

impl Mini {
    fn node(&self, name: &str) -> String {
        format!("/local/domain/{}/data/mini/{name}", self.id)
    }
}

/// The number of a domain in the table of `xl list`.
fn id_of(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

/// The value of a name in an answer.
pub fn value(answer: &str, name: &str) -> Result<u64, Error> {
    let mut words = answer.split_whitespace();
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Error::Judged(format!("a mini guest does not say {name}, but: {answer}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let answer = "done=7 undone=8 lost=0";
        assert_eq!(value(answer, "done").unwrap(), 7);
        assert_eq!(value(answer, "lost").unwrap(), 0);
        assert!(value(answer, "one").is_err());
    }

    #[test]
    fn a_domain_is_found_by_its_whole_name() {
        let list = "mini1\nName ID Mem\nDomain-0 0 768\nmini11 14 6\nmini1 4 6\n";
        assert_eq!(id_of(list, "mini1"), Some(4));
        assert_eq!(id_of(list, "mini2"), None);
    }
}
