/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The MX API, served by Open-MX. Link with -lmyriexpress. C99 and C++.
 *
 * Calls return MX_SUCCESS or pass their error through the error handler, whose value they return: the first handler ends
 * the program (MX_ERRORS_ARE_FATAL), for an error in a status too. Timeouts are milliseconds. */
#ifndef MYRIEXPRESS_H
#define MYRIEXPRESS_H

/* Programs count on the first two: integers that can be printed, and those in the network's order. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MX_API 0x301

#define MX_ANY_NIC 0xffffffffU
#define MX_ANY_ENDPOINT 0xffffffffU
#define MX_INFINITE 0
#define MX_MAX_SEGMENTS 256
#define MX_MAX_HOSTNAME_LEN 80
/* Bytes of an mx_endpoint_addr_t. */
#define MX_SIZEOF_ADDR 16
#define MX_CONTEXT_ID_BITS_MAX 16
/* Bytes of each of the strings that mx_get_info gives. */
#define MX_MAX_STR_LEN 128
#define MX_MATCH_MASK_NONE (~(uint64_t)0)

/* The halves of an address, to print it. */
#define MX_U32(x) ((uint32_t)((uint64_t)(x) >> 32))
#define MX_L32(x) ((uint32_t)((uint64_t)(x) & 0xffffffffU))

/* What a call returns. */
enum mx_return_code {
  MX_SUCCESS = 0,
  MX_BAD_BAD_BAD = 1,
  MX_FAILURE = 2,
  MX_ALREADY_INITIALIZED = 3,
  MX_NOT_INITIALIZED = 4,
  MX_NO_DEV = 5,
  MX_NO_DRIVER = 6,
  MX_NO_PERM = 7,
  MX_BOARD_UNKNOWN = 8,
  MX_BAD_ENDPOINT = 9,
  MX_BAD_SEG_LIST = 10,
  MX_BAD_SEG_MEM = 11,
  MX_BAD_SEG_CNT = 12,
  MX_BAD_REQUEST = 13,
  MX_BAD_MATCH_MASK = 14,
  MX_NO_RESOURCES = 15,
  MX_BAD_ADDR_LIST = 16,
  MX_BAD_ADDR_COUNT = 17,
  MX_BAD_ROOT = 18,
  MX_NOT_COMPLETED = 19,
  MX_BUSY = 20,
  MX_BAD_INFO_KEY = 21,
  MX_BAD_INFO_VAL = 22,
  MX_BAD_NIC = 23,
  MX_BAD_PARAM_LIST = 24,
  MX_BAD_PARAM_NAME = 25,
  MX_BAD_PARAM_VAL = 26,
  MX_BAD_HOSTNAME_ARGS = 27,
  MX_HOST_NOT_FOUND = 28,
  MX_REQUEST_PENDING = 29,
  MX_TIMEOUT = 30,
  MX_NO_MATCH = 31,
  MX_BAD_ENDPOINT_ID = 32,
  MX_CONNECTION_FAILED = 33,
  MX_BAD_CONNECTION_KEY = 34,
  MX_BAD_INFO_LENGTH = 35,
  MX_NIC_NOT_FOUND = 36,
  MX_BAD_KERNEL_VERSION = 37,
  MX_BAD_LIB_VERSION = 38,
  MX_NIC_DEAD = 39,
  MX_CANCEL_NOT_SUPPORTED = 40,
  MX_CLOSE_IN_HANDLER = 41,
  MX_BAD_MATCHING_FOR_CONTEXT_ID_MASK = 42,
  MX_NOT_SUPPORTED_WITH_CONTEXT_ID = 43
};
typedef enum mx_return_code mx_return_t;

/* How a request ended. */
enum mx_status_code {
  MX_STATUS_SUCCESS = 0,
  MX_STATUS_PENDING = 1,
  MX_STATUS_BUFFERED = 2,
  MX_STATUS_REJECTED = 3,
  MX_STATUS_TIMEOUT = 4,
  MX_STATUS_TRUNCATED = 5,
  MX_STATUS_CANCELLED = 6,
  MX_STATUS_ENDPOINT_UNKNOWN = 7,
  MX_STATUS_ENDPOINT_CLOSED = 8,
  MX_STATUS_ENDPOINT_UNREACHABLE = 9,
  MX_STATUS_BAD_SESSION = 10,
  MX_STATUS_BAD_KEY = 11,
  MX_STATUS_BAD_ENDPOINT = 12,
  MX_STATUS_BAD_RDMAWIN = 13,
  MX_STATUS_ABORTED = 14,
  MX_STATUS_EVENTQ_FULL = 15,
  MX_STATUS_NO_RESOURCES = 16
};
typedef enum mx_status_code mx_status_code_t;

/* An endpoint of this process. */
typedef struct mx_endpoint *mx_endpoint_t;
/* A request; NULL is none. */
typedef union mx_request *mx_request_t;

/* A remote endpoint, as one endpoint of this process names it. */
struct mx_endpoint_addr {
  uint64_t stuff[2];
};
typedef struct mx_endpoint_addr mx_endpoint_addr_t;

struct mx_status {
  mx_status_code_t code;
  mx_endpoint_addr_t source;
  uint64_t match_info;
  uint32_t msg_length;
  uint32_t xfer_length;
  void *context;
};
typedef struct mx_status mx_status_t;

/* A part of a message. */
typedef void *mx_segment_ptr_t;
struct mx_segment {
  mx_segment_ptr_t segment_ptr;
  uint32_t segment_length;
};
typedef struct mx_segment mx_segment_t;

/* Called with each error and a text of at most 255 bytes; what it returns is what the call returns. It may get codes
 * beyond mx_return_t, which mx_strerror knows. */
typedef mx_return_t (*mx_error_handler_t)(char *str, mx_return_t ret);
/* Says it on standard error and ends the program. */
extern const mx_error_handler_t MX_ERRORS_ARE_FATAL;
/* Lets the call return the code. */
extern const mx_error_handler_t MX_ERRORS_RETURN;

enum mx_param_key {
  MX_PARAM_ERROR_HANDLER = 0,
  MX_PARAM_UNEXP_QUEUE_MAX = 1, /* accepted, without effect */
  MX_PARAM_CONTEXT_ID = 2       /* at most 16 bits; bits + shift at most 64 */
};
typedef enum mx_param_key mx_param_key_t;

struct mx_param {
  mx_param_key_t key;
  union {
    mx_error_handler_t error_handler;
    uint32_t unexp_queue_max;
    struct {
      uint8_t bits;
      uint8_t shift;
    } context_id;
  } val;
};
typedef struct mx_param mx_param_t;

/* Keys of mx_get_info. Of the endpoint's board, or without an endpoint of the board whose number is *in_val. Of a string
 * out_val gets what it has room for, and zeros behind it; numbers and labels have to fit. */
enum mx_get_info_key {
  MX_NIC_COUNT = 1,            /* uint32_t */
  MX_NIC_IDS = 2,              /* uint64_t each, 0 at the end */
  MX_MAX_NATIVE_ENDPOINTS = 3, /* uint32_t */
  MX_NATIVE_REQUESTS = 4,      /* uint32_t */
  MX_COUNTERS_COUNT = 5,       /* uint32_t */
  MX_COUNTERS_LABELS = 6,      /* MX_MAX_STR_LEN bytes each */
  MX_COUNTERS_VALUES = 7,      /* uint32_t each */
  MX_PRODUCT_CODE = 8,         /* string */
  MX_PART_NUMBER = 9,          /* string */
  MX_SERIAL_NUMBER = 10,       /* string */
  MX_PORT_COUNT = 11,          /* uint32_t */
  MX_PIO_SEND_MAX = 12,        /* uint32_t */
  MX_COPY_SEND_MAX = 13,       /* uint32_t */
  MX_NUMA_NODE = 14,           /* uint32_t, -1 unknown */
  MX_NET_TYPE = 15,            /* mx_net_type_t */
  MX_LINE_SPEED = 16           /* mx_line_speed_t */
};
typedef enum mx_get_info_key mx_get_info_key_t;

/* That MX_NET_TYPE is a key. */
#define MX_HAS_NET_TYPE 1
enum mx_net_type { MX_NET_MYRI = 0, MX_NET_ETHER = 1 };
typedef enum mx_net_type mx_net_type_t;

enum mx_line_speed { MX_SPEED_2G = 0, MX_SPEED_10G = 1, MX_SPEED_OPEN_MX = 2 };
typedef enum mx_line_speed mx_line_speed_t;

/* Before everything else: mx_init(). */
mx_return_t mx__init_api(int api);
#define mx_init() mx__init_api(MX_API)
mx_return_t mx_finalize(void);
/* Of a mx_return_t, and of a mx_status_code_t. */
const char *mx_strerror(mx_return_t ret);
const char *mx_strstatus(mx_status_code_t code);
/* Of all endpoints that have none of their own. Returns the new handler. */
mx_error_handler_t mx_set_error_handler(mx_error_handler_t handler);

/* Boards of this machine, and names and addresses of its peers. */
mx_return_t mx_board_number_to_nic_id(uint32_t board_number, uint64_t *nic_id);
mx_return_t mx_nic_id_to_board_number(uint64_t nic_id, uint32_t *board_number);
mx_return_t mx_hostname_to_nic_id(char *hostname, uint64_t *nic_id);
/* hostname has room for MX_MAX_HOSTNAME_LEN bytes; "" when the peer's name is not yet known. */
mx_return_t mx_nic_id_to_hostname(uint64_t nic_id, char *hostname);
mx_return_t mx_get_info(mx_endpoint_t ep, mx_get_info_key_t key, void *in_val, uint32_t in_len,
                        void *out_val, uint32_t out_len);

/* Endpoints. */
mx_return_t mx_open_endpoint(uint32_t board_number, uint32_t endpoint_id, uint32_t endpoint_key,
                             mx_param_t *params_array, uint32_t params_count, mx_endpoint_t *ep);
mx_return_t mx_close_endpoint(mx_endpoint_t ep);
/* Makes all calls that wait on this endpoint return without result. */
mx_return_t mx_wakeup(mx_endpoint_t ep);
/* Until it is reenabled no call makes progress. */
mx_return_t mx_disable_progression(mx_endpoint_t ep);
mx_return_t mx_reenable_progression(mx_endpoint_t ep);

/* Connections and addresses. */
mx_return_t mx_connect(mx_endpoint_t ep, uint64_t nic_id, uint32_t endpoint_id, uint32_t key,
                       uint32_t timeout, mx_endpoint_addr_t *addr);
mx_return_t mx_get_endpoint_addr(mx_endpoint_t ep, mx_endpoint_addr_t *addr);
mx_return_t mx_decompose_endpoint_addr(mx_endpoint_addr_t addr, uint64_t *nic_id,
                                       uint32_t *endpoint_id);

/* Messages of up to 2^32 - 1 bytes, in up to MX_MAX_SEGMENTS parts. Without a request (NULL) nobody is told of the
 * end. issend: done when the message was matched. */
mx_return_t mx_isend(mx_endpoint_t ep, mx_segment_t *segments, uint32_t count,
                     mx_endpoint_addr_t dest, uint64_t match_info, void *context,
                     mx_request_t *request);
mx_return_t mx_issend(mx_endpoint_t ep, mx_segment_t *segments, uint32_t count,
                      mx_endpoint_addr_t dest, uint64_t match_info, void *context,
                      mx_request_t *request);
mx_return_t mx_irecv(mx_endpoint_t ep, mx_segment_t *segments, uint32_t count, uint64_t match_info,
                     uint64_t match_mask, void *context, mx_request_t *request);

/* The end of requests. *result tells whether there was one; a request that was told of is NULL from then on. */
mx_return_t mx_test(mx_endpoint_t ep, mx_request_t *request, mx_status_t *status, uint32_t *result);
mx_return_t mx_wait(mx_endpoint_t ep, mx_request_t *request, uint32_t timeout, mx_status_t *status,
                    uint32_t *result);
mx_return_t mx_test_any(mx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                        mx_status_t *status, uint32_t *result);
mx_return_t mx_wait_any(mx_endpoint_t ep, uint32_t timeout, uint64_t match_info,
                        uint64_t match_mask, mx_status_t *status, uint32_t *result);
/* A request that is done, which stays. */
mx_return_t mx_ipeek(mx_endpoint_t ep, mx_request_t *request, uint32_t *result);
mx_return_t mx_peek(mx_endpoint_t ep, uint32_t timeout, mx_request_t *request, uint32_t *result);
/* A message that no receive waits for, which stays. */
mx_return_t mx_iprobe(mx_endpoint_t ep, uint64_t match_info, uint64_t match_mask,
                      mx_status_t *status, uint32_t *result);
mx_return_t mx_probe(mx_endpoint_t ep, uint32_t timeout, uint64_t match_info, uint64_t match_mask,
                     mx_status_t *status, uint32_t *result);
/* Whether the memory of a send may be used again. */
mx_return_t mx_ibuffered(mx_endpoint_t ep, mx_request_t *request, uint32_t *result);
/* Takes back a receive that no message has matched, or a connect without answer. */
mx_return_t mx_cancel(mx_endpoint_t ep, mx_request_t *request, uint32_t *result);
mx_return_t mx_context(mx_request_t *request, void **context);

/* Not implemented: these fail (MX_FAILURE). */
typedef void (*mx_matching_callback_t)(void *context, uint64_t match_value, int length);
mx_return_t mx_register_unexp_callback(mx_endpoint_t ep, mx_matching_callback_t callback,
                                       void *context);
mx_return_t mx_iput(mx_endpoint_t ep, void *local_buffer, uint32_t length, mx_endpoint_addr_t dest,
                    uint64_t remote_address, void *context, mx_request_t *request);
mx_return_t mx_iget(mx_endpoint_t ep, void *local_buffer, uint32_t length, mx_endpoint_addr_t dest,
                    uint64_t remote_address, void *context, mx_request_t *request);
mx_return_t mx_buffered(mx_endpoint_t ep, mx_request_t *request, uint32_t timeout,
                        uint32_t *result);

#ifdef __cplusplus
}
#endif

#endif
