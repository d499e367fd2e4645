/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages in parts: every number of parts from 1 to 10 at both ends, cut at varying places; parts and what lies
 * between them are checked. */
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define GAP 17
#define PARTS 10

/* A message in parts, with gaps between them. */
struct parts {
  struct buffer memory;
  omx_seg_t segments[OMX_MAX_SEGMENTS];
  uint32_t count;
  size_t length;
};

/* Cuts `length` bytes into `count` parts at places that `seed` varies; the first part may be empty. */
static struct parts cut(size_t length, uint32_t count, unsigned seed) {
  struct parts parts;
  size_t at = 0, left = length;
  uint32_t i;
  parts.memory = buffer_new(length + (size_t)GAP * count, seed % 64);
  parts.count = count;
  parts.length = length;
  buffer_poison(&parts.memory);
  for (i = 0; i < count; i++) {
    size_t here = i + 1 == count ? left : left * ((seed * 7 + i * 3) % 8) / 8;
    parts.segments[i].ptr = parts.memory.data + at;
    parts.segments[i].len = (uint32_t)here;
    at += here + GAP;
    left -= here;
  }
  return parts;
}

static void fill(struct parts *parts, unsigned seed) {
  size_t at = 0, byte;
  uint32_t i;
  for (i = 0; i < parts->count; i++)
    for (byte = 0; byte < parts->segments[i].len; byte++, at++)
      ((unsigned char *)parts->segments[i].ptr)[byte] = pattern(at, seed);
}

/* The first `length` bytes are the message, the rest of the parts and all gaps are untouched. */
static void check(const struct parts *parts, size_t length, unsigned seed) {
  size_t at = 0, byte;
  uint32_t i;
  for (i = 0; i < parts->count; i++) {
    const unsigned char *part = parts->segments[i].ptr;
    for (byte = 0; byte < parts->segments[i].len; byte++, at++)
      CHECK(part[byte] == (at < length ? pattern(at, seed) : POISON));
    for (byte = 0; byte < GAP; byte++) CHECK(part[parts->segments[i].len + byte] == POISON);
  }
}

static void pass(omx_endpoint_t endpoint, omx_endpoint_addr_t to, struct parts *out, struct parts *in, unsigned seed) {
  omx_request_t send, receive;
  omx_status_t status;
  fill(out, seed);
  OK(omx_irecvv(endpoint, in->segments, in->count, seed, EXACT, in, &receive));
  if (seed % 2)
    OK(omx_isendv(endpoint, out->segments, out->count, to, seed, out, &send));
  else
    OK(omx_issendv(endpoint, out->segments, out->count, to, seed, out, &send));
  status = succeed(endpoint, &receive);
  CHECK(status.msg_length == out->length && status.xfer_length == out->length);
  succeed(endpoint, &send);
  check(in, out->length, seed);
  verified(1, out->length);
  buffer_free(&out->memory);
  buffer_free(&in->memory);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {27, 120, 5000, 31000, 200000};
  omx_endpoint_addr_t to;
  omx_endpoint_t endpoint;
  omx_seg_t too_many[OMX_MAX_SEGMENTS + 1];
  struct parts out, in;
  omx_request_t request;
  unsigned seed = 1;
  uint32_t sent, received;
  begin(options);
  endpoint = open_one(options);
  to = connect_back(endpoint, options);
  for (sent = 1; sent <= PARTS; sent++)
    for (received = 1; received <= PARTS; received++, seed++) {
      size_t length = lengths[seed % (sizeof(lengths) / sizeof(lengths[0]))];
      out = cut(length, sent, seed);
      /* Every other receive has room for more. */
      in = cut(length + (seed % 2 ? 100 : 0), received, seed + 3);
      pass(endpoint, to, &out, &in, seed);
    }
  tell(options, "1 to %d parts into 1 to %d", PARTS, PARTS);
  out = cut(4 << 20, PARTS, seed);
  in = cut(4 << 20, PARTS, seed + 1);
  pass(endpoint, to, &out, &in, seed++);
  tell(options, "4 MiB in %d parts", PARTS);
  out = cut(100000, OMX_MAX_SEGMENTS, seed);
  in = cut(100000, OMX_MAX_SEGMENTS, seed + 5);
  pass(endpoint, to, &out, &in, seed++);
  tell(options, "%d parts", OMX_MAX_SEGMENTS);
  /* No part at all is an empty message; more than the limit are refused. */
  memset(too_many, 0, sizeof(too_many));
  OK(omx_irecvv(endpoint, NULL, 0, seed, EXACT, NULL, &request));
  OK(omx_isendv(endpoint, NULL, 0, to, seed, NULL, NULL));
  CHECK(succeed(endpoint, &request).msg_length == 0);
  verified(1, 0);
  CHECK(omx_isendv(endpoint, too_many, OMX_MAX_SEGMENTS + 1, to, 0, NULL, NULL) == OMX_SEGMENTS_BAD_COUNT);
  CHECK(omx_irecvv(endpoint, too_many, OMX_MAX_SEGMENTS + 1, 0, 0, NULL, &request) == OMX_SEGMENTS_BAD_COUNT);
  OK(omx_close_endpoint(endpoint));
  OK(omx_finalize());
}

const struct program vectors = {
    "vectors",
    "messages in 1 to 10 parts into 1 to 10 parts, 4 MiB, and 256 parts; what lies between them stays as it was",
    "bedrsS",
    {.endpoint = OMX_ANY_ENDPOINT, .length = -1},
    run,
};
