/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUARD 256
#define GUARD_BYTE 0xa5
#define PAGE 4096

static unsigned long messages_verified;
static unsigned long long bytes_verified;

void not_so(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
  exit(1);
}

void called(const char *file, int line, const char *call, omx_return_t code) {
  if (code == OMX_SUCCESS) return;
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, call, omx_strerror(code));
  exit(1);
}

void choose_way(const struct options *options) {
  if (options->way == BY_BOARD || options->way == BY_SHARED) setenv("OMX_DISABLE_SELF", "1", 1);
  if (options->way == BY_BOARD) setenv("OMX_DISABLE_SHARED", "1", 1);
  setenv("OMX_FATAL_ERRORS", "0", 1);
}

void begin(const struct options *options) {
  omx_return_t code;
  choose_way(options);
  storm_begin(options);
  omx_set_error_handler(NULL, OMX_ERRORS_RETURN);
  code = omx_init();
  if (code != OMX_SUCCESS) {
    fprintf(stderr, "no board can be used: %s; omx_info tells more\n", omx_strerror(code));
    exit(1);
  }
}

static omx_endpoint_t open_at(uint32_t board, uint32_t index, const struct options *options) {
  omx_endpoint_param_t contexts;
  omx_endpoint_t endpoint;
  uint32_t count = 0;
  memset(&contexts, 0, sizeof(contexts));
  if (options && options->context_bits) {
    contexts.key = OMX_ENDPOINT_PARAM_CONTEXT_ID;
    contexts.val.context_id.bits = (uint8_t)options->context_bits;
    contexts.val.context_id.shift = (uint8_t)options->context_shift;
    count = 1;
  }
  OK(omx_open_endpoint(board, index, KEY, &contexts, count, &endpoint));
  return endpoint;
}

omx_endpoint_t open_one(const struct options *options) {
  return open_at(options->board, options->endpoint, options);
}

omx_endpoint_t open_any(uint32_t board) { return open_at(board, OMX_ANY_ENDPOINT, NULL); }

void own_address(omx_endpoint_t endpoint, uint64_t *nic, uint32_t *index) {
  omx_endpoint_addr_t own;
  OK(omx_get_endpoint_addr(endpoint, &own));
  OK(omx_decompose_endpoint_addr(own, nic, index));
}

uint64_t nic_of(const char *name) {
  char copy[OMX_HOSTNAMELEN_MAX];
  double start = seconds();
  uint64_t nic;
  snprintf(copy, sizeof(copy), "%s", name);
  while (omx_hostname_to_nic_id(copy, &nic) != OMX_SUCCESS) {
    if (seconds() - start > TIMEOUT / 1000) {
      fprintf(stderr, "no peer is called '%s'; omx_info lists those that are known\n", name);
      exit(1);
    }
    pause_ms(50);
  }
  return nic;
}

omx_endpoint_addr_t connect_to(omx_endpoint_t endpoint, uint64_t nic, uint32_t remote) {
  double start = seconds();
  omx_endpoint_addr_t to;
  omx_return_t code;
  while ((code = omx_connect(endpoint, nic, remote, KEY, 5000, &to)) != OMX_SUCCESS) {
    /* The other program may still be about to open its endpoint. */
    int early = code == OMX_REMOTE_ENDPOINT_CLOSED || code == OMX_TIMEOUT || code == OMX_NIC_ID_NOT_FOUND;
    if (!early || seconds() - start > TIMEOUT / 1000) {
      fprintf(stderr, "no connection to endpoint %u of %012llx: %s\n", remote, (unsigned long long)nic,
              omx_strerror(code));
      exit(1);
    }
    pause_ms(50);
  }
  return to;
}

omx_endpoint_addr_t connect_back(omx_endpoint_t endpoint, const struct options *options) {
  uint64_t nic;
  uint32_t index;
  if (options->way == BY_PEER) return connect_to(endpoint, nic_of(options->peer), options->remote);
  own_address(endpoint, &nic, &index);
  return connect_to(endpoint, nic, index);
}

omx_status_t finish(omx_endpoint_t endpoint, omx_request_t *request) {
  omx_status_t status;
  uint32_t done = 0;
  OK(omx_wait(endpoint, request, &status, &done, TIMEOUT));
  if (!done) {
    fprintf(stderr, "a request has not ended within %u s\n", TIMEOUT / 1000);
    exit(1);
  }
  CHECK(*request == NULL);
  return status;
}

omx_status_t succeed(omx_endpoint_t endpoint, omx_request_t *request) {
  omx_status_t status = finish(endpoint, request);
  called(__FILE__, __LINE__, "the status of a request", status.code);
  return status;
}

unsigned char pattern(size_t at, unsigned seed) {
  return (unsigned char)(at * 7 + (at >> 8) * 13 + (at >> 16) + seed * 37 + 1);
}

struct buffer buffer_new(size_t length, size_t offset) {
  struct buffer buffer;
  buffer.length = length;
  buffer.room = length + offset % PAGE + 2 * PAGE;
  buffer.memory = malloc(buffer.room);
  CHECK(buffer.memory != NULL);
  memset(buffer.memory, GUARD_BYTE, buffer.room);
  /* A page's begin with room for a guard before it, and the offset. */
  buffer.data = buffer.memory + GUARD;
  buffer.data += (PAGE - (uintptr_t)buffer.data % PAGE) % PAGE + offset % PAGE;
  CHECK(buffer.data + length + GUARD <= buffer.memory + buffer.room);
  return buffer;
}

void buffer_free(struct buffer *buffer) {
  free(buffer->memory);
  memset(buffer, 0, sizeof(*buffer));
}

void buffer_fill(struct buffer *buffer, unsigned seed) {
  size_t at;
  for (at = 0; at < buffer->length; at++) buffer->data[at] = pattern(at, seed);
}

void buffer_poison(struct buffer *buffer) { memset(buffer->data, POISON, buffer->length); }

static void wrong(const char *what, size_t at, int found, int expected) {
  fprintf(stderr, "%s, byte %zu: 0x%02x and not 0x%02x\n", what, at, found, expected);
  exit(1);
}

void buffer_check(const struct buffer *buffer, size_t length, unsigned seed) {
  size_t at;
  CHECK(length <= buffer->length);
  for (at = 0; at < length; at++)
    if (buffer->data[at] != pattern(at, seed)) wrong("a message", at, buffer->data[at], pattern(at, seed));
  for (; at < buffer->length; at++)
    if (buffer->data[at] != POISON) wrong("behind a message", at, buffer->data[at], POISON);
  for (at = 0; at < GUARD; at++) {
    if (buffer->data[buffer->length + at] != GUARD_BYTE)
      wrong("behind a buffer", at, buffer->data[buffer->length + at], GUARD_BYTE);
    if (buffer->data[-1 - (ptrdiff_t)at] != GUARD_BYTE)
      wrong("before a buffer", at + 1, buffer->data[-1 - (ptrdiff_t)at], GUARD_BYTE);
  }
}

void exchange(omx_endpoint_t endpoint, omx_endpoint_addr_t to, size_t length, unsigned seed) {
  struct buffer out = buffer_new(length, 3), in = buffer_new(length + 5, 9);
  omx_request_t send, receive;
  omx_status_t status;
  buffer_fill(&out, seed);
  buffer_poison(&in);
  OK(omx_irecv(endpoint, in.data, in.length, seed, EXACT, &in, &receive));
  OK(omx_isend(endpoint, out.data, length, to, seed, &out, &send));
  /* A send that has failed leaves nothing to receive. */
  CHECK(succeed(endpoint, &send).context == &out);
  status = succeed(endpoint, &receive);
  CHECK(status.match_info == seed && status.context == &in);
  CHECK(status.msg_length == length && status.xfer_length == length);
  buffer_check(&in, length, seed);
  verified(1, length);
  buffer_free(&out);
  buffer_free(&in);
}

void verified(unsigned long messages, unsigned long long bytes) {
  messages_verified += messages;
  bytes_verified += bytes;
}

unsigned long verified_messages(void) { return messages_verified; }
unsigned long long verified_bytes(void) { return bytes_verified; }

void tell(const struct options *options, const char *format, ...) {
  va_list rest;
  if (!options->verbose) return;
  va_start(rest, format);
  vprintf(format, rest);
  va_end(rest);
  putchar('\n');
  fflush(stdout);
}

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void pause_ms(long milliseconds) {
  struct timespec time;
  time.tv_sec = milliseconds / 1000;
  time.tv_nsec = milliseconds % 1000 * 1000000;
  while (nanosleep(&time, &time)) continue;
}
