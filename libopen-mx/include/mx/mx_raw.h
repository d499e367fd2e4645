/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The raw API of MX: the RAW frames of a board, whole, for programs that map the network. Each board has one raw
 * endpoint, for who may administer the machine (in a Xen guest, CAP_NET_RAW). A frame that names another sender than the
 * board, or is a beacon of another board, is dropped. */
#ifndef MX_RAW_H
#define MX_RAW_H

#include "mx_io.h"
#include "myriexpress.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mx_raw_endpoint *mx_raw_endpoint_t;

/* That mx_raw_handle, mx_raw_line_speed, mx_raw_set_nic_reply_info and mx_raw_set_route_mag are there. */
#define MX_RAW_POLL_SUPPORTED 1
#define MX_HAS_RAW_LINE_SPEED 1
#define MX_HAS_RAW_SET_NIC_REPLY_INFO 1
#define MX_SET_ROUTE_TAKES_MAGID 1

enum mx_raw_status {
  MX_RAW_NO_EVENT = 0,
  MX_RAW_SEND_COMPLETE = 1,
  MX_RAW_RECV_COMPLETE = 2,
  /* Why one of Myricom's cards died: never reported here. */
  MX_DEAD_RECOVERABLE_SRAM_PARITY_ERROR = 10,
  MX_DEAD_SRAM_PARITY_ERROR = 11,
  MX_DEAD_WATCHDOG_TIMEOUT = 12,
  MX_DEAD_COMMAND_TIMEOUT = 13,
  MX_DEAD_ENDPOINT_CLOSE_TIMEOUT = 14,
  MX_DEAD_ROUTE_UPDATE_TIMEOUT = 15,
  MX_DEAD_PCI_PARITY_ERROR = 16,
  MX_DEAD_FIRMWARE_ASSERTION = 17
};
typedef enum mx_raw_status mx_raw_status_t;

/* What the end of a route runs, for whoever keeps a map. */
enum mx_host_type { MX_HOST_GM = 1, MX_HOST_XM = 2, MX_HOST_MX = 3, MX_HOST_MXvM = 4 };
typedef enum mx_host_type mx_host_type_t;

mx_return_t mx_raw_open_endpoint(uint32_t board_number, mx_param_t *params_array,
                                 uint32_t params_count, mx_raw_endpoint_t *ep);
mx_return_t mx_raw_close_endpoint(mx_raw_endpoint_t ep);
/* A descriptor that can be polled: it can be read when there is an event. */
mx_endpt_handle_t mx_raw_handle(mx_raw_endpoint_t ep);
/* A whole frame of at most 1024 bytes, from the destination's address on; the route is not used. An event with the
 * context follows. */
mx_return_t mx_raw_send(mx_raw_endpoint_t ep, uint32_t physical_port, void *route,
                        uint32_t route_length, void *send_buffer, uint32_t buffer_length,
                        void *context);
/* *recv_bytes is the buffer's length, then that of what was put there. timeout_ms 0 does not wait. */
mx_return_t mx_raw_next_event(mx_raw_endpoint_t ep, uint32_t *incoming_port, void **context,
                              void *recv_buffer, uint32_t *recv_bytes, uint32_t timeout_ms,
                              mx_raw_status_t *status);

/* The end of a route becomes a peer. */
mx_return_t mx_raw_set_route_begin(mx_raw_endpoint_t ep);
mx_return_t mx_raw_set_route_end(mx_raw_endpoint_t ep);
mx_return_t mx_raw_set_route(mx_raw_endpoint_t ep, uint64_t destination_id, void *route,
                             uint32_t route_length, uint32_t input_port, uint32_t output_port,
                             uint32_t host_type);
mx_return_t mx_raw_set_route_mag(mx_raw_endpoint_t ep, uint64_t destination_id, void *route,
                                 uint32_t route_length, uint32_t input_port, uint32_t output_port,
                                 uint32_t host_type, uint32_t mag_id);
/* Does nothing. */
mx_return_t mx_raw_clear_routes(mx_raw_endpoint_t ep, uint64_t destination_id, uint32_t port);
/* Not implemented: fails (MX_FAILURE). */
mx_return_t mx_raw_remove_peer(mx_raw_endpoint_t ep, uint64_t destination_id);

/* With mapping_complete the board's peer table is declared complete. */
mx_return_t mx_raw_set_map_version(mx_raw_endpoint_t ep, uint32_t physical_port,
                                   uint64_t mapper_id, uint32_t map_version, uint32_t num_nodes,
                                   uint32_t mapping_complete);
mx_return_t mx_raw_num_ports(mx_raw_endpoint_t ep, uint32_t *num_ports);
mx_return_t mx_raw_line_speed(mx_raw_endpoint_t ep, mx_line_speed_t *speed);
mx_return_t mx_raw_set_hostname(mx_raw_endpoint_t ep, char *hostname);
mx_return_t mx_raw_set_peer_name(mx_raw_endpoint_t ep, uint64_t nic_id, char *hostname);
/* Does nothing. */
mx_return_t mx_raw_set_nic_reply_info(mx_raw_endpoint_t ep, void *blob, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif
