/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Raw endpoints: the RAW frames of a board, whole, for programs that discover or map the network in a way of their own.
 * Each board has one, for who may administer the machine (in a Xen guest, CAP_NET_RAW). A frame that names another
 * sender than the board, or is a beacon of another board, is dropped. */
#ifndef OMX_RAW_H
#define OMX_RAW_H

#include "open-mx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a frame at most. */
#define OMX_RAW_FRAME_MAX 1024

typedef struct omx_raw_endpoint *omx_raw_endpoint_t;

enum omx_raw_status { OMX_RAW_NO_EVENT = 0, OMX_RAW_SEND_COMPLETE = 1, OMX_RAW_RECV_COMPLETE = 2 };
typedef enum omx_raw_status omx_raw_status_t;

omx_return_t omx_raw_open_endpoint(uint32_t board_number, omx_endpoint_param_t *param_array,
                                   uint32_t param_count, omx_raw_endpoint_t *ep);
omx_return_t omx_raw_close_endpoint(omx_raw_endpoint_t ep);
/* A descriptor that can be read when there is an event; -1 when the endpoint is not open. */
int omx_raw_handle(omx_raw_endpoint_t ep);
/* A whole frame, from the destination's address on. With need_event an event with the context follows. */
omx_return_t omx__raw_send(omx_raw_endpoint_t ep, const void *buffer, uint32_t length,
                           int need_event, const void *context);
/* *recv_bytes is the buffer's length, then that of what was put there. ms_timeout 0 does not wait. Without maybe_send,
 * events of frames that were sent stay for later. */
omx_return_t omx__raw_next_event(omx_raw_endpoint_t ep, uint32_t *incoming_port, void **context,
                                 void *buffer, uint32_t *recv_bytes, uint32_t ms_timeout,
                                 omx_raw_status_t *status, int maybe_send);

#ifdef __cplusplus
}
#endif

#endif
