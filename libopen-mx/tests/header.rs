//! The C header against the C ABI, by the machine's C compiler.

use std::io::Write;
use std::process::{Command, Stdio};

/// Compiles a program that includes the header.
fn compile(language: &str, program: &str) -> (bool, String) {
    let mut compiler = Command::new("cc")
        .args([
            "-x",
            language,
            "-fsyntax-only",
            "-Wall",
            "-Wextra",
            "-Werror",
        ])
        .arg("-I")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C compiler");
    let mut input = compiler.stdin.take().expect("piped");
    input.write_all(program.as_bytes()).expect("written");
    drop(input);
    let output = compiler.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[test]
fn sizes_and_offsets_of_the_header_are_those_of_the_abi() {
    let program = r#"
        #include <open-mx.h>
        #define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == offset, #field)
        _Static_assert(sizeof(omx_return_t) == 4, "return");
        _Static_assert(sizeof(omx_endpoint_t) == 8, "endpoint");
        _Static_assert(sizeof(omx_request_t) == 8, "request");
        _Static_assert(sizeof(omx_endpoint_addr_t) == OMX_SIZEOF_ADDR, "address");
        _Static_assert(sizeof(omx_status_t) == 48, "status");
        AT(omx_status, code, 0);
        AT(omx_status, addr, 8);
        AT(omx_status, match_info, 24);
        AT(omx_status, msg_length, 32);
        AT(omx_status, xfer_length, 36);
        AT(omx_status, context, 40);
        _Static_assert(sizeof(omx_seg_t) == 16, "segment");
        AT(omx_seg, len, 8);
        _Static_assert(sizeof(omx_endpoint_param_t) == 16, "parameter");
        AT(omx_endpoint_param, val, 8);
        int main(void) { return omx_init() != OMX_SUCCESS; }
    "#;
    let (compiled, said) = compile("c", program);
    assert!(compiled, "{said}");
}

#[test]
fn numbers_of_the_header_are_those_of_the_library() {
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
fn the_header_serves_cpp_programs() {
    let (compiled, said) = compile("c++", "#include <open-mx.h>\nint main() { return 0; }");
    // Without a C++ compiler beside it, cc says so: then there is nothing to check.
    assert!(compiled || said.contains("cc1plus"), "{said}");
}
