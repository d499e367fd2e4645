/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages of all lengths and alignments, in one to three parts, expected or not, synchronous or not, several at a
 * time; or random ones for a time. */
#include <stdlib.h>

#include "suite_mx.h"

#define PARTS 3

struct message {
  size_t length;
  unsigned seed;
  int synchronous, late;
  struct buffer out, in;
  mx_request_t send, receive;
};

/* A small generator: the same numbers everywhere. */
static unsigned next(unsigned *state) {
  *state = *state * 1103515245U + 12345U;
  return *state >> 8;
}

/* Cuts memory into up to three parts. */
static uint32_t cut(mx_segment_t *parts, struct buffer *buffer, unsigned how) {
  uint32_t count = how % PARTS + 1, i;
  size_t at = 0;
  for (i = 0; i < count; i++) {
    size_t here = i + 1 == count ? buffer->length - at : buffer->length / (i + 2 + how % 5);
    parts[i].segment_ptr = buffer->data + at;
    parts[i].segment_length = (uint32_t)here;
    at += here;
  }
  return count;
}

static void receive(mx_endpoint_t endpoint, struct message *message) {
  mx_segment_t parts[PARTS];
  uint32_t count = cut(parts, &message->in, message->seed / 3);
  MX_OK(mx_irecv(endpoint, parts, count, message->seed, EXACT, message, &message->receive));
}

static void post(mx_endpoint_t endpoint, mx_endpoint_addr_t to, struct message *message, unsigned *state) {
  mx_segment_t parts[PARTS];
  uint32_t count;
  message->out = buffer_new(message->length, next(state));
  message->in = buffer_new(message->length, next(state));
  message->synchronous = next(state) % 4 == 0;
  message->late = next(state) % 4 == 0;
  buffer_fill(&message->out, message->seed);
  buffer_poison(&message->in);
  if (!message->late) receive(endpoint, message);
  count = cut(parts, &message->out, message->seed);
  if (message->synchronous)
    MX_OK(mx_issend(endpoint, parts, count, to, message->seed, message, &message->send));
  else
    MX_OK(mx_isend(endpoint, parts, count, to, message->seed, message, &message->send));
}

static void end(mx_endpoint_t endpoint, struct message *message) {
  mx_status_t status;
  uint32_t found = 0;
  if (message->late) {
    MX_OK(mx_probe(endpoint, TIMEOUT, message->seed, EXACT, &status, &found));
    CHECK(found && status.msg_length == message->length);
    receive(endpoint, message);
  }
  status = mx_succeed(endpoint, &message->receive);
  CHECK(status.context == message && status.xfer_length == message->length);
  CHECK(mx_succeed(endpoint, &message->send).context == message);
  buffer_check(&message->in, message->length, message->seed);
  verified(1, message->length);
  buffer_free(&message->in);
  buffer_free(&message->out);
}

static void run(const struct options *options) {
  struct message *messages = calloc((size_t)options->parallel, sizeof(*messages));
  unsigned state = 4711, seed = 1;
  mx_endpoint_addr_t to;
  mx_endpoint_t endpoint;
  double start;
  long length = options->first, i;
  CHECK(messages && options->parallel > 0 && options->step > 0 && options->end >= options->first);
  mx_begin(options);
  endpoint = mx_open_one(options);
  to = mx_connect_back(endpoint, options);
  start = seconds();
  while (options->threads ? seconds() - start < (double)options->threads : length <= options->end) {
    for (i = 0; i < options->parallel; i++, seed++) {
      messages[i].seed = seed;
      messages[i].length = (size_t)length;
      if (options->threads)
        messages[i].length = (size_t)options->first + next(&state) % (size_t)(options->end - options->first + 1);
      post(endpoint, to, &messages[i], &state);
    }
    for (i = 0; i < options->parallel; i++) end(endpoint, &messages[i]);
    length += options->step;
  }
  free(messages);
  MX_OK(mx_close_endpoint(endpoint));
  MX_OK(mx_finalize());
}

const struct program message_loop = {
    "message_loop",
    "messages of all lengths and alignments between guards; with -t random ones for so many seconds (MX interface)",
    "bedrsSPFEIt",
    {.endpoint = MX_ANY_ENDPOINT, .length = -1, .parallel = 4, .end = 100000, .step = 97},
    run,
};
