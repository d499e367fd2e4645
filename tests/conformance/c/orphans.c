/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An endpoint ends with the process that has opened it, or when that closes it: whatever children it has made, which live
 * on with copies of all its descriptors, and whoever else was given them. Somebody else can open it at once. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* How the one that lives on is made, and how the owner ends. PASSED: it is no child, and was sent the descriptors. */
enum made { FORKED, FORKED_TWICE, VFORKED, SPAWNED, PASSED };
enum end { KILLED, EXITS, CLOSES, EXECUTES };

/* Descriptors that are looked at. */
#define DESCRIPTORS 64

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

/* A child that is another program, which lives as long. */
static pid_t spawn(int until) {
  char *words[] = {"sh", "-c", "read nothing", NULL}, *environment[] = {NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, until, 0) == 0);
  CHECK(posix_spawn(&child, "/bin/sh", &actions, NULL, words, environment) == 0);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

/* A datagram with a descriptor. */
union carrier {
  char space[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

static void pass(int socket, int descriptor) {
  char nothing = 0;
  union carrier carrier;
  struct iovec bytes = {&nothing, 1};
  struct msghdr message = {0};
  struct cmsghdr *header;
  memset(&carrier, 0, sizeof carrier);
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = carrier.space;
  message.msg_controllen = sizeof carrier.space;
  header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  while (sendmsg(socket, &message, 0) != 1) CHECK(errno == EINTR);
}

/* A process that keeps what it is passed on this socket, and says so when it gets a datagram without a descriptor. */
static void keep(int socket, int until, int to) {
  for (;;) {
    char word;
    union carrier carrier;
    struct iovec bytes = {&word, 1};
    struct msghdr message = {0};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = carrier.space;
    message.msg_controllen = sizeof carrier.space;
    while (recvmsg(socket, &message, 0) != 1) CHECK(errno == EINTR);
    if (message.msg_controllen == 0) break;
  }
  say(to);
  live_on(until);
}

/* The process that opens, makes a child, and ends. */
static void open_and_end(const struct options *options, uint32_t index, enum made made, enum end end, int until, int to) {
  omx_endpoint_t endpoint;
  pid_t child;
  int keeper[2], descriptor, before[DESCRIPTORS];
  if (made == PASSED) {
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, keeper) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) keep(keeper[1], until, to);
  }
  for (descriptor = 0; descriptor < DESCRIPTORS; descriptor++) before[descriptor] = fcntl(descriptor, F_GETFD);
  called(__FILE__, __LINE__, "the first open", try_to_open(options, index, &endpoint));
  if (made == PASSED) {
    int passed = 0;
    for (descriptor = 0; descriptor < DESCRIPTORS; descriptor++)
      if (before[descriptor] < 0 && fcntl(descriptor, F_GETFD) >= 0) {
        pass(keeper[0], descriptor);
        passed++;
      }
    CHECK(passed > 0);
    CHECK(write(keeper[0], "r", 1) == 1);
  } else if (made == SPAWNED) {
    CHECK(spawn(until) > 0);
    say(to);
  } else if (made == VFORKED) {
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
  if (end == EXECUTES) {
    dup2(until, 0);
    execl("/bin/sh", "sh", "-c", "read nothing", (char *)NULL);
    _exit(1);
  }
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
  if (end == KILLED || end == EXITS)
    while (waitpid(process, &status, 0) != process) CHECK(errno == EINTR);
  start = seconds();
  while (try_to_open(options, index, &endpoint) == OMX_BUSY) {
    CHECK(seconds() - start < 20);
    pause_ms(1);
  }
  tell(options, "child %d, end %d: open again after %.3f s", (int)made, (int)end, seconds() - start);
  exchange(endpoint, connect_back(endpoint, options), 1000, (unsigned)made);
  OK(omx_close_endpoint(endpoint));
  if (end == CLOSES || end == EXECUTES) {
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
  judge(options, index, SPAWNED, KILLED);
  judge(options, index, SPAWNED, EXITS);
  judge(options, index, SPAWNED, EXECUTES);
  judge(options, index, FORKED, EXECUTES);
  judge(options, index, PASSED, KILLED);
  judge(options, index, PASSED, EXITS);
  OK(omx_finalize());
}

const struct program orphans = {
    "orphans",
    "processes that end and leave children behind: their endpoints can be opened at once",
    "be",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
