//! The library's errors in libfabric's codes.

use core::ffi::c_int;

use open_mx::{Code, Error};

use crate::abi::flags::code;

/// Of a call that failed, positive.
pub fn of_call(error: &Error) -> c_int {
    match error {
        Error::NoBackend | Error::Unreachable(..) | Error::BackendGone => code::ENODEV,
        Error::NoBoard(_) | Error::NoBoardAt(_) | Error::Version { .. } => code::ENODEV,
        Error::Busy | Error::EndpointInUse(_) => code::EBUSY,
        Error::AllInUse | Error::UserLimit | Error::TooManyEndpoints | Error::PeersFull => {
            code::ENOMEM
        }
        Error::NoPeer(_) | Error::NoPeerName(_) | Error::NoEndpoint(_) => code::EHOSTUNREACH,
        Error::Length => code::EMSGSIZE,
        Error::Memory | Error::MatchMask | Error::Segments(_) | Error::Request => code::EINVAL,
        Error::Refused(errno) => errno.raw_os_error(),
        error => of_code(error.code()),
    }
}

/// Of an operation that ended with this, positive.
pub fn of_code(end: Code) -> c_int {
    match end {
        Code::Success => 0,
        Code::Cancelled => code::ECANCELED,
        Code::MessageTruncated => code::ETRUNC,
        Code::RemoteEndpointUnreachable
        | Code::RemoteEndpointClosed
        | Code::RemoteEndpointBadId
        | Code::Timeout => code::EHOSTUNREACH,
        // What an endpoint has under way when its node goes.
        Code::MessageAborted => code::ENODEV,
        Code::NoSystemResources | Code::NoResources => code::ENOMEM,
        _ => code::EIO,
    }
}
