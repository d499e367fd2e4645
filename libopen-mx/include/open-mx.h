/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The Open-MX API. Link with -lopen-mx. C99 and C++.
 *
 * Calls return OMX_SUCCESS or pass their error through the error handler, whose value they return: the first handler
 * ends the program (OMX_ERRORS_ARE_FATAL), errors in a status too. Timeouts are milliseconds. What the environment
 * changes is in open-mx(7). */
#ifndef OPEN_MX_H
#define OPEN_MX_H

#include <stddef.h>
#include <stdint.h>
/* Programs count on it. */
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OMX_API 0x301

#define OMX_ANY_NIC 0xffffffffU
#define OMX_ANY_ENDPOINT 0xffffffffU
#define OMX_TIMEOUT_INFINITE 0xffffffffU
#define OMX_MAX_SEGMENTS 256
#define OMX_HOSTNAMELEN_MAX 80
#define OMX_BOARD_ADDR_STRLEN 18
#define OMX_SIZEOF_ADDR 16
#define OMX_ENDPOINT_CONTEXT_ID_BITS_MAX 16

/* What a call returns, and the code in a status. */
enum omx_return {
  OMX_SUCCESS = 0,
  OMX_BAD_ERROR = 1,
  OMX_ALREADY_INITIALIZED = 3,
  OMX_NOT_INITIALIZED = 4,
  OMX_NO_DEVICE_FILE = 5,
  OMX_NO_DRIVER = 6,
  OMX_ACCESS_DENIED = 7,
  OMX_BOARD_NOT_FOUND = 8,
  OMX_BAD_ENDPOINT = 9,
  OMX_SEGMENTS_BAD_COUNT = 12,
  OMX_BAD_REQUEST = 13,
  OMX_BAD_MATCH_MASK = 14,
  OMX_NO_RESOURCES = 15,
  OMX_BUSY = 20,
  OMX_BAD_INFO_KEY = 21,
  OMX_BAD_INFO_ADDRESS = 22,
  OMX_ENDPOINT_PARAMS_BAD_LIST = 24,
  OMX_ENDPOINT_PARAM_BAD_KEY = 25,
  OMX_ENDPOINT_PARAM_BAD_VALUE = 26,
  OMX_PEER_NOT_FOUND = 28,
  OMX_TIMEOUT = 30,
  OMX_REMOTE_ENDPOINT_BAD_ID = 32,
  OMX_REMOTE_ENDPOINT_CLOSED = 33,
  OMX_REMOTE_ENDPOINT_BAD_CONNECTION_KEY = 34,
  OMX_BAD_INFO_LENGTH = 35,
  OMX_NIC_ID_NOT_FOUND = 36,
  OMX_BAD_KERNEL_ABI = 37,
  OMX_BAD_LIB_ABI = 38,
  OMX_BAD_MATCHING_FOR_CONTEXT_ID_MASK = 42,
  OMX_CANCELLED = 90,
  OMX_REMOTE_RDMA_WINDOW_BAD_ID = 91,
  OMX_REMOTE_ENDPOINT_UNREACHABLE = 92,
  OMX_REMOTE_ENDPOINT_BAD_SESSION = 93,
  OMX_MESSAGE_ABORTED = 94,
  OMX_MESSAGE_TRUNCATED = 95,
  OMX_NOT_SUPPORTED_IN_HANDLER = 96,
  OMX_NO_SYSTEM_RESOURCES = 97,
  OMX_NOT_IMPLEMENTED = 99,
  OMX_RETURN_CODE_MAX = 100
};
typedef enum omx_return omx_return_t;

/* An endpoint of this process. */
typedef struct omx_endpoint *omx_endpoint_t;
/* A request; NULL is none. */
typedef union omx_request *omx_request_t;

/* A remote endpoint, as one endpoint of this process names it. */
struct omx_endpoint_addr {
  uint64_t omx_opaque[2];
};
typedef struct omx_endpoint_addr omx_endpoint_addr_t;

/* How a request ended. */
struct omx_status {
  enum omx_return code;
  omx_endpoint_addr_t addr;
  uint64_t match_info;
  uint32_t msg_length;
  uint32_t xfer_length;
  void *context;
};
typedef struct omx_status omx_status_t;

/* A part of a message. */
typedef void *omx_seg_ptr_t;
struct omx_seg {
  omx_seg_ptr_t ptr;
  uint32_t len;
};
typedef struct omx_seg omx_seg_t;

/* Called with each error and a text of at most 255 bytes; what it returns is what the call returns. */
typedef omx_return_t (*omx_error_handler_t)(char *str, omx_return_t ret);
/* Says it on standard error and ends the program. */
extern const omx_error_handler_t OMX_ERRORS_ARE_FATAL;
/* Lets the call return the code. */
extern const omx_error_handler_t OMX_ERRORS_RETURN;

/* What an unexpected handler did with the message. */
enum omx_unexp_handler_action {
  /* Nothing: it goes to a receive that fits by now, else it waits for one. */
  OMX_UNEXP_HANDLER_RECV_CONTINUE = 0,
  /* All there was to do: the message is gone. */
  OMX_UNEXP_HANDLER_RECV_FINISHED = 1,
  /* The same by shorter names. */
  OMX_RECV_CONTINUE = OMX_UNEXP_HANDLER_RECV_CONTINUE,
  OMX_RECV_FINISHED = OMX_UNEXP_HANDLER_RECV_FINISHED
};
typedef enum omx_unexp_handler_action omx_unexp_handler_action_t;

/* Called with each message that no receive waits for, from within a call that makes progress. The data is there when
 * the whole message came at once, else NULL. In the handler nothing progresses: calls that would have to wait, or that
 * close the endpoint, return OMX_NOT_SUPPORTED_IN_HANDLER. */
typedef omx_unexp_handler_action_t (*omx_unexp_handler_t)(void *context,
                                                          omx_endpoint_addr_t source,
                                                          uint64_t match_info,
                                                          uint32_t msg_length,
                                                          void *data_if_available);

enum omx_endpoint_param_key {
  OMX_ENDPOINT_PARAM_ERROR_HANDLER = 0,
  OMX_ENDPOINT_PARAM_UNEXP_QUEUE_MAX = 1, /* accepted, without effect */
  OMX_ENDPOINT_PARAM_CONTEXT_ID = 2       /* at most 16 bits; bits + shift at most 64 */
};
typedef enum omx_endpoint_param_key omx_endpoint_param_key_t;

struct omx_endpoint_param {
  omx_endpoint_param_key_t key;
  union {
    omx_error_handler_t error_handler;
    uint32_t unexp_queue_max;
    struct {
      uint8_t bits;
      uint8_t shift;
    } context_id;
  } val;
};
typedef struct omx_endpoint_param omx_endpoint_param_t;

enum omx_info_key {
  /* Of the endpoint's board, or without an endpoint of the board whose number is the first byte of in_val. Of a string
   * out_val gets what it has room for, and zeros behind it; numbers have to fit. */
  OMX_INFO_BOARD_MAX = 0,       /* uint32_t */
  OMX_INFO_ENDPOINT_MAX = 1,    /* uint32_t */
  OMX_INFO_BOARD_COUNT = 2,     /* uint32_t */
  OMX_INFO_BOARD_IDS = 3,       /* uint64_t each, 0 at the end */
  OMX_INFO_BOARD_HOSTNAME = 4,  /* string */
  OMX_INFO_BOARD_IFACENAME = 5, /* string */
  OMX_INFO_BOARD_NUMA_NODE = 6, /* uint32_t, -1 unknown */
  OMX_INFO_COUNTER_MAX = 7,     /* uint32_t */
  OMX_INFO_COUNTER_VALUES = 8,  /* uint32_t each */
  OMX_INFO_COUNTER_LABEL = 9    /* string; the counter is the first byte of in_val */
};
typedef enum omx_info_key omx_info_key_t;

/* Before everything else: use omx_init(). */
omx_return_t omx__init_api(int app_api);
static inline omx_return_t omx_init(void) { return omx__init_api(OMX_API); }
omx_return_t omx_finalize(void);
const char *omx_strerror(omx_return_t ret);
/* Of an endpoint, or with NULL of all others. Returns the handler before it. */
omx_error_handler_t omx_set_error_handler(omx_endpoint_t ep, omx_error_handler_t handler);

/* Boards of this machine, and names and addresses of its peers. */
omx_return_t omx_board_number_to_nic_id(uint32_t board_number, uint64_t *nic_id);
omx_return_t omx_nic_id_to_board_number(uint64_t nic_id, uint32_t *board_number);
omx_return_t omx_hostname_to_nic_id(char *hostname, uint64_t *nic_id);
/* hostname has room for OMX_HOSTNAMELEN_MAX bytes; "" when the peer's name is not yet known. */
omx_return_t omx_nic_id_to_hostname(uint64_t nic_id, char *hostname);
omx_return_t omx_get_info(omx_endpoint_t ep, enum omx_info_key key, const void *in_val,
                          uint32_t in_len, void *out_val, uint32_t out_len);

/* Endpoints. */
omx_return_t omx_open_endpoint(uint32_t board_number, uint32_t endpoint_id, uint32_t endpoint_key,
                               omx_endpoint_param_t *param_array, uint32_t param_count,
                               omx_endpoint_t *ep);
omx_return_t omx_close_endpoint(omx_endpoint_t ep);
/* Makes all calls that wait on this endpoint return without result. */
omx_return_t omx_wakeup(omx_endpoint_t ep);
omx_return_t omx_progress(omx_endpoint_t ep);
/* Until it is reenabled no call makes progress. A running unexpected handler is waited for. */
omx_return_t omx_disable_progression(omx_endpoint_t ep);
omx_return_t omx_reenable_progression(omx_endpoint_t ep);
/* How long a request is tried, or with NULL all that begin later. */
omx_return_t omx_set_request_timeout(omx_endpoint_t ep, omx_request_t request, uint32_t ms_timeout);
/* NULL for none. */
omx_return_t omx_register_unexp_handler(omx_endpoint_t ep, omx_unexp_handler_t handler,
                                        void *context);
omx_return_t omx_get_endpoint_addr(omx_endpoint_t ep, omx_endpoint_addr_t *addr);

/* Connections and addresses. */
omx_return_t omx_connect(omx_endpoint_t ep, uint64_t nic_id, uint32_t endpoint_id, uint32_t key,
                         uint32_t ms_timeout, omx_endpoint_addr_t *addr);
/* The address is in the status. */
omx_return_t omx_iconnect(omx_endpoint_t ep, uint64_t nic_id, uint32_t endpoint_id, uint32_t key,
                          uint64_t match_info, void *context, omx_request_t *request);
omx_return_t omx_disconnect(omx_endpoint_t ep, omx_endpoint_addr_t addr);
omx_return_t omx_decompose_endpoint_addr(omx_endpoint_addr_t addr, uint64_t *nic_id,
                                         uint32_t *endpoint_id);
omx_return_t omx_decompose_endpoint_addr_with_session(omx_endpoint_addr_t addr, uint64_t *nic_id,
                                                      uint32_t *endpoint_id, uint32_t *session_id);
/* The program's own pointer for a remote endpoint, NULL at first; all addresses of it share it. */
omx_return_t omx_set_endpoint_addr_context(omx_endpoint_addr_t addr, void *context);
omx_return_t omx_get_endpoint_addr_context(omx_endpoint_addr_t addr, void **context);

/* Messages of up to 2^32 - 1 bytes, in up to OMX_MAX_SEGMENTS parts. Without a request (NULL) nobody is told of the
 * end. issend: done when the message was matched. */
omx_return_t omx_isend(omx_endpoint_t ep, void *buffer, size_t length, omx_endpoint_addr_t dest,
                       uint64_t match_info, void *context, omx_request_t *request);
omx_return_t omx_isendv(omx_endpoint_t ep, omx_seg_t *segs, uint32_t nseg,
                        omx_endpoint_addr_t dest, uint64_t match_info, void *context,
                        omx_request_t *request);
omx_return_t omx_issend(omx_endpoint_t ep, void *buffer, size_t length, omx_endpoint_addr_t dest,
                        uint64_t match_info, void *context, omx_request_t *request);
omx_return_t omx_issendv(omx_endpoint_t ep, omx_seg_t *segs, uint32_t nseg,
                         omx_endpoint_addr_t dest, uint64_t match_info, void *context,
                         omx_request_t *request);
omx_return_t omx_irecv(omx_endpoint_t ep, void *buffer, size_t length, uint64_t match_info,
                       uint64_t match_mask, void *context, omx_request_t *request);
omx_return_t omx_irecvv(omx_endpoint_t ep, omx_seg_t *segs, uint32_t nseg, uint64_t match_info,
                        uint64_t match_mask, void *context, omx_request_t *request);

/* The end of requests. *result tells whether there was one; a request that was told of is NULL from then on. */
omx_return_t omx_test(omx_endpoint_t ep, omx_request_t *request, omx_status_t *status,
                      uint32_t *result);
omx_return_t omx_wait(omx_endpoint_t ep, omx_request_t *request, omx_status_t *status,
                      uint32_t *result, uint32_t ms_timeout);
omx_return_t omx_test_any(omx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                          omx_status_t *status, uint32_t *result);
omx_return_t omx_wait_any(omx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                          omx_status_t *status, uint32_t *result, uint32_t ms_timeout);
/* A request that is done, which stays. */
omx_return_t omx_ipeek(omx_endpoint_t ep, omx_request_t *request, uint32_t *result);
omx_return_t omx_peek(omx_endpoint_t ep, omx_request_t *request, uint32_t *result,
                      uint32_t ms_timeout);
/* A message that no receive waits for, which stays. */
omx_return_t omx_iprobe(omx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                        omx_status_t *status, uint32_t *result);
omx_return_t omx_probe(omx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                       omx_status_t *status, uint32_t *result, uint32_t ms_timeout);
/* Whether the memory of a send may be used again. */
omx_return_t omx_ibuffered(omx_endpoint_t ep, omx_request_t *request, uint32_t *result);
/* Takes back a receive that no message has matched, or a connect without answer. */
omx_return_t omx_cancel(omx_endpoint_t ep, omx_request_t *request, uint32_t *result);
/* The same, but the request ends with OMX_CANCELLED and is still to be tested or waited for. */
omx_return_t omx_cancel_notest(omx_endpoint_t ep, omx_request_t *request, uint32_t *result);
omx_return_t omx_forget(omx_endpoint_t ep, omx_request_t *request);
omx_return_t omx_context(omx_request_t *request, void **context);

#ifdef __cplusplus
}
#endif

#endif
