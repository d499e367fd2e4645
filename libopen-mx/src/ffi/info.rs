//! `omx_get_info`.

use core::ffi::c_void;

use mx_engine::Code;
use mx_ring::Counter;
use open_mx::board::Board;

use super::errors;
use super::library::backend;
use super::registry::Handle;
use super::types::{EndpointHandle, Return};

/// `OMX_INFO_*`, in the order of the header.
pub mod key {
    pub const BOARD_MAX: u32 = 0;
    pub const ENDPOINT_MAX: u32 = 1;
    pub const BOARD_COUNT: u32 = 2;
    pub const BOARD_IDS: u32 = 3;
    pub const BOARD_HOSTNAME: u32 = 4;
    pub const BOARD_IFACENAME: u32 = 5;
    pub const BOARD_NUMA_NODE: u32 = 6;
    pub const COUNTER_MAX: u32 = 7;
    pub const COUNTER_VALUES: u32 = 8;
    pub const COUNTER_LABEL: u32 = 9;
}

const BOARD_MAX: u32 = 32;

/// What a question is answered with.
pub enum Value {
    /// Numbers: the buffer has to hold them all.
    Numbers(Vec<u8>),
    /// A text, up to its first NUL: what the buffer cannot hold is cut off, and what the text leaves of it is zeros.
    Text(Vec<u8>),
}

impl Value {
    /// One number.
    pub fn word(value: u32) -> Self {
        Self::Numbers(value.to_ne_bytes().to_vec())
    }

    /// Writes it.
    ///
    /// # Safety
    /// `output` has room for `room` bytes.
    unsafe fn write(self, output: *mut u8, room: usize) -> Result<(), Code> {
        let (bytes, zeros) = match &self {
            Self::Numbers(bytes) if bytes.len() > room => return Err(Code::BadInfoLength),
            Self::Numbers(bytes) => (&bytes[..], 0),
            Self::Text(text) => {
                let most = room.checked_sub(1).ok_or(Code::BadInfoLength)?;
                let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = &text[..text.len().min(most)];
                (text, room - text.len())
            }
        };
        // SAFETY: the bytes are no more than there is room for, by the caller's promise, and the zeros lie behind them,
        // up to the end of the room.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), output, bytes.len());
            core::ptr::write_bytes(output.add(bytes.len()), 0, zeros);
        }
        Ok(())
    }
}

/// Asks for a value. Without an endpoint, `input` names the board by one byte; the counter always.
///
/// # Safety
/// `input` is null or names `input_length` bytes; `output` is null or has room for `output_length`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_get_info(
    endpoint: EndpointHandle,
    key: u32,
    input: *const c_void,
    input_length: u32,
    output: *mut c_void,
    output_length: u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        answer(
            "omx_get_info",
            endpoint,
            (input, input_length),
            (output, output_length),
            |handle, named| value(handle, key, named),
        )
    }
}

/// Answers a question for a value: what `find` makes of the endpoint, if there is one, and the number in `input`.
///
/// # Safety
/// `input` is null or names its length in bytes; `output` is null or has room for its length.
pub unsafe fn answer(
    call: &str,
    endpoint: EndpointHandle,
    (input, input_length): (*const c_void, u32),
    (output, output_length): (*mut c_void, u32),
    find: impl FnOnce(Option<&Handle>, Result<u32, Code>) -> Result<Value, Code>,
) -> Return {
    let handle = if endpoint.is_null() {
        None
    } else {
        match Handle::find(endpoint) {
            Some(handle) => Some(handle),
            None => return errors::handled(None, call, Code::BadEndpoint),
        }
    };
    let named = if input.is_null() {
        Err(Code::BadInfoAddress)
    } else if input_length == 0 {
        Err(Code::BadInfoLength)
    } else {
        // SAFETY: not null and at least a byte long, by the caller's promise.
        Ok(u32::from(unsafe { input.cast::<u8>().read() }))
    };
    let answered = find(handle.as_ref(), named).and_then(|value| {
        if output.is_null() {
            return Err(Code::BadInfoAddress);
        }
        // SAFETY: not null, hence as long as the caller promises.
        unsafe { value.write(output.cast(), output_length as usize) }
    });
    let code = answered.err().unwrap_or(Code::Success);
    errors::handled(handle.as_ref(), call, code)
}

/// The value of a key.
pub fn value(handle: Option<&Handle>, key: u32, named: Result<u32, Code>) -> Result<Value, Code> {
    let backend = backend().ok_or(Code::NotInitialized)?;
    let word = |value: u32| Ok(Value::word(value));
    let boards = || Board::all(&backend).map_err(|error| error.code());
    let board = || board(handle, named);
    let description = || board()?.description().map_err(|error| error.code());
    match key {
        key::BOARD_MAX => word(BOARD_MAX),
        key::ENDPOINT_MAX => {
            let first = boards()?;
            let (_, first) = first.first().ok_or(Code::BoardNotFound)?;
            let description = first.description().map_err(|error| error.code())?;
            word(description.endpoint_max.into())
        }
        key::BOARD_COUNT => word(boards()?.len() as u32),
        key::BOARD_IDS => {
            let mut ids = Vec::new();
            for (_, board) in boards()? {
                let description = board.description().map_err(|error| error.code())?;
                ids.extend(description.mac.nic_id().to_ne_bytes());
            }
            ids.extend(0u64.to_ne_bytes());
            Ok(Value::Numbers(ids))
        }
        key::BOARD_HOSTNAME => Ok(Value::Text(description()?.hostname.to_vec())),
        key::BOARD_IFACENAME => Ok(Value::Text(description()?.interface.to_vec())),
        key::BOARD_NUMA_NODE => word(u32::MAX),
        key::COUNTER_MAX => word(Counter::ALL.len() as u32),
        key::COUNTER_VALUES => {
            let board = board()?;
            let values =
                (0..Counter::ALL.len()).flat_map(|index| board.counter(index).to_ne_bytes());
            Ok(Value::Numbers(values.collect()))
        }
        key::COUNTER_LABEL => {
            let index = named?;
            let counter = Counter::ALL
                .get(index as usize)
                .ok_or(Code::BadInfoAddress)?;
            Ok(Value::Text(counter.label().into()))
        }
        _ => Err(Code::BadInfoKey),
    }
}

/// The board that is asked about: the endpoint's, or the named one.
pub fn board(handle: Option<&Handle>, named: Result<u32, Code>) -> Result<Board, Code> {
    let backend = backend().ok_or(Code::NotInitialized)?;
    let number = match handle {
        Some(handle) => handle.endpoint().board_number(),
        None => named?,
    };
    Board::attach(&backend, number).map_err(|error| error.code())
}
