#![no_std]
#![deny(unsafe_code)]
//! Logic of `open-mx-frontend`, the Linux module of a guest.
//!
//! A process of a guest exchanges messages with its board's backend (the driver domain) through memory that both map;
//! the guest's kernel is not on that way. What only a kernel can do is done here: allocate an endpoint's queues and
//! grant them, pin and grant memory of a process, talk to the backend about both over the control ring, put a thread to
//! sleep and wake it, and take everything back when a process, the backend or the module ends. Neighbours: `mx-ring`,
//! the layout of all shared memory and of the `ioctl`; the library `open-mx` above, the `driver-domain` on the other
//! side. The crate refuses to know what a message is.
//!
//! # Rooms
//!
//! The logic ([`frontend`], [`board`], …) is a state machine without unsafe code over the trait [`kernel::Kernel`]; the
//! tests run it over a model. `linux` is that trait over the C shim in `kbuild/`, and exists only for the bare target. The
//! shim is what the kernel offers to C alone: xenbus, interrupts, wait queues, files, flags of mappings. Any thread may call
//! anything at any time: [`lock`] says which locks there are, in which order, and that nobody waits under one.
//!
//! # The device
//!
//! `/dev/open-mx` is open to all users; [`quota`] says what each of them may hold. It is there whether a board is
//! attached or not. A call is one `ioctl` ([`mx_ring::uapi`]) that fails with
//!
//! | `errno` | when |
//! |---|---|
//! | `ENOTTY` | another `ioctl`, or a call of unknown kind |
//! | `EFAULT` | the call, or memory to register, is not mapped, or not writable as asked |
//! | `EINVAL` | sizes that cannot be; a call that needs an endpoint on a file without one; an unknown region |
//! | `EBUSY` | the index is open, or was still being closed after a second; the file is something already |
//! | `ENOSPC` | all endpoints of the board are open |
//! | `ENODEV` | no such board, or its backend is gone: the endpoint is lost |
//! | `EPERM` | the caller is not the address space that opened the endpoint (a child after `fork`) |
//! | `EACCES` | a writable mapping of R or the board pages |
//! | `EIO` | the backend closed the endpoint: its status tells why |
//! | `E2BIG` | more than 256 MiB to register at once |
//! | `EAGAIN` | RLIMIT_MEMLOCK, the user's quota, the guest's grants or the backend's room is used up: give something back |
//! | `ENOMEM` | the kernel has no memory |
//! | `ETIMEDOUT` | the deadline of a wait has passed |
//! | `EINTR` | a signal ended a wait, or the caller was killed |
//!
//! A backend that goes leaves its endpoints open for another one: calls that need a backend wait meanwhile. Errors come when
//! none has come in time.
//!
//! A page is freed, or its pin ended, only when Xen says that no other domain maps it ([`deferred_unmap`]): whatever
//! the backend answered, and also when it died.
//!
//! Memory that cannot be pinned as asked (`EFAULT`: not mapped, not writable, of a file, of a device) is the library's to copy:
//! then a pointer that is wrong does what it does to `memcpy`, and a process has SIGSEGV on its own, never the kernel.
//!
//! # The registration cache
//!
//! The library keeps regions for later messages; the module tells it which of them are stale ([`watch`]), and gives back
//! those that no message uses, so that memory which a process has freed does not stay pinned.
//!
//! # Building
//!
//! `build.sh <kernel headers> <output directory>` makes the module; `--help` says what it needs. Its `dkms` directory is
//! what a DKMS package ships: the logic as one prebuilt object, which serves all kernels, and the sources of the shim, so
//! that a guest needs the headers of its kernel, a C compiler and make, and no Rust. Debian's 6.1.0-56 and 6.12.117 have
//! run it. A bound device holds the module:
//! `echo omx-0 > /sys/bus/xen/drivers/omx/unbind` comes before `rmmod`.

extern crate alloc;

pub mod board;
pub mod deferred_unmap;
pub mod endpoint;
pub mod endpoint_id;
pub mod errno;
pub mod file_state;
pub mod frontend;
mod in_flight;
pub mod interrupt;
pub mod kernel;
mod link;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
mod linux;
pub mod lock;
pub mod page_set;
pub mod quota;
pub mod region;
pub mod returns;
pub mod shared;
mod target;
pub mod wakes;
pub mod watch;

pub use link::InterruptView;
