//! What has to be so for `mpirun` to send by the provider, and whether it is.

use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

use super::open_mpi::{Missing, OpenMpi, Setting, Source};
use super::provider::{self, LIST, PATH, Place};
use super::{LAYER, PROVIDER};

/// Open MPI's way of sending by a layer of the kind mtl.
const CM: &str = "cm";

/// libfabric's own provider of TCP, which it lists before those that it loads.
const NET: &str = "net";

/// One of the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub name: &'static str,
    /// What there is.
    pub found: String,
    /// What to do, where that does not suffice.
    pub way_out: Option<String>,
}

impl Condition {
    fn fine(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            found: found.into(),
            way_out: None,
        }
    }

    fn lacking(name: &'static str, found: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            way_out: Some(way_out.into()),
            ..Self::fine(name, found)
        }
    }

    fn new(name: &'static str, found: String, fine: bool, way_out: impl Into<String>) -> Self {
        match fine {
            true => Self::fine(name, found),
            false => Self::lacking(name, found, way_out),
        }
    }
}

/// All conditions, as they are here and now.
pub struct Judgement {
    /// Of Open MPI's only that it is missing, if it is.
    pub conditions: Vec<Condition>,
    /// What becomes of a job unless all are met, to be said after the reason.
    otherwise: &'static str,
}

impl Judgement {
    /// Looks at everything.
    pub fn of(open_mpi: Result<&OpenMpi, &Missing>) -> Self {
        let mut conditions = vec![match open_mpi {
            Ok(open_mpi) => layer(open_mpi),
            Err(missing) => Condition::lacking("Open MPI", missing.to_string(), missing.way_out()),
        }];
        let two_ways = open_mpi.ok().and_then(two_ways);
        let chosen = open_mpi.map(|open_mpi| open_mpi.setting("pml:base", "pml").value);
        let otherwise = match chosen.as_deref() {
            Err(_) => "",
            Ok(_) if two_ways.is_some() => "; it ends with an error",
            Ok(CM) => "; since pml is cm, it ends with an error or takes another provider",
            Ok(_) => "; it takes what else it finds, as shared memory and TCP",
        };
        conditions.extend(two_ways);
        conditions.extend([board(), provider(&provider::find(open_mpi.ok()))]);
        conditions.extend(filter());
        if let Ok(open_mpi) = open_mpi {
            conditions.extend([pml(open_mpi), mtl(open_mpi), providers(open_mpi)]);
        }
        Self {
            conditions,
            otherwise,
        }
    }

    /// Whether a job sends by the provider, in a sentence.
    pub fn outcome(&self) -> Result<String, String> {
        let mut conditions = self.conditions.iter();
        match conditions.find(|condition| condition.way_out.is_some()) {
            None => Ok(format!("mpirun will send by {PROVIDER}")),
            Some(Condition { name, found, .. }) => Err(format!(
                "mpirun will not send by {PROVIDER}, because of {name}: {found}{}",
                self.otherwise
            )),
        }
    }
}

fn board() -> Condition {
    let name = "board";
    let boards = |backend: &Backend| -> Result<Vec<(bool, String)>, Error> {
        let boards = Board::all(backend)?;
        let seen = boards.iter().map(|(number, board)| {
            let openers = Board::openers(backend, *number)?;
            let open = openers.iter().flatten().count();
            let hostname = text(&board.description()?.hostname);
            let count = openers.len();
            let seen = format!("{hostname}, {open} of {count} endpoints open");
            Ok((open < count, seen))
        });
        seen.collect()
    };
    let found = Backend::find().and_then(|backend| Ok((boards(&backend)?, backend)));
    let start =
        "start omxd, or load the frontend module; OMX_SOCKET names a socket of omxd elsewhere";
    match found {
        Ok((boards, _)) if boards.is_empty() => Condition::lacking(name, "none", start),
        Ok((boards, backend)) => {
            let by = match backend {
                Backend::Device(path) => format!("by the device {}", path.display()),
                Backend::Socket(path) => format!("by omxd at {}", path.display()),
            };
            let free = boards.iter().any(|(free, _)| *free);
            let seen: Vec<_> = boards.into_iter().map(|(_, seen)| seen).collect();
            let more = "each rank needs an endpoint: end who has them (omx_endpoint_info), or have more (omxd --endpoints)";
            Condition::new(name, format!("{}, {by}", seen.join("; ")), free, more)
        }
        Err(error) => Condition::lacking(name, error.to_string(), start),
    }
}

fn provider(place: &Place) -> Condition {
    let name = "provider";
    let because = place.because.as_ref();
    let because = because.map_or_else(String::new, |because| format!(" ({because})"));
    let folders = place.folders.iter();
    let folders: Vec<_> = folders.map(|folder| folder.display().to_string()).collect();
    match &place.file {
        Some(file) => Condition::fine(name, format!("{}{because}", file.display())),
        None => Condition::lacking(
            name,
            format!(
                "no lib{PROVIDER}-fi.so in {}, where libfabric looks{because}",
                folders.join(" and ")
            ),
            format!(
                "put it there, or name the folder where it is: omx_mpi_setup --provider DIR, or export {PATH}=DIR"
            ),
        ),
    }
}

/// The variable that keeps libfabric from providers, where it is set.
fn filter() -> Option<Condition> {
    let value = std::env::var("FI_PROVIDER").ok()?;
    let fine = allows(&value.to_lowercase(), PROVIDER);
    let found = format!("FI_PROVIDER={value}");
    Some(Condition::new(
        "libfabric",
        found,
        fine,
        "unset FI_PROVIDER",
    ))
}

fn layer(open_mpi: &OpenMpi) -> Condition {
    let built = open_mpi.has(&format!("mtl:{LAYER}")) && open_mpi.has(&format!("pml:{CM}"));
    let with = if built { "with" } else { "without" };
    let found = format!("{}, {with} libfabric", open_mpi.version());
    let way_out = "take one that is built with libfabric, as Debian's is";
    Condition::new("Open MPI", found, built, way_out)
}

/// Variables that ranks are given in two ways at once, at which Open MPI 4 ends, if they are.
fn two_ways(open_mpi: &OpenMpi) -> Option<Condition> {
    let list = open_mpi.setting("mca:base", LIST);
    let (_, option) = provider::named_in_files(open_mpi)?;
    let found = format!("{LIST} ({}) beside {option}", list.source);
    let way_out = removal(&list.source, &[LIST]);
    (!list.value.is_empty()).then(|| Condition::lacking("variables", found, way_out))
}

fn pml(open_mpi: &OpenMpi) -> Condition {
    let setting = open_mpi.setting("pml:base", "pml");
    let fine = allows(&setting.value, CM);
    let way_out = removal(&setting.source, &["pml"]);
    Condition::new("pml", shown(&setting), fine, way_out)
}

fn mtl(open_mpi: &OpenMpi) -> Condition {
    let setting = open_mpi.setting("mtl:base", "mtl");
    let fine = allows(&setting.value, LAYER);
    Condition::new(
        "mtl",
        shown(&setting),
        fine,
        by_setup(&setting.source, &["mtl"]),
    )
}

/// Which providers the layer takes: the first in libfabric's list that it may.
fn providers(open_mpi: &OpenMpi) -> Condition {
    let names = |what| ["opal_common_ofi", "mtl_ofi", "btl_ofi"].map(|of| format!("{of}_{what}"));
    let include = open_mpi.setting("mtl:ofi", "mtl_ofi_provider_include");
    if !include.value.is_empty() {
        let fine = include.value.split(',').all(|item| item.trim() == PROVIDER);
        let way_out = by_setup(&include.source, &names("provider_include"));
        let found = format!("only {}", shown(&include));
        return Condition::new("providers", found, fine, way_out);
    }
    let exclude = open_mpi.setting("mtl:ofi", "mtl_ofi_provider_exclude");
    let excluded: Vec<_> = exclude.value.split(',').map(str::trim).collect();
    let fine = !excluded.contains(&PROVIDER) && excluded.contains(&NET);
    let found = format!("all but {}", shown(&exclude));
    let way_out = format!("omx_mpi_setup: libfabric lists its own {NET} before {PROVIDER}");
    Condition::new("providers", found, fine, way_out)
}

fn shown(setting: &Setting) -> String {
    match setting.value.as_str() {
        "" => "not chosen".to_owned(),
        value => format!("{value} ({})", setting.source),
    }
}

/// What to do against a parameter that `omx_mpi_setup` writes.
fn by_setup(source: &Source, names: &[impl AsRef<str>]) -> String {
    match source {
        Source::File(place) if !place.contains("-override.conf") => "omx_mpi_setup".to_owned(),
        Source::Default => "omx_mpi_setup".to_owned(),
        _ => removal(source, names),
    }
}

/// What to do against a parameter that comes from there, by any of its names.
fn removal(source: &Source, names: &[impl AsRef<str>]) -> String {
    match source {
        Source::File(place) => format!("take it out of {place}"),
        Source::Environment | Source::Default => {
            let variables = names
                .iter()
                .map(|name| format!("OMPI_MCA_{}", name.as_ref()));
            let set: Vec<_> = variables
                .filter(|name| std::env::var_os(name).is_some())
                .collect();
            format!("unset {}", set.join(" "))
        }
    }
}

/// Whether a list of names, as Open MPI and libfabric have them, leaves this one: all, the named, or all but the named.
fn allows(list: &str, name: &str) -> bool {
    let list = list.trim();
    let has = |list: &str| list.split(',').any(|item| item.trim() == name);
    match list.strip_prefix('^') {
        Some(excluded) => !has(excluded),
        None => list.is_empty() || has(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_leaves_all_the_named_or_all_but_the_named() {
        for list in ["", "cm", "ob1,cm", " cm ", "^ucx", "^ucx,ob1"] {
            assert!(allows(list, CM), "{list}");
        }
        for list in ["ob1", "^cm", "^ucx,cm", "cmx"] {
            assert!(!allows(list, CM), "{list}");
        }
    }

    #[test]
    fn the_outcome_names_the_first_condition_that_is_not_met() {
        let fine = Condition::fine("board", "node1:0");
        let lacking = |name| Condition::lacking(name, "^ofi", "omx_mpi_setup");
        let said = |conditions: &[Condition]| {
            let conditions = conditions.to_vec();
            let otherwise = "; it ends";
            let judgement = Judgement {
                conditions,
                otherwise,
            };
            judgement.outcome()
        };
        let wrong = said(&[fine.clone(), lacking("mtl"), lacking("pml")]).unwrap_err();
        assert!(wrong.ends_with("because of mtl: ^ofi; it ends"), "{wrong}");
        assert_eq!(said(&[fine]).unwrap(), "mpirun will send by openmx");
    }
}
