/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Sends and receives of two sides, told apart by a bit of their match info, are waited for in any order. */
#include "suite_mx.h"

#define MESSAGES 4

static const size_t lengths[MESSAGES] = {0, 64, 4096, 131072};

/* One side: it sends with its bit, and receives with the other one's. */
struct side {
  mx_endpoint_t endpoint;
  mx_endpoint_addr_t to;
  uint64_t sends, receives;
  struct buffer out[MESSAGES], in[MESSAGES];
  unsigned sent, received; /* a bit for each message */
};

static void post(struct side *side, unsigned seed) {
  unsigned i;
  side->sent = side->received = 0;
  for (i = 0; i < MESSAGES; i++) {
    mx_segment_t in, out;
    mx_request_t request;
    side->out[i] = buffer_new(lengths[i], i);
    side->in[i] = buffer_new(lengths[i], i);
    buffer_fill(&side->out[i], seed + i);
    buffer_poison(&side->in[i]);
    in.segment_ptr = side->in[i].data;
    out.segment_ptr = side->out[i].data;
    in.segment_length = out.segment_length = (uint32_t)lengths[i];
    MX_OK(mx_irecv(side->endpoint, &in, 1, side->receives | i, EXACT, &side->in[i], &request));
    MX_OK(mx_isend(side->endpoint, &out, 1, side->to, side->sends | i, &side->out[i], &request));
  }
}

/* Waits for one request of a kind, for a short time. */
static void take(struct side *side, uint64_t kind, unsigned *taken, struct buffer *buffers) {
  mx_status_t status;
  uint32_t done;
  unsigned i;
  if (*taken == (1U << MESSAGES) - 1) return;
  MX_OK(mx_wait_any(side->endpoint, 2, kind & SIDE, SIDE, &status, &done));
  if (!done) return;
  i = (unsigned)(status.match_info & 0xff);
  CHECK(status.code == MX_STATUS_SUCCESS && i < MESSAGES && status.match_info == (kind | i));
  CHECK(!(*taken & 1U << i) && status.context == &buffers[i] && status.xfer_length == lengths[i]);
  *taken |= 1U << i;
}

static int all_taken(const struct side *side) {
  unsigned all = (1U << MESSAGES) - 1;
  return side->sent == all && side->received == all;
}

static void check(struct side *side, unsigned seed) {
  unsigned i;
  for (i = 0; i < MESSAGES; i++) {
    buffer_check(&side->in[i], lengths[i], seed + i);
    verified(1, lengths[i]);
    buffer_free(&side->in[i]);
    buffer_free(&side->out[i]);
  }
}

/* Two endpoints of this process become each other's sides. */
static void connect_sides(struct side *sides) {
  int i;
  for (i = 0; i < 2; i++) {
    mx_request_t request;
    mx_status_t status;
    uint64_t nic;
    uint32_t index, done = 0;
    mx_own_address(sides[1 - i].endpoint, &nic, &index);
    MX_OK(mx_iconnect(sides[i].endpoint, nic, index, KEY, 0, NULL, &request));
    while (!done) {
      MX_OK(mx_progress(sides[1 - i].endpoint));
      MX_OK(mx_test(sides[i].endpoint, &request, &status, &done));
    }
    CHECK(status.code == MX_STATUS_SUCCESS);
    sides[i].to = status.source;
  }
}

static void run(const struct options *options) {
  struct side sides[2];
  int count = options->way == BY_PEER ? 1 : 2, i;
  unsigned seed = 1;
  long turn;
  mx_begin(options);
  for (i = 0; i < count; i++) {
    sides[i].endpoint = i ? mx_open_any(options->board) : mx_open_one(options);
    sides[i].sends = OTHER_SIDE | (i ? SIDE : 0);
    sides[i].receives = sides[i].sends ^ SIDE;
  }
  if (count == 1)
    sides[0].to = mx_connect_back(sides[0].endpoint, options);
  else
    connect_sides(sides);
  for (turn = 0; turn < options->count; turn++, seed += 100) {
    double start = seconds();
    for (i = 0; i < count; i++) post(&sides[i], seed + (unsigned)i * 10);
    while (!all_taken(&sides[0]) || (count == 2 && !all_taken(&sides[1]))) {
      for (i = 0; i < count; i++) {
        take(&sides[i], sides[i].receives, &sides[i].received, sides[i].in);
        take(&sides[i], sides[i].sends, &sides[i].sent, sides[i].out);
      }
      CHECK(seconds() - start < TIMEOUT / 1000);
    }
    /* What arrived is what the other side filled in; the peer sends back one's own. */
    for (i = 0; i < count; i++) check(&sides[i], seed + (count == 2 ? (unsigned)(1 - i) * 10 : 0));
  }
  for (i = 0; i < count; i++) MX_OK(mx_close_endpoint(sides[i].endpoint));
  MX_OK(mx_finalize());
}

const struct program wait_any = {
    "wait_any",
    "4 sends and 4 receives of 0, 64, 4096 and 131072 bytes at both sides, waited for in any order (MX interface)",
    "bedrsN",
    {.endpoint = MX_ANY_ENDPOINT, .length = -1, .count = 20},
    run,
};
