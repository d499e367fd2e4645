/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The program's own pointer of a remote endpoint: NULL at first, the same by the address of a connect and by that of a
 * message's source, another one for another endpoint. */
#include "suite.h"

static void *context_of(omx_endpoint_addr_t address) {
  void *context = &context;
  OK(omx_get_endpoint_addr_context(address, &context));
  return context;
}

/* The source of a message that came back. */
static omx_endpoint_addr_t source_of_message(omx_endpoint_t endpoint, omx_endpoint_addr_t to, unsigned info) {
  omx_request_t receive;
  char out = 1, in;
  omx_status_t status;
  OK(omx_irecv(endpoint, &in, 1, info, EXACT, NULL, &receive));
  OK(omx_isend(endpoint, &out, 1, to, info, NULL, NULL));
  status = succeed(endpoint, &receive);
  CHECK(in == 1);
  verified(1, 1);
  return status.addr;
}

static void run(const struct options *options) {
  omx_endpoint_addr_t to, again, source, other;
  omx_endpoint_t endpoint, second;
  omx_request_t request;
  omx_status_t status;
  uint64_t nic, same_nic;
  uint32_t index, same_index, done = 0;
  int one, two;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  CHECK(context_of(to) == NULL);
  source = source_of_message(endpoint, to, 1);
  CHECK(context_of(source) == NULL);
  OK(omx_set_endpoint_addr_context(to, &one));
  CHECK(context_of(to) == &one && context_of(source) == &one);
  source = source_of_message(endpoint, to, 2);
  CHECK(context_of(source) == &one);
  OK(omx_set_endpoint_addr_context(source, &two));
  again = connect_back(endpoint, options);
  CHECK(context_of(to) == &two && context_of(again) == &two);
  OK(omx_decompose_endpoint_addr(to, &nic, &index));
  OK(omx_decompose_endpoint_addr(source, &same_nic, &same_index));
  CHECK(nic == same_nic && index == same_index);
  /* Another endpoint has its own. */
  second = open_any(options->board);
  own_address(second, &nic, &index);
  OK(omx_iconnect(endpoint, nic, index, KEY, 3, NULL, &request));
  while (!done) {
    OK(omx_progress(second));
    OK(omx_test(endpoint, &request, &status, &done));
  }
  CHECK(status.code == OMX_SUCCESS);
  other = status.addr;
  CHECK(context_of(other) == NULL);
  OK(omx_set_endpoint_addr_context(other, &one));
  CHECK(context_of(other) == &one && context_of(to) == &two);
  OK(omx_close_endpoint(second));
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program address_context = {
    "address_context",
    "the program's pointer of a remote endpoint, by the address of a connect and by a message's source",
    "bedrsS",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
