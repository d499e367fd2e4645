/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Internal functions that Open MPI uses: boards. */
#ifndef MX__FOPS_H
#define MX__FOPS_H

#include "../mx_io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle for mx__get_mapper_state. There is nothing to close. */
mx_return_t mx_open_board(int board_number, mx_endpt_handle_t *handle);

#ifdef __cplusplus
}
#endif

#endif
