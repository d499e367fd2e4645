/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* behaviour NAME: one promise of the API, or of a variable of the environment that the caller has set. */
#define _GNU_SOURCE
#include "pair.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Counters of what boards of one host send each other. */
enum { SHARED_RNDV = 76, SHARED_LIBACK = 80 };

static char memory[1 << 20], other[1 << 20];

static uint32_t counter(omx_endpoint_t endpoint, int index) {
  uint32_t values[85];
  OK(omx_get_info(endpoint, OMX_INFO_COUNTER_VALUES, NULL, 0, values, sizeof(values)));
  return values[index];
}

static double seconds(clockid_t clock) {
  struct timespec now;
  CHECK(clock_gettime(clock, &now) == 0);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Error handlers. */

static void fatal_before_init(void) { omx_open_endpoint(0, 0, KEY, NULL, 0, &left); }

static void fatal_call(void) {
  uint64_t nic;
  OK(omx_init());
  omx_board_number_to_nic_id(31, &nic);
}

static void receive_half(void) {
  omx_request_t receive;
  OK(omx_irecv(right, memory, 5, 1, ~0ULL, NULL, &receive));
  OK(omx_isend(left, other, 10, to_right, 1, NULL, NULL));
  CHECK(finish(right, &receive).code == OMX_MESSAGE_TRUNCATED);
}

static void fatal_status(void) {
  open_pair();
  CHECK(omx_set_error_handler(NULL, OMX_ERRORS_ARE_FATAL) == note_error);
  receive_half();
}

static void fatal_call_of_endpoint(void) {
  left_wanted = 24;
  open_both();
  CHECK(omx_set_error_handler(left, OMX_ERRORS_ARE_FATAL) == NULL);
  omx_cancel(left, NULL, NULL);
}

/* OMX_FATAL_ERRORS=0 */
static void errors_return_by_default(void) {
  const char *socket = getenv("OMX_SOCKET");
  uint64_t nic;
  CHECK(omx_open_endpoint(0, 0, KEY, NULL, 0, &left) == OMX_NOT_INITIALIZED);
  CHECK(omx__init_api(0x100) == OMX_BAD_LIB_ABI);
  setenv("OMX_SOCKET", "/nowhere", 1);
  CHECK(omx_init() == OMX_NO_DEVICE_FILE);
  setenv("OMX_SOCKET", socket, 1);
  OK(omx_init());
  CHECK(omx_board_number_to_nic_id(31, &nic) == OMX_BOARD_NOT_FOUND);
  CHECK(omx_set_error_handler(NULL, note_error) == OMX_ERRORS_RETURN);
}

static omx_return_t replace(char *text, omx_return_t code) {
  (void)text, (void)code;
  return OMX_NO_SYSTEM_RESOURCES;
}

static void handlers(void) {
  omx_endpoint_param_t parameter;
  omx_endpoint_t again;
  open_pair();
  /* Of a call: what the handler returns is what the call returns. */
  CHECK(omx_set_error_handler(right, replace) == NULL);
  CHECK(omx_cancel(right, NULL, NULL) == OMX_NO_SYSTEM_RESOURCES);
  CHECK(omx_cancel(left, NULL, NULL) == OMX_BAD_REQUEST && handled == OMX_BAD_REQUEST);
  CHECK(strstr(handled_text, "omx_cancel") != NULL);
  /* Of a status. */
  CHECK(omx_set_error_handler(right, note_error) == replace);
  handled_times = 0;
  receive_half();
  CHECK(handled_times == 1 && handled == OMX_MESSAGE_TRUNCATED);
  /* Without its own an endpoint has the global one again. */
  CHECK(omx_set_error_handler(right, NULL) == note_error);
  CHECK(omx_set_error_handler(NULL, replace) == note_error);
  CHECK(omx_cancel(right, NULL, NULL) == OMX_NO_SYSTEM_RESOURCES);
  /* A parameter's handler serves the opening too. */
  memset(&parameter, 0, sizeof(parameter));
  parameter.key = OMX_ENDPOINT_PARAM_ERROR_HANDLER;
  parameter.val.error_handler = note_error;
  CHECK(omx_open_endpoint(0, left_id, KEY, &parameter, 1, &again) == OMX_BUSY);
  CHECK(handled == OMX_BUSY);
  OK(omx_open_endpoint(0, OMX_ANY_ENDPOINT, KEY, &parameter, 1, &again));
  CHECK(omx_cancel(again, NULL, NULL) == OMX_BAD_REQUEST);
}

/* Progress and waiting. */

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

/* Variables. */

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

static double wait_in_vain(uint32_t milliseconds) {
  omx_request_t request;
  omx_status_t status;
  uint32_t result;
  double start = seconds(CLOCK_MONOTONIC);
  open_both();
  OK(omx_irecv(right, memory, 1, 1, ~0ULL, NULL, &request));
  OK(omx_wait(right, &request, &status, &result, milliseconds));
  CHECK(!result);
  return seconds(CLOCK_MONOTONIC) - start;
}

/* OMX_WAITSPIN=1 */
static void waitspin(void) {
  wait_in_vain(400);
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

static const struct promise {
  const char *name;
  void (*check)(void);
} promises[] = {
#define PROMISE(name) {#name, name}
    PROMISE(fatal_before_init),
    PROMISE(fatal_call),
    PROMISE(fatal_status),
    PROMISE(fatal_call_of_endpoint),
    PROMISE(errors_return_by_default),
    PROMISE(handlers),
    PROMISE(progression),
    PROMISE(wakeup),
    PROMISE(wakeup_while_disabled),
    PROMISE(wakeup_of_connect),
    PROMISE(close_while_waiting),
    PROMISE(forked),
    PROMISE(timeout_of_request),
    PROMISE(timeout_of_later_requests),
    PROMISE(resends_max),
    PROMISE(unexpected_handler),
    PROMISE(unexpected_handler_of_own_messages),
    PROMISE(address_context),
    PROMISE(contexts_by_environment),
    PROMISE(contexts_by_parameter),
    PROMISE(buffered),
    PROMISE(self_by_network),
    PROMISE(rndv_threshold),
    PROMISE(zombie_send),
    PROMISE(notacked_max),
    PROMISE(waitspin),
    PROMISE(wait_sleeps),
    PROMISE(waitintr),
    PROMISE(signals_do_not_end_a_wait),
    PROMISE(process_binding),
    PROMISE(any_endpoint),
    PROMISE(nothing_special),
};

int main(int count, char **arguments) {
  size_t i;
  CHECK(count == 2);
  for (i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
    if (strcmp(promises[i].name, arguments[1]) != 0) continue;
    promises[i].check();
    return 0;
  }
  fprintf(stderr, "there is no promise %s\n", arguments[1]);
  return 1;
}
