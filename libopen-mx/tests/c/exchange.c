/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two endpoints of one process exchange messages through the C API. Exit status 0 when all was right. */
#include <open-mx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY 0x1234
#define CHECK(what)                                                     \
  do {                                                                  \
    if (!(what)) {                                                      \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
      exit(1);                                                          \
    }                                                                   \
  } while (0)
#define OK(call) CHECK((call) == OMX_SUCCESS)

static omx_endpoint_t left, right;
static int errors_handled;

static omx_return_t count_errors(char *text, omx_return_t code) {
  CHECK(text[0] != '\0');
  errors_handled++;
  return code;
}

/* Makes both endpoints progress until the request is done. */
static omx_status_t finish(omx_endpoint_t endpoint, omx_request_t *request) {
  omx_status_t status;
  uint32_t done = 0;
  while (!done) {
    OK(omx_progress(left));
    OK(omx_progress(right));
    OK(omx_test(endpoint, request, &status, &done));
  }
  CHECK(*request == NULL);
  return status;
}

static omx_endpoint_addr_t connect_to(omx_endpoint_t endpoint, uint32_t board) {
  omx_request_t request;
  omx_status_t status;
  uint64_t nic, found_nic;
  uint32_t found_endpoint, found_board;
  OK(omx_board_number_to_nic_id(board, &nic));
  OK(omx_nic_id_to_board_number(nic, &found_board));
  CHECK(found_board == board);
  OK(omx_iconnect(endpoint, nic, 4, KEY, 7, &left, &request));
  status = finish(endpoint, &request);
  CHECK(status.code == OMX_SUCCESS && status.match_info == 7 && status.context == &left);
  OK(omx_decompose_endpoint_addr(status.addr, &found_nic, &found_endpoint));
  CHECK(found_nic == nic && found_endpoint == 4);
  return status.addr;
}

static void exchange(omx_endpoint_addr_t to, size_t length, int synchronous) {
  char *out = malloc(length + 1), *in = calloc(1, length + 1);
  omx_request_t send, receive;
  omx_status_t status;
  void *context;
  size_t i;
  for (i = 0; i < length; i++) out[i] = (char)(i * 7 + length);
  in[length] = 0x55;
  OK(omx_irecv(right, in, length, 1, ~0ULL, in, &receive));
  OK(omx_context(&receive, &context));
  CHECK(context == in);
  OK((synchronous ? omx_issend : omx_isend)(left, out, length, to, 1, out, &send));
  status = finish(right, &receive);
  CHECK(status.code == OMX_SUCCESS && status.msg_length == length && status.xfer_length == length);
  CHECK(memcmp(out, in, length) == 0 && in[length] == 0x55);
  status = finish(left, &send);
  CHECK(status.code == OMX_SUCCESS && status.context == out);
  free(out);
  free(in);
}

static void vectors(omx_endpoint_addr_t to) {
  static char out[100000], in[100000];
  omx_seg_t from[3] = {{out, 10}, {out + 10, 60000}, {out + 60010, 39990}};
  omx_seg_t into[2] = {{in, 50000}, {in + 50000, 50000}};
  omx_request_t send, receive;
  size_t i;
  for (i = 0; i < sizeof(out); i++) out[i] = (char)(i ^ i >> 8);
  OK(omx_irecvv(right, into, 2, 0, 0, NULL, &receive));
  OK(omx_isendv(left, from, 3, to, 2, NULL, &send));
  CHECK(finish(right, &receive).code == OMX_SUCCESS);
  CHECK(finish(left, &send).code == OMX_SUCCESS);
  CHECK(memcmp(out, in, sizeof(out)) == 0);
}

static void unexpected(omx_endpoint_addr_t to) {
  char in[4];
  omx_request_t request, peeked;
  omx_status_t status;
  uint32_t found = 0;
  OK(omx_isend(left, "four", 4, to, 0x42, NULL, NULL));
  while (!found) {
    OK(omx_progress(left));
    OK(omx_iprobe(right, 0x40, 0xf0, &status, &found));
  }
  CHECK(status.match_info == 0x42 && status.msg_length == 4);
  OK(omx_iprobe(right, 0x43, ~0ULL, &status, &found));
  CHECK(!found);
  OK(omx_irecv(right, in, 2, 0x42, ~0ULL, NULL, &request));
  OK(omx_ipeek(right, &peeked, &found));
  CHECK(found && peeked == request);
  OK(omx_test_any(right, 0x42, ~0ULL, &status, &found));
  CHECK(found && status.code == OMX_MESSAGE_TRUNCATED && status.xfer_length == 2);
  CHECK(errors_handled == 1);
}

static void refusals(omx_endpoint_addr_t to) {
  char in[4];
  omx_request_t request, stale;
  omx_status_t status;
  uint32_t result;
  OK(omx_irecv(right, in, 4, 0, 0, NULL, &request));
  stale = request;
  CHECK(omx_test(left, &request, &status, &result) == OMX_BAD_REQUEST);
  OK(omx_wait(right, &request, &status, &result, 10));
  CHECK(!result && request == stale);
  OK(omx_cancel(right, &request, &result));
  CHECK(result && request == NULL);
  CHECK(omx_test(right, &stale, &status, &result) == OMX_BAD_REQUEST);
  CHECK(omx_irecv(right, in, 4, 2, 1, NULL, &request) == OMX_BAD_MATCH_MASK);
  CHECK(omx_isendv(left, NULL, 257, to, 0, NULL, NULL) == OMX_SEGMENTS_BAD_COUNT);
  CHECK(omx_connect(left, 0x123456789abcULL, 0, KEY, 10, &to) == OMX_NIC_ID_NOT_FOUND);
  CHECK(omx_progress((omx_endpoint_t)0x1234567) == OMX_BAD_ENDPOINT);
}

static void information(void) {
  char name[OMX_HOSTNAMELEN_MAX], same[OMX_HOSTNAMELEN_MAX];
  uint64_t ids[33], nic;
  uint32_t count, values[85];
  uint8_t board = 0;
  OK(omx_get_info(NULL, OMX_INFO_BOARD_COUNT, NULL, 0, &count, sizeof(count)));
  CHECK(count == 2);
  OK(omx_get_info(NULL, OMX_INFO_BOARD_IDS, NULL, 0, ids, sizeof(ids)));
  OK(omx_board_number_to_nic_id(0, &nic));
  CHECK(ids[0] == nic && ids[1] != 0 && ids[2] == 0);
  OK(omx_get_info(NULL, OMX_INFO_BOARD_HOSTNAME, &board, 1, name, sizeof(name)));
  OK(omx_nic_id_to_hostname(nic, same));
  CHECK(strcmp(name, "left:0") == 0 && strcmp(name, same) == 0);
  OK(omx_hostname_to_nic_id(name, &nic));
  CHECK(ids[0] == nic);
  OK(omx_get_info(left, OMX_INFO_COUNTER_VALUES, NULL, 0, values, sizeof(values)));
  CHECK(omx_get_info(left, OMX_INFO_BOARD_COUNT, NULL, 0, &count, 3) == OMX_BAD_INFO_LENGTH);
  CHECK(strcmp(omx_strerror(OMX_BUSY), "Resource Busy") == 0);
}

int main(void) {
  static const size_t lengths[] = {0, 1, 32, 33, 128, 129, 5000, 32768, 32769, 1000000};
  omx_endpoint_param_t handler = {OMX_ENDPOINT_PARAM_ERROR_HANDLER, {count_errors}};
  omx_endpoint_addr_t to_right;
  size_t i;
  OK(omx_init());
  OK(omx_open_endpoint(0, 4, KEY, NULL, 0, &left));
  OK(omx_open_endpoint(1, 4, KEY, &handler, 1, &right));
  to_right = connect_to(left, 1);
  connect_to(right, 0);
  for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++)
    exchange(to_right, lengths[i / 2], i % 2);
  vectors(to_right);
  unexpected(to_right);
  omx_set_error_handler(NULL, OMX_ERRORS_RETURN);
  refusals(to_right);
  information();
  OK(omx_close_endpoint(right));
  CHECK(omx_close_endpoint(right) == OMX_BAD_ENDPOINT);
  OK(omx_close_endpoint(left));
  OK(omx_finalize());
  printf("all right\n");
  return 0;
}
