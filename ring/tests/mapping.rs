//! Memory of Linux processes: what can be shared, and what a stranger cannot do with it.

use std::os::fd::{AsFd, OwnedFd};

use mx_ring::mapping::{Access, Mapping, MappingError, Memfd};
use mx_ring::uapi::CallRequest;
use mx_ring::uapi_socket::{self, Received};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

fn bytes(mapping: &Mapping, at: usize) -> [u8; 4] {
    let mut bytes = [0; 4];
    mapping.slice().read(at, &mut bytes).unwrap();
    bytes
}

#[test]
fn two_mappings_of_a_memfd_show_the_same_bytes() {
    let memfd = Memfd::create("test", 8192).unwrap();
    let other = Mapping::of(memfd.descriptor(), 4096, 4096, Access::Read).unwrap();
    memfd.slice().write(4096, b"abcd").unwrap();
    assert_eq!(&bytes(&other, 0), b"abcd");
}

#[test]
fn barred_memory_can_be_read_but_not_mapped_for_writing_even_when_opened_again() {
    let memfd = Memfd::create("test", 4096).unwrap();
    memfd.bar_writers().unwrap();
    memfd.slice().write(0, b"abcd").unwrap();
    let reader = Mapping::of(memfd.descriptor(), 0, 4096, Access::Read).unwrap();
    assert_eq!(&bytes(&reader, 0), b"abcd");
    let path = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&memfd.descriptor())
    );
    let again: OwnedFd = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
        .into();
    for descriptor in [memfd.descriptor(), again.as_fd()] {
        assert!(Mapping::of(descriptor, 0, 4096, Access::ReadWrite).is_err());
        assert!(rustix::io::pwrite(descriptor, b"x", 0).is_err());
    }
}

#[test]
fn a_strangers_descriptor_is_refused_unless_it_is_a_sealed_memfd_of_that_length_with_memory_behind_it()
 {
    let refusal = |file: &OwnedFd, length| {
        Mapping::of_stranger(file, length, Access::Read).expect_err("refused")
    };
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    assert_eq!(refusal(&pipe, 4096), MappingError::NotMemfd);
    let file: OwnedFd = std::fs::File::open("/proc/self/exe").unwrap().into();
    assert_eq!(refusal(&file, 4096), MappingError::NotMemfd);

    let memfd = rustix::fs::memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memfd, 4096).unwrap();
    assert_eq!(refusal(&memfd, 4096), MappingError::NotSealed);
    rustix::fs::fcntl_add_seals(&memfd, SealFlags::SHRINK).unwrap();
    assert_eq!(refusal(&memfd, 4097), MappingError::TooShort(4096));
    assert_eq!(refusal(&memfd, 0), MappingError::Length(0));
    assert_eq!(refusal(&memfd, usize::MAX), MappingError::TooShort(4096));
    assert_eq!(refusal(&memfd, 4096), MappingError::Sparse(0));
    rustix::io::pwrite(&memfd, b"x", 0).unwrap();
    assert!(Mapping::of_stranger(&memfd, 4096, Access::Read).is_ok());
    assert!(rustix::fs::ftruncate(&memfd, 0).is_err());
}

#[test]
fn memory_that_stays_as_it_is_gets_no_holes_does_not_grow_and_is_written_by_nobody_new() {
    let memfd = Memfd::create("test", 8192).unwrap();
    let file = memfd.descriptor();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, hole, 4096, 4096).unwrap();
    let fixed = |access| Mapping::of_fixed(file, 4096, access);
    let mapping = fixed(Access::ReadWrite).unwrap();
    assert!(rustix::fs::fallocate(file, hole, 0, 4096).is_err());
    assert!(rustix::fs::ftruncate(file, 16384).is_err());
    memfd.slice().write(0, b"abcd").unwrap();
    assert_eq!(&bytes(&mapping, 0), b"abcd");
    let again = fixed(Access::ReadWrite).map(drop);
    assert_eq!(again, Err(MappingError::System(Errno::PERM)));
    assert!(fixed(Access::Read).is_ok());

    let memfd = Memfd::create("test", 4096).unwrap();
    rustix::fs::fcntl_add_seals(memfd.descriptor(), SealFlags::SEAL).unwrap();
    let refused = Mapping::of_fixed(memfd.descriptor(), 4096, Access::ReadWrite).map(drop);
    assert_eq!(refused, Err(MappingError::NotToBeSealed));
}

#[test]
fn an_area_that_outlives_its_mapping_touches_no_memory_of_others() {
    let mapping = Memfd::create("test", 3 * 4096).unwrap();
    let stale = mapping.slice();
    mapping.slice().write(0, b"abcd").unwrap();
    drop(mapping);
    // A mapping of another test may have taken the addresses over; they are readable all the same.
    assert!(stale.read(0, &mut [0; 16]).is_ok());
}

#[test]
fn a_call_and_its_descriptors_arrive_together() {
    let (a, b) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let memfd = Memfd::create("test", 4096).unwrap();
    memfd.slice().write(0, b"abcd").unwrap();
    let call = CallRequest::Hello { version: 7 }.encode();
    let memory = [memfd.descriptor(), memfd.descriptor()];
    uapi_socket::send(&a, &call, &memory, SendFlags::empty()).unwrap();
    let receive = || uapi_socket::receive(&b, RecvFlags::empty()).unwrap();
    let (received, Received { descriptors, .. }) = receive();
    assert_eq!(received, Some(call));
    assert_eq!(descriptors.len(), 2);
    let mapping = Mapping::of_stranger(&descriptors[1], 4096, Access::Read).unwrap();
    assert_eq!(&bytes(&mapping, 0), b"abcd");

    for length in [1, 127, 129, 200] {
        rustix::io::write(&a, &[1; 200][..length]).unwrap();
        let (received, Received { length, .. }) = receive();
        assert_eq!(received, None, "{length} bytes are no call");
        assert_ne!(length, 0);
    }
    drop(a);
    let (received, Received { length, .. }) = receive();
    assert_eq!((received, length), (None, 0));
}
