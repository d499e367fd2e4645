//! The headers of MX against api.md §2 and §4, by the machine's C compiler, as C99 and as C++.

mod common;

use common::checked;

const HEADERS: [&str; 6] = [
    "myriexpress.h",
    "mx_extensions.h",
    "mx_io.h",
    "mx_raw.h",
    "mx_internals/mx__fops.h",
    "mx_internals/mx__driver_interface.h",
];

#[test]
fn each_header_serves_c99_and_cpp_programs_alone() {
    for header in HEADERS {
        let program = format!("#include <{header}>\nint main(void) {{ return mx_init(); }}\n");
        let (compiled, said) = checked("/include/mx", "c", "-std=c99", &program);
        assert!(compiled, "{header}: {said}");
        let (compiled, said) = checked("/include/mx", "c++", "-std=c++98", &program);
        assert!(compiled, "{header}: {said}");
    }
}

#[test]
fn sizes_offsets_and_numbers_are_those_of_the_abi() {
    let mut program = String::from(
        r#"
        #include <mx_extensions.h>
        #include <mx_internals/mx__driver_interface.h>
        #include <mx_raw.h>
        #define IS(what, number) _Static_assert((what) == (number), #what)
        #define AT(type, field, offset) IS(offsetof(type, field), offset)
        IS(sizeof(mx_return_t), 4);
        IS(sizeof(mx_endpoint_t), 8);
        IS(sizeof(mx_request_t), 8);
        IS(sizeof(mx_endpoint_addr_t), 16);
        IS(sizeof(mx_status_t), 48);
        AT(mx_status_t, code, 0);
        AT(mx_status_t, source, 8);
        AT(mx_status_t, match_info, 24);
        AT(mx_status_t, msg_length, 32);
        AT(mx_status_t, xfer_length, 36);
        AT(mx_status_t, context, 40);
        IS(sizeof(mx_segment_t), 16);
        AT(mx_segment_t, segment_ptr, 0);
        AT(mx_segment_t, segment_length, 8);
        IS(sizeof(mx_param_t), 16);
        AT(mx_param_t, key, 0);
        AT(mx_param_t, val.error_handler, 8);
        AT(mx_param_t, val.unexp_queue_max, 8);
        AT(mx_param_t, val.context_id.bits, 8);
        AT(mx_param_t, val.context_id.shift, 9);
        IS(sizeof(mx_endpt_handle_t), 4);
        IS(sizeof(mx_mapper_state_t), 36);
        AT(mx_mapper_state_t, board_number, 0);
        AT(mx_mapper_state_t, mapper_mac, 4);
        AT(mx_mapper_state_t, iport, 10);
        AT(mx_mapper_state_t, map_version, 12);
        IS(MX_API, 0x301);
        IS(MX_INFINITE, 0);
        IS(MX_ANY_NIC, 0xffffffff);
        IS(MX_ANY_ENDPOINT, 0xffffffff);
        IS(MX_MAX_SEGMENTS, 256);
        IS(MX_MAX_HOSTNAME_LEN, 80);
        IS(MX_PARAM_ERROR_HANDLER, 0);
        IS(MX_PARAM_UNEXP_QUEUE_MAX, 1);
        IS(MX_PARAM_CONTEXT_ID, 2);
        IS(MX_RECV_CONTINUE, 0);
        IS(MX_RECV_FINISHED, 1);
        IS(MX_RAW_NO_EVENT, 0);
        IS(MX_RAW_SEND_COMPLETE, 1);
        IS(MX_RAW_RECV_COMPLETE, 2);
        IS(MX_NET_ETHER, 1);
        IS(MX_SPEED_10G, 1);
        IS(MX_SPEED_OPEN_MX, 2);
        "#,
    );
    let rows: [(&str, u32, &[&str]); 3] = [
        (
            "MX_",
            0,
            &[
                "SUCCESS",
                "BAD_BAD_BAD",
                "FAILURE",
                "ALREADY_INITIALIZED",
                "NOT_INITIALIZED",
                "NO_DEV",
                "NO_DRIVER",
                "NO_PERM",
                "BOARD_UNKNOWN",
                "BAD_ENDPOINT",
                "BAD_SEG_LIST",
                "BAD_SEG_MEM",
                "BAD_SEG_CNT",
                "BAD_REQUEST",
                "BAD_MATCH_MASK",
                "NO_RESOURCES",
                "BAD_ADDR_LIST",
                "BAD_ADDR_COUNT",
                "BAD_ROOT",
                "NOT_COMPLETED",
                "BUSY",
                "BAD_INFO_KEY",
                "BAD_INFO_VAL",
                "BAD_NIC",
                "BAD_PARAM_LIST",
                "BAD_PARAM_NAME",
                "BAD_PARAM_VAL",
                "BAD_HOSTNAME_ARGS",
                "HOST_NOT_FOUND",
                "REQUEST_PENDING",
                "TIMEOUT",
                "NO_MATCH",
                "BAD_ENDPOINT_ID",
                "CONNECTION_FAILED",
                "BAD_CONNECTION_KEY",
                "BAD_INFO_LENGTH",
                "NIC_NOT_FOUND",
                "BAD_KERNEL_VERSION",
                "BAD_LIB_VERSION",
                "NIC_DEAD",
                "CANCEL_NOT_SUPPORTED",
                "CLOSE_IN_HANDLER",
                "BAD_MATCHING_FOR_CONTEXT_ID_MASK",
                "NOT_SUPPORTED_WITH_CONTEXT_ID",
            ],
        ),
        (
            "MX_STATUS_",
            0,
            &[
                "SUCCESS",
                "PENDING",
                "BUFFERED",
                "REJECTED",
                "TIMEOUT",
                "TRUNCATED",
                "CANCELLED",
                "ENDPOINT_UNKNOWN",
                "ENDPOINT_CLOSED",
                "ENDPOINT_UNREACHABLE",
                "BAD_SESSION",
                "BAD_KEY",
                "BAD_ENDPOINT",
                "BAD_RDMAWIN",
                "ABORTED",
                "EVENTQ_FULL",
                "NO_RESOURCES",
            ],
        ),
        (
            "MX_",
            1,
            &[
                "NIC_COUNT",
                "NIC_IDS",
                "MAX_NATIVE_ENDPOINTS",
                "NATIVE_REQUESTS",
                "COUNTERS_COUNT",
                "COUNTERS_LABELS",
                "COUNTERS_VALUES",
                "PRODUCT_CODE",
                "PART_NUMBER",
                "SERIAL_NUMBER",
                "PORT_COUNT",
                "PIO_SEND_MAX",
                "COPY_SEND_MAX",
                "NUMA_NODE",
                "NET_TYPE",
                "LINE_SPEED",
            ],
        ),
    ];
    for (prefix, first, names) in rows {
        for (number, name) in (first..).zip(names) {
            program += &format!("IS({prefix}{name}, {number});\n");
        }
    }
    program += "int main(void) { return 0; }\n";
    let (compiled, said) = checked("/include/mx", "c", "-std=c11", &program);
    assert!(compiled, "{said}");
}
