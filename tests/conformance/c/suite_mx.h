/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The same helpers for programs of the MX interface. */
#ifndef SUITE_MX_H
#define SUITE_MX_H

#include <mx_extensions.h>
#include <myriexpress.h>

#include "suite.h"

/* A call that must succeed. */
#define MX_OK(call) mx_called(__FILE__, __LINE__, #call, (call))
void mx_called(const char *file, int line, const char *call, mx_return_t code);

void mx_begin(const struct options *options);
mx_endpoint_t mx_open_one(const struct options *options);
mx_endpoint_t mx_open_any(uint32_t board);
void mx_own_address(mx_endpoint_t endpoint, uint64_t *nic, uint32_t *index);
/* Starts to connect to where the messages of this endpoint come back from, and waits for the answer. */
mx_endpoint_addr_t mx_connect_back(mx_endpoint_t endpoint, const struct options *options);
/* Waits for a request, which succeeds in time. */
mx_status_t mx_succeed(mx_endpoint_t endpoint, mx_request_t *request);

#endif
