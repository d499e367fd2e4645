//! What Open MPI says of itself. Its program `ompi_info` reads variables and files as `mpirun` does, so no rule of theirs
//! is repeated here.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::Command;

/// Why nothing is known of Open MPI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A program of Open MPI cannot be started, and why.
    #[error("{0} cannot be started: {1}")]
    Program(&'static str, String),
    /// `mpirun` is another MPI's; what it said.
    #[error("mpirun is not Open MPI's, but says '{0}'")]
    Other(String),
    /// `mpirun` and `ompi_info` are not of one version.
    #[error("mpirun is of Open MPI {0}, ompi_info of {1}")]
    Two(String, String),
    /// This version is none of those that are known here.
    #[error("Open MPI {0} is none that is known here: 4.1 and 5 are")]
    Version(String),
}

impl Missing {
    /// What to do then.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Program(..) => "apt install openmpi-bin, or put Open MPI's programs into PATH",
            Self::Other(_) | Self::Two(..) => "put the Open MPI that is meant first in PATH",
            Self::Version(_) => "install one of these",
        }
    }
}

/// An installed Open MPI.
pub struct OpenMpi {
    version: String,
    major: u32,
    information: String,
}

/// A parameter's value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Empty when nothing is chosen.
    pub value: String,
    /// Who has set it.
    pub source: Source,
}

/// Who has set a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A variable of the environment, `OMPI_MCA_` and the parameter's name.
    Environment,
    /// A file, and its line if Open MPI knows it: `/etc/openmpi/openmpi-mca-params.conf:61`.
    File(String),
    /// Open MPI's own value.
    Default,
}

impl Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::File(place) => f.write_str(place),
            Self::Default => f.write_str("Open MPI's default"),
        }
    }
}

impl OpenMpi {
    /// Asks the programs that the shell would find.
    pub fn ask() -> Result<Self, Missing> {
        let version = said("mpirun", &["--version"])?;
        let information = said("ompi_info", &["--parsable", "--all", "--level", "9"])?;
        Self::read(&version, information)
    }

    /// What the programs have said.
    fn read(version: &str, information: String) -> Result<Self, Missing> {
        let first = version.lines().next().unwrap_or_default();
        let Some((_, version)) = first.split_once("(Open MPI) ") else {
            return Err(Missing::Other(first.to_owned()));
        };
        let version = version.trim().to_owned();
        let told = value(&information, "ident:").unwrap_or_default();
        if told != version {
            return Err(Missing::Two(version, told));
        }
        let mut numbers = version.split('.').map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return Err(Missing::Version(version));
        };
        match (major, minor) {
            (4, 1..) | (5, 0..) => Ok(Self {
                version,
                major,
                information,
            }),
            _ => Err(Missing::Version(version)),
        }
    }

    /// As "4.1.4".
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its first number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Whether it was built with this component, as "mtl:ofi".
    pub fn has(&self, component: &str) -> bool {
        let begin = format!("mca:{component}:version:");
        self.information
            .lines()
            .any(|line| line.starts_with(&begin))
    }

    /// A parameter, by its component and name, as "mtl:base" and "mtl".
    pub fn setting(&self, component: &str, name: &str) -> Setting {
        let begin = format!("mca:{component}:param:{name}:");
        let value_of = |what| value(&self.information, &format!("{begin}{what}:"));
        let source = value_of("source").unwrap_or_default();
        let file = source.strip_prefix("file (");
        Setting {
            value: value_of("value").unwrap_or_default(),
            source: match file.and_then(|rest| rest.strip_suffix(')')) {
                Some(place) => Source::File(place.to_owned()),
                None if source == "environment" => Source::Environment,
                None => Source::Default,
            },
        }
    }

    /// The files of parameters that it reads. What stands in one counts more than what stands in those after it.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.setting("mca:base", "mca_base_param_files").value;
        files.split(',').map(PathBuf::from).collect()
    }

    /// The file of parameters for all users.
    pub fn file_for_all(&self) -> PathBuf {
        let files = self.files().into_iter();
        let mut own = files.filter(|file| file.ends_with(FILE_FOR_ALL));
        own.next().unwrap_or_else(file_for_all_of_debian)
    }
}

/// The name of the file of parameters for all users.
const FILE_FOR_ALL: &str = "openmpi-mca-params.conf";

/// That file of Debian's Open MPI.
pub fn file_for_all_of_debian() -> PathBuf {
    PathBuf::from("/etc/openmpi").join(FILE_FOR_ALL)
}

fn said(program: &'static str, arguments: &[&str]) -> Result<String, Missing> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| Missing::Program(program, error.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What follows these words in the line that begins with them. Open MPI quotes what has a colon.
fn value(information: &str, begin: &str) -> Option<String> {
    let mut lines = information.lines();
    let value = lines.find_map(|line| line.strip_prefix(begin))?;
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    Some(quoted.unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: &str, ident: &str) -> Result<OpenMpi, Missing> {
        OpenMpi::read(version, format!("ident:{ident}\n"))
    }

    #[test]
    fn a_program_that_is_not_open_mpis_or_of_another_version_is_told() {
        assert!(read("mpirun (Open MPI) 4.1.4\n\nReport", "4.1.4").is_ok());
        assert!(read("mpirun (Open MPI) 5.0.11", "5.0.11").is_ok());
        let other = "HYDRA build details:";
        assert_eq!(read(other, "").err(), Some(Missing::Other(other.into())));
        assert_eq!(read("", "").err(), Some(Missing::Other(String::new())));
        let two = read("mpirun (Open MPI) 5.0.11", "4.1.4").err();
        assert_eq!(two, Some(Missing::Two("5.0.11".into(), "4.1.4".into())));
        for version in ["3.1.3", "4.0.3", "6.0.0", "five", "5"] {
            let said = read(&format!("mpirun (Open MPI) {version}"), version).err();
            assert_eq!(said, Some(Missing::Version(version.into())));
        }
    }

    #[test]
    fn a_parameter_is_known_with_its_source() {
        let said = "ident:4.1.4\n\
                    mca:mca:base:param:mca_base_env_list:value:\"FI_PROVIDER_PATH=/a:/b\"\n\
                    mca:mca:base:param:mca_base_env_list:source:environment\n\
                    mca:mtl:base:param:mtl:value:^ofi\n\
                    mca:mtl:base:param:mtl:source:file (/etc/openmpi/openmpi-mca-params.conf:61)\n\
                    mca:pml:base:param:pml:value:\n\
                    mca:pml:base:param:pml:source:default\n";
        let open_mpi = OpenMpi::read("mpirun (Open MPI) 4.1.4", said.to_owned()).unwrap();
        let mtl = open_mpi.setting("mtl:base", "mtl");
        let place = "/etc/openmpi/openmpi-mca-params.conf:61";
        assert_eq!(mtl.value, "^ofi");
        assert_eq!(mtl.source, Source::File(place.to_owned()));
        let variables = open_mpi.setting("mca:base", "mca_base_env_list");
        assert_eq!(variables.value, "FI_PROVIDER_PATH=/a:/b");
        assert_eq!(variables.source, Source::Environment);
        let none = Setting {
            value: String::new(),
            source: Source::Default,
        };
        assert_eq!(open_mpi.setting("pml:base", "pml"), none);
        assert_eq!(open_mpi.setting("btl:base", "btl"), none);
    }
}
