//! Where another process's inbox is: among its open files.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// Opens the memfd of that name of a process, if there is one that this process may open.
pub fn open(pid: u32, name: &str) -> Option<File> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    // Elsewhere the number means another process, or this one's means another there.
    let ids = |process: &Path| fs::read_link(process.join("ns/pid")).ok();
    if ids(&process)? != ids(Path::new("/proc/self"))? {
        return None;
    }
    let wanted = PathBuf::from(format!("/memfd:{name} (deleted)"));
    let mut files = fs::read_dir(process.join("fd")).ok()?;
    let inbox = files.find_map(|file| {
        let file = file.ok()?.path();
        (fs::read_link(&file).ok()? == wanted).then_some(file)
    })?;
    let opened = OpenOptions::new().read(true).write(true).open(inbox);
    opened.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_ring::mapping::Memfd;

    #[test]
    fn a_memfd_is_found_by_its_name_and_no_other_one() {
        let name = format!("a neighbour of {}", std::process::id());
        let pid = std::process::id();
        assert!(open(pid, &name).is_none());
        let memfd = Memfd::create(&name, 4096).unwrap();
        memfd.slice().write(7, &[42]).unwrap();
        let found = open(pid, &name).unwrap();
        let same = mx_ring::mapping::Mapping::of_sparse(&found, 4096).unwrap();
        let mut byte = [0];
        same.slice().read(7, &mut byte).unwrap();
        assert_eq!(byte, [42]);
        assert!(open(pid, &name[1..]).is_none());
        drop(memfd);
        assert!(open(u32::MAX, &name).is_none());
    }
}
