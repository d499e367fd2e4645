/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* waiting NAME: a promise about progress, waits and their ends; of some the caller has set a variable. */
#define _GNU_SOURCE
#include "promise.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char memory[1 << 20];

static double seconds(clockid_t clock) {
  struct timespec now;
  CHECK(clock_gettime(clock, &now) == 0);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void progression(void) {
  omx_request_t receive;
  omx_status_t status;
  uint32_t result;
  int i;
  open_pair();
  OK(omx_irecv(right, memory, 4, 1, ~0ULL, NULL, &receive));
  OK(omx_disable_progression(right));
  OK(omx_isend(left, "four", 4, to_right, 1, NULL, NULL));
  for (i = 0; i < 1000; i++) {
    OK(omx_progress(left));
    OK(omx_progress(right));
    OK(omx_test(right, &receive, &status, &result));
    CHECK(result == 0);
  }
  OK(omx_wait(right, &receive, &status, &result, 50));
  CHECK(result == 0);
  OK(omx_reenable_progression(right));
  CHECK(finish(right, &receive).xfer_length == 4);
}

static void *wait_forever(void *request) {
  omx_status_t status;
  uint32_t result = 1;
  omx_return_t code = omx_wait(right, (omx_request_t *)request, &status, &result, OMX_TIMEOUT_INFINITE);
  CHECK(code != OMX_SUCCESS || result == 0);
  return (void *)(size_t)code;
}

static void *start_waiting(pthread_t *thread, omx_request_t *request) {
  OK(omx_irecv(right, memory, 1, 1, ~0ULL, NULL, request));
  CHECK(pthread_create(thread, NULL, wait_forever, request) == 0);
  usleep(100000);
  return NULL;
}

static void wakeup(void) {
  omx_request_t request;
  pthread_t thread;
  void *code;
  open_both();
  start_waiting(&thread, &request);
  OK(omx_wakeup(right));
  CHECK(pthread_join(thread, &code) == 0 && code == (void *)OMX_SUCCESS);
}

static void wakeup_while_disabled(void) {
  omx_request_t request;
  pthread_t thread;
  void *code;
  open_both();
  OK(omx_disable_progression(right));
  start_waiting(&thread, &request);
  OK(omx_wakeup(right));
  CHECK(pthread_join(thread, &code) == 0 && code == (void *)OMX_SUCCESS);
}

static int returned;

static void *connect_to_silent(void *code) {
  omx_endpoint_addr_t address;
  *(omx_return_t *)code = omx_connect(left, right_nic, right_id, KEY, OMX_TIMEOUT_INFINITE, &address);
  __atomic_store_n(&returned, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void wakeup_of_connect(void) {
  omx_endpoint_addr_t address;
  omx_return_t code = OMX_SUCCESS;
  pthread_t thread;
  open_both();
  OK(omx_disable_progression(right));
  CHECK(omx_connect(left, right_nic, right_id, KEY, 50, &address) == OMX_TIMEOUT);
  omx_set_error_handler(NULL, OMX_ERRORS_ARE_FATAL);
  CHECK(pthread_create(&thread, NULL, connect_to_silent, &code) == 0);
  while (!__atomic_load_n(&returned, __ATOMIC_SEQ_CST)) {
    usleep(50000);
    OK(omx_wakeup(left));
  }
  CHECK(pthread_join(thread, NULL) == 0 && code == OMX_CANCELLED);
}

static void close_while_waiting(void) {
  omx_request_t request;
  pthread_t thread;
  void *code;
  right_wanted = 25;
  open_both();
  start_waiting(&thread, &request);
  OK(omx_close_endpoint(right));
  CHECK(pthread_join(thread, &code) == 0 && code == (void *)OMX_BAD_ENDPOINT);
  OK(omx_open_endpoint(1, right_wanted, KEY, NULL, 0, &right));
}

static void forked(void) {
  omx_endpoint_t own;
  omx_request_t receive;
  int status;
  pid_t child;
  open_pair();
  OK(omx_irecv(right, memory, 4, 1, ~0ULL, NULL, &receive));
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(omx_progress(right) == OMX_BAD_ENDPOINT);
    CHECK(omx_isend(left, "evil", 4, to_right, 1, NULL, NULL) == OMX_BAD_ENDPOINT);
    CHECK(omx_context(&receive, (void **)&own) == OMX_BAD_REQUEST);
    CHECK(omx_close_endpoint(left) == OMX_BAD_ENDPOINT);
    OK(omx_open_endpoint(0, OMX_ANY_ENDPOINT, KEY, NULL, 0, &own));
    CHECK(omx_progress(left) == OMX_BAD_ENDPOINT);
    OK(omx_close_endpoint(own));
    exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  OK(omx_isend(left, "good", 4, to_right, 1, NULL, NULL));
  finish(right, &receive);
  CHECK(memcmp(memory, "good", 4) == 0);
}

/* Timeouts. */

static void gives_up(omx_request_t request) {
  OK(omx_disable_progression(right)); /* deaf, from here on */
  omx_status_t status;
  uint32_t result;
  double start = seconds(CLOCK_MONOTONIC);
  OK(omx_wait(left, &request, &status, &result, 30000));
  CHECK(result == 1 && status.code == OMX_REMOTE_ENDPOINT_UNREACHABLE);
  CHECK(seconds(CLOCK_MONOTONIC) - start < 20);
}

static void timeout_of_request(void) {
  omx_request_t request;
  open_pair();
  OK(omx_issend(left, memory, 10, to_right, 1, NULL, &request));
  OK(omx_set_request_timeout(left, request, 500));
  gives_up(request);
}

static void timeout_of_later_requests(void) {
  omx_request_t before, after;
  omx_status_t status;
  uint32_t result;
  open_both();
  OK(omx_iconnect(left, right_nic, right_id, KEY, 1, NULL, &before));
  OK(omx_set_request_timeout(left, NULL, 500));
  OK(omx_test(left, &before, &status, &result));
  CHECK(result == 0);
  OK(omx_iconnect(left, right_nic, right_id, KEY, 1, NULL, &after));
  gives_up(after);
}

/* OMX_RESENDS_MAX=2 */
static void resends_max(void) {
  omx_request_t request;
  open_pair();
  OK(omx_issend(left, memory, 10, to_right, 1, NULL, &request));
  gives_up(request);
}

static double wait_in_vain(uint32_t milliseconds) {
  static omx_request_t request;
  omx_status_t status;
  uint32_t result;
  double start = seconds(CLOCK_MONOTONIC);
  if (request == NULL) {
    open_both();
    OK(omx_irecv(right, memory, 1, 1, ~0ULL, NULL, &request));
  }
  OK(omx_wait(right, &request, &status, &result, milliseconds));
  CHECK(!result);
  return seconds(CLOCK_MONOTONIC) - start;
}

/* OMX_WAITSPIN=1 */
static void waitspin(void) {
  int turn;
  /* A busy machine leaves a spinning wait little time, but some; a sleeping one takes none. */
  for (turn = 0; turn < 50 && seconds(CLOCK_PROCESS_CPUTIME_ID) <= 0.05; turn++) wait_in_vain(400);
  CHECK(seconds(CLOCK_PROCESS_CPUTIME_ID) > 0.05);
}

static void wait_sleeps(void) {
  wait_in_vain(400);
  CHECK(seconds(CLOCK_PROCESS_CPUTIME_ID) < 0.05);
}

static void noticed(int signal) { (void)signal; }

static void signal_soon(void) {
  struct sigaction action;
  struct itimerval timer = {{0, 0}, {0, 200000}};
  memset(&action, 0, sizeof(action));
  action.sa_handler = noticed;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* OMX_WAITINTR=1 */
static void waitintr(void) {
  signal_soon();
  CHECK(wait_in_vain(30000) < 15);
}

static void signals_do_not_end_a_wait(void) {
  signal_soon();
  CHECK(wait_in_vain(600) > 0.5);
}

PROMISES(PROMISE(progression), PROMISE(wakeup), PROMISE(wakeup_while_disabled), PROMISE(wakeup_of_connect),
         PROMISE(close_while_waiting), PROMISE(forked), PROMISE(timeout_of_request),
         PROMISE(timeout_of_later_requests), PROMISE(resends_max), PROMISE(waitspin), PROMISE(wait_sleeps),
         PROMISE(waitintr), PROMISE(signals_do_not_end_a_wait))
