/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What public programs name after including <myriexpress.h> alone. As C99 and as C++. */
#ifndef __STDC_FORMAT_MACROS
#define __STDC_FORMAT_MACROS
#endif
#include <myriexpress.h>
#include <stdio.h>

#define IS(name, what, number) typedef char name[(what) == (number) ? 1 : -1]
IS(an_address_has_16_bytes, MX_SIZEOF_ADDR, 16);
IS(and_its_type_too, sizeof(mx_endpoint_addr_t), MX_SIZEOF_ADDR);
IS(a_context_id_has_16_bits, MX_CONTEXT_ID_BITS_MAX, 16);
IS(a_field_of_a_segment, sizeof(mx_segment_ptr_t), sizeof(((mx_segment_t *)0)->segment_ptr));

#ifndef MX_HAS_NET_TYPE
#error "MX_NET_TYPE is a key here"
#endif
#if !MX_HAS_NET_TYPE
#error "MX_NET_TYPE is a key here"
#endif

static void matched(void *context, uint64_t match_value, int length) {
  (void)context, (void)match_value, (void)length;
}

static int never(mx_endpoint_t ep, mx_endpoint_addr_t dest, char *buffer) {
  mx_matching_callback_t callback = matched;
  mx_request_t request;
  mx_segment_ptr_t memory = buffer;
  mx_segment_t segment;
  segment.segment_ptr = memory;
  segment.segment_length = 1;
  if (mx_register_unexp_callback(ep, callback, 0) != MX_SUCCESS) return 1;
  if (mx_iput(ep, segment.segment_ptr, 1, dest, 0, 0, &request) != MX_SUCCESS) return 1;
  return mx_iget(ep, segment.segment_ptr, 1, dest, 0, 0, &request) != MX_SUCCESS;
}

int main(int argc, char **argv) {
  mx_endpoint_addr_t nobody = {{0, 0}};
  uint64_t nic = 1;
  /* <inttypes.h> and <arpa/inet.h> come along. */
  if (ntohl(htonl(1)) != 1) return 1;
  if (printf("%" PRIx64 "\n", nic) < 0) return 1;
  return argc > 1 ? never(0, nobody, argv[1]) : 0;
}
