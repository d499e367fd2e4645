//! MX's return and status codes, by the tables of api.md §2.

use core::ffi::{CStr, c_char};

use mx_engine::Code;

use super::Return;
use crate::ffi::code_text::c_text;

/// `MX_FAILURE`.
const FAILURE: Return = 2;
/// `MX_NOT_COMPLETED`.
const NOT_COMPLETED: Return = 19;
/// `MX_CLOSE_IN_HANDLER`.
const CLOSE_IN_HANDLER: Return = 41;
/// `MX_CANCEL_NOT_SUPPORTED`: never returned, but known.
const CANCEL_NOT_SUPPORTED: Return = 40;
/// `MX_STATUS_ABORTED`.
const STATUS_ABORTED: u32 = 14;

/// For a code that MX does not have, the nearest return that it has.
const fn nearest(code: Code) -> Option<Return> {
    Some(match code {
        Code::NoSystemResources => Code::NoResources as Return,
        Code::Cancelled => NOT_COMPLETED,
        Code::RemoteEndpointUnreachable => Code::Timeout as Return,
        Code::RemoteEndpointBadSession => Code::RemoteEndpointClosed as Return,
        Code::RemoteRdmaWindowBadId
        | Code::MessageAborted
        | Code::MessageTruncated
        | Code::NotImplemented
        | Code::ReturnCodeMax => FAILURE,
        _ => return None,
    })
}

/// A code for an error handler: those that MX does not have keep their numbers.
pub const fn for_handler(code: Return) -> Return {
    if code == Code::NotSupportedInHandler as Return {
        return CLOSE_IN_HANDLER;
    }
    code
}

/// What an error handler returned, as this library's number.
pub const fn from_handler(code: Return) -> Return {
    match code {
        CLOSE_IN_HANDLER => Code::NotSupportedInHandler as Return,
        CANCEL_NOT_SUPPORTED => Code::BadRequest as Return,
        code => code,
    }
}

/// What an MX call returns for a code of this library, or of a program's error handler.
pub fn returned(code: Return) -> Return {
    Code::from_number(code)
        .and_then(nearest)
        .unwrap_or(for_handler(code))
}

/// MX's statuses that are codes of this library.
const STATUSES: [(u32, Code); 11] = [
    (0, Code::Success),
    (4, Code::Timeout),
    (5, Code::MessageTruncated),
    (6, Code::Cancelled),
    (8, Code::RemoteEndpointClosed),
    (9, Code::RemoteEndpointUnreachable),
    (10, Code::RemoteEndpointBadSession),
    (11, Code::RemoteEndpointBadConnectionKey),
    (12, Code::RemoteEndpointBadId),
    (13, Code::RemoteRdmaWindowBadId),
    (16, Code::NoResources),
];

/// The MX status of a code of this library. MX has none for most of them: the message failed.
pub fn status(code: Return) -> u32 {
    let found = STATUSES.iter().find(|(_, own)| *own as Return == code);
    found.map_or(STATUS_ABORTED, |(status, _)| *status)
}

/// What MX alone says, or says with another number.
const fn own_text(code: Return) -> Option<&'static CStr> {
    Some(match code {
        2 => c"Failure",
        10 => c"Bad segment list",
        11 => c"Bad segment memory",
        16 => c"Bad address list",
        17 => c"Bad address count",
        18 => c"Bad root",
        19 => c"Not completed",
        23 => c"Bad NIC",
        27 => c"Bad hostname arguments",
        29 => c"Request pending",
        31 => c"No match",
        39 => c"NIC is dead",
        43 => c"Not supported with context ids",
        _ => return None,
    })
}

/// Text of a return code of this library or of MX.
pub fn text(code: Return) -> &'static CStr {
    own_text(code)
        .or_else(|| Code::from_number(from_handler(code)).map(c_text))
        .unwrap_or(c"Unknown Return Code")
}

/// Text of a return code.
#[unsafe(no_mangle)]
pub extern "C" fn mx_strerror(code: Return) -> *const c_char {
    text(code).as_ptr()
}

/// Text of a status code.
#[unsafe(no_mangle)]
pub extern "C" fn mx_strstatus(code: u32) -> *const c_char {
    let text = match code {
        1 => c"Pending",
        2 => c"Buffered",
        3 => c"Rejected",
        7 => c"Remote endpoint unknown",
        STATUS_ABORTED => c_text(Code::MessageAborted),
        15 => c"Event queue full",
        _ => STATUSES
            .iter()
            .find(|(status, _)| *status == code)
            .map_or(c"Unknown Status Code", |(_, own)| c_text(*own)),
    };
    text.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number here, MX return, MX status where there is one of its own.
    const TABLE: [(Return, Return, Option<u32>); 39] = [
        (0, 0, Some(0)),
        (1, 1, None),
        (3, 3, None),
        (4, 4, None),
        (5, 5, None),
        (6, 6, None),
        (7, 7, None),
        (8, 8, None),
        (9, 9, None),
        (12, 12, None),
        (13, 13, None),
        (14, 14, None),
        (15, 15, Some(16)),
        (20, 20, None),
        (21, 21, None),
        (22, 22, None),
        (24, 24, None),
        (25, 25, None),
        (26, 26, None),
        (28, 28, None),
        (30, 30, Some(4)),
        (32, 32, Some(12)),
        (33, 33, Some(8)),
        (34, 34, Some(11)),
        (35, 35, None),
        (36, 36, None),
        (37, 37, None),
        (38, 38, None),
        (42, 42, None),
        (90, 19, Some(6)),
        (91, 2, Some(13)),
        (92, 30, Some(9)),
        (93, 33, Some(10)),
        (94, 2, Some(14)),
        (95, 2, Some(5)),
        (96, 41, None),
        (97, 15, None),
        (99, 2, None),
        (100, 2, None),
    ];

    #[test]
    fn each_row_of_the_table_has_its_mx_return_and_status() {
        for (number, mx_return, mx_status) in TABLE {
            let code = Code::from_number(number).expect("a row is a code");
            assert_eq!(returned(number), mx_return, "{code}");
            assert_eq!(
                status(number),
                mx_status.unwrap_or(STATUS_ABORTED),
                "{code}"
            );
        }
    }

    #[test]
    fn handlers_see_every_code_and_give_it_back() {
        for (number, ..) in TABLE {
            assert_eq!(from_handler(for_handler(number)), number);
        }
        assert_eq!(for_handler(95), 95);
        assert_eq!(from_handler(CANCEL_NOT_SUPPORTED), 13);
    }

    #[test]
    fn every_return_and_status_of_the_header_has_a_text() {
        let unknown = [mx_strerror(1000), mx_strstatus(1000)];
        for code in 0..=43 {
            assert_ne!(mx_strerror(code), unknown[0], "return {code}");
        }
        for code in 0..=16 {
            assert_ne!(mx_strstatus(code), unknown[1], "status {code}");
        }
    }
}
