/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An endpoint ends with the process that has opened it, or when that closes it: whatever children it has made, which live
 * on with copies of all its descriptors. Somebody else can open it at once. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* How the child is made, and how its parent ends. */
enum made { FORKED, FORKED_TWICE, VFORKED };
enum end { KILLED, EXITS, CLOSES };

static omx_return_t try_to_open(const struct options *options, uint32_t index, omx_endpoint_t *endpoint) {
  return omx_open_endpoint(options->board, index, KEY, NULL, 0, endpoint);
}

/* A child: it lives until the judge closes the other end of the pipe. */
static void live_on(int until) {
  char nothing;
  while (read(until, &nothing, 1) < 0 && errno == EINTR) continue;
  _exit(0);
}

/* Says something on a pipe; before a vfork, since its parent sleeps after it. */
static void say(int to) { CHECK(write(to, "r", 1) == 1); }

/* The process that opens, makes a child, and ends. */
static void open_and_end(const struct options *options, uint32_t index, enum made made, enum end end, int until, int to) {
  omx_endpoint_t endpoint;
  pid_t child;
  called(__FILE__, __LINE__, "the first open", try_to_open(options, index, &endpoint));
  if (made == VFORKED) {
    say(to);
    child = vfork();
    if (child == 0) live_on(until);
  } else {
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      if (made == FORKED_TWICE && fork() != 0) _exit(0);
      live_on(until);
    }
    if (made == FORKED_TWICE)
      while (waitpid(child, NULL, 0) != child) CHECK(errno == EINTR);
    if (end == CLOSES) OK(omx_close_endpoint(endpoint));
    say(to);
  }
  if (end == EXITS) _exit(0);
  for (;;) pause();
}

static void judge(const struct options *options, uint32_t index, enum made made, enum end end) {
  int until[2], ready[2], status;
  double start;
  omx_endpoint_t endpoint;
  char word;
  pid_t process;
  CHECK(pipe(until) == 0 && pipe(ready) == 0);
  process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    /* So that the judge's end is the only one. */
    close(until[1]);
    open_and_end(options, index, made, end, until[0], ready[1]);
  }
  close(ready[1]);
  while (read(ready[0], &word, 1) != 1) CHECK(errno == EINTR);
  /* The child of a vfork is there when its parent sleeps; there is nobody to say it. */
  if (made == VFORKED) pause_ms(100);
  if (end == KILLED) CHECK(kill(process, SIGKILL) == 0);
  if (end != CLOSES)
    while (waitpid(process, &status, 0) != process) CHECK(errno == EINTR);
  start = seconds();
  while (try_to_open(options, index, &endpoint) == OMX_BUSY) {
    CHECK(seconds() - start < 20);
    pause_ms(1);
  }
  tell(options, "child %d, end %d: open again after %.3f s", (int)made, (int)end, seconds() - start);
  exchange(endpoint, connect_back(endpoint, options), 1000, (unsigned)made);
  OK(omx_close_endpoint(endpoint));
  if (end == CLOSES) {
    CHECK(kill(process, SIGKILL) == 0);
    while (waitpid(process, &status, 0) != process) CHECK(errno == EINTR);
  }
  close(until[1]);
  close(until[0]);
  close(ready[0]);
}

static void run(const struct options *options) {
  omx_endpoint_t endpoint;
  uint64_t nic;
  uint32_t index;
  begin(options);
  /* One that is free. */
  endpoint = open_one(options);
  own_address(endpoint, &nic, &index);
  OK(omx_close_endpoint(endpoint));
  judge(options, index, FORKED, KILLED);
  judge(options, index, FORKED, EXITS);
  judge(options, index, FORKED, CLOSES);
  judge(options, index, FORKED_TWICE, KILLED);
  judge(options, index, FORKED_TWICE, EXITS);
  judge(options, index, VFORKED, KILLED);
  OK(omx_finalize());
}

const struct program orphans = {
    "orphans",
    "processes that end and leave children behind: their endpoints can be opened at once",
    "be",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
