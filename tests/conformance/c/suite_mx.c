/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "suite_mx.h"

#include <stdio.h>
#include <stdlib.h>

void mx_called(const char *file, int line, const char *call, mx_return_t code) {
  if (code == MX_SUCCESS) return;
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, call, mx_strerror(code));
  exit(1);
}

void mx_begin(const struct options *options) {
  mx_return_t code;
  choose_way(options);
  mx_set_error_handler(MX_ERRORS_RETURN);
  code = mx_init();
  if (code != MX_SUCCESS) {
    fprintf(stderr, "no board can be used: %s; omx_info tells more\n", mx_strerror(code));
    exit(1);
  }
}

static mx_endpoint_t open_at(uint32_t board, uint32_t index) {
  mx_endpoint_t endpoint;
  MX_OK(mx_open_endpoint(board, index, KEY, NULL, 0, &endpoint));
  return endpoint;
}

mx_endpoint_t mx_open_one(const struct options *options) { return open_at(options->board, options->endpoint); }

mx_endpoint_t mx_open_any(uint32_t board) { return open_at(board, MX_ANY_ENDPOINT); }

void mx_own_address(mx_endpoint_t endpoint, uint64_t *nic, uint32_t *index) {
  mx_endpoint_addr_t own;
  MX_OK(mx_get_endpoint_addr(endpoint, &own));
  MX_OK(mx_decompose_endpoint_addr(own, nic, index));
}

mx_endpoint_addr_t mx_connect_back(mx_endpoint_t endpoint, const struct options *options) {
  mx_endpoint_addr_t to;
  uint64_t nic;
  uint32_t index = options->remote;
  if (options->way == BY_PEER)
    nic = nic_of(options->peer);
  else
    mx_own_address(endpoint, &nic, &index);
  MX_OK(mx_connect(endpoint, nic, index, KEY, TIMEOUT, &to));
  return to;
}

mx_status_t mx_succeed(mx_endpoint_t endpoint, mx_request_t *request) {
  mx_status_t status;
  uint32_t done = 0;
  MX_OK(mx_wait(endpoint, request, TIMEOUT, &status, &done));
  CHECK(done && *request == NULL);
  if (status.code != MX_STATUS_SUCCESS) {
    fprintf(stderr, "a request ended with: %s\n", mx_strstatus(status.code));
    exit(1);
  }
  return status;
}
