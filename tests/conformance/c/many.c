/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A stream of messages of mixed lengths: none is overrun by those behind it, each arrives once, in its own receive. */
#include <stdlib.h>

#include "suite.h"

struct slot {
  struct buffer out, in;
  omx_request_t send, receive;
};

static void run(const struct options *options) {
  static const size_t mixed[] = {13, 111, 1234, 12345, 123456, 1234567};
  struct slot *slots = calloc((size_t)options->parallel, sizeof(*slots));
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  long i;
  CHECK(slots && options->parallel > 0);
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (i = 0; i < options->count + options->parallel; i++) {
    struct slot *slot = &slots[i % options->parallel];
    if (i >= options->parallel) {
      omx_status_t status = succeed(endpoint, &slot->receive);
      CHECK(status.match_info == (uint64_t)(i - options->parallel));
      succeed(endpoint, &slot->send);
      buffer_check(&slot->in, slot->in.length, (unsigned)(i - options->parallel));
      verified(1, slot->in.length);
      buffer_free(&slot->in);
      buffer_free(&slot->out);
    }
    if (i < options->count) {
      size_t length = options->length < 0 ? mixed[(i * 5 + i / 7) % 6] : (size_t)options->length;
      slot->in = buffer_new(length, (size_t)i);
      slot->out = buffer_new(length, (size_t)i * 3);
      buffer_poison(&slot->in);
      buffer_fill(&slot->out, (unsigned)i);
      OK(omx_irecv(endpoint, slot->in.data, length, (uint64_t)i, EXACT, NULL, &slot->receive));
      OK(omx_isend(endpoint, slot->out.data, length, to, (uint64_t)i, NULL, &slot->send));
    }
  }
  free(slots);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program many = {
    "many",
    "a stream of messages of 13, 111, 1234, 12345, 123456 and 1234567 bytes, many at a time",
    "bedrsSlNP",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 1000, .parallel = 32},
    run,
};
