//! Return and status codes, with the numbers and texts of Open-MX (api.md §2).

use mx_wire::NackCode;

/// Name, number and text of every code, in one place.
macro_rules! codes {
    ($($name:ident = $number:literal $text:literal)*) => {
        /// A return code of a call, or the status code of a request. The discriminant is Open-MX's number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Code {
            $(#[doc = $text] $name = $number,)*
        }

        impl Code {
            /// What `omx_strerror` says.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The code of a number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    Success = 0 "Success"
    BadError = 1 "Bad error"
    AlreadyInitialized = 3 "Already initialized"
    NotInitialized = 4 "Not initialized"
    NoDeviceFile = 5 "No device file"
    NoDriver = 6 "Unusable device file (driver loaded? omxd running?)"
    AccessDenied = 7 "Access denied"
    BoardNotFound = 8 "Board Not Found"
    BadEndpoint = 9 "Bad Endpoint"
    SegmentsBadCount = 12 "Multiple Segments Count Invalid"
    BadRequest = 13 "This Function cannot be applied to this Request"
    BadMatchMask = 14 "Bad match mask."
    NoResources = 15 "No resources available"
    Busy = 20 "Resource Busy"
    BadInfoKey = 21 "Bad Info Key"
    BadInfoAddress = 22 "Bad Info Value Address"
    EndpointParamsBadList = 24 "Bad Endpoint Parameter List"
    EndpointParamBadKey = 25 "Bad Endpoint Parameter Key"
    EndpointParamBadValue = 26 "Bad Endpoint Parameter Value"
    PeerNotFound = 28 "Peer Not Found in the Table"
    Timeout = 30 "Command Timeout"
    RemoteEndpointBadId = 32 "Remote Endpoint Id is Wrong"
    RemoteEndpointClosed = 33 "Remote Endpoint is Closed"
    RemoteEndpointBadConnectionKey = 34 "Connection Key to Remote Endpoint is Invalid"
    BadInfoLength = 35 "Bad Info Value Length"
    NicIdNotFound = 36 "Nic ID not Found in Peer Table"
    BadKernelAbi = 37 "Kernel ABI too old, did you rebuild/reload the new driver?"
    BadLibAbi = 38 "Library ABI too old, did you relink your program with the new library?"
    BadMatchingForContextIdMask = 42 "Matching info does not respect context id mask"
    Cancelled = 90 "Cancelled"
    RemoteRdmaWindowBadId = 91 "Remote Window Id is Invalid"
    RemoteEndpointUnreachable = 92 "Remote Endpoint Unreachable"
    RemoteEndpointBadSession = 93 "Wrong Remote Endpoint Session"
    MessageAborted = 94 "Message Aborted"
    MessageTruncated = 95 "Message Truncated"
    NotSupportedInHandler = 96 "Operation not supported in the handler"
    NoSystemResources = 97 "No resources available in the system"
    NotImplemented = 99 "Not implemented"
    ReturnCodeMax = 100 "Maximum return code"
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl From<NackCode> for Code {
    fn from(code: NackCode) -> Self {
        match code {
            NackCode::BadEndpoint => Self::RemoteEndpointBadId,
            NackCode::EndpointClosed => Self::RemoteEndpointClosed,
            NackCode::BadSession => Self::RemoteEndpointBadSession,
            NackCode::BadWindow => Self::RemoteRdmaWindowBadId,
        }
    }
}
