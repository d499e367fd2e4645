/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Boards, opened by themselves, for programs that tell networks apart as Open MPI did. */
#ifndef MX__FOPS_H
#define MX__FOPS_H

#include "../mx_io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* There is nothing to open: *handle only serves mx__get_mapper_state. */
mx_return_t mx_open_board(int board_number, mx_endpt_handle_t *handle);

#ifdef __cplusplus
}
#endif

#endif
