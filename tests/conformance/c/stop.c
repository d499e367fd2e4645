/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Ends the program `peer` of another node. */
#include "suite.h"

static void run(const struct options *options) {
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  omx_request_t request;
  omx_status_t status;
  uint32_t done;
  begin(options);
  CHECK(options->way == BY_PEER);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  OK(omx_isend(endpoint, NULL, 0, to, STOP, NULL, &request));
  /* The peer goes without a word when it has the message: time for a second try if the first one is lost. */
  OK(omx_wait(endpoint, &request, &status, &done, 1000));
  for (done = 0; done < 100; done++) {
    OK(omx_progress(endpoint));
    pause_ms(10);
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program stop = {
    "stop", "ends the program `peer` of another node", "bedr", {.endpoint = OMX_ANY_ENDPOINT, .length = -1}, run,
};
