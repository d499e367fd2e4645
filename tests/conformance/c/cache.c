/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Buffers that are allocated and freed for each message, so that an address means other memory each time: what was
 * registered for one message must not serve the next. */
#include <stdlib.h>

#include "suite.h"

static void run(const struct options *options) {
  size_t length = (size_t)options->length, parallel = (size_t)options->parallel;
  struct buffer *out = calloc(parallel, sizeof(*out)), *in = calloc(parallel, sizeof(*in));
  omx_request_t *send = calloc(parallel, sizeof(*send)), *receive = calloc(parallel, sizeof(*receive));
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  unsigned seed = 1;
  size_t i;
  long turn;
  CHECK(out && in && send && receive);
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (turn = 0; turn < options->count; turn++) {
    for (i = 0; i < parallel; i++) {
      /* The same lengths in another order, so that freed memory is reused for something else. */
      out[i] = buffer_new(length, (i + (size_t)turn) % 7);
      in[(i + (size_t)turn) % parallel] = buffer_new(length, i);
    }
    for (i = 0; i < parallel; i++) {
      buffer_poison(&in[i]);
      buffer_fill(&out[i], seed + (unsigned)i);
      /* Any message fits any of these receives: they are matched in the order of the sends. A peer sends back what it has
       * whole, in the order of that. */
      if (options->way == BY_PEER)
        OK(omx_irecv(endpoint, in[i].data, length, seed + i, EXACT, NULL, &receive[i]));
      else
        OK(omx_irecv(endpoint, in[i].data, length, 0, 0, NULL, &receive[i]));
    }
    for (i = 0; i < parallel; i++) OK(omx_isend(endpoint, out[i].data, length, to, seed + i, NULL, &send[i]));
    for (i = 0; i < parallel; i++) {
      omx_status_t status = succeed(endpoint, &receive[i]);
      CHECK(status.match_info == seed + i && status.xfer_length == length);
      buffer_check(&in[i], length, seed + (unsigned)i);
      buffer_free(&in[i]);
    }
    for (i = 0; i < parallel; i++) {
      succeed(endpoint, &send[i]);
      buffer_free(&out[i]);
    }
    verified((unsigned long)parallel, (unsigned long long)parallel * length);
    seed += (unsigned)parallel;
  }
  tell(options, "%ld times %zu messages of %zu bytes", options->count, parallel, length);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
  free(out);
  free(in);
  free(send);
  free(receive);
}

const struct program cache = {
    "cache",
    "large messages whose buffers are allocated and freed each time; order of matching is order of sending",
    "bedrsSlNP",
    {.endpoint = OMX_ANY_ENDPOINT, .length = 1 << 20, .count = 50, .parallel = 4},
    run,
};
