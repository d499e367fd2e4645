/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What public programs name after including <mx_raw.h> alone. As C99 and as C++. */
#include <mx_raw.h>

#define IS(name, what, number) typedef char name[(what) == (number) ? 1 : -1]
IS(gm_is_1, MX_HOST_GM, 1);
IS(xm_is_2, MX_HOST_XM, 2);
IS(mx_is_3, MX_HOST_MX, 3);
IS(mxvm_is_4, MX_HOST_MXvM, 4);
IS(dead_10, MX_DEAD_RECOVERABLE_SRAM_PARITY_ERROR, 10);
IS(dead_11, MX_DEAD_SRAM_PARITY_ERROR, 11);
IS(dead_12, MX_DEAD_WATCHDOG_TIMEOUT, 12);
IS(dead_13, MX_DEAD_COMMAND_TIMEOUT, 13);
IS(dead_14, MX_DEAD_ENDPOINT_CLOSE_TIMEOUT, 14);
IS(dead_15, MX_DEAD_ROUTE_UPDATE_TIMEOUT, 15);
IS(dead_16, MX_DEAD_PCI_PARITY_ERROR, 16);
IS(dead_17, MX_DEAD_FIRMWARE_ASSERTION, 17);

#if !MX_HAS_RAW_LINE_SPEED || !MX_HAS_RAW_SET_NIC_REPLY_INFO || !MX_RAW_POLL_SUPPORTED || \
    !MX_SET_ROUTE_TAKES_MAGID
#error "all of these are there"
#endif

/* What a mapper does with a raw endpoint. */
static int map(mx_raw_endpoint_t ep, uint64_t destination, uint8_t *route) {
  mx_host_type_t kind = MX_HOST_MX;
  mx_line_speed_t speed;
  mx_raw_status_t status = MX_RAW_NO_EVENT;
  uint32_t port, length = 0;
  void *context;
  char hello[] = "hello";
  if (mx_raw_handle(ep) == MX__INVALID_HANDLE) return 1;
  if (mx_raw_line_speed(ep, &speed) != MX_SUCCESS) return 1;
  if (mx_raw_set_nic_reply_info(ep, hello, sizeof hello) != MX_SUCCESS) return 1;
  if (mx_raw_set_route_mag(ep, destination, route, 1, 0, 0, kind, 0) != MX_SUCCESS) return 1;
  if (mx_raw_next_event(ep, &port, &context, hello, &length, 0, &status) != MX_SUCCESS) return 1;
  switch (status) {
  case MX_RAW_NO_EVENT:
  case MX_RAW_SEND_COMPLETE:
  case MX_RAW_RECV_COMPLETE:
    return 0;
  case MX_DEAD_WATCHDOG_TIMEOUT:
  case MX_DEAD_RECOVERABLE_SRAM_PARITY_ERROR:
  default:
    return 1;
  }
}

int main(int argc, char **argv) {
  uint8_t route = 0;
  (void)argv;
  return argc > 1 ? map(0, 1, &route) : 0;
}
