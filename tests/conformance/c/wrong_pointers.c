/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A message from or to memory that is not the process's: what happens is what memcpy does, SIGSEGV for the process that
 * gave the pointer, or a status that is not success. It never hangs, and others go on. Memory that may only be read can
 * be sent from. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define PAGE 4096U

enum wrong { UNMAPPED, FORBIDDEN, ENDS_EARLY, READ_ONLY };

/* How a process of these ends that is not killed. */
enum { HAS_SUCCEEDED = 10, HAS_FAILED = 11 };

/* Tiny, medium, and two that are large: its first use is copied, or it is registered at once. */
static const size_t lengths[] = {8, 10000, 300000, 2U << 20};

static unsigned char *memory_that_is(enum wrong wrong, size_t length) {
  size_t room = (length + 2 * PAGE - 1) / PAGE * PAGE;
  unsigned char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  switch (wrong) {
    /* Where nothing is ever put: a hole elsewhere would soon be somebody's. */
    case UNMAPPED: return (unsigned char *)(uintptr_t)PAGE;
    case FORBIDDEN: CHECK(mprotect(memory, room, PROT_NONE) == 0); break;
    case READ_ONLY: CHECK(mprotect(memory, room, PROT_READ) == 0); break;
    case ENDS_EARLY:
      /* Its last byte lies on a page that cannot be touched. */
      CHECK(mprotect(memory + room - PAGE, PAGE, PROT_NONE) == 0);
      return memory + room - PAGE - (length - 1);
  }
  return memory;
}

/* One process: a message to itself with a wrong pointer on one side. */
static void transfer(const struct options *options, enum wrong wrong, int sending, size_t length) {
  static unsigned char good[2U << 20];
  const struct rlimit no_core = {0, 0};
  unsigned char *out = good, *in = good;
  omx_request_t send, receive;
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  setrlimit(RLIMIT_CORE, &no_core);
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  *(sending ? &out : &in) = memory_that_is(wrong, length);
  if (omx_irecv(endpoint, in, length, 1, EXACT, NULL, &receive) != OMX_SUCCESS ||
      omx_isend(endpoint, out, length, to, 1, NULL, &send) != OMX_SUCCESS ||
      finish(endpoint, &receive).code != OMX_SUCCESS || finish(endpoint, &send).code != OMX_SUCCESS)
    _exit(HAS_FAILED);
  _exit(HAS_SUCCEEDED);
}

static void judge(const struct options *options, enum wrong wrong, int sending, size_t length) {
  int status, can_be = sending && wrong == READ_ONLY;
  pid_t process = fork();
  CHECK(process >= 0);
  if (process == 0) transfer(options, wrong, sending, length);
  while (waitpid(process, &status, 0) != process) CHECK(errno == EINTR);
  tell(options, "%s %zu bytes, memory %d: status %x", sending ? "send" : "receive", length, (int)wrong, status);
  if (can_be)
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == HAS_SUCCEEDED);
  else
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
          (WIFEXITED(status) && WEXITSTATUS(status) == HAS_FAILED));
}

static void run(const struct options *options) {
  omx_endpoint_t endpoint;
  omx_endpoint_addr_t to;
  size_t i;
  int wrong;
  for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    for (wrong = UNMAPPED; wrong <= READ_ONLY; wrong++) {
      judge(options, (enum wrong)wrong, 1, lengths[i]);
      judge(options, (enum wrong)wrong, 0, lengths[i]);
    }
  }
  /* Their endpoints are closed, and the backend serves others. */
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  exchange(endpoint, to, 2U << 20, 1);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program wrong_pointers = {
    "wrong_pointers",
    "messages from and to memory that is not the process's: nothing hangs, and others go on",
    "besS",
    {.endpoint = OMX_ANY_ENDPOINT},
    run,
};
