/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For the test programs: two connected endpoints of one process, and checks that name what is not so. */
#ifndef PAIR_H
#define PAIR_H

#include <open-mx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY 0x1234
#define CHECK(what)                                                      \
  do {                                                                   \
    if (!(what)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)
#define OK(call)                                                                                      \
  do {                                                                                                \
    omx_return_t code_ = (call);                                                                      \
    if (code_ != OMX_SUCCESS) {                                                                       \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, omx_strerror(code_));             \
      exit(1);                                                                                        \
    }                                                                                                 \
  } while (0)

static omx_endpoint_t left, right;
static omx_endpoint_addr_t to_left, to_right;
static uint64_t left_nic, right_nic;
static uint32_t left_id, right_id;
/* Programs that close an endpoint and open it again name one that no other program gets meanwhile. */
static uint32_t left_wanted = OMX_ANY_ENDPOINT, right_wanted = OMX_ANY_ENDPOINT;

/* What the error handler was told last. */
static omx_return_t handled;
static char handled_text[256];
static int handled_times;

static inline omx_return_t note_error(char *text, omx_return_t code) {
  CHECK(strlen(text) < sizeof(handled_text));
  /* Whoever prints both would say it twice. */
  CHECK(strstr(text, omx_strerror(code)) == NULL);
  strcpy(handled_text, text);
  handled = code;
  handled_times++;
  return code;
}

/* Makes both endpoints progress until the request is done. */
static inline omx_status_t finish(omx_endpoint_t endpoint, omx_request_t *request) {
  omx_status_t status;
  uint32_t done = 0;
  while (!done) {
    OK(omx_progress(left));
    OK(omx_progress(right));
    OK(omx_test(endpoint, request, &status, &done));
  }
  CHECK(*request == NULL);
  return status;
}

static inline omx_status_t connect_to(omx_endpoint_t endpoint, uint64_t nic, uint32_t id, uint32_t key) {
  omx_request_t request;
  OK(omx_iconnect(endpoint, nic, id, key, 0, NULL, &request));
  return finish(endpoint, &request);
}

/* Opens an endpoint of each of the two boards. */
static inline void open_both(void) {
  omx_endpoint_addr_t own;
  omx_set_error_handler(NULL, note_error);
  OK(omx_init());
  OK(omx_open_endpoint(0, left_wanted, KEY, NULL, 0, &left));
  OK(omx_open_endpoint(1, right_wanted, KEY, NULL, 0, &right));
  OK(omx_get_endpoint_addr(left, &own));
  OK(omx_decompose_endpoint_addr(own, &left_nic, &left_id));
  OK(omx_get_endpoint_addr(right, &own));
  OK(omx_decompose_endpoint_addr(own, &right_nic, &right_id));
}

/* And connects them with each other. */
static inline void open_pair(void) {
  omx_status_t status;
  open_both();
  status = connect_to(left, right_nic, right_id, KEY);
  CHECK(status.code == OMX_SUCCESS);
  to_right = status.addr;
  status = connect_to(right, left_nic, left_id, KEY);
  CHECK(status.code == OMX_SUCCESS);
  to_left = status.addr;
}

/* Makes both progress until the endpoint has an unexpected message that fits. */
static inline omx_status_t probe_until(omx_endpoint_t endpoint, uint64_t match_info, uint64_t mask) {
  omx_status_t status;
  uint32_t found = 0;
  while (!found) {
    OK(omx_progress(left));
    OK(omx_progress(right));
    OK(omx_iprobe(endpoint, match_info, mask, &status, &found));
  }
  return status;
}

#endif
