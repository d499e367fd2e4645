/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* messages NAME: a promise about what messages match, and what is told of them. */
#define _GNU_SOURCE
#include "promise.h"

static char memory[1 << 20], other[1 << 20];

/* Unexpected handler. */

struct seen {
  omx_unexp_handler_action_t action;
  int times, with_data, post;
  uint32_t length;
  omx_request_t posted;
};

static omx_unexp_handler_action_t see(void *context, omx_endpoint_addr_t source,
                                      uint64_t match_info, uint32_t length, void *data) {
  struct seen *seen = (struct seen *)context;
  uint64_t nic;
  uint32_t id;
  OK(omx_decompose_endpoint_addr(source, &nic, &id));
  CHECK((nic == left_nic && id == left_id) || (nic == right_nic && id == right_id));
  CHECK(match_info == 77);
  CHECK(data == NULL || memcmp(data, other, length) == 0);
  seen->times++;
  seen->with_data = data != NULL;
  seen->length = length;
  if (seen->post) OK(omx_irecv(right, memory, sizeof(memory), 77, ~0ULL, NULL, &seen->posted));
  return seen->action;
}

/* Tiny, small, one fragment, several fragments, large; with and without a whole message at once. */
static void unexpected_handler(void) {
  static const size_t lengths[] = {0, 32, 128, 1000, 30000, 500000};
  static const int data[] = {1, 1, 1, 1, 0, 0};
  omx_request_t send, receive;
  omx_status_t status;
  uint32_t found;
  size_t i;
  int synchronous;
  open_pair();
  for (i = 0; i < sizeof(other); i++) other[i] = (char)(i * 13 + (i >> 8));
  for (i = 0; i < 6; i++) {
    for (synchronous = 0; synchronous < 2; synchronous++) {
      struct seen seen;
      memset(&seen, 0, sizeof(seen));
      seen.action = OMX_RECV_FINISHED;
      OK(omx_register_unexp_handler(right, see, &seen));
      /* Finished: nothing is left of the message, and the sender is done. */
      OK((synchronous ? omx_issend : omx_isend)(left, other, lengths[i], to_right, 77, NULL, &send));
      while (seen.times == 0) {
        OK(omx_progress(left));
        OK(omx_progress(right));
      }
      finish(left, &send);
      CHECK(seen.length == lengths[i] && seen.with_data == (!synchronous && data[i]));
      OK(omx_iprobe(right, 0, 0, &status, &found));
      CHECK(!found);
      /* Continued, with a receive that the handler has posted. */
      seen.action = OMX_RECV_CONTINUE;
      seen.post = 1;
      memset(memory, 0, sizeof(memory));
      OK((synchronous ? omx_issend : omx_isend)(left, other, lengths[i], to_right, 77, NULL, &send));
      while (seen.times == 1) {
        OK(omx_progress(left));
        OK(omx_progress(right));
      }
      status = finish(right, &seen.posted);
      CHECK(status.code == OMX_SUCCESS && status.xfer_length == lengths[i]);
      CHECK(memcmp(memory, other, lengths[i]) == 0 && memory[lengths[i]] == 0);
      CHECK(finish(left, &send).code == OMX_SUCCESS);
      /* Continued, without: it waits as ever. */
      seen.post = 0;
      OK((synchronous ? omx_issend : omx_isend)(left, other, lengths[i], to_right, 77, NULL, &send));
      CHECK(probe_until(right, 77, ~0ULL).msg_length == lengths[i] && seen.times == 3);
      OK(omx_irecv(right, memory, sizeof(memory), 77, ~0ULL, NULL, &receive));
      CHECK(finish(right, &receive).xfer_length == lengths[i]);
      CHECK(finish(left, &send).code == OMX_SUCCESS);
      CHECK(seen.times == 3);
      /* A posted receive comes first. */
      OK(omx_irecv(right, memory, sizeof(memory), 77, ~0ULL, NULL, &receive));
      OK((synchronous ? omx_issend : omx_isend)(left, other, lengths[i], to_right, 77, NULL, &send));
      finish(right, &receive);
      finish(left, &send);
      CHECK(seen.times == 3);
      OK(omx_register_unexp_handler(right, NULL, NULL));
    }
  }
}

/* A message to the own endpoint is shown too; finished, it counts as delivered. */
static void unexpected_handler_of_own_messages(void) {
  struct seen seen;
  omx_endpoint_addr_t own;
  omx_request_t send;
  omx_status_t status;
  open_both();
  memset(&seen, 0, sizeof(seen));
  seen.action = OMX_RECV_FINISHED;
  OK(omx_get_endpoint_addr(right, &own));
  OK(omx_register_unexp_handler(right, see, &seen));
  OK(omx_isend(right, other, 5000, own, 77, NULL, &send));
  CHECK(seen.times == 1 && seen.with_data);
  status = finish(right, &send);
  CHECK(status.code == OMX_SUCCESS && status.xfer_length == 5000);
  seen.action = OMX_RECV_CONTINUE;
  seen.post = 1;
  OK(omx_isend(right, other, 5000, own, 77, NULL, &send));
  CHECK(finish(right, &seen.posted).xfer_length == 5000);
  CHECK(finish(right, &send).code == OMX_SUCCESS);
}

/* Addresses. */

static void address_context(void) {
  void *context = memory;
  uint32_t session, id;
  uint64_t nic;
  omx_request_t receive;
  omx_status_t status;
  open_pair();
  OK(omx_get_endpoint_addr_context(to_left, &context));
  CHECK(context == NULL);
  OK(omx_set_endpoint_addr_context(to_left, memory));
  OK(omx_set_endpoint_addr_context(to_right, other));
  OK(omx_irecv(right, memory, 1, 0, 0, NULL, &receive));
  OK(omx_isend(left, other, 1, to_right, 0, NULL, NULL));
  status = finish(right, &receive);
  OK(omx_get_endpoint_addr_context(status.addr, &context));
  CHECK(context == memory);
  OK(omx_decompose_endpoint_addr_with_session(status.addr, &nic, &id, &session));
  CHECK(nic == left_nic && id == left_id && session != 0xffffffff);
}

/* OMX_CTXIDS=10,10, or the parameter. */
static void contexts(void) {
  const uint64_t first = 1 << 10, second = 2 << 10, all = 0x3ff << 10;
  omx_request_t receives[2];
  omx_status_t status;
  uint32_t result;
  OK(omx_irecv(right, memory, 1, second, all, NULL, &receives[1]));
  OK(omx_irecv(right, memory, 1, first, all, NULL, &receives[0]));
  OK(omx_isend(left, memory, 1, to_right, first | 5, NULL, NULL));
  OK(omx_isend(left, memory, 1, to_right, second | 6, NULL, NULL));
  OK(omx_isend(left, memory, 1, to_right, second | 7, NULL, NULL));
  OK(omx_isend(left, memory, 1, to_right, first | 8, NULL, NULL));
  status = probe_until(right, 8, 0xff);
  CHECK(status.match_info == (first | 8));
  /* A probe of one context sees that one, a probe of none sees all, in order. */
  OK(omx_iprobe(right, second, all, &status, &result));
  CHECK(result && status.match_info == (second | 7));
  OK(omx_iprobe(right, 0, all, &status, &result));
  CHECK(!result);
  OK(omx_iprobe(right, 0, 0, &status, &result));
  CHECK(result && status.match_info == (second | 7));
  /* The same for what is done. */
  OK(omx_test_any(right, 3 << 10, all, &status, &result));
  CHECK(!result);
  OK(omx_wait_any(right, second, all, &status, &result, 10000));
  CHECK(result && status.match_info == (second | 6));
  OK(omx_test_any(right, 0, 0, &status, &result));
  CHECK(result && status.match_info == (first | 5));
}

static void contexts_by_environment(void) {
  open_pair();
  contexts();
}

static void contexts_by_parameter(void) {
  omx_endpoint_param_t parameter;
  omx_status_t status;
  right_wanted = 26;
  open_both();
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = OMX_ENDPOINT_PARAM_CONTEXT_ID;
  parameter.val.context_id.bits = 10;
  parameter.val.context_id.shift = 10;
  OK(omx_close_endpoint(right));
  OK(omx_open_endpoint(1, right_wanted, KEY, &parameter, 1, &right));
  status = connect_to(left, right_nic, right_wanted, KEY);
  CHECK(status.code == OMX_SUCCESS);
  to_right = status.addr;
  contexts();
}

/* Buffered sends, and what may be cancelled. */
static void buffered(void) {
  omx_endpoint_addr_t own;
  omx_request_t request;
  uint32_t result;
  open_pair();
  OK(omx_get_endpoint_addr(left, &own));
  OK(omx_isend(left, memory, sizeof(memory), to_right, 0, NULL, &request));
  OK(omx_ibuffered(left, &request, &result));
  CHECK(!result);
  OK(omx_isend(left, memory, 20000, to_right, 0, NULL, &request));
  OK(omx_ibuffered(left, &request, &result));
  CHECK(result);
  OK(omx_isend(left, memory, sizeof(memory), own, 0, NULL, &request));
  OK(omx_ibuffered(left, &request, &result));
  CHECK(result);
}

PROMISES(PROMISE(unexpected_handler), PROMISE(unexpected_handler_of_own_messages), PROMISE(address_context),
         PROMISE(contexts_by_environment), PROMISE(contexts_by_parameter), PROMISE(buffered))
