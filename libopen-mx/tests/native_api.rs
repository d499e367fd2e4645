//! The native C API as C programs see it: the tables of the specification row by row (api.md §2, §3, §5), error
//! handlers, context ids, handlers of unexpected messages.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{compiled, place, succeeded};

/// A program of `tests/c`, compiled once for all tests, with a node of two boards.
fn program(name: &'static str) -> Command {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let program = built
        .entry(name)
        .or_insert_with(|| compiled(&format!("tests/c/{name}.c"), "open-mx"));
    let socket = place().join("omxd.sock");
    mx_testnode::of_two_boards(&socket);
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).env("OMX_SOCKET", socket);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a program that must end well.
fn runs(command: &mut Command) {
    succeeded(&command.output().expect("a program"));
}

#[test]
fn messages_of_all_lengths_and_parts_arrive_whole() {
    runs(&mut program("exchange"));
}

/// The row of a code.
fn code(name: &str) {
    runs(program("codes").arg(name).arg(place()));
}

macro_rules! code_rows {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                code($name);
            }
        )*

        #[test]
        fn every_code_of_the_library_has_a_row() {
            let rows = [$($name),*];
            assert_eq!(rows.len(), (0..=100).filter_map(open_mx::Code::from_number).count());
        }
    };
}

code_rows! {
    code_0_success "SUCCESS"
    code_1_bad_error "BAD_ERROR"
    code_3_already_initialized "ALREADY_INITIALIZED"
    code_4_not_initialized "NOT_INITIALIZED"
    code_5_no_device_file "NO_DEVICE_FILE"
    code_6_no_driver "NO_DRIVER"
    code_7_access_denied "ACCESS_DENIED"
    code_8_board_not_found "BOARD_NOT_FOUND"
    code_9_bad_endpoint "BAD_ENDPOINT"
    code_12_segments_bad_count "SEGMENTS_BAD_COUNT"
    code_13_bad_request "BAD_REQUEST"
    code_14_bad_match_mask "BAD_MATCH_MASK"
    code_15_no_resources "NO_RESOURCES"
    code_20_busy "BUSY"
    code_21_bad_info_key "BAD_INFO_KEY"
    code_22_bad_info_address "BAD_INFO_ADDRESS"
    code_24_endpoint_params_bad_list "ENDPOINT_PARAMS_BAD_LIST"
    code_25_endpoint_param_bad_key "ENDPOINT_PARAM_BAD_KEY"
    code_26_endpoint_param_bad_value "ENDPOINT_PARAM_BAD_VALUE"
    code_28_peer_not_found "PEER_NOT_FOUND"
    code_30_timeout "TIMEOUT"
    code_32_remote_endpoint_bad_id "REMOTE_ENDPOINT_BAD_ID"
    code_33_remote_endpoint_closed "REMOTE_ENDPOINT_CLOSED"
    code_34_remote_endpoint_bad_connection_key "REMOTE_ENDPOINT_BAD_CONNECTION_KEY"
    code_35_bad_info_length "BAD_INFO_LENGTH"
    code_36_nic_id_not_found "NIC_ID_NOT_FOUND"
    code_37_bad_kernel_abi "BAD_KERNEL_ABI"
    code_38_bad_lib_abi "BAD_LIB_ABI"
    code_42_bad_matching_for_context_id_mask "BAD_MATCHING_FOR_CONTEXT_ID_MASK"
    code_90_cancelled "CANCELLED"
    code_91_remote_rdma_window_bad_id "REMOTE_RDMA_WINDOW_BAD_ID"
    code_92_remote_endpoint_unreachable "REMOTE_ENDPOINT_UNREACHABLE"
    code_93_remote_endpoint_bad_session "REMOTE_ENDPOINT_BAD_SESSION"
    code_94_message_aborted "MESSAGE_ABORTED"
    code_95_message_truncated "MESSAGE_TRUNCATED"
    code_96_not_supported_in_handler "NOT_SUPPORTED_IN_HANDLER"
    code_97_no_system_resources "NO_SYSTEM_RESOURCES"
    code_99_not_implemented "NOT_IMPLEMENTED"
    code_100_return_code_max "RETURN_CODE_MAX"
}

/// The row of a key of `omx_get_info`.
fn info(name: &str) {
    runs(program("info").arg(name));
}

macro_rules! info_rows {
    ($($test:ident $name:literal)*) => {$(
        #[test]
        fn $test() {
            info($name);
        }
    )*};
}

info_rows! {
    info_0_board_max "BOARD_MAX"
    info_1_endpoint_max "ENDPOINT_MAX"
    info_2_board_count "BOARD_COUNT"
    info_3_board_ids "BOARD_IDS"
    info_4_board_hostname "BOARD_HOSTNAME"
    info_5_board_ifacename "BOARD_IFACENAME"
    info_6_board_numa_node "BOARD_NUMA_NODE"
    info_7_counter_max "COUNTER_MAX"
    info_8_counter_values "COUNTER_VALUES"
    info_9_counter_label "COUNTER_LABEL"
}

/// A program that shows a promise, under these variables.
fn promise(shower: &'static str, name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = program(shower);
    command.arg(name).envs(variables.iter().copied());
    command
}

macro_rules! promises {
    ($shower:literal; $($test:ident $name:ident $(with $variable:literal = $value:literal)?;)*) => {$(
        #[test]
        fn $test() {
            runs(&mut promise($shower, stringify!($name), &[$(($variable, $value))?]));
        }
    )*};
}

promises! { "errors";
    handlers_decide_what_calls_and_statuses_say handlers;
    omx_fatal_errors_holds_before_and_within_the_initialisation_too errors_return_by_default with "OMX_FATAL_ERRORS" = "0";
    mx_errors_are_fatal errors_return_by_default with "MX_ERRORS_ARE_FATAL" = "0";
}

promises! { "waiting";
    nothing_progresses_while_that_is_disabled progression;
    a_wakeup_ends_a_wait wakeup;
    a_wakeup_ends_a_wait_while_progress_is_disabled wakeup_while_disabled;
    a_wakeup_ends_a_connect_and_is_neither_a_timeout_nor_an_error wakeup_of_connect;
    a_close_ends_the_waits_of_other_threads close_while_waiting;
    a_forked_child_cannot_use_its_parents_endpoints_and_harms_nothing forked;
    a_request_is_given_up_after_its_own_timeout timeout_of_request;
    requests_are_given_up_after_the_timeout_that_was_set_before_them timeout_of_later_requests;
    a_wait_sleeps wait_sleeps;
    a_signal_does_not_end_a_wait signals_do_not_end_a_wait;
    omx_resends_max resends_max with "OMX_RESENDS_MAX" = "2";
    omx_waitspin waitspin with "OMX_WAITSPIN" = "1";
    omx_waitintr waitintr with "OMX_WAITINTR" = "1";
}

promises! { "siblings";
    a_connect_is_answered_by_another_endpoint_of_its_process connect;
    all_endpoints_progress_while_a_request_is_waited_for wait_one;
    all_endpoints_progress_while_any_request_is_waited_for wait_any;
    all_endpoints_progress_in_peek peek;
    all_endpoints_progress_in_probe probe;
    all_endpoints_progress_for_a_program_that_tests_again_and_again test;
    all_endpoints_progress_for_a_program_that_tests_any test_any;
    all_endpoints_progress_for_a_program_that_peeks ipeek;
    all_endpoints_progress_for_a_program_that_probes iprobe;
    all_endpoints_progress_for_a_program_that_makes_progress_at_one progress;
    no_handler_is_called_within_the_handler_of_another_endpoint handlers_do_not_nest;
    an_endpoint_that_is_closed_while_another_one_is_waited_on_can_be_opened_at_once close_and_open;
    two_threads_that_wait_on_two_endpoints_play_on two_threads;
}

promises! { "messages";
    unexpected_messages_of_every_kind_are_shown_and_go_where_the_handler_says unexpected_handler;
    messages_to_the_own_endpoint_are_shown_too unexpected_handler_of_own_messages;
    all_addresses_of_a_partner_share_its_context address_context;
    context_ids_keep_messages_and_requests_apart contexts_by_parameter;
    eager_and_own_sends_are_buffered_and_large_ones_are_not buffered;
    omx_ctxids contexts_by_environment with "OMX_CTXIDS" = "10,10";
}

promises! { "variables";
    omx_disable_self self_by_network with "OMX_DISABLE_SELF" = "1";
    omx_rndv_threshold rndv_threshold with "OMX_RNDV_THRESHOLD" = "1000";
    omx_zombie_send zombie_send with "OMX_ZOMBIE_SEND" = "0";
    omx_notacked_max notacked_max with "OMX_NOTACKED_MAX" = "1";
    omx_process_binding process_binding with "OMX_PROCESS_BINDING" = "all:0";
    omx_any_endpoint any_endpoint with "OMX_ANY_ENDPOINT" = "27";
}

/// What a program says that an error ends.
fn dies(name: &str, variables: &[(&str, &str)]) -> String {
    let output = promise("errors", name, variables)
        .output()
        .expect("a program");
    assert_eq!(output.status.code(), Some(255), "{}", said(&output));
    said(&output)
}

#[test]
fn an_error_before_the_initialisation_ends_the_program() {
    let said = dies("fatal_before_init", &[]);
    assert!(said.starts_with("BeforeInit: omx_open_endpoint"), "{said}");
    assert!(said.ends_with(": Not initialized\n"), "{said}");
}

#[test]
fn an_error_of_a_call_ends_the_program() {
    let said = dies("fatal_call", &[]);
    assert!(
        said.starts_with("OMX: omx_board_number_to_nic_id: "),
        "{said}"
    );
    assert!(said.ends_with(": Board Not Found\n"), "{said}");
}

#[test]
fn an_error_in_a_status_ends_the_program() {
    let said = dies("fatal_status", &[]);
    assert!(said.ends_with(": Message Truncated\n"), "{said}");
}

#[test]
fn omx_verbose_prefix() {
    let variables = [("OMX_VERBOSE_PREFIX", "%e of %b, %B[0-3]: ")];
    let said = dies("fatal_call_of_endpoint", &variables);
    assert!(said.starts_with("24 of 0, left: omx_cancel: "), "{said}");
}

#[test]
fn omx_abort_sleeps() {
    let start = Instant::now();
    let said = dies("fatal_call", &[("OMX_ABORT_SLEEPS", "1")]);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(said.contains("sleeping 1 seconds"), "{said}");
}

/// What a program says that has nothing to complain of itself.
fn says(variables: &[(&str, &str)]) -> String {
    let output = promise("variables", "nothing_special", variables).output();
    let output = output.expect("a program");
    succeeded(&output);
    said(&output)
}

#[test]
fn variables_that_are_unknown_or_make_no_sense_are_told() {
    assert_eq!(says(&[]), "");
    let told = says(&[("OMX_FOO", "1"), ("OMX_WAITSPIN", "x"), ("MX_FOO", "1")]);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("OMX: OMX_FOO is unknown"), "{told}");
    assert!(told.contains("OMX: OMX_WAITSPIN='x' is ignored"), "{told}");
}

#[test]
fn omx_ignore_mx_env() {
    let wrong = ("MX_IMM_ACK", "x");
    assert!(says(&[wrong]).contains("MX_IMM_ACK"));
    assert_eq!(says(&[wrong, ("OMX_IGNORE_MX_ENV", "1")]), "");
}

#[test]
fn omx_verbose() {
    let quiet = [("OMX_MEDIUM_SENDQ", "1"), ("OMX_NOTACKED_MAX", "2")];
    assert_eq!(says(&quiet), "");
    let told = says(&[quiet[0], quiet[1], ("OMX_VERBOSE", "1")]);
    assert!(told.contains("OMX_MEDIUM_SENDQ has no effect: "), "{told}");
    assert!(told.contains("OMX_NOTACKED_MAX is '2'"), "{told}");
}
