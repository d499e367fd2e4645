//! Kernel headers, unpacked into the cache, with the compiler that their kernel was built with.

use super::apt::{Apt, numbers};
use super::image::Image;
use super::root::Root;
use crate::error::{At, Error};
use crate::place;
use crate::stage::Stage;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

/// The suites whose kernels the module is built for; each with its backports, if it has any.
const SUITES: [&str; 3] = ["bookworm", "trixie", "sid"];

/// What writes a module's type information, which newer headers want.
const TYPES: &str = "pahole";

/// The headers of one kernel.
pub struct Headers {
    /// What a module's `make -C` takes.
    pub directory: PathBuf,
    /// The PATH that finds the kernel's compiler and tools.
    pub search_path: OsString,
}

impl Headers {
    /// Fetches and unpacks the headers of a kernel, unless they are there. Those of the machine's own release of Debian are
    /// used with the machine's compiler, others with that of their suite.
    pub fn of(apt: &Apt, release: &str) -> Result<Self, Error> {
        let root = Root::of(apt.suite())?;
        let kept = kept(release)?;
        let package = format!("linux-headers-{release}");
        if !kept.exists() {
            apt.update()?;
            let stage = Stage::begin(format!("fetching and unpacking {package}"));
            let (mut parts, mut tools) = parts(apt.dependencies(&package)?);
            for kbuild in parts.iter().filter(|part| part.contains("kbuild")) {
                tools.extend(apt.dependencies(kbuild)?);
            }
            parts.push(package.clone());
            if apt.is_of_machine() {
                // The rest is what is installed here.
                tools.retain(|tool| tool == TYPES);
            } else {
                // The assembler and the linker by the names that compilers call them.
                tools.push("binutils".to_owned());
            }
            root.add(apt, &tools)?;
            let begun = kept.with_file_name(format!("unpacking-{release}"));
            apt.unpack(&parts, &begun)?;
            root.adopt(&begun)?;
            fs::rename(&begun, &kept).at("create", &kept)?;
            stage.done("");
        }
        Ok(Headers {
            directory: kept.join("usr/src").join(package),
            search_path: root.search_path(),
        })
    }

    /// The compiler that the kernel was built with, as its configuration says.
    pub fn compiler(&self) -> String {
        let config = fs::read_to_string(self.directory.join(".config")).unwrap_or_default();
        let named = config
            .lines()
            .find_map(|line| line.strip_prefix("CONFIG_CC_VERSION_TEXT="));
        named.unwrap_or_default().trim_matches('"').to_owned()
    }
}

/// What a package of headers depends on, as the parts of it, and the tools that it is used with. The image, which newer
/// ones name for its type information, is neither.
fn parts(dependencies: Vec<String>) -> (Vec<String>, Vec<String>) {
    let kernel = |name: &String| name.starts_with("linux-");
    let (mut parts, mut tools): (Vec<_>, Vec<_>) = dependencies.into_iter().partition(kernel);
    tools.extend(parts.extract_if(.., |name| name.starts_with("linux-compiler-")));
    parts.retain(|name| name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-"));
    (parts, tools)
}

/// A kernel of Debian's that has headers.
pub struct Kernel {
    apt: Rc<Apt>,
    /// Its release, as `uname -r` says it.
    pub release: String,
}

impl Kernel {
    /// All that Debian has now, the oldest first.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut kernels = Vec::new();
        for suite in SUITES {
            let apt = Rc::new(Apt::of(suite)?);
            // Not the packages that only name the newest one: those have two numbers.
            let packages = apt.names("^linux-headers-[0-9]+[.][0-9]+[.][0-9].*-amd64$")?;
            let releases = packages
                .iter()
                .filter_map(|name| name.strip_prefix("linux-headers-"));
            kernels.extend(releases.map(|release| Kernel {
                apt: apt.clone(),
                release: release.to_owned(),
            }));
        }
        kernels.sort_by_key(|kernel| (numbers(&kernel.release), kernel.release.clone()));
        let lines = kernels
            .iter()
            .map(|kernel| format!("{} {}\n", kernel.suite(), kernel.release));
        let list = list()?;
        fs::write(&list, lines.collect::<String>()).at("write", &list)?;
        Ok(kernels)
    }

    /// The oldest and the newest of those without a special configuration, of the list that was last asked of Debian: the
    /// tests need no network the next time.
    pub fn oldest_and_newest() -> Result<[Self; 2], Error> {
        let list = list()?;
        if !list.exists() {
            Self::all()?;
        }
        let text = fs::read_to_string(&list).at("read", &list)?;
        let named = text.lines().filter_map(|line| line.split_once(' '));
        let plain: Vec<_> = named.filter(|(_, release)| !is_special(release)).collect();
        let (Some(oldest), Some(newest)) = (plain.first(), plain.last()) else {
            return Err(Error::NoPackage {
                pattern: "linux-headers-…-amd64".to_owned(),
            });
        };
        let kernel = |(suite, release): &(&str, &str)| -> Result<Self, Error> {
            Ok(Kernel {
                apt: Rc::new(Apt::of(suite)?),
                release: (*release).to_owned(),
            })
        };
        Ok([kernel(oldest)?, kernel(newest)?])
    }

    /// The suite, which may be the one that the kernel is backported to.
    pub fn suite(&self) -> &str {
        self.apt.suite()
    }

    /// The newest of those without a special configuration whose release begins with this.
    pub fn newest_of(begin: &str) -> Result<Self, Error> {
        let fits =
            |kernel: &Self| kernel.release.starts_with(begin) && !is_special(&kernel.release);
        let found = Self::all()?.into_iter().rfind(fits);
        found.ok_or_else(|| Error::NoPackage {
            pattern: format!("linux-headers-{begin}…-amd64"),
        })
    }

    /// Itself.
    pub fn image(&self) -> Result<Image, Error> {
        Image::of(&self.apt, &self.release)
    }

    /// Its headers.
    pub fn headers(&self) -> Result<Headers, Error> {
        Headers::of(&self.apt, &self.release)
    }

    /// Uses its headers, and removes them from the cache unless they were there before: those of all kernels take
    /// gigabytes.
    pub fn with_headers<R>(
        &self,
        work: impl FnOnce(&Headers) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let kept = kept(&self.release)?;
        let was_there = kept.exists();
        let done = self.headers().and_then(|headers| work(&headers));
        if !was_there && kept.exists() {
            fs::remove_dir_all(&kept).at("remove", &kept)?;
        }
        done
    }
}

/// Whether a kernel is configured for clouds or for real time.
fn is_special(release: &str) -> bool {
    release.ends_with("-cloud-amd64") || release.ends_with("-rt-amd64")
}

/// Where the headers of a kernel are.
fn kept(release: &str) -> Result<PathBuf, Error> {
    Ok(place::cache()?.join("headers").join(release))
}

/// Where the list of kernels is kept: a suite and a release on each line, the oldest first.
fn list() -> Result<PathBuf, Error> {
    Ok(place::cache()?.join("kernels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_with_their_parts_and_their_tools_and_without_the_kernel_itself() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (parts, tools) = parts(named(&[
            "linux-headers-6.12.95+deb12-common",
            "linux-image-6.12.95+deb12-amd64",
            "linux-kbuild-6.12.95+deb12",
            "linux-compiler-gcc-12-x86",
            "pahole",
        ]));
        assert_eq!(
            parts,
            [
                "linux-headers-6.12.95+deb12-common",
                "linux-kbuild-6.12.95+deb12"
            ]
        );
        assert_eq!(tools, ["pahole", "linux-compiler-gcc-12-x86"]);
    }
}
