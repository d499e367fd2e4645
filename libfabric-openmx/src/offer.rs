//! What the provider offers an application that says what it needs: `fi_getinfo`.
//!
//! What is offered is freed by libfabric, piece by piece, and may be read by a later version than that of the structures
//! here: each piece is malloc's, and has room behind it that is zero.

use core::ffi::{c_char, c_int, c_void};

use open_mx::{Backend, Board};

use crate::abi::flags::{
    ATOMIC, AV_TABLE, DIRECTED_RECV, EP_RDM, LOCAL_COMM, MSG, MULTI_RECV, ORDER_SAS,
    PROGRESS_MANUAL, PROVIDER_SPECIFIC, READ, RECV, REMOTE_COMM, REMOTE_READ, REMOTE_WRITE,
    RESOURCES_MANAGED, RMA, SEND, SHARED_AV, SOURCE, TAGGED, THREAD_SAFE, WRITE, code, version,
};
use crate::abi::info::{
    DomainAttributes, EndpointAttributes, FabricAttributes, Info, ReceiveAttributes,
    TransmitAttributes,
};
use crate::address::{self, LENGTH, Name};
use crate::match_info::{self, Layout};
use crate::memory::{INJECT_SIZE, PARTS_MAX};
use crate::{board, vector, warning};

/// Version of the provider.
pub const VERSION: u32 = version(0, 1);

/// The fabric: all boards are of one network.
const FABRIC: &str = "openmx";

/// All that it can.
const CAPABILITIES: u64 = MSG
    | TAGGED
    | RMA
    | ATOMIC
    | SEND
    | RECV
    | ANY_RMA
    | MULTI_RECV
    | LOCAL_COMM
    | REMOTE_COMM
    | SHARED_AV
    | SOURCE
    | DIRECTED_RECV;

/// What those say of reads, writes and atomic operations who do not want all of it.
const ANY_RMA: u64 = READ | WRITE | REMOTE_READ | REMOTE_WRITE;

/// The longest message (protocol.md): more does not fit into the field of its length.
const MESSAGE_MAX: usize = u32::MAX as usize;

/// Bytes of data beside a message that an application may ask for.
const DATA_SIZE: usize = 4;

/// Room behind each structure for what later versions append.
const SPARE: usize = 512;

/// Endpoints, queues and the like that an application may count on.
const COUNT: usize = 256;

/// What is offered, without its places in memory.
struct Offer {
    capabilities: u64,
    layout: Layout,
    data: bool,
    send_flags: u64,
    receive_flags: u64,
    av_type: u32,
    threading: u32,
}

/// What the hints leave of it; nothing when they need more than there is.
///
/// # Safety
/// The hints are whole, or missing.
unsafe fn offer(hints: Option<&Info>) -> Option<Offer> {
    // SAFETY: promised by the caller.
    let (transmit, receive, endpoint, attributes) = unsafe {
        (
            hints.and_then(|hints| hints.transmit.as_ref()),
            hints.and_then(|hints| hints.receive.as_ref()),
            hints.and_then(|hints| hints.endpoint.as_ref()),
            hints.and_then(|hints| hints.domain.as_ref()),
        )
    };
    let mut capabilities = CAPABILITIES;
    if let Some(wanted) = hints
        .map(|hints| hints.capabilities)
        .filter(|wanted| *wanted != 0)
    {
        if wanted & !CAPABILITIES != 0 {
            return None;
        }
        capabilities = wanted | LOCAL_COMM | REMOTE_COMM;
        if wanted & (SEND | RECV) == 0 && wanted & (MSG | TAGGED) != 0 {
            capabilities |= SEND | RECV;
        }
        if wanted & ANY_RMA == 0 && wanted & (RMA | ATOMIC) != 0 {
            capabilities |= ANY_RMA;
        }
    }
    let orders = [
        transmit.map_or(0, |transmit| transmit.message_order),
        receive.map_or(0, |receive| receive.message_order),
    ];
    let fits = orders.iter().all(|order| order & !ORDER_SAS == 0)
        && transmit.is_none_or(|transmit| {
            transmit.inject_size <= INJECT_SIZE && transmit.iov_limit <= PARTS_MAX
        })
        && endpoint.is_none_or(|endpoint| {
            [0, EP_RDM].contains(&endpoint.kind) && endpoint.max_message_size <= MESSAGE_MAX
        })
        && attributes.is_none_or(|attributes| attributes.cq_data_size <= DATA_SIZE);
    let tag_bits = endpoint.map_or(0, |endpoint| 64 - endpoint.tag_format.leading_zeros());
    let wants_data = attributes.is_some_and(|attributes| attributes.cq_data_size > 0);
    // Whoever wants more tag than fits beside data does without data.
    let data = wants_data && tag_bits <= Layout::new(capabilities, true).tag_bits();
    let layout = Layout::new(capabilities, data);
    (fits && tag_bits <= layout.tag_bits()).then(|| Offer {
        capabilities,
        layout,
        data,
        send_flags: transmit.map_or(0, |transmit| transmit.operation_flags),
        receive_flags: receive.map_or(0, |receive| receive.operation_flags),
        av_type: attributes
            .map(|attributes| attributes.av_type)
            .filter(|kind| *kind != 0)
            .unwrap_or(AV_TABLE),
        threading: attributes
            .map(|attributes| attributes.threading)
            .filter(|threading| *threading != 0)
            .unwrap_or(THREAD_SAFE),
    })
}

/// # Safety
/// As libfabric's `fi_getinfo`.
pub unsafe extern "C" fn get_info(
    api_version: u32,
    node: *const c_char,
    service: *const c_char,
    flags: u64,
    hints: *const Info,
    place: *mut *mut Info,
) -> c_int {
    // SAFETY: libfabric passes whole hints, or none.
    let hints = unsafe { hints.as_ref() };
    // SAFETY: as above.
    let Some(offer) = (unsafe { offer(hints) }) else {
        return -code::ENODATA;
    };
    let boards = match Backend::find().and_then(|backend| Board::all(&backend)) {
        Ok(boards) => boards,
        Err(error) => {
            warning::no_board(&error);
            return -code::ENODATA;
        }
    };
    let destination = if node.is_null() || flags & SOURCE != 0 {
        None
    } else {
        // SAFETY: libfabric passes C strings, or none.
        match unsafe { vector::resolve(node, service) } {
            Ok(name) => Some(name),
            Err(_) => return -code::ENODATA,
        }
    };
    // SAFETY: libfabric passes whole hints, or none.
    let wanted = unsafe {
        let attributes = hints.and_then(|hints| hints.domain.as_ref());
        attributes.and_then(|attributes| board::text(attributes.name))
    };
    let mut first: *mut Info = core::ptr::null_mut();
    for (number, _) in boards.iter().rev() {
        let name = board::name(*number);
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        let Some(info) = written(&offer, &name, api_version, destination) else {
            return -code::ENOMEM;
        };
        // SAFETY: it was made just now.
        unsafe { (*info).next = first };
        first = info;
    }
    if first.is_null() {
        return -code::ENODATA;
    }
    // SAFETY: libfabric passes a place for it.
    unsafe { place.write(first) };
    0
}

/// Zero bytes for one of these, with spare ones behind it.
fn zeroed<T>() -> Option<*mut T> {
    // SAFETY: calloc has no conditions.
    let place = unsafe { libc::calloc(1, size_of::<T>() + SPARE) };
    (!place.is_null()).then(|| place.cast())
}

/// A copy of a text that libfabric frees.
fn copied(text: &str) -> Option<*mut c_char> {
    let text = std::ffi::CString::new(text).ok()?;
    // SAFETY: it is a C string.
    let copy = unsafe { libc::strdup(text.as_ptr()) };
    (!copy.is_null()).then_some(copy)
}

/// An offer in memory of its own. When that lacks what is there already is lost: its process ends soon.
fn written(
    offer: &Offer,
    domain_name: &str,
    api_version: u32,
    destination: Option<Name>,
) -> Option<*mut Info> {
    let info = zeroed::<Info>()?;
    let transmit = zeroed::<TransmitAttributes>()?;
    let receive = zeroed::<ReceiveAttributes>()?;
    let endpoint = zeroed::<EndpointAttributes>()?;
    let attributes = zeroed::<DomainAttributes>()?;
    let fabric = zeroed::<FabricAttributes>()?;
    let capabilities = offer.capabilities;
    // SAFETY: each is zero, which all of these structures may be, and nobody else's yet.
    unsafe {
        *transmit = TransmitAttributes {
            capabilities: capabilities
                & !(RECV | MULTI_RECV | SOURCE | DIRECTED_RECV | REMOTE_READ | REMOTE_WRITE),
            operation_flags: offer.send_flags,
            message_order: ORDER_SAS,
            inject_size: INJECT_SIZE,
            size: 1024,
            iov_limit: PARTS_MAX,
            rma_iov_limit: 1,
            ..core::mem::zeroed()
        };
        *receive = ReceiveAttributes {
            capabilities: capabilities & !(SEND | READ | WRITE),
            operation_flags: offer.receive_flags,
            message_order: ORDER_SAS,
            size: 1024,
            iov_limit: PARTS_MAX,
            ..core::mem::zeroed()
        };
        *endpoint = EndpointAttributes {
            kind: EP_RDM,
            protocol: PROVIDER_SPECIFIC | 0x6d78,
            protocol_version: match_info::VERSION,
            max_message_size: MESSAGE_MAX,
            tag_format: 0xaaaa_aaaa_aaaa_aaaa >> (64 - offer.layout.tag_bits()),
            transmit_contexts: 1,
            receive_contexts: 1,
            ..core::mem::zeroed()
        };
        *attributes = DomainAttributes {
            name: copied(domain_name)?,
            threading: offer.threading,
            control_progress: PROGRESS_MANUAL,
            data_progress: PROGRESS_MANUAL,
            resource_management: RESOURCES_MANAGED,
            av_type: offer.av_type,
            mr_key_size: 8,
            cq_data_size: if offer.data { DATA_SIZE } else { 0 },
            cq_count: COUNT,
            endpoint_count: COUNT,
            transmit_contexts: COUNT,
            receive_contexts: COUNT,
            max_endpoint_transmit_contexts: 1,
            max_endpoint_receive_contexts: 1,
            counter_count: COUNT,
            mr_iov_limit: 1,
            capabilities: LOCAL_COMM | REMOTE_COMM | SHARED_AV,
            ..core::mem::zeroed()
        };
        *fabric = FabricAttributes {
            name: copied(FABRIC)?,
            provider_version: VERSION,
            api_version,
            ..core::mem::zeroed()
        };
        *info = Info {
            capabilities,
            address_format: address::FORMAT,
            transmit,
            receive,
            endpoint,
            domain: attributes,
            fabric,
            ..core::mem::zeroed()
        };
        if let Some(name) = destination {
            let place = zeroed::<[u8; LENGTH]>()?;
            *place = name.to_bytes();
            (*info).destination = place.cast::<c_void>();
            (*info).destination_length = LENGTH;
        }
    }
    Some(info)
}
