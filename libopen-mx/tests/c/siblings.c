/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What calls on one endpoint do for the other endpoints of their process. siblings <promise> */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "promise.h"

#define LONG 300000
static unsigned char out[LONG], in[LONG];

/* A long message to the right endpoint is under way, whose receiver must call for it to be fetched. */
static omx_request_t send_long(void) {
  omx_request_t send;
  size_t at;
  for (at = 0; at < LONG; at++) out[at] = (unsigned char)(at * 7 + at / 251);
  OK(omx_irecv(right, in, LONG, 1, ~0ULL, NULL, NULL));
  OK(omx_isend(left, out, LONG, to_right, 1, NULL, &send));
  return send;
}

static void arrived(const omx_status_t *status) {
  CHECK(status->code == OMX_SUCCESS && status->xfer_length == LONG);
  CHECK(memcmp(in, out, LONG) == 0);
}

/* The other endpoint answers. */
static void connect(void) {
  open_both();
  OK(omx_connect(left, right_nic, right_id, KEY, 30000, &to_right));
}

static void wait_one(void) {
  omx_request_t send;
  omx_status_t status;
  uint32_t done;
  open_pair();
  send = send_long();
  OK(omx_wait(left, &send, &status, &done, 30000));
  CHECK(done);
  arrived(&status);
}

static void wait_any(void) {
  omx_status_t status;
  uint32_t done;
  open_pair();
  send_long();
  OK(omx_wait_any(left, 1, ~0ULL, &status, &done, 30000));
  CHECK(done);
  arrived(&status);
}

static void peek(void) {
  omx_request_t send, found = NULL;
  omx_status_t status;
  uint32_t done;
  open_pair();
  send = send_long();
  OK(omx_peek(left, &found, &done, 30000));
  CHECK(done && found == send);
  OK(omx_test(left, &send, &status, &done));
  arrived(&status);
}

/* The right endpoint sends when it has received: an unexpected message at the left one. */
static omx_unexp_handler_action_t answer(void *context, omx_endpoint_addr_t source, uint64_t match_info, uint32_t length,
                                         void *data) {
  (void)source, (void)match_info, (void)length, (void)data;
  OK(omx_isend(right, "yes", 4, to_left, 2, NULL, NULL));
  *(int *)context += 1;
  return OMX_RECV_FINISHED;
}

static void probe(void) {
  omx_status_t status;
  uint32_t found;
  int called = 0;
  open_pair();
  OK(omx_register_unexp_handler(right, answer, &called));
  OK(omx_isend(left, "well?", 6, to_right, 1, NULL, NULL));
  OK(omx_probe(left, 2, ~0ULL, &status, &found, 30000));
  CHECK(found && status.msg_length == 4 && called == 1);
}

/* A program that polls with one of these calls alone. */
static uint32_t by_test(omx_request_t *send, omx_status_t *status) {
  uint32_t done;
  OK(omx_test(left, send, status, &done));
  return done;
}
static uint32_t by_test_any(omx_request_t *send, omx_status_t *status) {
  uint32_t done;
  (void)send;
  OK(omx_test_any(left, 1, ~0ULL, status, &done));
  return done;
}
static uint32_t by_ipeek(omx_request_t *send, omx_status_t *status) {
  omx_request_t found;
  uint32_t done;
  OK(omx_ipeek(left, &found, &done));
  return done && by_test(send, status);
}

static void poll_with(uint32_t (*look)(omx_request_t *, omx_status_t *)) {
  omx_request_t send;
  omx_status_t status;
  open_pair();
  send = send_long();
  alarm(30);
  while (!look(&send, &status));
  arrived(&status);
}
static void test(void) { poll_with(by_test); }
static void test_any(void) { poll_with(by_test_any); }
static void ipeek(void) { poll_with(by_ipeek); }

static void progress(void) {
  int called = 0;
  open_pair();
  OK(omx_register_unexp_handler(right, answer, &called));
  OK(omx_isend(left, "well?", 6, to_right, 1, NULL, NULL));
  alarm(30);
  while (!called) OK(omx_progress(left));
}

static void iprobe(void) {
  omx_status_t status;
  uint32_t found = 0;
  int called = 0;
  open_pair();
  OK(omx_register_unexp_handler(right, answer, &called));
  OK(omx_isend(left, "well?", 6, to_right, 1, NULL, NULL));
  alarm(30);
  while (!found) OK(omx_iprobe(left, 2, ~0ULL, &status, &found));
  CHECK(called == 1);
}

/* Within a handler no other endpoint's handler is called. */
static int in_handler, calls;
static omx_unexp_handler_action_t poll_within(void *endpoint, omx_endpoint_addr_t source, uint64_t match_info,
                                              uint32_t length, void *data) {
  int i;
  (void)source, (void)match_info, (void)length, (void)data;
  CHECK(!in_handler);
  in_handler = 1;
  for (i = 0; i < 1000; i++) {
    omx_status_t status;
    uint32_t found;
    OK(omx_iprobe(*(omx_endpoint_t *)endpoint, 0, 0, &status, &found));
  }
  in_handler = 0;
  calls++;
  return OMX_RECV_FINISHED;
}

static void handlers_do_not_nest(void) {
  int i;
  open_pair();
  OK(omx_register_unexp_handler(left, poll_within, &left));
  OK(omx_register_unexp_handler(right, poll_within, &right));
  alarm(30);
  for (i = 0; i < 50; i++) {
    OK(omx_isend(left, "a", 1, to_right, 1, NULL, NULL));
    OK(omx_isend(right, "b", 1, to_left, 1, NULL, NULL));
  }
  while (calls < 100) OK(omx_progress(left));
}

/* Waits for what never comes, until the endpoint is closed. */
static void *wait_for_ever(void *endpoint) {
  omx_status_t status;
  uint32_t done;
  return (void *)(intptr_t)omx_wait_any(endpoint, 77, ~0ULL, &status, &done, OMX_TIMEOUT_INFINITE);
}

static void close_and_open(void) {
  pthread_t thread;
  void *code;
  int i;
  right_wanted = 27;
  open_both();
  CHECK(pthread_create(&thread, NULL, wait_for_ever, left) == 0);
  for (i = 0; i < 200; i++) {
    if (i % 20 == 0) usleep(150000); /* so long that the thread has begun to look after the endpoint */
    OK(omx_close_endpoint(right));
    OK(omx_open_endpoint(1, right_wanted, KEY, NULL, 0, &right));
  }
  OK(omx_close_endpoint(left));
  CHECK(pthread_join(thread, &code) == 0 && code == (void *)OMX_BAD_ENDPOINT);
}

/* Two threads, each of which waits on its own endpoint for what the other one has sent. */
#define TURNS 2000
static void *play(void *argument) {
  int first = argument == &left, i;
  omx_endpoint_t own = *(omx_endpoint_t *)argument;
  omx_endpoint_addr_t to = first ? to_right : to_left;
  for (i = 0; i < TURNS; i++) {
    omx_request_t receive;
    omx_status_t status;
    uint32_t done;
    char byte = 0;
    OK(omx_irecv(own, &byte, 1, 0, 0, NULL, &receive));
    if (first || i) OK(omx_isend(own, "x", 1, to, 0, NULL, NULL));
    OK(omx_wait(own, &receive, &status, &done, 30000));
    CHECK(done && status.code == OMX_SUCCESS && byte == 'x');
  }
  OK(omx_isend(own, "x", 1, to, 0, NULL, NULL));
  return NULL;
}

static void two_threads(void) {
  pthread_t threads[2];
  open_pair();
  CHECK(pthread_create(&threads[0], NULL, play, &left) == 0);
  CHECK(pthread_create(&threads[1], NULL, play, &right) == 0);
  CHECK(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
}

PROMISES(PROMISE(connect), PROMISE(wait_one), PROMISE(wait_any), PROMISE(peek),
         PROMISE(probe), PROMISE(test), PROMISE(test_any), PROMISE(ipeek), PROMISE(iprobe),
         PROMISE(progress), PROMISE(handlers_do_not_nest), PROMISE(close_and_open), PROMISE(two_threads))
