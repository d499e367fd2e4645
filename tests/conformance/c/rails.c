/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Several endpoints, on all boards in turn, exchange messages at the same time. Alone, each rail sends to the next one
 * and receives from the one before. `rails` polls all of them; `rails_waiting` waits on one after the other, which makes
 * the others progress, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define RAILS_MAX 16

struct rail {
  omx_endpoint_t endpoint;
  omx_endpoint_addr_t to;
  struct buffer out, in;
  omx_request_t send, receive;
};

static int waiting;

/* Until this rail's request has ended all rails progress. */
static omx_status_t finish_of(struct rail *all, long rails, omx_endpoint_t endpoint, omx_request_t *request) {
  double start = seconds();
  omx_status_t status;
  uint32_t done = 0;
  long i;
  if (waiting) return finish(endpoint, request);
  for (;;) {
    OK(omx_test(endpoint, request, &status, &done));
    if (done) return status;
    for (i = 0; i < rails; i++) OK(omx_progress(all[i].endpoint));
    CHECK(seconds() - start < TIMEOUT / 1000);
  }
}

/* The name of one rail's peer, of a comma-separated list. */
static void peer_name(const char *list, long rail, char *name, size_t room) {
  const char *at = list;
  long count = 1, i;
  for (; *at; at++) count += *at == ',';
  for (at = list, i = rail % count; i > 0; i--) at = strchr(at, ',') + 1;
  snprintf(name, room, "%.*s", (int)strcspn(at, ","), at);
}

static void connect_all(struct rail *all, const struct options *options) {
  long i;
  for (i = 0; i < options->rails; i++) {
    char name[OMX_HOSTNAMELEN_MAX];
    omx_request_t request;
    omx_status_t status;
    uint64_t nic;
    uint32_t index;
    if (options->way == BY_PEER) {
      peer_name(options->peer, i, name, sizeof(name));
      all[i].to = connect_to(all[i].endpoint, nic_of(name), options->remote);
      continue;
    }
    own_address(all[(i + 1) % options->rails].endpoint, &nic, &index);
    OK(omx_iconnect(all[i].endpoint, nic, index, KEY, 0, NULL, &request));
    status = finish_of(all, options->rails, all[i].endpoint, &request);
    CHECK(status.code == OMX_SUCCESS);
    all[i].to = status.addr;
  }
}

static void round_of(struct rail *all, long rails, size_t length, unsigned seed) {
  long i;
  for (i = 0; i < rails; i++) {
    buffer_poison(&all[i].in);
    buffer_fill(&all[i].out, seed + (unsigned)i);
    OK(omx_irecv(all[i].endpoint, all[i].in.data, length, 0, 0, NULL, &all[i].receive));
  }
  for (i = 0; i < rails; i++) OK(omx_isend(all[i].endpoint, all[i].out.data, length, all[i].to, 1, NULL, &all[i].send));
  for (i = 0; i < rails; i++) {
    omx_status_t status = finish_of(all, rails, all[i].endpoint, &all[i].receive);
    CHECK(status.code == OMX_SUCCESS && status.xfer_length == length);
    CHECK(finish_of(all, rails, all[i].endpoint, &all[i].send).code == OMX_SUCCESS);
  }
}

static void run(const struct options *options) {
  struct rail all[RAILS_MAX];
  uint32_t boards;
  size_t length;
  unsigned seed = 1;
  long i, turn, rails = options->rails;
  CHECK(rails > 0 && rails <= RAILS_MAX);
  begin(options);
  OK(omx_get_info(NULL, OMX_INFO_BOARD_COUNT, NULL, 0, &boards, sizeof(boards)));
  CHECK(boards > 0);
  for (i = 0; i < rails; i++) all[i].endpoint = open_any((uint32_t)i % boards);
  connect_all(all, options);
  for (length = 1; length <= (size_t)options->end; length *= 16) {
    double start;
    for (i = 0; i < rails; i++) {
      all[i].out = buffer_new(length, (size_t)i);
      all[i].in = buffer_new(length, (size_t)i * 3);
    }
    start = seconds();
    for (turn = 0; turn < options->count; turn++, seed += (unsigned)rails) round_of(all, rails, length, seed);
    printf("pingpong %ld rails %ld iters %zu bytes => %ld us\n", rails, options->count, length,
           (long)((seconds() - start) * 1e6));
    for (i = 0; i < rails; i++) {
      long from = options->way == BY_PEER ? i : (i + rails - 1) % rails;
      buffer_check(&all[i].in, length, seed - (unsigned)rails + (unsigned)from);
      buffer_free(&all[i].in);
      buffer_free(&all[i].out);
    }
    verified((unsigned long)(rails * options->count), (unsigned long long)(rails * options->count) * length);
  }
  for (i = 0; i < rails; i++) OK(omx_close_endpoint(all[i].endpoint));
  OK(omx_finalize());
}

static void run_waiting(const struct options *options) {
  waiting = 1;
  run(options);
}

const struct program rails = {
    "rails",
    "several endpoints on all boards at the same time, up to 16 MiB (-d takes several names, with commas)",
    "drsNRE",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 4, .rails = 3, .end = 16 << 20},
    run,
};

const struct program rails_waiting = {
    "rails_waiting",
    "the same, but waits on one of the endpoints at a time, while the others progress by themselves",
    "drsNRE",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 4, .rails = 3, .end = 16 << 20},
    run_waiting,
};
