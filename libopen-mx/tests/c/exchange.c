/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two endpoints of one process exchange messages through the C API. Exit status 0 when all was right. */
#include "pair.h"

static void exchange(size_t length, int synchronous) {
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
  OK((synchronous ? omx_issend : omx_isend)(left, out, length, to_right, 1, out, &send));
  status = finish(right, &receive);
  CHECK(status.code == OMX_SUCCESS && status.msg_length == length && status.xfer_length == length);
  CHECK(memcmp(out, in, length) == 0 && in[length] == 0x55);
  status = finish(left, &send);
  CHECK(status.code == OMX_SUCCESS && status.context == out);
  free(out);
  free(in);
}

static void vectors(void) {
  static char out[100000], in[100000];
  omx_seg_t from[3] = {{out, 10}, {out + 10, 60000}, {out + 60010, 39990}};
  omx_seg_t into[2] = {{in, 50000}, {in + 50000, 50000}};
  omx_request_t send, receive;
  size_t i;
  for (i = 0; i < sizeof(out); i++) out[i] = (char)(i ^ i >> 8);
  OK(omx_irecvv(right, into, 2, 0, 0, NULL, &receive));
  OK(omx_isendv(left, from, 3, to_right, 2, NULL, &send));
  CHECK(finish(right, &receive).code == OMX_SUCCESS);
  CHECK(finish(left, &send).code == OMX_SUCCESS);
  CHECK(memcmp(out, in, sizeof(out)) == 0);
}

static void unexpected(void) {
  char in[4];
  omx_request_t request, peeked;
  omx_status_t status;
  uint32_t found;
  OK(omx_isend(left, "four", 4, to_right, 0x42, NULL, NULL));
  status = probe_until(right, 0x40, 0xf0);
  CHECK(status.match_info == 0x42 && status.msg_length == 4);
  OK(omx_iprobe(right, 0x43, ~0ULL, &status, &found));
  CHECK(!found);
  OK(omx_irecv(right, in, 2, 0x42, ~0ULL, NULL, &request));
  OK(omx_ipeek(right, &peeked, &found));
  CHECK(found && peeked == request);
  OK(omx_test_any(right, 0x42, ~0ULL, &status, &found));
  CHECK(found && status.code == OMX_MESSAGE_TRUNCATED && status.xfer_length == 2);
}

static void names(void) {
  char name[OMX_HOSTNAMELEN_MAX];
  uint64_t nic;
  uint32_t board;
  OK(omx_nic_id_to_hostname(left_nic, name));
  CHECK(strcmp(name, "left:0") == 0);
  OK(omx_hostname_to_nic_id(name, &nic));
  CHECK(nic == left_nic);
  OK(omx_board_number_to_nic_id(1, &nic));
  CHECK(nic == right_nic);
  OK(omx_nic_id_to_board_number(nic, &board));
  CHECK(board == 1);
}

int main(void) {
  static const size_t lengths[] = {0, 1, 32, 33, 128, 129, 5000, 32768, 32769, 1000000};
  size_t i;
  open_pair();
  for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) exchange(lengths[i / 2], i % 2);
  vectors();
  unexpected();
  names();
  OK(omx_close_endpoint(right));
  OK(omx_close_endpoint(left));
  OK(omx_finalize());
  return 0;
}
