/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the conformance programs share: options, checks, guarded buffers, and where messages go.
 *
 * Each program sends messages that come back to it: to its own endpoint (by the board, or within the library), or to the
 * program `peer` on another node, which sends everything back. So the same programs judge one node and two. */
#ifndef SUITE_H
#define SUITE_H

#include <open-mx.h>
#include <stddef.h>
#include <stdint.h>

/* What peers present to connect. */
#define KEY 0x636f6e66U
/* Match info that asks the program `peer` to end. */
#define STOP 0xfffffffffffffff0ULL
/* A bit of match info, and the one that asks `peer` to change it in what it sends back. */
#define SIDE (1ULL << 41)
#define OTHER_SIDE (1ULL << 42)
/* How long anything may take before it counts as hung, in milliseconds. */
#define TIMEOUT 60000U
#define EXACT 0xffffffffffffffffULL

/* How a message to oneself travels. */
enum way { BY_BOARD, BY_SHARED, BY_SELF, BY_PEER };

struct options {
  uint32_t board, endpoint; /* -b, -e */
  const char *peer;         /* -d */
  uint32_t remote;          /* -r */
  enum way way;             /* -s, -S, -d */
  long length;              /* -l, -1 unless given */
  long count;               /* -N */
  long parallel;            /* -P */
  long threads;             /* -t */
  long processes;           /* -p */
  long rails;               /* -R */
  long first, end, step;    /* -F, -E, -I */
  int context_bits, context_shift; /* -c */
  int verbose;              /* -v */
  long signals;             /* --signals: microseconds between two, 0 for none */
};

/* A program of the suite: what it verifies, its own defaults, and the letters of the options that it heeds. */
struct program {
  const char *name, *what, *heeds;
  struct options defaults;
  void (*run)(const struct options *options);
};

/* The programs, one in each file. */
extern const struct program loopback, vectors, unexpected, unexpected_handler, truncated, cancel, wait_any, wakeup,
    address_context, rails, rails_waiting, many, threads_endpoints, threads_wait_any, cache, message_loop, wrong_pointers,
    orphans, raw, raw_peer, peer, stop;

/* Says what is not so and ends the process with status 1. */
#define CHECK(what) \
  do { \
    if (!(what)) not_so(__FILE__, __LINE__, #what); \
  } while (0)
/* A call that must succeed. */
#define OK(call) called(__FILE__, __LINE__, #call, (call))
void not_so(const char *file, int line, const char *what);
void called(const char *file, int line, const char *call, omx_return_t code);

/* Sets the environment for the way that messages shall go, and so that errors are returned. */
void choose_way(const struct options *options);
/* A storm of signals begins, if the options ask for one; it ends before the last line is said. */
void storm_begin(const struct options *options);
void storm_end(void);
/* The same, and initialises the library, with a storm around. */
void begin(const struct options *options);
/* Opens the endpoint of the options. */
omx_endpoint_t open_one(const struct options *options);
/* Opens an endpoint that is anybody's. */
omx_endpoint_t open_any(uint32_t board);
/* Connects to where the messages of this endpoint come back from. */
omx_endpoint_addr_t connect_back(omx_endpoint_t endpoint, const struct options *options);
/* Connects to an endpoint of this process, or another one, until it answers. */
omx_endpoint_addr_t connect_to(omx_endpoint_t endpoint, uint64_t nic, uint32_t remote);
/* Nic id and index of an endpoint of this process. */
void own_address(omx_endpoint_t endpoint, uint64_t *nic, uint32_t *index);
/* Nic id of a peer by its name, once it is known. */
uint64_t nic_of(const char *name);

/* Waits for a request, which ends in time. */
omx_status_t finish(omx_endpoint_t endpoint, omx_request_t *request);
/* The same; it must have succeeded. */
omx_status_t succeed(omx_endpoint_t endpoint, omx_request_t *request);

/* Memory between guards. */
struct buffer {
  unsigned char *data;
  size_t length;
  unsigned char *memory;
  size_t room;
};
/* offset: bytes of the first byte beyond a page's begin. */
struct buffer buffer_new(size_t length, size_t offset);
void buffer_free(struct buffer *buffer);
/* Fills it with a pattern that tells seeds and places apart. */
void buffer_fill(struct buffer *buffer, unsigned seed);
/* Fills it with what no message is taken for. */
void buffer_poison(struct buffer *buffer);
/* Whether the first `length` bytes are the pattern's, and neither the rest nor the guards were touched. */
void buffer_check(const struct buffer *buffer, size_t length, unsigned seed);
unsigned char pattern(size_t at, unsigned seed);
#define POISON 0x5a

/* Sends a message to where it comes back from, receives and checks it. */
void exchange(omx_endpoint_t endpoint, omx_endpoint_addr_t to, size_t length, unsigned seed);

/* Counts what was verified, and tells the sum. Not for several threads at once. */
void verified(unsigned long messages, unsigned long long bytes);
unsigned long verified_messages(void);
unsigned long long verified_bytes(void);
/* A line of progress, with -v. */
void tell(const struct options *options, const char *format, ...);
double seconds(void);
void pause_ms(long milliseconds);

#endif
