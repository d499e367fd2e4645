/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many threads wait for any message on one endpoint while several processes send: every message is told of once. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define LENGTH 64

/* What all threads share. */
struct shared {
  omx_endpoint_t endpoint;
  pthread_mutex_t lock;
  unsigned char *seen; /* for each sender and message */
  unsigned long left, count;
};

/* The receiving endpoint, told to the senders through a pipe. */
struct place {
  uint64_t nic;
  uint32_t index;
};

static void note(struct shared *shared, uint64_t info, const unsigned char *message) {
  size_t at;
  CHECK(pthread_mutex_lock(&shared->lock) == 0);
  CHECK(info < shared->count && !shared->seen[info]);
  shared->seen[info] = 1;
  shared->left--;
  CHECK(pthread_mutex_unlock(&shared->lock) == 0);
  for (at = 0; at < LENGTH; at++) CHECK(message[at] == pattern(at, (unsigned)info));
}

static unsigned long left(struct shared *shared) {
  unsigned long left;
  CHECK(pthread_mutex_lock(&shared->lock) == 0);
  left = shared->left;
  CHECK(pthread_mutex_unlock(&shared->lock) == 0);
  return left;
}

/* Takes messages, anybody's receive among them, and posts their receives again. */
static void *work(void *argument) {
  struct shared *shared = argument;
  unsigned char *memory = malloc(LENGTH);
  double start = seconds();
  omx_request_t request;
  CHECK(memory != NULL);
  OK(omx_irecv(shared->endpoint, memory, LENGTH, 0, 0, memory, &request));
  while (left(shared)) {
    omx_status_t status;
    uint32_t done;
    OK(omx_wait_any(shared->endpoint, 0, 0, &status, &done, 100));
    CHECK(seconds() - start < 2.0 * TIMEOUT / 1000);
    if (!done) continue;
    CHECK(status.code == OMX_SUCCESS && status.xfer_length == LENGTH);
    note(shared, status.match_info, status.context);
    memory = status.context;
    OK(omx_irecv(shared->endpoint, memory, LENGTH, 0, 0, memory, &request));
  }
  return NULL;
}

/* One of the processes that send. */
static int send_all(const struct options *options, int from, long process) {
  struct place place;
  omx_endpoint_t endpoint;
  omx_endpoint_addr_t to;
  long i;
  if (read(from, &place, sizeof(place)) != (ssize_t)sizeof(place)) return 1;
  begin(options);
  endpoint = open_any(options->board);
  to = connect_to(endpoint, place.nic, place.index);
  for (i = 0; i < options->count; i++) {
    uint64_t info = (uint64_t)(process * options->count + i);
    unsigned char message[LENGTH];
    omx_request_t request;
    size_t at;
    for (at = 0; at < LENGTH; at++) message[at] = pattern(at, (unsigned)info);
    /* Every other one is told of only when it was matched, so that all are taken before the process ends. */
    if (i % 2 == 0 && i + 1 < options->count)
      OK(omx_isend(endpoint, message, LENGTH, to, info, NULL, &request));
    else
      OK(omx_issend(endpoint, message, LENGTH, to, info, NULL, &request));
    succeed(endpoint, &request);
  }
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
  return 0;
}

static void run(const struct options *options) {
  struct shared shared = {.count = (unsigned long)(options->processes * options->count)};
  pthread_t *threads = calloc((size_t)options->threads, sizeof(*threads));
  struct place place;
  int ends[2];
  long i;
  /* What lies between its members is written, too. */
  memset(&place, 0, sizeof(place));
  shared.left = shared.count;
  shared.seen = calloc(shared.count, 1);
  CHECK(threads && shared.seen && pthread_mutex_init(&shared.lock, NULL) == 0 && pipe(ends) == 0);
  fflush(stdout);
  /* Before the library is used: an endpoint does not survive a fork. */
  for (i = 0; i < options->processes; i++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      /* So that the end of the receiver is the end of the pipe. */
      close(ends[1]);
      _exit(send_all(options, ends[0], i));
    }
  }
  begin(options);
  shared.endpoint = open_one(options);
  own_address(shared.endpoint, &place.nic, &place.index);
  for (i = 0; i < options->processes; i++) CHECK(write(ends[1], &place, sizeof(place)) == (ssize_t)sizeof(place));
  for (i = 0; i < options->threads; i++) CHECK(pthread_create(&threads[i], NULL, work, &shared) == 0);
  for (i = 0; i < options->threads; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  for (i = 0; i < options->processes; i++) {
    int status;
    double start = seconds();
    pid_t ended;
    /* The last message's sender has yet to be told. */
    while ((ended = waitpid(-1, &status, WNOHANG)) == 0) {
      OK(omx_progress(shared.endpoint));
      CHECK(seconds() - start < TIMEOUT / 1000);
      pause_ms(1);
    }
    CHECK(ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  for (i = 0; i < (long)shared.count; i++) CHECK(shared.seen[i]);
  verified(shared.count, (unsigned long long)shared.count * LENGTH);
  OK(omx_close_endpoint(shared.endpoint));
  OK(omx_finalize());
  free(shared.seen);
  free(threads);
}

const struct program threads_wait_any = {
    "threads_wait_any",
    "many threads that wait for any message on one endpoint, several processes that send: each message comes once",
    "besNtp",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1, .count = 500, .threads = 8, .processes = 3},
    run,
};
