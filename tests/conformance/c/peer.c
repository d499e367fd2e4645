/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Sends every message back to where it came from, on the other side if it asks for that. */
#include <stdlib.h>

#include "suite.h"

/* How long it waits without a message before it ends, in seconds. */
#define LONELY 900.0

/* A message on its way in or out. */
struct job {
  void *memory;
  int sending;
};

/* So that what is sent back can be acknowledged, the peer connects, too: once for each session of a remote endpoint. */
static void connect_back_to(omx_endpoint_t endpoint, omx_endpoint_addr_t source) {
  uint64_t nic;
  uint32_t index, session;
  void *known;
  OK(omx_decompose_endpoint_addr_with_session(source, &nic, &index, &session));
  OK(omx_get_endpoint_addr_context(source, &known));
  if ((uintptr_t)known == ((uintptr_t)session | (uintptr_t)1 << 32)) return;
  OK(omx_set_endpoint_addr_context(source, (void *)((uintptr_t)session | (uintptr_t)1 << 32)));
  OK(omx_iconnect(endpoint, nic, index, KEY, 0, NULL, NULL));
}

/* Takes a message that waits. */
static void take(omx_endpoint_t endpoint, const omx_status_t *message) {
  struct job *job = malloc(sizeof(*job));
  omx_request_t request;
  CHECK(job != NULL);
  job->sending = 0;
  job->memory = malloc(message->msg_length + (size_t)1);
  CHECK(job->memory != NULL);
  OK(omx_irecv(endpoint, job->memory, message->msg_length, message->match_info, EXACT, job, &request));
}

static void done(struct job *job, long *under_way) {
  free(job->memory);
  free(job);
  --*under_way;
}

/* A message is there, or has gone back. */
static void go_on(omx_endpoint_t endpoint, const omx_status_t *status, long *under_way) {
  struct job *job = status->context;
  uint64_t info = status->match_info;
  omx_request_t request;
  if (info & OTHER_SIDE) info ^= SIDE;
  if (job->sending || status->code != OMX_SUCCESS) {
    done(job, under_way);
    return;
  }
  connect_back_to(endpoint, status->addr);
  job->sending = 1;
  OK(omx_isend(endpoint, job->memory, status->xfer_length, status->addr, info, job, &request));
  verified(1, status->xfer_length);
}

static void run(const struct options *options) {
  omx_endpoint_t endpoint;
  double last;
  long under_way = 0;
  begin(options);
  endpoint = open_one(options);
  for (last = seconds(); seconds() - last < LONELY;) {
    omx_status_t status;
    uint32_t found;
    /* While something is under way it is looked after; else the next message is slept for. */
    OK(omx_probe(endpoint, 0, 0, &status, &found, under_way ? 1 : 1000));
    if (found) {
      if (status.match_info == STOP) break;
      last = seconds();
      take(endpoint, &status);
      under_way++;
    }
    for (found = 1; found && under_way;) {
      OK(omx_test_any(endpoint, 0, 0, &status, &found));
      if (found) go_on(endpoint, &status, &under_way);
    }
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program peer = {
    "peer",
    "sends every message back, for programs on another node, until it is told to stop or is alone for 15 minutes",
    "be",
    {.endpoint = 5, .length = -1},
    run,
};
