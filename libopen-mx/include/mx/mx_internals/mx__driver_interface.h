/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Internal functions that Open MPI uses: the network's mapper, and the registration cache. */
#ifndef MX__DRIVER_INTERFACE_H
#define MX__DRIVER_INTERFACE_H

#include "mx__fops.h"

#ifdef __cplusplus
extern "C" {
#endif

mx_return_t mx__get_mapper_state(mx_endpt_handle_t handle, mx_mapper_state_t *state);
/* The library sees itself when memory goes away: this does nothing and returns 0. */
int mx__regcache_clean(void *start, size_t length);

#ifdef __cplusplus
}
#endif

#endif
