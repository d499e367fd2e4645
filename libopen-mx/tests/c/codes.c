/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* codes NAME DIRECTORY: the row of that name in the table of return and status codes: its number, its text, and, where
 * a call can produce it, that the call does and that the error handler is told. */
#define _GNU_SOURCE
#include "pair.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *directory;
static char memory[1 << 20];

/* The call returns the code, and the handler was told. */
#define RETURNS(code, call)       \
  do {                            \
    handled = OMX_SUCCESS;        \
    CHECK((call) == (code));      \
    CHECK(handled == (code));     \
    CHECK(handled_text[0] == 'o'); \
  } while (0)

/* The request ends with the code, and the handler was told. */
static void ends(omx_return_t code, omx_endpoint_t endpoint, omx_request_t *request) {
  omx_status_t status;
  handled = OMX_SUCCESS;
  status = finish(endpoint, request);
  CHECK(status.code == code);
  CHECK(handled == code);
}

static void success(void) {
  open_pair();
  CHECK(handled_times == 0);
}

static void already_initialized(void) {
  omx_set_error_handler(NULL, note_error);
  OK(omx_init());
  CHECK(omx_init() == OMX_ALREADY_INITIALIZED);
  CHECK(handled_times == 0);
  OK(omx_finalize());
  OK(omx_init());
}

static void not_initialized(void) {
  uint64_t nic;
  omx_set_error_handler(NULL, note_error);
  RETURNS(OMX_NOT_INITIALIZED, omx_open_endpoint(0, 0, KEY, NULL, 0, &left));
  RETURNS(OMX_NOT_INITIALIZED, omx_board_number_to_nic_id(0, &nic));
  RETURNS(OMX_NOT_INITIALIZED, omx_finalize());
}

/* A socket of our own in place of the node's; not listening unless asked. */
static int own_socket(int listening) {
  struct sockaddr_un name;
  int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  memset(&name, 0, sizeof(name));
  name.sun_family = AF_UNIX;
  snprintf(name.sun_path, sizeof(name.sun_path), "%s/own-%ld", directory, (long)getpid());
  CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0);
  CHECK(!listening || listen(listener, 1) == 0);
  CHECK(setenv("OMX_SOCKET", name.sun_path, 1) == 0);
  omx_set_error_handler(NULL, note_error);
  return listener;
}

static void no_device_file(void) {
  CHECK(setenv("OMX_SOCKET", "/nonexistent/omxd.sock", 1) == 0);
  omx_set_error_handler(NULL, note_error);
  RETURNS(OMX_NO_DEVICE_FILE, omx_init());
}

static void no_driver(void) {
  own_socket(0);
  RETURNS(OMX_NO_DRIVER, omx_init());
}

static void access_denied(void) {
  own_socket(1);
  CHECK(chmod(getenv("OMX_SOCKET"), 0) == 0);
  CHECK(geteuid() != 0 || seteuid(65534) == 0);
  RETURNS(OMX_ACCESS_DENIED, omx_init());
}

/* Answers the first question as a backend of that version of the shared memory. */
static void *answer(void *version) {
  uint32_t words[32];
  int connection = accept(*(int *)version, NULL, NULL);
  CHECK(connection >= 0 && recv(connection, words, sizeof(words), 0) == sizeof(words));
  words[1] = 0;
  words[2] = ((int *)version)[1];
  CHECK(send(connection, words, sizeof(words), 0) == sizeof(words));
  return NULL;
}

static void backend_of_version(int version, omx_return_t code) {
  int arguments[2];
  pthread_t backend;
  arguments[0] = own_socket(1);
  arguments[1] = version;
  CHECK(pthread_create(&backend, NULL, answer, arguments) == 0);
  RETURNS(code, omx_init());
  CHECK(pthread_join(backend, NULL) == 0);
}

static void bad_kernel_abi(void) { backend_of_version(0, OMX_BAD_KERNEL_ABI); }

static void bad_lib_abi(void) {
  backend_of_version(0x7fffffff, OMX_BAD_LIB_ABI);
  RETURNS(OMX_BAD_LIB_ABI, omx__init_api(0x201));
  RETURNS(OMX_BAD_LIB_ABI, omx__init_api(0));
}

static void board_not_found(void) {
  uint64_t nic;
  uint32_t board;
  open_both();
  RETURNS(OMX_BOARD_NOT_FOUND, omx_board_number_to_nic_id(31, &nic));
  RETURNS(OMX_BOARD_NOT_FOUND, omx_nic_id_to_board_number(0x123456789abcULL, &board));
  RETURNS(OMX_BOARD_NOT_FOUND, omx_open_endpoint(31, 0, KEY, NULL, 0, &left));
}

static void bad_endpoint(void) {
  omx_endpoint_t closed;
  omx_endpoint_addr_t stale;
  right_wanted = 20;
  open_pair();
  RETURNS(OMX_BAD_ENDPOINT, omx_open_endpoint(0, 4000, KEY, NULL, 0, &closed));
  RETURNS(OMX_BAD_ENDPOINT, omx_isend(right, memory, 1, to_right, 0, NULL, NULL));
  closed = right;
  stale = to_left;
  OK(omx_close_endpoint(right));
  RETURNS(OMX_BAD_ENDPOINT, omx_close_endpoint(closed));
  RETURNS(OMX_BAD_ENDPOINT, omx_progress(closed));
  OK(omx_open_endpoint(1, right_id, KEY, NULL, 0, &right));
  RETURNS(OMX_BAD_ENDPOINT, omx_progress(closed));
  RETURNS(OMX_BAD_ENDPOINT, omx_isend(right, memory, 1, stale, 0, NULL, NULL));
  RETURNS(OMX_BAD_ENDPOINT, omx_set_endpoint_addr_context(stale, memory));
}

static void segments_bad_count(void) {
  static omx_seg_t segments[OMX_MAX_SEGMENTS + 1];
  omx_request_t request;
  size_t i;
  open_pair();
  for (i = 0; i <= OMX_MAX_SEGMENTS; i++) {
    segments[i].ptr = memory + i;
    segments[i].len = 1;
  }
  RETURNS(OMX_SEGMENTS_BAD_COUNT, omx_isendv(left, segments, 257, to_right, 0, NULL, NULL));
  RETURNS(OMX_SEGMENTS_BAD_COUNT, omx_issendv(left, segments, 257, to_right, 0, NULL, NULL));
  RETURNS(OMX_SEGMENTS_BAD_COUNT, omx_irecvv(right, segments, 257, 0, 0, NULL, &request));
  OK(omx_irecvv(right, segments, 256, 0, 0, NULL, &request));
  OK(omx_isendv(left, segments, 256, to_right, 0, NULL, NULL));
  CHECK(finish(right, &request).xfer_length == 256);
}

static void bad_request(void) {
  omx_request_t receive, send, none = NULL;
  omx_status_t status;
  uint32_t result;
  open_pair();
  OK(omx_irecv(right, memory, 1, 1, 1, NULL, &receive));
  OK(omx_issend(left, memory, 1, to_right, 0, NULL, &send));
  RETURNS(OMX_BAD_REQUEST, omx_ibuffered(right, &receive, &result));
  RETURNS(OMX_BAD_REQUEST, omx_cancel(left, &send, &result));
  RETURNS(OMX_BAD_REQUEST, omx_cancel_notest(left, &send, &result));
  RETURNS(OMX_BAD_REQUEST, omx_test(left, &receive, &status, &result));
  RETURNS(OMX_BAD_REQUEST, omx_test(left, &none, &status, &result));
  RETURNS(OMX_BAD_REQUEST, omx_forget(left, &none));
  RETURNS(OMX_BAD_REQUEST, omx_context(&none, (void **)&none));
  RETURNS(OMX_BAD_REQUEST, omx_set_request_timeout(left, receive, 1));
}

static void bad_match_mask(void) {
  omx_request_t request;
  omx_status_t status;
  uint32_t result;
  open_both();
  RETURNS(OMX_BAD_MATCH_MASK, omx_irecv(left, memory, 1, 2, 1, NULL, &request));
  RETURNS(OMX_BAD_MATCH_MASK, omx_test_any(left, 2, 1, &status, &result));
  RETURNS(OMX_BAD_MATCH_MASK, omx_wait_any(left, 2, 1, &status, &result, 0));
  RETURNS(OMX_BAD_MATCH_MASK, omx_iprobe(left, 2, 1, &status, &result));
  RETURNS(OMX_BAD_MATCH_MASK, omx_probe(left, 2, 1, &status, &result, 0));
}

static void no_resources(void) {
  omx_request_t request;
  omx_seg_t segments[2] = {{memory, 0xffffffff}, {memory, 1}};
  open_both();
  RETURNS(OMX_NO_RESOURCES, omx_irecv(left, memory, (size_t)1 << 32, 0, 0, NULL, &request));
  RETURNS(OMX_NO_RESOURCES, omx_irecvv(left, segments, 2, 0, 0, NULL, &request));
  RETURNS(OMX_NO_RESOURCES, omx_irecv(left, NULL, 1, 0, 0, NULL, &request));
}

static void busy(void) {
  omx_endpoint_t again;
  open_both();
  RETURNS(OMX_BUSY, omx_open_endpoint(0, left_id, KEY, NULL, 0, &again));
}

static void bad_info_key(void) {
  uint32_t value;
  open_both();
  RETURNS(OMX_BAD_INFO_KEY, omx_get_info(left, (omx_info_key_t)10, NULL, 0, &value, 4));
}

static void bad_info_address(void) {
  char name[OMX_HOSTNAMELEN_MAX];
  open_both();
  RETURNS(OMX_BAD_INFO_ADDRESS, omx_get_info(left, OMX_INFO_BOARD_COUNT, NULL, 0, NULL, 4));
  RETURNS(OMX_BAD_INFO_ADDRESS,
          omx_get_info(NULL, OMX_INFO_BOARD_HOSTNAME, NULL, 1, name, sizeof(name)));
}

static void bad_info_length(void) {
  uint32_t value;
  char name[OMX_HOSTNAMELEN_MAX];
  open_both();
  RETURNS(OMX_BAD_INFO_LENGTH, omx_get_info(left, OMX_INFO_BOARD_COUNT, NULL, 0, &value, 3));
  RETURNS(OMX_BAD_INFO_LENGTH, omx_get_info(left, OMX_INFO_BOARD_HOSTNAME, NULL, 0, name, 0));
  RETURNS(OMX_BAD_INFO_LENGTH,
          omx_get_info(NULL, OMX_INFO_BOARD_HOSTNAME, name, 0, name, sizeof(name)));
}

static omx_return_t open_with(omx_endpoint_param_t *parameters, uint32_t count) {
  omx_endpoint_t endpoint;
  omx_set_error_handler(NULL, note_error);
  omx_init();
  return omx_open_endpoint(0, OMX_ANY_ENDPOINT, KEY, parameters, count, &endpoint);
}

static void params_bad_list(void) { RETURNS(OMX_ENDPOINT_PARAMS_BAD_LIST, open_with(NULL, 1)); }

static void param_bad_key(void) {
  omx_endpoint_param_t parameter;
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = (omx_endpoint_param_key_t)3;
  RETURNS(OMX_ENDPOINT_PARAM_BAD_KEY, open_with(&parameter, 1));
}

static void param_bad_value(void) {
  omx_endpoint_param_t parameter;
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = OMX_ENDPOINT_PARAM_CONTEXT_ID;
  parameter.val.context_id.bits = 17;
  RETURNS(OMX_ENDPOINT_PARAM_BAD_VALUE, open_with(&parameter, 1));
  parameter.val.context_id.bits = 16;
  parameter.val.context_id.shift = 49;
  RETURNS(OMX_ENDPOINT_PARAM_BAD_VALUE, open_with(&parameter, 1));
  parameter.val.context_id.shift = 48;
  OK(open_with(&parameter, 1));
}

static void peer_not_found(void) {
  char name[OMX_HOSTNAMELEN_MAX] = "nobody:7";
  uint64_t nic;
  open_both();
  RETURNS(OMX_PEER_NOT_FOUND, omx_hostname_to_nic_id(name, &nic));
  RETURNS(OMX_PEER_NOT_FOUND, omx_nic_id_to_hostname(0x123456789abcULL, name));
}

static void timed_out(void) {
  omx_endpoint_addr_t address;
  open_both();
  OK(omx_disable_progression(right));
  RETURNS(OMX_TIMEOUT, omx_connect(left, right_nic, right_id, KEY, 20, &address));
}

static void remote_bad_id(void) {
  omx_endpoint_addr_t address;
  open_both();
  RETURNS(OMX_REMOTE_ENDPOINT_BAD_ID, omx_connect(left, right_nic, 200, KEY, 10000, &address));
}

static void remote_closed(void) {
  omx_endpoint_addr_t address;
  right_wanted = 21;
  open_both();
  OK(omx_close_endpoint(right));
  RETURNS(OMX_REMOTE_ENDPOINT_CLOSED,
          omx_connect(left, right_nic, right_id, KEY, 10000, &address));
}

static void bad_connection_key(void) {
  omx_request_t request;
  open_both();
  OK(omx_iconnect(left, right_nic, right_id, KEY + 1, 0, NULL, &request));
  ends(OMX_REMOTE_ENDPOINT_BAD_CONNECTION_KEY, left, &request);
  RETURNS(OMX_REMOTE_ENDPOINT_BAD_CONNECTION_KEY,
          omx_connect(left, left_nic, left_id, KEY + 1, 10000, &to_left));
}

static void nic_id_not_found(void) {
  omx_endpoint_addr_t address;
  open_both();
  RETURNS(OMX_NIC_ID_NOT_FOUND, omx_connect(left, 0x123456789abcULL, 0, KEY, 10, &address));
}

static void bad_context_mask(void) {
  omx_endpoint_param_t parameter;
  omx_request_t request;
  left_wanted = 22;
  open_both();
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = OMX_ENDPOINT_PARAM_CONTEXT_ID;
  parameter.val.context_id.bits = 10;
  parameter.val.context_id.shift = 10;
  OK(omx_close_endpoint(left));
  OK(omx_open_endpoint(0, left_id, KEY, &parameter, 1, &left));
  RETURNS(OMX_BAD_MATCHING_FOR_CONTEXT_ID_MASK,
          omx_irecv(left, memory, 1, 0, 0xffc00 - 0x400, NULL, &request));
  OK(omx_irecv(left, memory, 1, 0, 0xffc00, NULL, &request));
}

static void cancelled(void) {
  omx_request_t request;
  omx_status_t status;
  uint32_t result;
  open_both();
  OK(omx_irecv(left, memory, 1, 5, 0xff, memory, &request));
  OK(omx_cancel_notest(left, &request, &result));
  CHECK(result == 1 && request != NULL);
  status = finish(left, &request);
  CHECK(status.code == OMX_CANCELLED && status.match_info == 5 && status.context == memory);
  OK(omx_iconnect(left, right_nic, right_id, KEY, 9, NULL, &request));
  OK(omx_cancel_notest(left, &request, &result));
  OK(omx_test_any(left, 9, 0xff, &status, &result));
  CHECK(result == 1 && status.code == OMX_CANCELLED);
  CHECK(handled_times == 0);
}

static void rdma_window_bad_id(void) {
  omx_request_t request;
  open_pair();
  OK(omx_isend(left, memory, sizeof(memory), to_right, 1, NULL, NULL));
  probe_until(right, 1, ~0ULL);
  OK(omx_disconnect(left, to_right));
  OK(omx_irecv(right, memory, sizeof(memory), 1, ~0ULL, NULL, &request));
  ends(OMX_REMOTE_RDMA_WINDOW_BAD_ID, right, &request);
}

static void remote_unreachable(void) {
  omx_request_t request;
  open_pair();
  OK(omx_issend(left, memory, 1, to_right, 1, NULL, &request));
  OK(omx_disconnect(left, to_right));
  ends(OMX_REMOTE_ENDPOINT_UNREACHABLE, left, &request);
  OK(omx_isend(left, memory, 1, to_right, 1, NULL, &request));
  ends(OMX_REMOTE_ENDPOINT_UNREACHABLE, left, &request);
}

static void remote_bad_session(void) {
  omx_request_t request;
  right_wanted = 23;
  open_pair();
  OK(omx_close_endpoint(right));
  OK(omx_open_endpoint(1, right_id, KEY, NULL, 0, &right));
  OK(omx_issend(left, memory, 1, to_right, 1, NULL, &request));
  ends(OMX_REMOTE_ENDPOINT_BAD_SESSION, left, &request);
}

static void message_aborted(void) {
  omx_request_t request;
  omx_status_t status;
  uint32_t done = 0;
  int descriptor;
  open_pair();
  OK(omx_irecv(left, memory, 1, 1, ~0ULL, NULL, &request));
  /* The node hangs up. */
  for (descriptor = 3; descriptor < 100; descriptor++) shutdown(descriptor, SHUT_RDWR);
  while (!done) OK(omx_test(left, &request, &status, &done));
  CHECK(status.code == OMX_MESSAGE_ABORTED && handled == OMX_MESSAGE_ABORTED);
  RETURNS(OMX_NO_DRIVER, omx_isend(left, memory, 1, to_right, 1, NULL, &request));
}

static void truncated(void) {
  static const size_t lengths[] = {10, 120, 20000, 1 << 20};
  omx_request_t send, receive;
  omx_status_t status;
  size_t i;
  open_pair();
  for (i = 0; i < 4; i++) {
    OK(omx_irecv(right, memory, lengths[i] / 2, i, ~0ULL, NULL, &receive));
    OK(omx_issend(left, memory, lengths[i], to_right, i, NULL, &send));
    handled = OMX_SUCCESS;
    status = finish(right, &receive);
    CHECK(status.code == OMX_MESSAGE_TRUNCATED && handled == OMX_MESSAGE_TRUNCATED);
    CHECK(status.msg_length == lengths[i] && status.xfer_length == lengths[i] / 2);
    ends(OMX_MESSAGE_TRUNCATED, left, &send);
  }
}

static omx_unexp_handler_action_t refused(void *context, omx_endpoint_addr_t source,
                                          uint64_t match_info, uint32_t length, void *data) {
  omx_request_t request;
  omx_status_t status;
  uint32_t result;
  (void)source, (void)length, (void)data;
  RETURNS(OMX_NOT_SUPPORTED_IN_HANDLER, omx_close_endpoint(right));
  RETURNS(OMX_NOT_SUPPORTED_IN_HANDLER, omx_disable_progression(right));
  OK(omx_irecv(right, memory, 1, match_info + 1, ~0ULL, NULL, &request));
  RETURNS(OMX_NOT_SUPPORTED_IN_HANDLER, omx_wait(right, &request, &status, &result, 1000));
  RETURNS(OMX_NOT_SUPPORTED_IN_HANDLER, omx_peek(right, &request, &result, 1000));
  RETURNS(OMX_NOT_SUPPORTED_IN_HANDLER,
          omx_connect(right, left_nic, left_id, KEY, 1000, &source));
  OK(omx_test(right, &request, &status, &result));
  OK(omx_cancel(right, &request, &result));
  *(int *)context = 1;
  return OMX_RECV_FINISHED;
}

static void not_supported_in_handler(void) {
  int called = 0;
  open_pair();
  OK(omx_register_unexp_handler(right, refused, &called));
  OK(omx_isend(left, memory, 1, to_right, 1, NULL, NULL));
  while (!called) {
    OK(omx_progress(left));
    OK(omx_progress(right));
  }
  OK(omx_disable_progression(right));
  OK(omx_close_endpoint(right));
}

static void no_system_resources(void) {
  const size_t length = (size_t)3 << 30;
  struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
  omx_endpoint_addr_t own;
  omx_request_t request;
  void *large;
  open_both();
  OK(omx_get_endpoint_addr(left, &own));
  large = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(large != MAP_FAILED && setrlimit(RLIMIT_AS, &limit) == 0);
  OK(omx_isend(left, large, length, own, 0, NULL, &request));
  ends(OMX_NO_SYSTEM_RESOURCES, left, &request);
}

static void text_only(void) {}

static const struct row {
  const char *name;
  omx_return_t code;
  int number;
  const char *text;
  void (*produce)(void);
} rows[] = {
#define ROW(name, number, text, produce) {#name, OMX_##name, number, text, produce}
    ROW(SUCCESS, 0, "Success", success),
    ROW(BAD_ERROR, 1, "Bad error", text_only),
    ROW(ALREADY_INITIALIZED, 3, "Already initialized", already_initialized),
    ROW(NOT_INITIALIZED, 4, "Not initialized", not_initialized),
    ROW(NO_DEVICE_FILE, 5, "No device file", no_device_file),
    ROW(NO_DRIVER, 6, "Unusable device file (driver loaded? omxd running?)", no_driver),
    ROW(ACCESS_DENIED, 7, "Access denied", access_denied),
    ROW(BOARD_NOT_FOUND, 8, "Board Not Found", board_not_found),
    ROW(BAD_ENDPOINT, 9, "Bad Endpoint", bad_endpoint),
    ROW(SEGMENTS_BAD_COUNT, 12, "Multiple Segments Count Invalid", segments_bad_count),
    ROW(BAD_REQUEST, 13, "This Function cannot be applied to this Request", bad_request),
    ROW(BAD_MATCH_MASK, 14, "Bad match mask.", bad_match_mask),
    ROW(NO_RESOURCES, 15, "No resources available", no_resources),
    ROW(BUSY, 20, "Resource Busy", busy),
    ROW(BAD_INFO_KEY, 21, "Bad Info Key", bad_info_key),
    ROW(BAD_INFO_ADDRESS, 22, "Bad Info Value Address", bad_info_address),
    ROW(ENDPOINT_PARAMS_BAD_LIST, 24, "Bad Endpoint Parameter List", params_bad_list),
    ROW(ENDPOINT_PARAM_BAD_KEY, 25, "Bad Endpoint Parameter Key", param_bad_key),
    ROW(ENDPOINT_PARAM_BAD_VALUE, 26, "Bad Endpoint Parameter Value", param_bad_value),
    ROW(PEER_NOT_FOUND, 28, "Peer Not Found in the Table", peer_not_found),
    ROW(TIMEOUT, 30, "Command Timeout", timed_out),
    ROW(REMOTE_ENDPOINT_BAD_ID, 32, "Remote Endpoint Id is Wrong", remote_bad_id),
    ROW(REMOTE_ENDPOINT_CLOSED, 33, "Remote Endpoint is Closed", remote_closed),
    ROW(REMOTE_ENDPOINT_BAD_CONNECTION_KEY, 34, "Connection Key to Remote Endpoint is Invalid",
        bad_connection_key),
    ROW(BAD_INFO_LENGTH, 35, "Bad Info Value Length", bad_info_length),
    ROW(NIC_ID_NOT_FOUND, 36, "Nic ID not Found in Peer Table", nic_id_not_found),
    ROW(BAD_KERNEL_ABI, 37, "Kernel ABI too old, did you rebuild/reload the new driver?",
        bad_kernel_abi),
    ROW(BAD_LIB_ABI, 38,
        "Library ABI too old, did you relink your program with the new library?", bad_lib_abi),
    ROW(BAD_MATCHING_FOR_CONTEXT_ID_MASK, 42, "Matching info does not respect context id mask",
        bad_context_mask),
    ROW(CANCELLED, 90, "Cancelled", cancelled),
    ROW(REMOTE_RDMA_WINDOW_BAD_ID, 91, "Remote Window Id is Invalid", rdma_window_bad_id),
    ROW(REMOTE_ENDPOINT_UNREACHABLE, 92, "Remote Endpoint Unreachable", remote_unreachable),
    ROW(REMOTE_ENDPOINT_BAD_SESSION, 93, "Wrong Remote Endpoint Session", remote_bad_session),
    ROW(MESSAGE_ABORTED, 94, "Message Aborted", message_aborted),
    ROW(MESSAGE_TRUNCATED, 95, "Message Truncated", truncated),
    ROW(NOT_SUPPORTED_IN_HANDLER, 96, "Operation not supported in the handler",
        not_supported_in_handler),
    ROW(NO_SYSTEM_RESOURCES, 97, "No resources available in the system", no_system_resources),
    ROW(NOT_IMPLEMENTED, 99, "Not implemented", text_only),
    ROW(RETURN_CODE_MAX, 100, "Maximum return code", text_only),
};

int main(int count, char **arguments) {
  size_t i;
  CHECK(count == 3);
  directory = arguments[2];
  for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    if (strcmp(rows[i].name, arguments[1]) != 0) continue;
    CHECK((int)rows[i].code == rows[i].number);
    CHECK(strcmp(omx_strerror(rows[i].code), rows[i].text) == 0);
    rows[i].produce();
    return 0;
  }
  fprintf(stderr, "there is no row %s\n", arguments[1]);
  return 1;
}
