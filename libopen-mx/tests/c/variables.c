/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* variables NAME: what a variable of the environment does, which the caller has set. */
#define _GNU_SOURCE
#include "promise.h"

#include <sched.h>

/* Counters of what boards of one host send each other. */
enum { SHARED_RNDV = 76, SHARED_LIBACK = 80 };

static char memory[1 << 20], other[1 << 20];

static uint32_t counter(omx_endpoint_t endpoint, int index) {
  uint32_t values[85];
  OK(omx_get_info(endpoint, OMX_INFO_COUNTER_VALUES, NULL, 0, values, sizeof(values)));
  return values[index];
}

/* OMX_DISABLE_SELF=1: the board counts the messages. */
static void self_by_network(void) {
  static const size_t lengths[] = {13, 95, 13274, 932748};
  omx_endpoint_addr_t own;
  omx_request_t send, receive;
  omx_status_t status;
  uint32_t rendezvous;
  size_t i;
  open_both();
  rendezvous = counter(left, SHARED_RNDV);
  OK(omx_get_endpoint_addr(left, &own));
  status = connect_to(left, left_nic, left_id, KEY);
  CHECK(status.code == OMX_SUCCESS);
  for (i = 0; i < sizeof(other); i++) other[i] = (char)(i * 13 + (i >> 8));
  for (i = 0; i < 8; i++) {
    size_t length = lengths[i / 2];
    OK(omx_irecv(left, memory, sizeof(memory), i, ~0ULL, NULL, &receive));
    OK(omx_isend(left, other, length, i % 2 ? own : status.addr, i, NULL, &send));
    CHECK(finish(left, &receive).xfer_length == length);
    CHECK(finish(left, &send).code == OMX_SUCCESS);
    CHECK(memcmp(memory, other, length) == 0);
  }
  while (counter(left, SHARED_RNDV) == rendezvous) OK(omx_progress(left));
}

/* OMX_RNDV_THRESHOLD=1000 */
static void rndv_threshold(void) {
  omx_request_t request;
  uint32_t result;
  open_pair();
  OK(omx_isend(left, memory, 1000, to_right, 0, NULL, &request));
  OK(omx_ibuffered(left, &request, &result));
  CHECK(result);
  OK(omx_isend(left, memory, 1001, to_right, 0, NULL, &request));
  OK(omx_ibuffered(left, &request, &result));
  CHECK(!result);
}

/* OMX_ZOMBIE_SEND=0 */
static void zombie_send(void) {
  omx_request_t request;
  omx_status_t status;
  uint32_t result;
  open_pair();
  OK(omx_isend(left, memory, 1, to_right, 0, NULL, &request));
  OK(omx_test(left, &request, &status, &result));
  CHECK(!result);
  CHECK(finish(left, &request).code == OMX_SUCCESS);
}

/* OMX_NOTACKED_MAX=1: each message has an acknowledgement of its own. */
static void notacked_max(void) {
  uint32_t before;
  int i;
  open_pair();
  before = counter(right, SHARED_LIBACK);
  for (i = 0; i < 20; i++) {
    omx_request_t receive;
    OK(omx_irecv(right, memory, 1, 0, 0, NULL, &receive));
    OK(omx_isend(left, memory, 1, to_right, 0, NULL, NULL));
    finish(right, &receive);
  }
  while (counter(right, SHARED_LIBACK) < before + 20) OK(omx_progress(right));
}

/* OMX_PROCESS_BINDING=all:0 */
static void process_binding(void) {
  cpu_set_t set;
  open_both();
  CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
  CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
}

/* OMX_ANY_ENDPOINT=27 */
static void any_endpoint(void) {
  open_both();
  CHECK(left_id == 27 && right_id == 27);
}

static void nothing_special(void) { open_both(); }

PROMISES(PROMISE(self_by_network), PROMISE(rndv_threshold), PROMISE(zombie_send), PROMISE(notacked_max),
         PROMISE(process_binding), PROMISE(any_endpoint), PROMISE(nothing_special))
