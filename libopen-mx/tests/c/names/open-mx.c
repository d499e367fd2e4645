/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What public programs name after including <open-mx.h> alone. As C99 and as C++. */
#include <open-mx.h>

#define IS(name, what, number) typedef char name[(what) == (number) ? 1 : -1]
IS(continue_is_0, OMX_UNEXP_HANDLER_RECV_CONTINUE, 0);
IS(finished_is_1, OMX_UNEXP_HANDLER_RECV_FINISHED, 1);
IS(short_continue_is_0, OMX_RECV_CONTINUE, 0);
IS(short_finished_is_1, OMX_RECV_FINISHED, 1);
IS(an_address_has_16_bytes, sizeof(omx_endpoint_addr_t), OMX_SIZEOF_ADDR);

static omx_unexp_handler_action_t later(void *context, omx_endpoint_addr_t source,
                                        uint64_t match_info, uint32_t length, void *data) {
  (void)context, (void)source, (void)match_info, (void)data;
  return length ? OMX_UNEXP_HANDLER_RECV_CONTINUE : OMX_UNEXP_HANDLER_RECV_FINISHED;
}

int main(int argc, char **argv) {
  omx_unexp_handler_t handler = later;
  omx_error_handler_t errors = argc > 1 ? OMX_ERRORS_ARE_FATAL : OMX_ERRORS_RETURN;
  char *end;
  /* <stdlib.h> comes along. */
  omx_seg_ptr_t memory = malloc(strtoul(argv[0], &end, 10));
  omx_seg_t segment;
  segment.ptr = memory;
  segment.len = 1;
  free(segment.ptr);
  if (!handler || !errors) abort();
  exit(EXIT_SUCCESS);
}
