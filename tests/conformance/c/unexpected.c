/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages that nobody waits for: found by probes with the right, a wrong and a masked match info, received, and gone
 * after that. */
#include "suite.h"

#define CONTEXT 5ULL

static int probe(omx_endpoint_t endpoint, uint64_t info, uint64_t mask, omx_status_t *status) {
  uint32_t found = 0;
  OK(omx_iprobe(endpoint, info, mask, status, &found));
  return (int)found;
}

static void pass(omx_endpoint_t endpoint, omx_endpoint_addr_t to, const struct options *options, size_t length,
                 unsigned seed) {
  uint64_t context = options->context_bits ? CONTEXT << options->context_shift : 0;
  uint64_t info = 0xabcULL << 48 | context | (seed & 0xff);
  struct buffer out = buffer_new(length, 1), in = buffer_new(length + 1, 2);
  omx_request_t send, receive;
  omx_status_t status;
  uint32_t found = 0;
  buffer_fill(&out, seed);
  buffer_poison(&in);
  OK(omx_isend(endpoint, out.data, length, to, info, NULL, &send));
  /* A wrong one is not found, for a while. */
  OK(omx_probe(endpoint, info ^ 1, EXACT, &status, &found, 20));
  CHECK(!found);
  OK(omx_probe(endpoint, info, EXACT, &status, &found, TIMEOUT));
  CHECK(found && status.match_info == info && status.msg_length == length);
  CHECK(probe(endpoint, info & ~0xffULL, ~0xffULL, &status) && status.match_info == info);
  CHECK(!probe(endpoint, info ^ 1, EXACT, &status));
  CHECK(!probe(endpoint, (info ^ 1ULL << 50) & ~0xffULL, ~0xffULL, &status));
  /* Neither a receive for another one takes it. */
  OK(omx_irecv(endpoint, in.data, in.length, info ^ 1, EXACT, NULL, &receive));
  OK(omx_test(endpoint, &receive, &status, &found));
  CHECK(!found);
  OK(omx_cancel(endpoint, &receive, &found));
  CHECK(found);
  OK(omx_irecv(endpoint, in.data, in.length, info & ~0xffULL, ~0xffULL, NULL, &receive));
  status = succeed(endpoint, &receive);
  CHECK(status.match_info == info && status.msg_length == length && status.xfer_length == length);
  succeed(endpoint, &send);
  buffer_check(&in, length, seed);
  CHECK(!probe(endpoint, info, EXACT, &status));
  CHECK(!probe(endpoint, info & ~0xffULL, ~0xffULL, &status));
  verified(1, length);
  buffer_free(&out);
  buffer_free(&in);
}

/* Masks that leave bits of the context id out are refused. */
static void refused(omx_endpoint_t endpoint, const struct options *options) {
  omx_request_t request;
  uint64_t mask = ~(1ULL << options->context_shift);
  omx_return_t code = omx_irecv(endpoint, NULL, 0, 0, mask, NULL, &request);
  CHECK(code == OMX_BAD_MATCHING_FOR_CONTEXT_ID_MASK);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {0, 13, 95, 13274, 100000, 1327485};
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  unsigned i;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (i = 0; i < (options->length < 0 ? sizeof(lengths) / sizeof(lengths[0]) : 1); i++) {
    size_t length = options->length < 0 ? lengths[i] : (size_t)options->length;
    pass(endpoint, to, options, length, i);
    tell(options, "an unexpected message of %zu bytes", length);
  }
  if (options->context_bits) refused(endpoint, options);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program unexpected = {
    "unexpected",
    "messages that nobody waits for, found by right and masked match info alone, then received; with context ids (-c)",
    "bedrsSlc",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
