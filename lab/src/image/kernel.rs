//! Xen and Linux as QEMU and libxl take them: unpacked, since unpacking takes long under emulation.

use crate::error::{At, Error};
use crate::prepare::XenHost;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How the packed kernel inside a vmlinuz begins, and what unpacks it.
const PACKED: [(&[u8], &str); 2] = [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];

/// How an ELF file begins.
const ELF: &[u8] = b"\x7fELF";

/// Where the packed kernel may begin: behind the boot code.
const BOOT_CODE: usize = 0x4000;

/// Unpacks Xen.
pub fn xen(host: &XenHost, into: &Path) -> Result<PathBuf, Error> {
    let packed = host.root.join("boot/xen-4.17-amd64.gz");
    let bytes = fs::read(&packed).at("read", &packed)?;
    unpack("gzip", &bytes, &into.join("xen"))
}

/// Unpacks a kernel.
pub fn linux(packed: &Path, to: &Path) -> Result<PathBuf, Error> {
    let bytes = fs::read(packed).at("read", packed)?;
    let body = bytes.get(BOOT_CODE..).unwrap_or_default();
    let found = PACKED.iter().find_map(|(begin, program)| {
        let at = body.windows(begin.len()).position(|part| part == *begin)?;
        Some((&body[at..], *program))
    });
    let (body, program) = found.ok_or_else(|| Error::Kernel {
        path: packed.to_owned(),
    })?;
    unpack(program, body, to)
}

/// Unpacks `bytes` with `program` into a file that must be ELF. What follows the packed part
/// makes the program end with a warning, so that its status does not tell; the ELF header does.
fn unpack(program: &str, bytes: &[u8], to: &Path) -> Result<PathBuf, Error> {
    let file = File::create(to).at("create", to)?;
    let start = |source| Error::Start {
        program: program.to_owned(),
        source,
    };
    let mut command = Command::new(program);
    command
        .args(["-d", "-c", "-q"])
        .stdin(Stdio::piped())
        .stdout(file)
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(start)?;
    if let Some(mut input) = child.stdin.take() {
        // A program that has seen the end of the packed part takes no more.
        let _ = input.write_all(bytes);
    }
    child.wait().map_err(start)?;
    if fs::read(to).is_ok_and(|unpacked| unpacked.starts_with(ELF)) {
        Ok(to.to_path_buf())
    } else {
        Err(Error::Kernel {
            path: to.to_path_buf(),
        })
    }
}
