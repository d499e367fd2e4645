/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two endpoints of one process, on boards 0 and 1 of a node, through the MX API. Exit status 0 when all was right. With
 * an argument: something after which the process does not live on. */
#define _POSIX_C_SOURCE 200809L
#include <mx_extensions.h>
#include <mx_internals/mx__driver_interface.h>
#include <mx_raw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define KEY 0x1234
#define CHECK(what)                                                      \
  do {                                                                   \
    if (!(what)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)
#define OK(call) CHECK((call) == MX_SUCCESS)

static mx_endpoint_t left, right;
static mx_endpoint_addr_t to_right;
static mx_return_t last_error;
static char last_text[256];

static mx_return_t note(char *text, mx_return_t code) {
  CHECK(strlen(text) < sizeof last_text);
  strcpy(last_text, text);
  last_error = code;
  return code;
}

static int chosen;

static mx_return_t choose(char *text, mx_return_t code) {
  (void)text;
  (void)code;
  return (mx_return_t)chosen;
}

static mx_endpoint_t open_on(uint32_t board) {
  mx_endpoint_t endpoint;
  OK(mx_open_endpoint(board, 6, KEY, NULL, 0, &endpoint));
  return endpoint;
}

/* Makes both endpoints progress until the request is done. */
static mx_status_t finish(mx_endpoint_t endpoint, mx_request_t *request) {
  mx_status_t status;
  uint32_t done = 0;
  while (!done) {
    OK(mx_progress(left));
    OK(mx_progress(right));
    OK(mx_test(endpoint, request, &status, &done));
  }
  CHECK(*request == NULL);
  return status;
}

static mx_endpoint_addr_t connect_to(mx_endpoint_t endpoint, uint32_t board) {
  mx_request_t request;
  mx_status_t status;
  uint64_t nic;
  OK(mx_board_number_to_nic_id(board, &nic));
  OK(mx_iconnect(endpoint, nic, 6, KEY, 7, &left, &request));
  status = finish(endpoint, &request);
  CHECK(status.code == MX_STATUS_SUCCESS && status.match_info == 7 && status.context == &left);
  return status.source;
}

static void names_and_addresses(void) {
  uint64_t nic, found_nic;
  uint32_t number, session;
  char name[MX_MAX_HOSTNAME_LEN];
  void *context = &number;
  mx_endpoint_addr_t own;

  OK(mx_board_number_to_nic_id(1, &nic));
  OK(mx_nic_id_to_board_number(nic, &number));
  CHECK(number == 1);
  OK(mx_nic_id_to_hostname(nic, name));
  OK(mx_hostname_to_nic_id(name, &found_nic));
  CHECK(found_nic == nic);
  OK(mx_decompose_endpoint_addr(to_right, &found_nic, &number));
  CHECK(found_nic == nic && number == 6);
  OK(mx_decompose_endpoint_addr2(to_right, &found_nic, &number, &session));
  CHECK(found_nic == nic && number == 6);
  OK(mx_get_endpoint_addr(left, &own));
  OK(mx_get_endpoint_addr_context(to_right, &context));
  CHECK(context == NULL);
  OK(mx_set_endpoint_addr_context(to_right, &nic));
  OK(mx_get_endpoint_addr_context(to_right, &context));
  CHECK(context == &nic);
}

static void messages(uint32_t length, int synchronous) {
  char *out = malloc(length + 1), *in = calloc(1, length + 1);
  mx_segment_t halves[2], whole;
  mx_request_t send, receive;
  mx_status_t status;
  uint32_t i, result;
  void *context;

  for (i = 0; i < length; i++) out[i] = (char)(i * 7 + length);
  halves[0].segment_ptr = out;
  halves[0].segment_length = length / 2;
  halves[1].segment_ptr = out + length / 2;
  halves[1].segment_length = length - length / 2;
  whole.segment_ptr = in;
  whole.segment_length = length;
  OK(mx_irecv(right, &whole, 1, 5, MX_MATCH_MASK_NONE, &whole, &receive));
  OK(mx_context(&receive, &context));
  CHECK(context == &whole);
  OK((synchronous ? mx_issend : mx_isend)(left, halves, 2, to_right, 5, NULL, &send));
  OK(mx_ibuffered(left, &send, &result));
  CHECK(finish(left, &send).code == MX_STATUS_SUCCESS);
  status = finish(right, &receive);
  CHECK(status.code == MX_STATUS_SUCCESS && status.match_info == 5);
  CHECK(status.msg_length == length && status.xfer_length == length);
  CHECK(status.context == &whole);
  CHECK(memcmp(in, out, length) == 0);
  free(out);
  free(in);
}

/* The timeout stands before what is asked for, and is over. */
static void timeouts(void) {
  mx_request_t receive;
  mx_status_t status;
  uint32_t result = 1;

  OK(mx_irecv(right, NULL, 0, 99, MX_MATCH_MASK_NONE, NULL, &receive));
  OK(mx_wait(right, &receive, 20, &status, &result));
  CHECK(result == 0 && receive != NULL);
  result = 1;
  OK(mx_wait_any(right, 20, 99, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 0);
  result = 1;
  OK(mx_test_any(right, 99, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 0);
  result = 1;
  OK(mx_peek(right, 20, &receive, &result));
  CHECK(result == 0);
  result = 1;
  OK(mx_ipeek(right, &receive, &result));
  CHECK(result == 0);
  result = 1;
  OK(mx_probe(right, 20, 99, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 0);
  OK(mx_set_request_timeout(right, NULL, 2000));
  OK(mx_set_request_timeout(right, NULL, MX_INFINITE));
  OK(mx_cancel(right, &receive, &result));
  CHECK(result == 1 && receive == NULL);
}

static void unexpected_messages(void) {
  mx_segment_t segment;
  mx_request_t send, receive;
  mx_status_t status;
  uint32_t result = 0;
  char text[4] = "abc";

  segment.segment_ptr = text;
  segment.segment_length = sizeof text;
  OK(mx_isend(left, &segment, 1, to_right, 21, NULL, &send));
  OK(mx_forget(left, &send));
  OK(mx_probe(right, MX_INFINITE, 21, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 1 && status.msg_length == sizeof text && status.match_info == 21);
  OK(mx_iprobe(right, 22, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 0);
  /* A receive that takes it whole is found by its match info. */
  OK(mx_irecv(right, &segment, 1, 21, MX_MATCH_MASK_NONE, NULL, &receive));
  for (result = 0; !result;) OK(mx_test_any(right, 21, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(status.code == MX_STATUS_SUCCESS && status.xfer_length == sizeof text);
  OK(mx_isend(left, &segment, 1, to_right, 21, NULL, &send));
  OK(mx_forget(left, &send));
  /* Two bytes of four: the status says so in MX's number, the handler saw the one of this library. */
  segment.segment_length = 2;
  OK(mx_irecv(right, &segment, 1, 21, MX_MATCH_MASK_NONE, NULL, &receive));
  OK(mx_wait_any(right, MX_INFINITE, 21, MX_MATCH_MASK_NONE, &status, &result));
  CHECK(result == 1 && status.code == MX_STATUS_TRUNCATED);
  CHECK(status.msg_length == sizeof text && status.xfer_length == 2);
  CHECK((int)last_error == 95 && strcmp(mx_strerror(last_error), "Message Truncated") == 0);
}

static int handled;

static mx_unexp_handler_action_t handler(void *context, mx_endpoint_addr_t source, uint64_t match,
                                         uint32_t length, void *data) {
  (void)source;
  CHECK(context == &handled && match == 31 && length == 0);
  (void)data;
  CHECK(mx_close_endpoint(right) == MX_CLOSE_IN_HANDLER);
  CHECK(last_error == MX_CLOSE_IN_HANDLER);
  handled++;
  return MX_RECV_FINISHED;
}

static void unexpected_handler(void) {
  mx_request_t send;
  mx_status_t status;
  uint32_t result;

  OK(mx_register_unexp_handler(right, handler, &handled));
  OK(mx_issend(left, NULL, 0, to_right, 31, NULL, &send));
  CHECK(finish(left, &send).code == MX_STATUS_SUCCESS);
  CHECK(handled == 1);
  OK(mx_iprobe(right, 0, 0, &status, &result));
  CHECK(result == 0);
  OK(mx_register_unexp_handler(right, NULL, NULL));
  OK(mx_disable_progression(right));
  OK(mx_reenable_progression(right));
  OK(mx_wakeup(right));
}

static uint32_t word(mx_get_info_key_t key) {
  uint32_t board = 0, value;
  OK(mx_get_info(NULL, key, &board, sizeof board, &value, sizeof value));
  return value;
}

static void disconnected(void) {
  OK(mx_disconnect(left, to_right));
  to_right = connect_to(left, 1);
  messages(20, 1);
}

static void info(void) {
  uint32_t counters = word(MX_COUNTERS_COUNT), i;
  uint32_t *values = malloc(counters * sizeof *values);
  char *labels = malloc((size_t)counters * MX_MAX_STR_LEN), text[MX_MAX_STR_LEN];
  mx_get_info_key_t strings[3] = {MX_PRODUCT_CODE, MX_PART_NUMBER, MX_SERIAL_NUMBER};
  uint64_t nic, nics[3];

  CHECK(word(MX_NIC_COUNT) == 2);
  OK(mx_get_info(NULL, MX_NIC_IDS, NULL, 0, nics, sizeof nics));
  OK(mx_board_number_to_nic_id(1, &nic));
  CHECK(nics[1] == nic && nics[2] == 0);
  CHECK(word(MX_MAX_NATIVE_ENDPOINTS) == 32);
  CHECK(word(MX_NATIVE_REQUESTS) == UINT32_MAX);
  CHECK(counters == 85);
  OK(mx_get_info(left, MX_COUNTERS_LABELS, NULL, 0, labels, counters * MX_MAX_STR_LEN));
  OK(mx_get_info(left, MX_COUNTERS_VALUES, NULL, 0, values, counters * sizeof *values));
  for (i = 0; i < counters; i++) CHECK(labels[i * MX_MAX_STR_LEN] != '\0');
  CHECK(strcmp(labels, "Send Tiny") == 0);
  for (i = 0; i < 3; i++) {
    OK(mx_get_info(left, strings[i], NULL, 0, text, sizeof text));
    CHECK(strcmp(text, "N/A (Open-MX)") == 0);
    OK(mx_get_info(left, strings[i], NULL, 0, text, 8));
    CHECK(memcmp(text, "N/A (Op\0n-MX)", 14) == 0);
  }
  CHECK(word(MX_PORT_COUNT) == 1);
  CHECK(word(MX_PIO_SEND_MAX) == 128);
  CHECK(word(MX_COPY_SEND_MAX) == 32768);
  CHECK(word(MX_NUMA_NODE) == UINT32_MAX);
  CHECK(word(MX_NET_TYPE) == MX_NET_ETHER);
  CHECK(word(MX_LINE_SPEED) == MX_SPEED_OPEN_MX);

  CHECK(mx_get_info(left, (mx_get_info_key_t)17, NULL, 0, text, 4) == MX_BAD_INFO_KEY);
  CHECK(mx_get_info(left, MX_NIC_COUNT, NULL, 0, NULL, 4) == MX_BAD_INFO_VAL);
  CHECK(mx_get_info(left, MX_COUNTERS_LABELS, NULL, 0, text, 8) == MX_BAD_INFO_LENGTH);
  CHECK(mx_get_info(left, MX_NIC_COUNT, NULL, 0, text, 3) == MX_BAD_INFO_LENGTH);
  CHECK(strncmp(last_text, "mx_get_info", 11) == 0);
  free(labels);
  free(values);
}

static void errors(void) {
  mx_endpoint_t endpoint;
  mx_request_t request = NULL;
  mx_segment_t many[MX_MAX_SEGMENTS + 1];
  uint32_t result;
  uint64_t nic;
  mx_param_t unknown;

  memset(many, 0, sizeof many);
  memset(&unknown, 0, sizeof unknown);
  unknown.key = (mx_param_key_t)9;
  CHECK(mx__init_api(MX_API) == MX_ALREADY_INITIALIZED);
  CHECK(mx_board_number_to_nic_id(9, &nic) == MX_BOARD_UNKNOWN);
  CHECK(mx_open_endpoint(0, 6, KEY, NULL, 0, &endpoint) == MX_BUSY);
  CHECK(mx_open_endpoint(0, 999, KEY, NULL, 0, &endpoint) == MX_BAD_ENDPOINT);
  CHECK(mx_open_endpoint(0, 7, KEY, NULL, 1, &endpoint) == MX_BAD_PARAM_LIST);
  CHECK(mx_open_endpoint(0, 7, KEY, &unknown, 1, &endpoint) == MX_BAD_PARAM_NAME);
  CHECK(mx_isend(left, many, MX_MAX_SEGMENTS + 1, to_right, 0, NULL, &request) == MX_BAD_SEG_CNT);
  CHECK(mx_irecv(left, NULL, 0, 1, 0, NULL, &request) == MX_BAD_MATCH_MASK);
  CHECK(mx_cancel(left, &request, &result) == MX_BAD_REQUEST);
  CHECK(mx_hostname_to_nic_id((char *)"nobody:7", &nic) == MX_HOST_NOT_FOUND);
  CHECK(mx_connect(left, 0x123456, 6, KEY, 100, &to_right) == MX_NIC_NOT_FOUND);
  CHECK(last_error == MX_NIC_NOT_FOUND);
}

/* What MX has no number for is returned as the nearest that it has. */
static void codes_of_others(void) {
  static const int nearest[][2] = {{90, MX_NOT_COMPLETED}, {91, MX_FAILURE}, {92, MX_TIMEOUT}, {93, MX_CONNECTION_FAILED},
                                   {94, MX_FAILURE}, {95, MX_FAILURE}, {97, MX_NO_RESOURCES}, {99, MX_FAILURE}};
  mx_request_t request;
  size_t i;

  mx_set_error_handler(choose);
  for (i = 0; i < sizeof nearest / sizeof *nearest; i++) {
    chosen = nearest[i][0];
    CHECK((int)mx_irecv(left, NULL, 0, 1, 0, NULL, &request) == nearest[i][1]);
  }
  mx_set_error_handler(note);
}

static void descriptors_used_up(void) {
  struct rlimit before, none;
  mx_endpoint_t endpoint;

  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  none = before;
  none.rlim_cur = 0;
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  mx_set_error_handler(MX_ERRORS_RETURN);
  CHECK(mx_open_endpoint(0, 7, KEY, NULL, 0, &endpoint) == MX_NO_RESOURCES);
  mx_set_error_handler(note);
  CHECK(mx_open_endpoint(0, 7, KEY, NULL, 0, &endpoint) == MX_NO_RESOURCES);
  CHECK((int)last_error == 97 && strcmp(mx_strerror(last_error), "No resources available in the system") == 0);
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

static void not_implemented(void) {
  mx_request_t request = NULL;
#define MISSING(name, ...)                      \
  last_error = MX_SUCCESS;                      \
  CHECK(name(__VA_ARGS__) == MX_FAILURE);       \
  CHECK((int)last_error == 99 && strncmp(last_text, #name, strlen(#name)) == 0)
  MISSING(mx_iput, left, NULL, 0, to_right, 0, NULL, &request);
  MISSING(mx_iget, left, NULL, 0, to_right, 0, NULL, &request);
  MISSING(mx_buffered, left, &request, 0, NULL);
  MISSING(mx_register_unexp_callback, left, NULL, NULL);
  MISSING(mx_raw_remove_peer, NULL, 0);
#undef MISSING
}

static void mapper(void) {
  mx_endpt_handle_t handle;
  mx_mapper_state_t state;
  uint8_t none[6] = {0};
  state.board_number = 0;
  state.iport = 0;
  OK(mx_open_board(0, &handle));
  OK(mx__get_mapper_state(handle, &state));
  CHECK(state.map_version == 1 && memcmp(state.mapper_mac, none, 6) == 0);
  /* Both boards of this machine are peers. */
  CHECK(state.num_hosts == 2 && state.network_configured == 1 && state.routes_valid == 1);
  CHECK(mx__regcache_clean(&state, sizeof state) == 0);
}

static void end(const char *how) {
  mx_request_t request;
  if (strcmp(how, "before-init") == 0) mx_finalize();
  OK(mx_init());
  OK(mx_open_endpoint(0, MX_ANY_ENDPOINT, KEY, NULL, 0, &left));
  if (strcmp(how, "fatal") == 0) mx_irecv(left, NULL, 0, 1, 0, NULL, &request);
  if (strcmp(how, "mx_iput") == 0) mx_iput(left, NULL, 0, to_right, 0, NULL, &request);
}

int main(int argc, char **argv) {
  if (argc == 2) {
    end(argv[1]);
    return 0;
  }
  OK(mx_init());
  CHECK(mx_set_error_handler(note) == note);
  left = open_on(0);
  right = open_on(1);
  to_right = connect_to(left, 1);
  connect_to(right, 0);
  names_and_addresses();
  messages(0, 0);
  messages(20, 0);
  messages(120, 1);
  messages(20000, 0);
  messages(300000, 0);
  timeouts();
  unexpected_messages();
  unexpected_handler();
  disconnected();
  info();
  mapper();
  errors();
  codes_of_others();
  descriptors_used_up();
  not_implemented();
  OK(mx_close_endpoint(left));
  OK(mx_close_endpoint(right));
  OK(mx_finalize());
  return 0;
}
