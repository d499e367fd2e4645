/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* errors NAME: a promise about error handlers. */
#define _GNU_SOURCE
#include "promise.h"

static char memory[10], other[10];

static void fatal_before_init(void) { omx_open_endpoint(0, 0, KEY, NULL, 0, &left); }

static void fatal_call(void) {
  uint64_t nic;
  OK(omx_init());
  omx_board_number_to_nic_id(31, &nic);
}

static void receive_half(void) {
  omx_request_t receive;
  OK(omx_irecv(right, memory, 5, 1, ~0ULL, NULL, &receive));
  OK(omx_isend(left, other, 10, to_right, 1, NULL, NULL));
  CHECK(finish(right, &receive).code == OMX_MESSAGE_TRUNCATED);
}

static void fatal_status(void) {
  open_pair();
  CHECK(omx_set_error_handler(NULL, OMX_ERRORS_ARE_FATAL) == note_error);
  receive_half();
}

static void fatal_call_of_endpoint(void) {
  left_wanted = 24;
  open_both();
  CHECK(omx_set_error_handler(left, OMX_ERRORS_ARE_FATAL) == NULL);
  omx_cancel(left, NULL, NULL);
}

/* OMX_FATAL_ERRORS=0 */
static void errors_return_by_default(void) {
  const char *socket = getenv("OMX_SOCKET");
  uint64_t nic;
  CHECK(omx_open_endpoint(0, 0, KEY, NULL, 0, &left) == OMX_NOT_INITIALIZED);
  CHECK(omx__init_api(0x100) == OMX_BAD_LIB_ABI);
  setenv("OMX_SOCKET", "/nowhere", 1);
  CHECK(omx_init() == OMX_NO_DEVICE_FILE);
  setenv("OMX_SOCKET", socket, 1);
  OK(omx_init());
  CHECK(omx_board_number_to_nic_id(31, &nic) == OMX_BOARD_NOT_FOUND);
  CHECK(omx_set_error_handler(NULL, note_error) == OMX_ERRORS_RETURN);
}

static omx_return_t replace(char *text, omx_return_t code) {
  (void)text, (void)code;
  return OMX_NO_SYSTEM_RESOURCES;
}

static void handlers(void) {
  omx_endpoint_param_t parameter;
  omx_endpoint_t again;
  open_pair();
  /* Of a call: what the handler returns is what the call returns. */
  CHECK(omx_set_error_handler(right, replace) == NULL);
  CHECK(omx_cancel(right, NULL, NULL) == OMX_NO_SYSTEM_RESOURCES);
  CHECK(omx_cancel(left, NULL, NULL) == OMX_BAD_REQUEST && handled == OMX_BAD_REQUEST);
  CHECK(strstr(handled_text, "omx_cancel") != NULL);
  /* Of a status. */
  CHECK(omx_set_error_handler(right, note_error) == replace);
  handled_times = 0;
  receive_half();
  CHECK(handled_times == 1 && handled == OMX_MESSAGE_TRUNCATED);
  /* Without its own an endpoint has the global one again. */
  CHECK(omx_set_error_handler(right, NULL) == note_error);
  CHECK(omx_set_error_handler(NULL, replace) == note_error);
  CHECK(omx_cancel(right, NULL, NULL) == OMX_NO_SYSTEM_RESOURCES);
  /* A parameter's handler serves the opening too. */
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = OMX_ENDPOINT_PARAM_ERROR_HANDLER;
  parameter.val.error_handler = note_error;
  CHECK(omx_open_endpoint(0, left_id, KEY, &parameter, 1, &again) == OMX_BUSY);
  CHECK(handled == OMX_BUSY);
  OK(omx_open_endpoint(0, OMX_ANY_ENDPOINT, KEY, &parameter, 1, &again));
  CHECK(omx_cancel(again, NULL, NULL) == OMX_BAD_REQUEST);
}

PROMISES(PROMISE(fatal_before_init), PROMISE(fatal_call), PROMISE(fatal_status),
         PROMISE(fatal_call_of_endpoint), PROMISE(errors_return_by_default), PROMISE(handlers))
