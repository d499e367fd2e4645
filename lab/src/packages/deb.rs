//! One package: its files with their modes and times, its control files, and dpkg-deb's archive of them.

use super::files::{set_mode, source_package, write};
use super::origin::Origin;
use super::stage;
use super::symbols;
use super::table::Package;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What all packages are for; also the module's has compiled logic in it.
const ARCHITECTURE: &str = "amd64";

/// The library whose users depend on its package by name.
const LIBRARY: &str = "libopen-mx0";

/// Makes a package of these files of a tree; returns where it is.
pub fn make(
    package: &Package,
    origin: &Origin,
    tree: &Path,
    files: &[String],
    output: &Path,
) -> Result<PathBuf, Error> {
    let root = place::work().join("package").join(package.name);
    if root.exists() {
        fs::remove_dir_all(&root).at("remove", &root)?;
    }
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control).at("create", &control)?;
    let mut programs = Vec::new();
    for file in files {
        let (from, to) = (tree.join(file), root.join(file));
        copy(&from, &to)?;
        if file.contains("/man/") {
            compress(&to)?;
        } else if is_program(&to)? && !file.contains("open-mx/driver-domain") {
            programs.push(file.clone());
        }
    }
    add_documents(package, origin, &root)?;
    write(&control.join("md5sums"), &md5sums(&root)?, 0o644)?;
    add_control(package, origin, &root, &programs)?;
    if package.name == LIBRARY {
        symbols::add(&root, origin)?;
    }
    normalise(&root, origin)?;
    let file = output.join(format!(
        "{}_{}_{}.deb",
        package.name, origin.version, ARCHITECTURE
    ));
    let compression = ["-Zxz", "-z6", "--threads-max=1", "--root-owner-group"];
    Run::new("dpkg-deb", &format!("packages-{}", package.name))
        .args(compression)
        .args(["--build".as_ref(), root.as_os_str(), file.as_os_str()])
        .env("SOURCE_DATE_EPOCH", &origin.epoch)
        .output()?;
    fs::remove_dir_all(&root).at("remove", &root)?;
    Ok(file)
}

/// Copies a file or a link.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    if from.is_symlink() {
        let target = fs::read_link(from).at("read", from)?;
        std::os::unix::fs::symlink(target, to).at("link", to)
    } else {
        fs::copy(from, to).at("copy", from).map(drop)
    }
}

fn compress(file: &Path) -> Result<(), Error> {
    let run = Run::new("gzip", "packages-gzip").args(["-9n"]);
    run.args([file]).output().map(drop)
}

/// Whether this is a program or library that a loader loads.
fn is_program(file: &Path) -> Result<bool, Error> {
    if file.is_symlink() {
        return Ok(false);
    }
    let begin = fs::read(file).at("read", file)?;
    let is_object = file.extension().is_some_and(|end| end == "o_shipped");
    Ok(begin.starts_with(b"\x7fELF") && !is_object)
}

/// What Debian has of every package: its licences, what has changed, and what of lintian's complaints does not hold.
fn add_documents(package: &Package, origin: &Origin, root: &Path) -> Result<(), Error> {
    let documents = root.join("usr/share/doc").join(package.name);
    fs::create_dir_all(&documents).at("create", &documents)?;
    write(&documents.join("copyright"), &copyright()?, 0o644)?;
    let changelog = format!(
        "{} ({}) unstable; urgency=medium\n\n  * Built from the commit {}.\n\n -- {}  {}\n",
        package.name, origin.version, origin.commit, origin.maintainer, origin.date
    );
    write(&documents.join("changelog"), &changelog, 0o644)?;
    compress(&documents.join("changelog"))?;
    if package.overrides.is_empty() {
        return Ok(());
    }
    let overrides = root.join("usr/share/lintian/overrides");
    fs::create_dir_all(&overrides).at("create", &overrides)?;
    write(&overrides.join(package.name), package.overrides, 0o644)
}

/// The licences in Debian's machine-readable form, whose paragraphs are indented, empty lines as points.
fn copyright() -> Result<String, Error> {
    let mit = place::repository().join("LICENSE-MIT");
    let mit = fs::read_to_string(&mit).at("read", &mit)?;
    let paragraph = mit.lines().map(|line| match line.trim() {
        "" => " .\n".to_owned(),
        line => format!(" {line}\n"),
    });
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: Xen2MX\n\n\
         Files: *\n\
         Copyright: (c) the Xen2MX authors\n\
         License: MIT or Apache-2.0\n\n\
         License: MIT\n{}\n\
         License: Apache-2.0\n \
         The whole text is in /usr/share/common-licenses/Apache-2.0.\n",
        paragraph.collect::<String>()
    ))
}

/// The sums by which `dpkg --verify` sees what was changed.
fn md5sums(root: &Path) -> Result<String, Error> {
    let mut files = stage::files(root)?;
    files.retain(|file| !file.starts_with("DEBIAN/") && !file.starts_with("etc/"));
    files.retain(|file| !root.join(file).is_symlink());
    let run = Run::new("md5sum", "packages-md5sum").within(root);
    run.args(["--"]).args(files).output()
}

/// The control file, the list of files that an operator may edit, and the scripts.
fn add_control(
    package: &Package,
    origin: &Origin,
    root: &Path,
    programs: &[String],
) -> Result<(), Error> {
    let control = root.join("DEBIAN");
    let mut fields = format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: {}\nSection: {}\nPriority: optional\n\
         Installed-Size: {}\n",
        package.name,
        origin.version,
        ARCHITECTURE,
        origin.maintainer,
        package.section,
        installed_size(root)?
    );
    let mut loaded = loads(root, programs)?;
    for (name, value) in package.fields {
        let value = value.replace("VERSION", &origin.version);
        match *name {
            "Depends" => loaded.push(value),
            name => writeln!(fields, "{name}: {value}").unwrap_or_default(),
        }
    }
    if !loaded.is_empty() {
        fields += &format!("Depends: {}\n", loaded.join(", "));
    }
    fields += &format!("Description: {}\n{}", package.summary, package.description);
    write(&control.join("control"), &fields, 0o644)?;
    let files = stage::files(root)?;
    let edited = files.iter().filter(|file| file.starts_with("etc/"));
    let edited: String = edited.map(|file| format!("/{file}\n")).collect();
    if !edited.is_empty() {
        write(&control.join("conffiles"), &edited, 0o644)?;
    }
    for (name, script) in package.scripts {
        let script = script.replace("VERSION", &origin.version);
        write(&control.join(name), &script, 0o755)?;
    }
    Ok(())
}

/// In KiB, as Debian's policy counts: each file for itself, rounded up, and 1 for everything else.
fn installed_size(root: &Path) -> Result<u64, Error> {
    let mut size = 0;
    for file in stage::files(root)? {
        let file = root.join(file);
        size += match file.is_symlink() {
            true => 1,
            false => fs::metadata(&file).at("read", &file)?.len().div_ceil(1024),
        };
    }
    Ok(size)
}

/// The packages that these programs load libraries of, with the versions that they need.
fn loads(root: &Path, programs: &[String]) -> Result<Vec<String>, Error> {
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let source = source_package(root)?;
    let run = Run::new("dpkg-shlibdeps", "packages-shlibdeps").within(&source);
    let programs = programs.iter().map(|file| root.join(file));
    let said = run.args(["-O"]).args(programs).output()?;
    fs::remove_dir_all(&source).at("remove", &source)?;
    let found = said
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(found.map(str::to_owned).into_iter().collect())
}

/// The modes that Debian's policy wants whatever the umask is, and the commit's time.
fn normalise(root: &Path, origin: &Origin) -> Result<(), Error> {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        set_mode(&folder, 0o755)?;
        for entry in fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = fs::metadata(&path).at("read", &path)?.permissions().mode();
            let library = path.to_string_lossy().contains(".so");
            set_mode(
                &path,
                if mode & 0o100 != 0 && !library {
                    0o755
                } else {
                    0o644
                },
            )?;
        }
    }
    let script = "find \"$1\" -exec touch --no-dereference --date=\"@$2\" -- {} +";
    let root = root.to_string_lossy();
    let arguments = ["-c", script, "sh", &root, &origin.epoch];
    let run = Run::new("sh", "packages-touch").args(arguments);
    run.output().map(drop)
}
