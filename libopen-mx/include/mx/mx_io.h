/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What programs that look behind the MX API use: boards, and who maps the network. */
#ifndef MX_IO_H
#define MX_IO_H

#include "myriexpress.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An open board, or the file descriptor of a raw endpoint. */
typedef int mx_endpt_handle_t;

/* Who maps the network of a board. */
struct mx_mapper_state {
  uint32_t board_number; /* set by the caller */
  uint8_t mapper_mac[6];
  uint16_t iport; /* set by the caller: 0 */
  uint32_t map_version;
};
typedef struct mx_mapper_state mx_mapper_state_t;

#ifdef __cplusplus
}
#endif

#endif
