/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads, each with an endpoint of its own: they post and cancel receives, more each time, then close and open their
 * endpoints again and again, all at the same time. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "suite.h"

#define ROUNDS 10
#define REOPENED 16

struct thread {
  pthread_t thread;
  const struct options *options;
  unsigned long messages;
};

/* A message to itself shows that an endpoint is alive. */
static void send_to_itself(struct thread *self, omx_endpoint_t endpoint, unsigned seed) {
  omx_endpoint_addr_t to;
  omx_request_t send, receive;
  unsigned char out[40], in[40];
  uint64_t nic;
  uint32_t index;
  size_t at;
  own_address(endpoint, &nic, &index);
  to = connect_to(endpoint, nic, index);
  for (at = 0; at < sizeof(out); at++) out[at] = pattern(at, seed);
  OK(omx_irecv(endpoint, in, sizeof(in), seed, EXACT, NULL, &receive));
  OK(omx_isend(endpoint, out, sizeof(out), to, seed, NULL, &send));
  CHECK(succeed(endpoint, &receive).xfer_length == sizeof(in));
  succeed(endpoint, &send);
  for (at = 0; at < sizeof(in); at++) CHECK(in[at] == pattern(at, seed));
  self->messages++;
}

static void *work(void *argument) {
  struct thread *self = argument;
  omx_endpoint_t endpoint = open_any(OMX_ANY_NIC);
  unsigned round;
  for (round = 0; round < ROUNDS; round++) {
    size_t count = (size_t)8 << round, i;
    omx_request_t *receives = calloc(count, sizeof(*receives));
    CHECK(receives != NULL);
    for (i = 0; i < count; i++) OK(omx_irecv(endpoint, NULL, 0, i, EXACT, &receives[i], &receives[i]));
    for (i = 0; i < count; i++) {
      uint32_t result = 0;
      void *context;
      OK(omx_context(&receives[i], &context));
      CHECK(context == &receives[i]);
      OK(omx_cancel(endpoint, &receives[i], &result));
      CHECK(result && receives[i] == NULL);
    }
    free(receives);
  }
  send_to_itself(self, endpoint, 1);
  for (round = 0; round < REOPENED; round++) {
    OK(omx_close_endpoint(endpoint));
    endpoint = open_any(OMX_ANY_NIC);
    send_to_itself(self, endpoint, round);
  }
  OK(omx_close_endpoint(endpoint));
  return NULL;
}

static void run(const struct options *options) {
  long count = options->threads ? options->threads : sysconf(_SC_NPROCESSORS_ONLN), i;
  struct thread *threads = calloc((size_t)count, sizeof(*threads));
  CHECK(threads != NULL);
  begin(options);
  for (i = 0; i < count; i++) {
    threads[i].options = options;
    CHECK(pthread_create(&threads[i].thread, NULL, work, &threads[i]) == 0);
  }
  for (i = 0; i < count; i++) {
    CHECK(pthread_join(threads[i].thread, NULL) == 0);
    verified(threads[i].messages, threads[i].messages * 40);
  }
  tell(options, "%ld threads, up to %d receives at a time, %d endpoints each", count, 8 << (ROUNDS - 1), REOPENED + 1);
  OK(omx_finalize());
  free(threads);
}

const struct program threads_endpoints = {
    "threads_endpoints",
    "threads that post and cancel up to 4096 receives, and close and open their endpoints all at once",
    "tsS",
    {.length = -1},
    run,
};
