/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One wakeup makes every thread return that waits on an endpoint: for a send, a receive, a message, any request, or a
 * connect. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "suite_mx.h"

#define KINDS 6

struct shared {
  mx_endpoint_t endpoint;
  mx_request_t send, receive, connect;
  uint64_t silent_nic;
  uint32_t silent_index;
  pthread_mutex_t lock;
  int returned;
};

struct sleeper {
  pthread_t thread;
  struct shared *shared;
  int kind;
};

static void wait_for(struct shared *shared, int kind) {
  mx_endpoint_t endpoint = shared->endpoint;
  mx_endpoint_addr_t to;
  mx_request_t request;
  mx_status_t status;
  uint32_t result = 0;
  switch (kind) {
    case 0: MX_OK(mx_wait(endpoint, &shared->send, MX_INFINITE, &status, &result)); break;
    case 1: MX_OK(mx_wait(endpoint, &shared->receive, MX_INFINITE, &status, &result)); break;
    case 2: MX_OK(mx_probe(endpoint, MX_INFINITE, 0xdead, EXACT, &status, &result)); break;
    case 3: MX_OK(mx_peek(endpoint, MX_INFINITE, &request, &result)); break;
    case 4: MX_OK(mx_wait(endpoint, &shared->connect, MX_INFINITE, &status, &result)); break;
    default: CHECK(mx_connect(endpoint, shared->silent_nic, shared->silent_index, KEY, MX_INFINITE, &to) == MX_NOT_COMPLETED);
  }
  CHECK(!result);
}

static void *sleep_until_woken(void *argument) {
  struct sleeper *self = argument;
  wait_for(self->shared, self->kind);
  CHECK(pthread_mutex_lock(&self->shared->lock) == 0);
  self->shared->returned++;
  CHECK(pthread_mutex_unlock(&self->shared->lock) == 0);
  return NULL;
}

static int returned(struct shared *shared) {
  int count;
  CHECK(pthread_mutex_lock(&shared->lock) == 0);
  count = shared->returned;
  CHECK(pthread_mutex_unlock(&shared->lock) == 0);
  return count;
}

static void run(const struct options *options) {
  struct shared shared;
  struct sleeper sleepers[KINDS];
  mx_endpoint_addr_t to;
  mx_endpoint_t silent;
  mx_segment_t byte;
  char out = 1, in = 0;
  uint32_t result = 0;
  long turn;
  int i;
  mx_begin(options);
  shared.endpoint = mx_open_one(options);
  CHECK(pthread_mutex_init(&shared.lock, NULL) == 0);
  to = mx_connect_back(shared.endpoint, options);
  /* An endpoint that must not progress answers no connect. */
  silent = mx_open_any(options->board);
  MX_OK(mx_disable_progression(silent));
  mx_own_address(silent, &shared.silent_nic, &shared.silent_index);
  for (turn = 0; turn < options->count; turn++) {
    double start = seconds();
    byte.segment_length = 1;
    byte.segment_ptr = &out;
    /* Nothing receives it yet. */
    MX_OK(mx_issend(shared.endpoint, &byte, 1, to, 1, NULL, &shared.send));
    byte.segment_ptr = &in;
    MX_OK(mx_irecv(shared.endpoint, &byte, 1, 2, EXACT, NULL, &shared.receive));
    MX_OK(mx_iconnect(shared.endpoint, shared.silent_nic, shared.silent_index, KEY, 3, NULL, &shared.connect));
    shared.returned = 0;
    for (i = 0; i < KINDS; i++) {
      sleepers[i].shared = &shared;
      sleepers[i].kind = i;
      CHECK(pthread_create(&sleepers[i].thread, NULL, sleep_until_woken, &sleepers[i]) == 0);
    }
    pause_ms(200);
    CHECK(returned(&shared) == 0);
    MX_OK(mx_wakeup(shared.endpoint));
    /* On a slow machine some may not have slept yet: they are woken by another one. */
    while (returned(&shared) < KINDS) {
      pause_ms(200);
      MX_OK(mx_wakeup(shared.endpoint));
      CHECK(seconds() - start < TIMEOUT / 1000);
    }
    for (i = 0; i < KINDS; i++) CHECK(pthread_join(sleepers[i].thread, NULL) == 0);
    MX_OK(mx_cancel(shared.endpoint, &shared.receive, &result));
    CHECK(result);
    MX_OK(mx_cancel(shared.endpoint, &shared.connect, &result));
    CHECK(result);
    /* The send was only waited for: it ends when its message is received. */
    MX_OK(mx_irecv(shared.endpoint, &byte, 1, 1, EXACT, NULL, &shared.receive));
    mx_succeed(shared.endpoint, &shared.receive);
    mx_succeed(shared.endpoint, &shared.send);
    CHECK(in == out);
    verified(1, 1);
    tell(options, "%d threads were woken", KINDS);
    in = 0;
  }
  MX_OK(mx_close_endpoint(silent));
  MX_OK(mx_close_endpoint(shared.endpoint));
  MX_OK(mx_finalize());
}

const struct program wakeup = {
    "wakeup",
    "threads that wait for a send, a receive, a message, any request and connects all return at a wakeup (MX interface)",
    "besSN",
    {.endpoint = MX_ANY_ENDPOINT, .length = -1, .count = 3},
    run,
};
