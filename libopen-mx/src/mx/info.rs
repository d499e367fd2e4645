//! `mx_get_info`.

use core::ffi::c_void;

use mx_engine::Code;
use mx_engine::Config;
use mx_ring::Counter;

use super::Return;
use super::codes::returned;
use crate::ffi::info::{Value, answer, board, key as native, value};
use crate::ffi::registry::Handle;
use crate::ffi::types::EndpointHandle;

/// `MX_*` keys, in the order of the header.
mod key {
    pub const NIC_COUNT: u32 = 1;
    pub const NIC_IDS: u32 = 2;
    pub const MAX_NATIVE_ENDPOINTS: u32 = 3;
    pub const NATIVE_REQUESTS: u32 = 4;
    pub const COUNTERS_COUNT: u32 = 5;
    pub const COUNTERS_LABELS: u32 = 6;
    pub const COUNTERS_VALUES: u32 = 7;
    pub const PRODUCT_CODE: u32 = 8;
    pub const PART_NUMBER: u32 = 9;
    pub const SERIAL_NUMBER: u32 = 10;
    pub const PORT_COUNT: u32 = 11;
    pub const PIO_SEND_MAX: u32 = 12;
    pub const COPY_SEND_MAX: u32 = 13;
    pub const NUMA_NODE: u32 = 14;
    pub const NET_TYPE: u32 = 15;
    pub const LINE_SPEED: u32 = 16;
}

/// `MX_MAX_STR_LEN`: bytes of each label.
const LABEL_SIZE: usize = 128;
/// Bytes of the longest message that travels in one command.
const PIO_SEND_MAX: u32 = 128;
/// `MX_NET_ETHER`.
const ETHERNET: u32 = 1;
/// `MX_SPEED_10G` and `MX_SPEED_OPEN_MX`.
const SPEED_10G: u32 = 1;
const SPEED_OPEN_MX: u32 = 2;

/// Asks for a value. Without an endpoint, `input` names the board.
///
/// # Safety
/// `input` is null or names `input_length` bytes; `output` is null or has room for `output_length`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_get_info(
    endpoint: EndpointHandle,
    key: u32,
    input: *const c_void,
    input_length: u32,
    output: *mut c_void,
    output_length: u32,
) -> Return {
    let find = |handle: Option<&Handle>, named: Result<u32, Code>| mx_value(handle, key, named);
    // SAFETY: promised by the caller.
    returned(unsafe {
        answer(
            "omx_get_info",
            endpoint,
            (input, input_length),
            (output, output_length),
            find,
        )
    })
}

fn mx_value(handle: Option<&Handle>, key: u32, named: Result<u32, Code>) -> Result<Value, Code> {
    let word = |value: u32| Ok(Value::word(value));
    // MX programs may leave the board out when they ask what is the same for all.
    let description = || {
        let board = board(handle, named.or(Ok(0)))?;
        board.description().map_err(|error| error.code())
    };
    match key {
        key::NIC_COUNT => value(handle, native::BOARD_COUNT, named),
        key::NIC_IDS => value(handle, native::BOARD_IDS, named),
        key::MAX_NATIVE_ENDPOINTS => value(handle, native::ENDPOINT_MAX, named),
        key::NATIVE_REQUESTS => word(u32::MAX),
        key::COUNTERS_COUNT => value(handle, native::COUNTER_MAX, named),
        key::COUNTERS_LABELS => Ok(Value::Numbers(labels())),
        key::COUNTERS_VALUES => value(handle, native::COUNTER_VALUES, named.or(Ok(0))),
        key::PRODUCT_CODE | key::PART_NUMBER | key::SERIAL_NUMBER => {
            Ok(Value::Text(b"N/A (Open-MX)".to_vec()))
        }
        key::PORT_COUNT => word(1),
        key::PIO_SEND_MAX => word(PIO_SEND_MAX),
        key::COPY_SEND_MAX => {
            let board = description()?;
            let config = Config::new(0, 0, board.medium_fragment.into(), board.mx_wire);
            word(config.rendezvous_threshold)
        }
        key::NUMA_NODE => value(handle, native::BOARD_NUMA_NODE, named.or(Ok(0))),
        key::NET_TYPE => word(ETHERNET),
        key::LINE_SPEED => word(if description()?.mx_wire {
            SPEED_10G
        } else {
            SPEED_OPEN_MX
        }),
        _ => Err(Code::BadInfoKey),
    }
}

/// The names of all counters, each in its own room.
fn labels() -> Vec<u8> {
    let mut labels = vec![0; Counter::ALL.len() * LABEL_SIZE];
    for (room, counter) in labels.chunks_exact_mut(LABEL_SIZE).zip(Counter::ALL) {
        let label = counter.label().as_bytes();
        let length = label.len().min(LABEL_SIZE - 1);
        room[..length].copy_from_slice(&label[..length]);
    }
    labels
}
