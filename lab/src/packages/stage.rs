//! Everything that packages hold, built, and installed into one tree by the `install.sh` of each crate.

use super::origin::Origin;
use crate::build;
use crate::error::{At, Error};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian's libraries are, below /usr.
const LIBDIR: &str = "lib/x86_64-linux-gnu";

/// Where the parts are that crates install.
pub struct Built {
    /// Programs without symbols, and the provider.
    programs: PathBuf,
    /// The static library.
    archive: PathBuf,
    /// The driver domain's image.
    image: PathBuf,
    /// The module's shim with the prebuilt logic.
    dkms: PathBuf,
}

/// Builds everything.
pub fn build() -> Result<Built, Error> {
    let built = build::everything(&prepare::machine()?)?;
    let stage = Stage::begin("building the provider of libfabric");
    Run::new("cargo", "build-provider")
        .args(["build", "--release", "--package", "libfabric-openmx"])
        .output()?;
    let release = build::target().join("release");
    let programs = built.programs.path("");
    let provider = "libopenmx_fi.so";
    build::strip(&release.join(provider), &programs.join(provider))?;
    stage.done("");
    Ok(Built {
        programs,
        archive: release.join("libopen_mx_c.a"),
        image: built.driver_domain,
        dkms: built.module.with_file_name("dkms"),
    })
}

/// Installs all of it into a tree that is made anew, and makes its bytes independent of where it was built.
pub fn install(origin: &Origin, built: &Built) -> Result<PathBuf, Error> {
    let tree = place::work().join("packages-tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).at("remove", &tree)?;
    }
    let dkms = built.dkms.display().to_string();
    let rooms: [(&str, &[&str]); 7] = [
        ("libopen-mx", &["/usr"]),
        ("tools", &["/usr"]),
        ("node", &["/usr"]),
        ("xl-omx", &["/usr"]),
        ("libfabric-openmx", &["/usr"]),
        ("driver-domain", &["/usr"]),
        ("guest-frontend-kmod", &[&dkms, &origin.version, "/usr"]),
    ];
    for (room, arguments) in rooms {
        let script = place::repository().join(room).join("install.sh");
        Run::new(
            &script.to_string_lossy(),
            &format!("packages-install-{room}"),
        )
        .args(arguments)
        .env("DESTDIR", &tree)
        .env("LIBDIR", LIBDIR)
        .env("BUILT", &built.programs)
        .env("ARCHIVE", &built.archive)
        .env("IMAGE", &built.image)
        .output()?;
    }
    for file in files(&tree)? {
        anonymous(&tree.join(file))?;
    }
    Ok(tree)
}

/// Takes out of a library what nobody needs to link with it, and gives programs and libraries that are loaded an identity
/// which is that of their bytes. The linker's is also of debug information, which names the directory of the build, and which
/// is no longer there.
fn anonymous(file: &Path) -> Result<(), Error> {
    if file.is_symlink() {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let strip = |options: &[&str]| {
        let run = Run::new("strip", "packages-strip").args(options);
        run.args([file]).output().map(drop)
    };
    if name.ends_with(".a") {
        return strip(&["--strip-debug", "--enable-deterministic-archives"]);
    }
    let begin = fs::read(file).at("read", file)?;
    if !begin.starts_with(b"\x7fELF") || name.ends_with("_shipped") {
        return Ok(());
    }
    strip(&["--strip-unneeded"])?;
    let mut bytes = fs::read(file).at("read", file)?;
    let Some(identity) = identity(&bytes) else {
        return Ok(());
    };
    bytes[identity.clone()].fill(0);
    fs::write(file, &bytes).at("write", file)?;
    let said = Run::new("sha1sum", "packages-identity")
        .args([file])
        .output()?;
    let digits = said.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    });
    let place = bytes[identity].iter_mut();
    place.zip(digits).for_each(|(byte, digit)| *byte = digit);
    fs::write(file, &bytes).at("write", file)
}

/// Where the 20 bytes of a program's identity are: behind the header of the note that has it (ELF's "NT_GNU_BUILD_ID").
fn identity(program: &[u8]) -> Option<std::ops::Range<usize>> {
    const LENGTH: usize = 20;
    let header = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let found = program
        .windows(header.len())
        .position(|bytes| bytes == header)?;
    let begin = found + header.len();
    (begin + LENGTH <= program.len()).then_some(begin..begin + LENGTH)
}

/// All files and links of a tree, seen from it, in the order of their names.
pub fn files(tree: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![tree.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if let Ok(inside) = path.strip_prefix(tree) {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_identity_is_found_where_readelf_sees_it() {
        let itself = std::env::current_exe().unwrap();
        let bytes = fs::read(&itself).unwrap();
        let said = Run::new("readelf", "self-test-identity").args(["-n"]);
        let said = said.args([&itself]).output().unwrap();
        let shown = said
            .split("Build ID: ")
            .nth(1)
            .map(|rest| rest[..40].to_owned());
        let found = identity(&bytes).map(|place| {
            let digits = bytes[place].iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>()
        });
        assert_eq!(found, shown);
        assert_eq!(identity(&bytes[..16]), None);
    }
}
