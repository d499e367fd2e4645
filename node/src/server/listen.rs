//! The socket at which processes find the node.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tracing::{info, warn};

use crate::error::NodeError;

/// Opens it, for all users, in the place of one that a node has left behind which was killed.
pub(super) fn listen(path: &Path) -> Result<OwnedFd, NodeError> {
    let doing = || format!("opening the socket {}", path.display());
    if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        open_to_all(directory).map_err(NodeError::system(doing()))?;
    }
    let address = SocketAddrUnix::new(path).map_err(NodeError::system(doing()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = || {
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(NodeError::system(doing()))
    };
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    if is_socket {
        // A socket that nobody listens on is what a node left behind that was killed.
        if rustix::net::connect(socket()?, &address) != Err(Errno::CONNREFUSED) {
            return Err(NodeError::SocketInUse(path.into()));
        }
        std::fs::remove_file(path).map_err(NodeError::system(doing()))?;
    }
    let listener = socket()?;
    rustix::net::bind(&listener, &address).map_err(NodeError::system(doing()))?;
    // As a device for all users would be.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
        .map_err(NodeError::system(doing()))?;
    rustix::net::listen(&listener, 64).map_err(NodeError::system(doing()))?;
    Ok(listener)
}

/// Makes a directory, with those above it that are missing, which all users may enter whatever the umask of this process
/// is. Those that are there already have an owner who has decided; one that bars others is worth a word.
fn open_to_all(directory: &Path) -> io::Result<()> {
    match std::fs::metadata(directory) {
        Ok(found) => {
            if found.permissions().mode() & 0o001 == 0 {
                warn!(
                    "other users' programs do not find this node: its socket is in {}, which only its owner may enter (`chmod \
                     o+x` it, or choose another place with --socket)",
                    directory.display()
                );
            }
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(above) = directory.parent().filter(|it| !it.as_os_str().is_empty()) {
        open_to_all(above)?;
    }
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            made?;
            // A mistyped path is seen by this alone.
            info!("{} was not there and is made", directory.display());
        }
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}
