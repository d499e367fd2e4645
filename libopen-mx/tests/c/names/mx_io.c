/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What public programs name after including <mx_io.h> alone. As C99 and as C++. */
#include <mx_io.h>

#define IS(name, what, number) typedef char name[(what) == (number) ? 1 : -1]
#define AT(name, field, offset) IS(name, offsetof(mx_mapper_state_t, field), offset)
IS(no_handle, MX__INVALID_HANDLE, -1);
IS(the_state_has_36_bytes, sizeof(mx_mapper_state_t), 36);
AT(board_number_at_0, board_number, 0);
AT(mapper_mac_at_4, mapper_mac, 4);
AT(iport_at_10, iport, 10);
AT(map_version_at_12, map_version, 12);
AT(num_hosts_at_16, num_hosts, 16);
AT(network_configured_at_20, network_configured, 20);
AT(routes_valid_at_24, routes_valid, 24);
AT(level_at_28, level, 28);
AT(flags_at_32, flags, 32);

int main(void) {
  mx_endpt_handle_t handle = MX__INVALID_HANDLE;
  mx_mapper_state_t state;
  state.num_hosts = state.network_configured = state.routes_valid = 0;
  state.level = state.flags = 0;
  return handle != MX__INVALID_HANDLE || state.flags != 0;
}
