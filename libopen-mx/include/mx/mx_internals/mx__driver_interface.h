/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls of MX that were no part of its API, and that Open MPI made all the same. */
#ifndef MX__DRIVER_INTERFACE_H
#define MX__DRIVER_INTERFACE_H

#include "mx__fops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Boards of Open-MX find each other: the version is 1, and the mapper's address zeros. */
mx_return_t mx__get_mapper_state(mx_endpt_handle_t handle, mx_mapper_state_t *state);

/* Memory is about to be unmapped: the library learns that from the system. Returns 0. */
int mx__regcache_clean(void *start, size_t length);

#ifdef __cplusplus
}
#endif

#endif
