/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What public programs name after including <mx_extensions.h> alone. As C99 and as C++. */
#include <mx_extensions.h>

/* Whether mx_iconnect takes the match information. */
#if MX_HAS_ICONNECT_V2 != 1
#error "mx_iconnect has seven arguments"
#endif

static mx_unexp_handler_action_t later(void *context, mx_endpoint_addr_t source,
                                       uint64_t match_value, uint32_t length, void *data) {
  (void)context, (void)source, (void)match_value, (void)data;
  return length ? MX_RECV_CONTINUE : MX_RECV_FINISHED;
}

int main(int argc, char **argv) {
  mx_unexp_handler_t handler = later;
  mx_matching_callback_t callback = 0;
  mx_request_t request;
  (void)argv;
  if (argc < 2) return 0;
  if (mx_register_unexp_callback(0, callback, 0) != MX_SUCCESS) return 1;
  if (mx_register_unexp_handler(0, handler, 0) != MX_SUCCESS) return 1;
  return mx_iconnect(0, 0, 0, 0, 0, 0, &request) != MX_SUCCESS;
}
