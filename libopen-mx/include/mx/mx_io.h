/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What MX calls the system's own name of something open. */
#ifndef MX_IO_H
#define MX_IO_H

#include "myriexpress.h"

/* A file descriptor, of a raw endpoint or of a board. */
typedef int mx_endpt_handle_t;

#endif
