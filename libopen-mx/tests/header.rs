//! The C header against the C ABI (api.md §2), by the machine's C compiler, and against the library.

mod common;

use std::process::Command;

use common::checked;

#[test]
fn sizes_offsets_and_numbers_of_the_header_are_those_of_the_abi() {
    let program = r#"
        #include <open-mx.h>
        #define IS(what, number) _Static_assert((what) == (number), #what)
        #define AT(type, field, offset) IS(offsetof(struct type, field), offset)
        IS(sizeof(omx_return_t), 4);
        IS(sizeof(omx_endpoint_t), 8);
        IS(sizeof(omx_request_t), 8);
        IS(sizeof(omx_endpoint_addr_t), OMX_SIZEOF_ADDR);
        IS(sizeof(omx_status_t), 48);
        AT(omx_status, code, 0);
        AT(omx_status, addr, 8);
        AT(omx_status, match_info, 24);
        AT(omx_status, msg_length, 32);
        AT(omx_status, xfer_length, 36);
        AT(omx_status, context, 40);
        IS(sizeof(omx_seg_t), 16);
        AT(omx_seg, ptr, 0);
        AT(omx_seg, len, 8);
        IS(sizeof(omx_endpoint_param_t), 16);
        AT(omx_endpoint_param, key, 0);
        AT(omx_endpoint_param, val, 8);
        AT(omx_endpoint_param, val.error_handler, 8);
        AT(omx_endpoint_param, val.unexp_queue_max, 8);
        AT(omx_endpoint_param, val.context_id.bits, 8);
        AT(omx_endpoint_param, val.context_id.shift, 9);
        IS(sizeof(omx_error_handler_t), 8);
        IS(sizeof(omx_unexp_handler_t), 8);
        IS(OMX_API, 0x301);
        IS(OMX_ANY_NIC, 0xffffffff);
        IS(OMX_ANY_ENDPOINT, 0xffffffff);
        IS(OMX_TIMEOUT_INFINITE, 0xffffffff);
        IS(OMX_MAX_SEGMENTS, 256);
        IS(OMX_HOSTNAMELEN_MAX, 80);
        IS(OMX_BOARD_ADDR_STRLEN, 18);
        IS(OMX_SIZEOF_ADDR, 16);
        IS(OMX_ENDPOINT_CONTEXT_ID_BITS_MAX, 16);
        IS(OMX_RECV_CONTINUE, 0);
        IS(OMX_RECV_FINISHED, 1);
        IS(OMX_ENDPOINT_PARAM_ERROR_HANDLER, 0);
        IS(OMX_ENDPOINT_PARAM_UNEXP_QUEUE_MAX, 1);
        IS(OMX_ENDPOINT_PARAM_CONTEXT_ID, 2);
        IS(OMX_INFO_BOARD_MAX, 0);
        IS(OMX_INFO_ENDPOINT_MAX, 1);
        IS(OMX_INFO_BOARD_COUNT, 2);
        IS(OMX_INFO_BOARD_IDS, 3);
        IS(OMX_INFO_BOARD_HOSTNAME, 4);
        IS(OMX_INFO_BOARD_IFACENAME, 5);
        IS(OMX_INFO_BOARD_NUMA_NODE, 6);
        IS(OMX_INFO_COUNTER_MAX, 7);
        IS(OMX_INFO_COUNTER_VALUES, 8);
        IS(OMX_INFO_COUNTER_LABEL, 9);
        int main(void) { return omx_init() != OMX_SUCCESS; }
    "#;
    let (compiled, said) = checked("/include", "c", "-std=c11", program);
    assert!(compiled, "{said}");
}

#[test]
fn codes_of_the_header_are_those_of_the_library() {
    let header = include_str!("../include/open-mx.h");
    let mut checked = 0;
    for line in header.lines() {
        let Some((name, number)) = line.trim().trim_end_matches(',').split_once(" = ") else {
            continue;
        };
        let code = number.parse().ok().and_then(open_mx::Code::from_number);
        let (Some(code), Some(name)) = (code, name.strip_prefix("OMX_")) else {
            continue;
        };
        let camel: String = name
            .split('_')
            .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
            .collect();
        checked += u32::from(format!("{code:?}") == camel);
    }
    assert_eq!(checked, 39, "codes that header and library name alike");
}

#[test]
fn c99_and_cpp_programs_can_include_the_header() {
    let program = r#"
        #include <open-mx.h>
        static omx_unexp_handler_action_t take(void *context, omx_endpoint_addr_t source, uint64_t match_info,
                                               uint32_t msg_length, void *data) {
            (void)context, (void)source, (void)match_info, (void)msg_length, (void)data;
            return OMX_RECV_FINISHED;
        }
        int main(void) {
            omx_endpoint_param_t parameter;
            omx_endpoint_t endpoint;
            parameter.key = OMX_ENDPOINT_PARAM_ERROR_HANDLER;
            parameter.val.error_handler = OMX_ERRORS_RETURN;
            if (omx_init() != OMX_SUCCESS) return 1;
            if (omx_open_endpoint(OMX_ANY_NIC, OMX_ANY_ENDPOINT, 0, &parameter, 1, &endpoint) != OMX_SUCCESS) return 1;
            return omx_register_unexp_handler(endpoint, take, 0) != OMX_SUCCESS;
        }
    "#;
    let (compiled, said) = checked("/include", "c", "-std=c99", program);
    assert!(compiled, "{said}");
    let (compiled, said) = checked("/include", "c++", "-std=c++98", program);
    assert!(compiled, "{said}");
}

#[test]
fn every_function_and_variable_of_the_header_is_in_the_library() {
    let header = include_str!("../include/open-mx.h");
    let lines = header.lines().filter(|line| !line.starts_with("typedef"));
    let declarations = lines.filter_map(|line| {
        let name = line
            .split(['(', ';', ' ', '*'])
            .find(|word| word.starts_with("omx_") && !word.ends_with("_t"));
        let function = name.filter(|name| line.contains(&format!("{name}(")));
        function.or_else(|| {
            line.strip_prefix("extern const omx_error_handler_t ")?
                .strip_suffix(';')
        })
    });
    let names: Vec<&str> = declarations.filter(|name| *name != "omx_init").collect();
    assert_eq!(names.len(), 46, "{names:?}");
    let mut program = String::from("#include <open-mx.h>\nint main(void) {\n  size_t used = 0;\n");
    for name in &names {
        program += &format!("  used += (size_t)&{name} & 1;\n");
    }
    program += "  return used > 100;\n}\n";
    let source = common::place().join("everything.c");
    std::fs::write(&source, program).expect("a file");
    let source = source.to_str().expect("a name in UTF-8");
    let program = common::compiled(source, "open-mx");
    common::succeeded(&Command::new(program).output().expect("a program"));
}
