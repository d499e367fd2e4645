//! What a provider offers, and what an application asks for: `fi_info` and what hangs on it (`rdma/fabric.h`).

use core::ffi::{c_char, c_int, c_void};

/// `struct fi_tx_attr`: sends.
#[repr(C)]
#[derive(Debug)]
pub struct TransmitAttributes {
    pub capabilities: u64,
    pub mode: u64,
    pub operation_flags: u64,
    pub message_order: u64,
    pub completion_order: u64,
    pub inject_size: usize,
    pub size: usize,
    pub iov_limit: usize,
    pub rma_iov_limit: usize,
    pub traffic_class: u32,
}

/// `struct fi_rx_attr`: receives.
#[repr(C)]
#[derive(Debug)]
pub struct ReceiveAttributes {
    pub capabilities: u64,
    pub mode: u64,
    pub operation_flags: u64,
    pub message_order: u64,
    pub completion_order: u64,
    pub total_buffered_receive: usize,
    pub size: usize,
    pub iov_limit: usize,
}

/// `struct fi_ep_attr`: an endpoint.
#[repr(C)]
#[derive(Debug)]
pub struct EndpointAttributes {
    pub kind: u32,
    pub protocol: u32,
    pub protocol_version: u32,
    pub max_message_size: usize,
    pub message_prefix_size: usize,
    pub max_order_raw_size: usize,
    pub max_order_war_size: usize,
    pub max_order_waw_size: usize,
    pub tag_format: u64,
    pub transmit_contexts: usize,
    pub receive_contexts: usize,
    pub auth_key_size: usize,
    pub auth_key: *mut u8,
}

/// `struct fi_domain_attr`: a board.
#[repr(C)]
#[derive(Debug)]
pub struct DomainAttributes {
    pub domain: *mut c_void,
    pub name: *mut c_char,
    pub threading: u32,
    pub control_progress: u32,
    pub data_progress: u32,
    pub resource_management: u32,
    pub av_type: u32,
    pub mr_mode: c_int,
    pub mr_key_size: usize,
    pub cq_data_size: usize,
    pub cq_count: usize,
    pub endpoint_count: usize,
    pub transmit_contexts: usize,
    pub receive_contexts: usize,
    pub max_endpoint_transmit_contexts: usize,
    pub max_endpoint_receive_contexts: usize,
    pub max_endpoint_shared_transmit_contexts: usize,
    pub max_endpoint_shared_receive_contexts: usize,
    pub counter_count: usize,
    pub mr_iov_limit: usize,
    pub capabilities: u64,
    pub mode: u64,
    pub auth_key: *mut u8,
    pub auth_key_size: usize,
    pub max_error_data: usize,
    pub mr_count: usize,
    pub traffic_class: u32,
}

/// `struct fi_fabric_attr`: the network.
#[repr(C)]
#[derive(Debug)]
pub struct FabricAttributes {
    pub fabric: *mut c_void,
    pub name: *mut c_char,
    pub provider_name: *mut c_char,
    pub provider_version: u32,
    pub api_version: u32,
}

/// `struct fi_info`: all of it.
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    pub next: *mut Info,
    pub capabilities: u64,
    pub mode: u64,
    pub address_format: u32,
    pub source_length: usize,
    pub destination_length: usize,
    pub source: *mut c_void,
    pub destination: *mut c_void,
    pub handle: *mut c_void,
    pub transmit: *mut TransmitAttributes,
    pub receive: *mut ReceiveAttributes,
    pub endpoint: *mut EndpointAttributes,
    pub domain: *mut DomainAttributes,
    pub fabric: *mut FabricAttributes,
    pub nic: *mut c_void,
}

/// `struct fi_provider`.
#[repr(C)]
pub struct Provider {
    pub version: u32,
    pub fabric_version: u32,
    pub context: [*mut c_void; 4],
    pub name: *const c_char,
    pub get_info: unsafe extern "C" fn(
        u32,
        *const c_char,
        *const c_char,
        u64,
        *const Info,
        *mut *mut Info,
    ) -> c_int,
    pub fabric: unsafe extern "C" fn(*mut FabricAttributes, *mut *mut c_void, *mut c_void) -> c_int,
    pub cleanup: extern "C" fn(),
}
