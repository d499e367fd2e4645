//! apt with a state of its own, so that the machine's sources and lists stay as they are.

use super::sources;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// The releases of Debian that the lab runs on, by the name of their suite.
const RELEASES: [&str; 2] = ["bookworm", "trixie"];

/// apt with a private state for one suite of Debian's archive.
pub struct Apt {
    directory: PathBuf,
    /// The release that the machine runs.
    machine: String,
    suite: String,
    /// Whether it is the suite's source packages that are asked for.
    of_sources: bool,
    updated: Cell<bool>,
}

impl Apt {
    /// The suite of the release that the machine runs. Nothing is fetched before something is asked.
    pub fn of_machine() -> Result<Self, Error> {
        let machine = release()?;
        Self::open(machine.clone(), machine)
    }

    /// Another suite ("bookworm", "sid"), from the machine's own mirror and with its keys.
    pub fn of(suite: &str) -> Result<Self, Error> {
        Self::open(release()?, suite.to_owned())
    }

    /// The source packages of a suite.
    pub fn sources_of(suite: &str) -> Result<Self, Error> {
        let packages = Self::of(suite)?;
        Ok(Apt {
            directory: packages.directory.with_file_name(format!("{suite}-source")),
            of_sources: true,
            ..packages
        })
    }

    fn open(machine: String, suite: String) -> Result<Self, Error> {
        Ok(Apt {
            directory: place::cache()?.join("apt").join(&suite),
            machine,
            suite,
            of_sources: false,
            updated: Cell::new(false),
        })
    }

    /// The suite.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// Whether this is the release that the machine runs.
    pub fn is_of_machine(&self) -> bool {
        self.suite == self.machine
    }

    /// The suite that holds newer versions of some packages.
    pub fn backports(&self) -> String {
        format!("{}-backports", self.suite)
    }

    /// The options that make apt use this state and install into the machine.
    pub fn options(&self) -> Vec<String> {
        let of = |name: &str| self.directory.join(name).display().to_string();
        let options = [
            format!("Dir::State::lists={}", of("lists")),
            format!("Dir::Etc::sourceparts={}", of("sources.list.d")),
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
            // The state lies in a home directory, where apt's own user has no way to go.
            "APT::Sandbox::User=".to_owned() + &user(),
        ];
        options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect()
    }

    /// The same for what is only fetched: what is installed on the machine, maybe newer than this suite, does not count.
    fn archive_options(&self) -> Vec<String> {
        let status = self.directory.join("nothing-installed");
        let mut options = self.options();
        options.extend([
            "-o".to_owned(),
            format!("Dir::State::status={}", status.display()),
        ]);
        options
    }

    /// Fetches the package lists, once per run.
    pub fn update(&self) -> Result<(), Error> {
        if self.updated.replace(true) {
            return Ok(());
        }
        let stage = Stage::begin(format!(
            "fetching the {} lists of Debian's {} (into the lab's own cache)",
            if self.of_sources { "source" } else { "package" },
            self.suite
        ));
        self.write_sources()?;
        self.run("prepare-apt-update", &["update", "-q"])?;
        stage.done("");
        Ok(())
    }

    fn write_sources(&self) -> Result<(), Error> {
        let own = self.directory.join("sources.list.d");
        for directory in [own.clone(), self.directory.join("lists/partial")] {
            fs::create_dir_all(&directory).at("create", &directory)?;
        }
        let status = self.directory.join("nothing-installed");
        fs::write(&status, "").at("write", &status)?;
        for (name, text) in self.sources()? {
            let file = own.join(name);
            let text = match self.of_sources {
                true => sources::for_sources(&text),
                false => text,
            };
            fs::write(&file, text).at("write", &file)?;
        }
        Ok(())
    }

    /// The files of apt's sources for this suite, by name.
    pub fn sources(&self) -> Result<[(&'static str, String); 2], Error> {
        let mut found = Vec::from([PathBuf::from("/etc/apt/sources.list")]);
        let parts = Path::new("/etc/apt/sources.list.d");
        if let Ok(entries) = fs::read_dir(parts) {
            found.extend(entries.flatten().map(|entry| entry.path()));
        }
        let (mut lines, mut stanzas) = (Vec::new(), Vec::new());
        let derive =
            |text: &str, one_line| sources::derive(text, &self.machine, &self.suite, one_line);
        for file in found {
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => lines.extend(derive(&text, true)),
                Some("sources") => stanzas.extend(derive(&text, false)),
                _ => {}
            }
        }
        if lines.is_empty() && stanzas.is_empty() {
            return Err(Error::NoSources {
                codename: self.machine.clone(),
            });
        }
        Ok([
            ("debian.list", lines.join("\n") + "\n"),
            ("debian.sources", stanzas.join("\n\n") + "\n"),
        ])
    }

    /// The address of the mirror that has the suite itself.
    pub fn mirror(&self) -> Result<String, Error> {
        let [(_, lines), (_, stanzas)] = self.sources()?;
        sources::mirror(&lines, &stanzas, &self.suite).ok_or_else(|| Error::NoSources {
            codename: self.machine.clone(),
        })
    }

    /// The release of the newest kernel, of those that match a regular expression, that is there both as an image and as
    /// headers: Debian's signed images come some days after the headers.
    pub fn newest_kernel(&self, pattern: &str) -> Result<String, Error> {
        let images = self.names(&format!("^linux-image-{pattern}$"))?;
        let headers = self.names(&format!("^linux-headers-{pattern}$"))?;
        newest_of_both(&images, &headers).ok_or_else(|| Error::NoPackage {
            pattern: pattern.to_owned(),
        })
    }

    /// The packages whose name matches a regular expression.
    pub fn names(&self, pattern: &str) -> Result<Vec<String>, Error> {
        self.update()?;
        let mut arguments = self.archive_options();
        arguments.extend(["search", "--names-only", pattern].map(str::to_owned));
        let found = Run::new("apt-cache", "prepare-apt-search")
            .args(arguments)
            .output()?;
        let names = found.lines().filter_map(|line| line.split(" - ").next());
        Ok(names.map(str::to_owned).collect())
    }

    /// The packages that `package` depends on, virtual ones too.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>, Error> {
        let mut arguments = self.archive_options();
        arguments.extend(["depends", package].map(str::to_owned));
        let text = Run::new("apt-cache", "prepare-apt-depends")
            .args(arguments)
            .output()?;
        let names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names
            .map(|name| name.trim_matches(['<', '>']).to_owned())
            .collect())
    }

    /// These packages and all that they depend on, each as `name=version`.
    pub fn closure(&self, packages: &[String]) -> Result<Vec<String>, Error> {
        self.update()?;
        let mut arguments = self.archive_options();
        arguments.extend(["install", "--simulate", "--no-install-recommends"].map(str::to_owned));
        arguments.extend(packages.iter().cloned());
        let text = Run::new("apt-get", "prepare-apt-simulate")
            .args(arguments)
            .output()?;
        Ok(text.lines().filter_map(to_be_installed).collect())
    }

    /// Fetches packages and unpacks them into `into`, which is made anew; installs nothing.
    pub fn unpack(&self, packages: &[String], into: &Path) -> Result<(), Error> {
        if into.exists() {
            fs::remove_dir_all(into).at("remove", into)?;
        }
        self.fetch(packages, into)
    }

    /// Fetches packages and unpacks them over what is in `into`.
    pub fn fetch(&self, packages: &[String], into: &Path) -> Result<(), Error> {
        self.update()?;
        let debs = into.with_extension("debs");
        if debs.exists() {
            fs::remove_dir_all(&debs).at("remove", &debs)?;
        }
        for directory in [into, &debs] {
            fs::create_dir_all(directory).at("create", directory)?;
        }
        let mut arguments = self.archive_options();
        arguments.extend(["download", "-q"].map(str::to_owned));
        arguments.extend(packages.iter().cloned());
        Run::new("apt-get", "prepare-apt-download")
            .within(&debs)
            .args(arguments)
            .output()?;
        for entry in fs::read_dir(&debs).at("read", &debs)? {
            let deb = entry.at("read", &debs)?.path();
            Run::new("dpkg", "prepare-dpkg")
                .args(["-x".as_ref(), deb.as_os_str(), into.as_os_str()])
                .output()?;
        }
        fs::remove_dir_all(&debs).at("remove", &debs)
    }

    /// Fetches the source of a package as its authors released it, without Debian's changes, and unpacks it into `into`,
    /// which is made anew.
    pub fn unpack_source(&self, package: &str, into: &Path) -> Result<(), Error> {
        self.update()?;
        let archives = into.with_extension("archives");
        for directory in [into, &archives] {
            if directory.exists() {
                fs::remove_dir_all(directory).at("remove", directory)?;
            }
            fs::create_dir_all(directory).at("create", directory)?;
        }
        let mut arguments = self.archive_options();
        arguments.extend(["source", "-q", "--download-only", "--tar-only"].map(str::to_owned));
        arguments.push(package.to_owned());
        Run::new("apt-get", "prepare-apt-source")
            .within(&archives)
            .args(arguments)
            .output()?;
        for entry in fs::read_dir(&archives).at("read", &archives)? {
            let archive = entry.at("read", &archives)?.path();
            Run::new("tar", "prepare-tar")
                .within(into)
                .args(["--strip-components=1", "-xf"])
                .args([archive])
                .output()?;
        }
        fs::remove_dir_all(&archives).at("remove", &archives)
    }

    /// Runs apt-get as the present user.
    fn run(&self, log: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut all = self.options();
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Run::new("apt-get", log).args(all).output()
    }
}

/// The release of Debian that the machine runs.
fn release() -> Result<String, Error> {
    let file = Path::new("/etc/os-release");
    let text = fs::read_to_string(file).at("read", file)?;
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let codename = value("VERSION_CODENAME");
    if value("ID") != "debian" || !RELEASES.contains(&codename.as_str()) {
        return Err(Error::NotDebian {
            name: value("PRETTY_NAME"),
        });
    }
    Ok(codename)
}

/// The present user's name, as apt wants it.
fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}

/// The newest release for which there is both an image and headers.
fn newest_of_both(images: &[String], headers: &[String]) -> Option<String> {
    let releases = images
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"));
    releases
        .filter(|release| headers.contains(&format!("linux-headers-{release}")))
        .max_by_key(|release| numbers(release))
        .map(str::to_owned)
}

/// The package that a line of `apt-get install --simulate` says would be installed, as `name=version`.
fn to_be_installed(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let version = rest.split([' ', ')']).next()?;
    Some(format!("{name}={version}"))
}

/// The numbers in a name, for comparing versions.
pub fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number_and_not_by_letter() {
        assert!(
            numbers("linux-headers-6.12.117+deb12-amd64")
                > numbers("linux-headers-6.12.95+deb12-amd64")
        );
        assert!(numbers("linux-image-6.1.0-56-amd64") > numbers("linux-image-6.1.0-9-amd64"));
    }

    #[test]
    fn what_would_be_installed_is_known_with_its_version() {
        let text = "NOTE: This is only a simulation!\n\
                    Inst gcc-14-base (14.2.0-19 Debian:13.1/stable [amd64])\n\
                    Inst libgmp10 (2:6.3.0+dfsg-3 Debian:13.1/stable [amd64]) []\n\
                    Conf gcc-14-base (14.2.0-19 Debian:13.1/stable [amd64])\n";
        let named: Vec<String> = text.lines().filter_map(to_be_installed).collect();
        assert_eq!(named, ["gcc-14-base=14.2.0-19", "libgmp10=2:6.3.0+dfsg-3"]);
    }

    #[test]
    fn a_kernel_has_an_image_and_headers_of_the_same_release() {
        let named = |kind: &str, releases: &[&str]| -> Vec<String> {
            releases
                .iter()
                .map(|release| format!("linux-{kind}-6.1.0-{release}-amd64"))
                .collect()
        };
        let images = named("image", &["9", "55", "56"]);
        let headers = named("headers", &["9", "55", "57"]);
        assert_eq!(
            newest_of_both(&images, &headers).as_deref(),
            Some("6.1.0-55-amd64")
        );
        assert_eq!(newest_of_both(&images, &[]), None);
    }
}
