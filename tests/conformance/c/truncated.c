/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Receives of half a message: the status says so, the half is right, and nothing behind it is touched. */
#include "suite.h"

static void pass(omx_endpoint_t endpoint, omx_endpoint_addr_t to, const struct options *options, size_t length,
                 int late, unsigned seed) {
  struct buffer out = buffer_new(length, 0), in = buffer_new(length, 11);
  omx_request_t send, receive;
  omx_status_t status;
  uint32_t found;
  buffer_fill(&out, seed);
  buffer_poison(&in);
  if (!late) OK(omx_irecv(endpoint, in.data, length / 2, seed, EXACT, NULL, &receive));
  OK(omx_isend(endpoint, out.data, length, to, seed, NULL, &send));
  if (late) {
    OK(omx_probe(endpoint, seed, EXACT, &status, &found, TIMEOUT));
    CHECK(found && status.msg_length == length);
    OK(omx_irecv(endpoint, in.data, length / 2, seed, EXACT, NULL, &receive));
  }
  status = finish(endpoint, &receive);
  CHECK(status.code == OMX_MESSAGE_TRUNCATED);
  CHECK(status.msg_length == length && status.xfer_length == length / 2);
  buffer_check(&in, length / 2, seed);
  status = finish(endpoint, &send);
  /* The sender learns it of a large message, and of one that did not leave the library. */
  if (options->way == BY_PEER || (options->way == BY_BOARD && length <= 32768))
    CHECK(status.code == OMX_SUCCESS);
  else if (options->way == BY_SELF || length > 32768)
    CHECK(status.code == OMX_MESSAGE_TRUNCATED);
  verified(1, length / 2);
  buffer_free(&out);
  buffer_free(&in);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {10, 120, 20000, 1 << 20};
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  unsigned i;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
    pass(endpoint, to, options, lengths[i / 2], (int)(i % 2), i);
    tell(options, "half of %zu bytes, the receive posted %s", lengths[i / 2], i % 2 ? "late" : "early");
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program truncated = {
    "truncated",
    "receives of half of 10, 120, 20000 and 1048576 bytes, posted before and after the message came",
    "bedrsS",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
