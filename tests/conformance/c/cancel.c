/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What was posted is taken back: receives that nothing has matched, and connects to an endpoint that does not answer. */
#include "suite.h"

/* A receive that was taken back takes nothing any more. */
static void receives(omx_endpoint_t endpoint, omx_endpoint_addr_t to) {
  struct buffer lost = buffer_new(100, 0), in = buffer_new(100, 0), out = buffer_new(100, 0);
  omx_request_t receive, matched, send;
  omx_status_t status;
  uint32_t result = 0;
  buffer_poison(&lost);
  buffer_poison(&in);
  buffer_fill(&out, 1);
  OK(omx_irecv(endpoint, lost.data, 100, 1, EXACT, &lost, &receive));
  OK(omx_cancel(endpoint, &receive, &result));
  CHECK(result && receive == NULL);
  OK(omx_irecv(endpoint, lost.data, 100, 1, EXACT, &lost, &receive));
  OK(omx_cancel_notest(endpoint, &receive, &result));
  CHECK(result && receive != NULL);
  status = finish(endpoint, &receive);
  CHECK(status.code == OMX_CANCELLED && status.context == &lost);
  OK(omx_irecv(endpoint, in.data, 100, 1, EXACT, &in, &matched));
  OK(omx_isend(endpoint, out.data, 100, to, 1, NULL, &send));
  /* Peek leaves it done and matched: too late to take it back. */
  do {
    OK(omx_peek(endpoint, &receive, &result, TIMEOUT));
    CHECK(result);
    if (receive == send && send) succeed(endpoint, &send);
  } while (receive != matched);
  OK(omx_cancel(endpoint, &matched, &result));
  CHECK(!result && matched != NULL);
  CHECK(succeed(endpoint, &matched).context == &in);
  buffer_check(&in, 100, 1);
  buffer_check(&lost, 0, 1);
  if (send) succeed(endpoint, &send);
  /* Sends are never taken back. */
  OK(omx_issend(endpoint, out.data, 100, to, 2, NULL, &send));
  CHECK(omx_cancel(endpoint, &send, &result) == OMX_BAD_REQUEST);
  buffer_poison(&in);
  OK(omx_irecv(endpoint, in.data, 100, 2, EXACT, NULL, &receive));
  succeed(endpoint, &receive);
  succeed(endpoint, &send);
  buffer_check(&in, 100, 1);
  verified(2, 200);
  buffer_free(&lost);
  buffer_free(&in);
  buffer_free(&out);
}

/* An endpoint that must not progress answers no connect. */
static void connects(omx_endpoint_t endpoint, uint32_t board) {
  omx_endpoint_t silent = open_any(board);
  omx_endpoint_addr_t to;
  omx_request_t first, second, third;
  omx_status_t status;
  uint64_t nic;
  uint32_t index, result = 1;
  own_address(silent, &nic, &index);
  OK(omx_disable_progression(silent));
  OK(omx_iconnect(endpoint, nic, index, KEY, 7, &first, &first));
  OK(omx_iconnect(endpoint, nic, index, KEY, 8, &second, &second));
  OK(omx_iconnect(endpoint, nic, index, KEY, 9, &third, &third));
  OK(omx_wait(endpoint, &first, &status, &result, 100));
  CHECK(!result);
  OK(omx_cancel(endpoint, &first, &result));
  CHECK(result && first == NULL);
  OK(omx_cancel_notest(endpoint, &second, &result));
  CHECK(result && second != NULL);
  status = finish(endpoint, &second);
  CHECK(status.code == OMX_CANCELLED && status.context == &second && status.match_info == 8);
  CHECK(omx_connect(endpoint, nic, index, KEY, 50, &to) == OMX_TIMEOUT);
  /* When it speaks, the one that is left is answered, and no other. */
  OK(omx_reenable_progression(silent));
  for (result = 0; !result;) {
    OK(omx_progress(silent));
    OK(omx_test(endpoint, &third, &status, &result));
  }
  CHECK(status.code == OMX_SUCCESS && status.context == &third && status.match_info == 9);
  OK(omx_test_any(endpoint, 0, 0, &status, &result));
  CHECK(!result);
  OK(omx_close_endpoint(silent));
}

static void run(const struct options *options) {
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  long turn;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (turn = 0; turn < options->count; turn++) {
    receives(endpoint, to);
    tell(options, "receives are taken back");
    connects(endpoint, options->board);
    tell(options, "connects are taken back");
  }
  exchange(endpoint, to, 5000, 3);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program cancel = {
    "cancel",
    "receives and connects that are taken back, with and without telling; messages that are not lost by it",
    "bedrsSN",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 3},
    run,
};
