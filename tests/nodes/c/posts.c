/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Posts receives until one is refused, which has to be told by a code, and takes all of them back. */
#include <stdio.h>
#include <stdlib.h>

#include "open-mx.h"

#define MOST 4000000
#define OK(call)                                                             \
  do {                                                                       \
    omx_return_t code = (call);                                              \
    if (code != OMX_SUCCESS) {                                               \
      fprintf(stderr, #call ": %s\n", omx_strerror(code));                   \
      return 1;                                                              \
    }                                                                        \
  } while (0)

static omx_request_t requests[MOST];

int main(void) {
  omx_endpoint_t endpoint;
  omx_return_t refused = OMX_SUCCESS;
  long posted = 0, at;
  OK(omx_init());
  OK(omx_open_endpoint(OMX_ANY_NIC, OMX_ANY_ENDPOINT, 1, NULL, 0, &endpoint));
  while (posted < MOST) {
    refused = omx_irecv(endpoint, NULL, 0, 1, ~(uint64_t)0, NULL, &requests[posted]);
    if (refused != OMX_SUCCESS) break;
    posted++;
  }
  for (at = 0; at < posted && at < 1000; at++) {
    uint32_t taken = 0;
    OK(omx_cancel(endpoint, &requests[posted - 1 - at], &taken));
    if (!taken) return 2;
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
  printf("%ld posted, then: %s\n", posted, omx_strerror(refused));
  return refused == OMX_NO_SYSTEM_RESOURCES ? 0 : 3;
}
