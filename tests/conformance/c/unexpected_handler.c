/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The unexpected handler: it lets the library go on, takes the message, or posts a receive for it that is forgotten. */
#include <string.h>

#include "suite.h"

enum act { GO_ON, TAKE, RECEIVE };

/* What the handler is to do, and what it saw. */
struct expectation {
  enum act act;
  omx_endpoint_t endpoint;
  uint64_t info;
  size_t length;
  unsigned seed;
  struct buffer *in;
  int called, had_data;
};

static omx_unexp_handler_action_t handler(void *context, omx_endpoint_addr_t source, uint64_t info, uint32_t length,
                                          void *data) {
  struct expectation *expected = context;
  omx_request_t request;
  uint64_t nic;
  uint32_t remote;
  size_t at;
  if (info != expected->info) return OMX_RECV_CONTINUE;
  expected->called++;
  CHECK(length == expected->length);
  OK(omx_decompose_endpoint_addr(source, &nic, &remote));
  CHECK(nic != 0);
  if (data) {
    expected->had_data++;
    for (at = 0; at < length; at++) CHECK(((unsigned char *)data)[at] == pattern(at, expected->seed));
  }
  /* What would have to wait, or would end the endpoint, is refused here. */
  CHECK(omx_close_endpoint(expected->endpoint) == OMX_NOT_SUPPORTED_IN_HANDLER);
  switch (expected->act) {
    case TAKE:
      return OMX_RECV_FINISHED;
    case RECEIVE:
      OK(omx_irecv(expected->endpoint, expected->in->data, expected->in->length, info, EXACT, NULL, &request));
      OK(omx_forget(expected->endpoint, &request));
      return OMX_RECV_CONTINUE;
    default:
      return OMX_RECV_CONTINUE;
  }
}

/* Makes progress until a forgotten receive has got its last byte; the memory is written by nobody that tells. */
static void until_written(omx_endpoint_t endpoint, const struct buffer *in, size_t length, unsigned seed) {
  volatile unsigned char *first = in->data, *last = in->data + length - 1;
  double start = seconds();
  while (*first != pattern(0, seed) || *last != pattern(length - 1, seed)) {
    OK(omx_progress(endpoint));
    CHECK(seconds() - start < TIMEOUT / 1000);
  }
  /* Large messages are written in any order: their pieces follow within the time that a lost one needs to be sent
   * again. */
  for (start = seconds(); seconds() - start < (length > 32768 ? 0.2 : 0.0);) OK(omx_progress(endpoint));
}

static void pass(omx_endpoint_t endpoint, omx_endpoint_addr_t to, const struct options *options, enum act act,
                 size_t length, int synchronous, unsigned seed) {
  struct buffer out = buffer_new(length, 0), in = buffer_new(length + 3, 7);
  struct expectation expected = {act, endpoint, 0x77000000ULL | seed, length, seed, &in, 0, 0};
  omx_request_t send, receive;
  omx_status_t status;
  uint32_t found;
  double start = seconds();
  buffer_fill(&out, seed);
  buffer_poison(&in);
  OK(omx_register_unexp_handler(endpoint, handler, &expected));
  if (synchronous)
    OK(omx_issend(endpoint, out.data, length, to, expected.info, NULL, &send));
  else
    OK(omx_isend(endpoint, out.data, length, to, expected.info, NULL, &send));
  while (!expected.called) {
    OK(omx_progress(endpoint));
    CHECK(seconds() - start < TIMEOUT / 1000);
  }
  switch (act) {
    case GO_ON:
      OK(omx_irecv(endpoint, in.data, in.length, expected.info, EXACT, NULL, &receive));
      CHECK(succeed(endpoint, &receive).xfer_length == length);
      buffer_check(&in, length, seed);
      break;
    case RECEIVE:
      if (length) until_written(endpoint, &in, length, seed);
      buffer_check(&in, length, seed);
      break;
    default:
      OK(omx_probe(endpoint, expected.info, EXACT, &status, &found, 20));
      CHECK(!found);
      buffer_check(&in, 0, seed);
      break;
  }
  CHECK(expected.called == 1);
  status = finish(endpoint, &send);
  /* Of a large message that the handler took nothing was fetched, and its sender is told so. */
  CHECK(status.code == OMX_SUCCESS || (act == TAKE && status.code == OMX_MESSAGE_TRUNCATED));
  CHECK(options->way == BY_SELF || synchronous || length == 0 || length > 128 || expected.had_data);
  OK(omx_register_unexp_handler(endpoint, NULL, NULL));
  verified(1, length);
  buffer_free(&out);
  buffer_free(&in);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {0, 20, 100, 5000, 100000};
  static const char *const acts[] = {"goes on", "takes it", "receives it"};
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  unsigned seed = 1, act, i;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (act = GO_ON; act <= RECEIVE; act++) {
    for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++, seed++)
      pass(endpoint, to, options, (enum act)act, lengths[i / 2], i % 2, seed);
    tell(options, "a handler that %s", acts[act]);
  }
  exchange(endpoint, to, 1000, seed);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program unexpected_handler = {
    "unexpected_handler",
    "a handler of unexpected messages that goes on, takes the message, or posts a receive for it that is forgotten",
    "bedrsS",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
