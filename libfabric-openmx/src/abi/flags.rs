//! Numbers of libfabric: capabilities, flags, codes (`rdma/fabric.h`, `rdma/fi_errno.h`).

use core::ffi::c_int;

/// A version as libfabric compares them.
pub const fn version(major: u32, minor: u32) -> u32 {
    major << 16 | minor
}

/// Messages without a tag.
pub const MSG: u64 = 1 << 1;
/// Reads and writes of memory of others.
pub const RMA: u64 = 1 << 2;
/// Messages with one.
pub const TAGGED: u64 = 1 << 3;
/// Atomic operations on memory of others.
pub const ATOMIC: u64 = 1 << 4;
/// Reads of another process's memory.
pub const READ: u64 = 1 << 8;
/// Writes to it.
pub const WRITE: u64 = 1 << 9;
/// Others read this process's.
pub const REMOTE_READ: u64 = 1 << 12;
/// Others write to it.
pub const REMOTE_WRITE: u64 = 1 << 13;
/// Receives.
pub const RECV: u64 = 1 << 10;
/// Sends.
pub const SEND: u64 = 1 << 11;
/// A receive takes several messages, one behind the other.
pub const MULTI_RECV: u64 = 1 << 16;
/// Data beside the tag, which the receiver's completion has.
pub const REMOTE_CQ_DATA: u64 = 1 << 17;
/// A receive looks for a message, and does not take it.
pub const PEEK: u64 = 1 << 19;
/// The operation's completion is wanted, where only some are.
pub const COMPLETION: u64 = 1 << 24;
/// The memory of a send is the application's again when the call returns.
pub const INJECT: u64 = 1 << 25;
/// What is injected by its own call completes in silence: a flag of this provider's.
pub const SILENT: u64 = 1 << 60;
/// A send is complete when its receiver has it.
pub const DELIVERY_COMPLETE: u64 = 1 << 28;
/// A send is complete when it was matched.
pub const MATCH_COMPLETE: u64 = 1 << 31;
/// Peers of this node.
pub const LOCAL_COMM: u64 = 1 << 51;
/// Peers of other nodes.
pub const REMOTE_COMM: u64 = 1 << 52;
/// Processes of a machine share addresses.
pub const SHARED_AV: u64 = 1 << 53;
/// Completions tell who sent.
pub const SOURCE: u64 = 1 << 57;
/// Receives of one peer.
pub const DIRECTED_RECV: u64 = 1 << 59;

/// A query of atomic operations that tell what was there.
pub const FETCH_ATOMIC: u64 = 1 << 58;
/// Of those that compare.
pub const COMPARE_ATOMIC: u64 = 1 << 59;
/// With [`PEEK`]: the message is thrown away.
pub const DISCARD: u64 = 1 << 58;
/// With [`PEEK`]: nobody else finds the message; without: what was claimed is received.
pub const CLAIM: u64 = 1 << 59;
/// A binding by which only operations with [`COMPLETION`] complete visibly.
pub const SELECTIVE_COMPLETION: u64 = 1 << 59;

/// Sends of one endpoint to another arrive in order.
pub const ORDER_SAS: u64 = 1 << 8;

/// An address that is none: everybody, or unknown.
pub const ADDRESS_UNSPECIFIED: u64 = u64::MAX;
/// What is the provider's own of an enumeration.
pub const PROVIDER_SPECIFIC: u32 = 1 << 31;

/// Kinds of endpoints: a reliable one, of messages, to many.
pub const EP_RDM: u32 = 3;
/// Address vectors that look like tables.
pub const AV_TABLE: u32 = 2;
/// Any thread may call.
pub const THREAD_SAFE: u32 = 1;
/// Progress in calls only.
pub const PROGRESS_MANUAL: u32 = 2;
/// The provider does not overrun what it manages.
pub const RESOURCES_MANAGED: u32 = 2;

/// Classes of objects.
pub mod class {
    /// A fabric.
    pub const FABRIC: usize = 1;
    /// A domain.
    pub const DOMAIN: usize = 2;
    /// An endpoint.
    pub const ENDPOINT: usize = 3;
    /// An address vector.
    pub const ADDRESS_VECTOR: usize = 11;
    /// Registered memory.
    pub const MEMORY: usize = 12;
    /// An event queue.
    pub const EVENT_QUEUE: usize = 13;
    /// A completion queue.
    pub const COMPLETION_QUEUE: usize = 14;
    /// A counter.
    pub const COUNTER: usize = 15;
}

/// Commands of `fi_control`.
pub mod control {
    use super::c_int;

    /// What the application can wait for itself.
    pub const GET_WAIT: c_int = 5;
    /// An endpoint begins.
    pub const ENABLE: c_int = 6;
}

/// The option of an endpoint below how many bytes a receive of several messages ends.
pub const OPT_MIN_MULTI_RECV: c_int = 0;

/// Codes, negative where a call returns them (`errno.h`, and libfabric's own from 256 on).
pub mod code {
    use super::c_int;

    /// No message fits.
    pub const ENOMSG: c_int = 42;
    /// No provider, or nothing of that kind.
    pub const ENODATA: c_int = 61;
    /// Nothing to do now.
    pub const EAGAIN: c_int = 11;
    /// No memory, or no endpoint free.
    pub const ENOMEM: c_int = 12;
    /// In use.
    pub const EBUSY: c_int = 16;
    /// No board.
    pub const ENODEV: c_int = 19;
    /// An argument makes no sense.
    pub const EINVAL: c_int = 22;
    /// No such thing.
    pub const ENOENT: c_int = 2;
    /// Something went wrong below.
    pub const EIO: c_int = 5;
    /// Not provided.
    pub const ENOSYS: c_int = 38;
    /// Not what this endpoint can.
    pub const EOPNOTSUPP: c_int = 95;
    /// A region does not allow it.
    pub const EACCES: c_int = 13;
    /// A key that is in use.
    pub const ENOKEY: c_int = 126;
    /// A key that is no region's.
    pub const EKEYREJECTED: c_int = 129;
    /// No such option.
    pub const ENOPROTOOPT: c_int = 92;
    /// A message is longer than can be sent, or than its receive.
    pub const EMSGSIZE: c_int = 90;
    /// The time is over.
    pub const ETIMEDOUT: c_int = 110;
    /// The peer does not answer.
    pub const EHOSTUNREACH: c_int = 113;
    /// The operation was taken back.
    pub const ECANCELED: c_int = 125;
    /// An address does not fit into its place.
    pub const ETOOSMALL: c_int = 257;
    /// An error waits in the queue.
    pub const EAVAIL: c_int = 259;
    /// A message was longer than its receive.
    pub const ETRUNC: c_int = 265;
    /// No completion queue is bound.
    pub const ENOCQ: c_int = 263;
    /// No address vector is bound.
    pub const ENOAV: c_int = 267;
}
