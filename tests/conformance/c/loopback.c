/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages to oneself, several at a time; every byte is checked, and that nothing beside them was touched. */
#include <stdlib.h>

#include "suite.h"

static void round_of(omx_endpoint_t endpoint, omx_endpoint_addr_t to, size_t length, long parallel, unsigned seed) {
  struct buffer *out = calloc((size_t)parallel, sizeof(*out)), *in = calloc((size_t)parallel, sizeof(*in));
  omx_request_t *send = calloc((size_t)parallel, sizeof(*send)), *receive = calloc((size_t)parallel, sizeof(*receive));
  long i;
  CHECK(out && in && send && receive);
  for (i = 0; i < parallel; i++) {
    out[i] = buffer_new(length, (size_t)i);
    in[i] = buffer_new(length, (size_t)i * 5);
    buffer_fill(&out[i], seed + (unsigned)i);
    buffer_poison(&in[i]);
    OK(omx_irecv(endpoint, in[i].data, length, seed + (unsigned)i, EXACT, &in[i], &receive[i]));
  }
  for (i = 0; i < parallel; i++)
    OK(omx_isend(endpoint, out[i].data, length, to, seed + (unsigned)i, &out[i], &send[i]));
  /* A send that has failed leaves nothing to receive. */
  for (i = 0; i < parallel; i++) CHECK(succeed(endpoint, &send[i]).context == &out[i]);
  for (i = 0; i < parallel; i++) {
    omx_status_t status = succeed(endpoint, &receive[i]);
    CHECK(status.context == &in[i] && status.match_info == seed + (unsigned)i);
    CHECK(status.msg_length == length && status.xfer_length == length);
    buffer_check(&in[i], length, seed + (unsigned)i);
    buffer_free(&out[i]);
    buffer_free(&in[i]);
  }
  verified((unsigned long)parallel, (unsigned long long)parallel * length);
  free(out);
  free(in);
  free(send);
  free(receive);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {13, 95, 13274, 9327485};
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  unsigned seed = 1;
  size_t i;
  long turn;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (i = 0; i < (options->length < 0 ? sizeof(lengths) / sizeof(lengths[0]) : 1); i++) {
    size_t length = options->length < 0 ? lengths[i] : (size_t)options->length;
    for (turn = 0; turn < options->count; turn++, seed += (unsigned)options->parallel)
      round_of(endpoint, to, length, options->parallel, seed);
    tell(options, "%ld times %ld messages of %zu bytes", options->count, options->parallel, length);
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program loopback = {
    "loopback",
    "messages of 13, 95, 13274 and 9327485 bytes to oneself, byte by byte",
    "bedrsSlNP",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 10, .parallel = 4},
    run,
};
