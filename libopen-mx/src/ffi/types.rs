//! The types of the C API, with the sizes and offsets that compiled programs rely on.

use core::ffi::{c_char, c_void};
use core::mem::{offset_of, size_of};

use mx_engine::PartnerKey;
use open_mx::{Address, Request};

/// `omx_return_t`.
pub type Return = u32;

/// `omx_endpoint_t`: a number in the clothes of a pointer.
pub type EndpointHandle = *mut c_void;

/// `omx_request_t`: a number in the clothes of a pointer; null is none.
pub type RequestHandle = *mut c_void;

/// `omx_error_handler_t`.
pub type ErrorHandler = Option<unsafe extern "C" fn(text: *const c_char, code: Return) -> Return>;

/// `omx_unexp_handler_t`; what it returns is `OMX_RECV_CONTINUE` (0) or `OMX_RECV_FINISHED` (1).
pub type UnexpectedHandler = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        source: EndpointAddress,
        match_info: u64,
        length: u32,
        data: *mut c_void,
    ) -> u32,
>;

/// A local endpoint's place in the process, and which use of that place it is (its low bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub slot: u8,
    pub generation: u8,
}

/// `omx_endpoint_addr_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct EndpointAddress {
    /// Address of the board (48 bits), endpoint index, slot of the local endpoint in this process.
    place: u64,
    /// The partner's number (24 bits), the use of the slot, the partner's session.
    partner: u64,
}

/// `omx_status_t`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Status {
    pub code: Return,
    pub address: EndpointAddress,
    pub match_info: u64,
    pub message_length: u32,
    pub transferred: u32,
    pub context: u64,
}

/// `omx_seg_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Segment {
    pub pointer: *mut c_void,
    pub length: u32,
}

/// `omx_endpoint_param_t`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct EndpointParameter {
    pub key: u32,
    pub value: ParameterValue,
}

/// The union in `omx_endpoint_param_t`.
#[derive(Clone, Copy)]
#[repr(C)]
pub union ParameterValue {
    pub error_handler: ErrorHandler,
    pub unexpected_queue_max: u32,
    pub context_id: [u8; 2],
}

const _: () = {
    assert!(size_of::<EndpointAddress>() == 16);
    assert!(size_of::<Status>() == 48);
    assert!(offset_of!(Status, address) == 8);
    assert!(offset_of!(Status, match_info) == 24);
    assert!(offset_of!(Status, message_length) == 32);
    assert!(offset_of!(Status, transferred) == 36);
    assert!(offset_of!(Status, context) == 40);
    assert!(size_of::<Segment>() == 16 && offset_of!(Segment, length) == 8);
    assert!(size_of::<EndpointParameter>() == 16 && offset_of!(EndpointParameter, value) == 8);
};

/// Bits of a partner's number: more partners than boards have endpoints cannot be.
const PARTNER: u64 = 0xff_ffff;

impl EndpointAddress {
    /// An address that a local endpoint has for a partner.
    pub fn new(address: &Address, seat: Seat) -> Self {
        let endpoint = u64::from(address.endpoint & 0xff);
        let number = u64::from(address.partner.number()) & PARTNER;
        Self {
            place: (address.nic_id & 0xffff_ffff_ffff)
                | endpoint << 48
                | u64::from(seat.slot) << 56,
            partner: number | u64::from(seat.generation) << 24 | u64::from(address.session) << 32,
        }
    }

    /// The address, as that endpoint understands it.
    pub fn address(self) -> Address {
        Address {
            partner: PartnerKey::from_number((self.partner & PARTNER) as u32),
            nic_id: self.nic_id(),
            endpoint: self.endpoint(),
            session: self.session(),
        }
    }

    /// The local endpoint that has it.
    pub fn seat(self) -> Seat {
        Seat {
            slot: (self.place >> 56) as u8,
            generation: (self.partner >> 24) as u8,
        }
    }

    /// Address of the board.
    pub fn nic_id(self) -> u64 {
        self.place & 0xffff_ffff_ffff
    }

    /// Endpoint index at that board.
    pub fn endpoint(self) -> u32 {
        (self.place >> 48) as u32 & 0xff
    }

    /// Session when the address was made.
    pub fn session(self) -> u32 {
        (self.partner >> 32) as u32
    }
}

/// A request of the endpoint in `slot` as C code holds it: version, slot, index.
pub fn request_handle(request: Request, slot: u8) -> RequestHandle {
    let number = request.to_number();
    let (version, index) = (number >> 32, number & 0xffff_ffff);
    // Nobody has 16 million requests open: that many do not fit into memory beside each other.
    let packed = version << 32 | u64::from(slot) << 24 | (index & 0xff_ffff);
    core::ptr::without_provenance_mut(packed as usize)
}

/// The request of a handle, and the slot of its endpoint.
pub fn request_of(handle: RequestHandle) -> (Request, u8) {
    let packed = handle.addr() as u64;
    let number = packed & 0xffff_ffff_00ff_ffff;
    (Request::from_number(number), (packed >> 24) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_16_bytes() {
        let address = Address {
            partner: PartnerKey::from_number(70_000),
            nic_id: 0x0200_0000_0a01,
            endpoint: 255,
            session: 0xfedc_ba98,
        };
        let seat = Seat {
            slot: 200,
            generation: 77,
        };
        let packed = EndpointAddress::new(&address, seat);
        assert_eq!(packed.address(), address);
        assert_eq!(packed.seat(), seat);
        // The session is where Open-MX has it: in the last 4 bytes.
        assert_eq!((packed.partner >> 32) as u32, 0xfedc_ba98);
    }
}
