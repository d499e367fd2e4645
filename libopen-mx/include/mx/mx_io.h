/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What MX calls the system's own name of something open, and what it tells of a network's mapper. */
#ifndef MX_IO_H
#define MX_IO_H

#include "myriexpress.h"

/* A file descriptor, of a raw endpoint or of a board. */
typedef int mx_endpt_handle_t;
#define MX__INVALID_HANDLE (-1)

/* Who maps the network of a board, for mx__get_mapper_state. The caller fills in board_number and iport. */
struct mx_mapper_state {
  uint32_t board_number;
  uint8_t mapper_mac[6];
  uint16_t iport;
  uint32_t map_version;
  uint32_t num_hosts;
  uint32_t network_configured;
  uint32_t routes_valid;
  uint32_t level;
  uint32_t flags;
};
typedef struct mx_mapper_state mx_mapper_state_t;

#endif
