/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Extensions of the MX API. */
#ifndef MX_EXTENSIONS_H
#define MX_EXTENSIONS_H

#include "myriexpress.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an unexpected handler did with the message. */
enum mx_unexp_handler_action {
  MX_RECV_CONTINUE = 0, /* nothing: it goes to a receive that fits by now, else it waits for one */
  MX_RECV_FINISHED = 1  /* all there was to do: the message is gone */
};
typedef enum mx_unexp_handler_action mx_unexp_handler_action_t;

/* Called with each message that no receive waits for, from within a call that makes progress. The data is there when
 * the whole message came at once, else NULL. In the handler nothing progresses. */
typedef mx_unexp_handler_action_t (*mx_unexp_handler_t)(void *context, mx_endpoint_addr_t source,
                                                        uint64_t match_value, uint32_t length,
                                                        void *data_if_available);
/* NULL for none. */
mx_return_t mx_register_unexp_handler(mx_endpoint_t ep, mx_unexp_handler_t handler, void *context);

/* That mx_iconnect takes match_info. */
#define MX_HAS_ICONNECT_V2 1
/* The address is in the status. */
mx_return_t mx_iconnect(mx_endpoint_t ep, uint64_t nic_id, uint32_t endpoint_id, uint32_t key,
                        uint64_t match_info, void *context, mx_request_t *request);
mx_return_t mx_disconnect(mx_endpoint_t ep, mx_endpoint_addr_t addr);
mx_return_t mx_decompose_endpoint_addr2(mx_endpoint_addr_t addr, uint64_t *nic_id,
                                        uint32_t *endpoint_id, uint32_t *session_id);
/* The program's own pointer for a remote endpoint, NULL at first; all addresses of it share it. */
mx_return_t mx_set_endpoint_addr_context(mx_endpoint_addr_t addr, void *context);
mx_return_t mx_get_endpoint_addr_context(mx_endpoint_addr_t addr, void **context);

/* Nobody is told of the end of this request. */
mx_return_t mx_forget(mx_endpoint_t ep, mx_request_t *request);
mx_return_t mx_progress(mx_endpoint_t ep);
/* How long a request is tried, or with NULL all that begin later; MX_INFINITE for without end. */
mx_return_t mx_set_request_timeout(mx_endpoint_t ep, mx_request_t request, uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
