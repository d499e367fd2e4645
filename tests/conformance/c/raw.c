/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* RAW frames of all lengths go to another board's raw endpoint and come back from it; frames that name another sender
 * do not get there. Nothing is sent again by itself: what is lost is asked for anew. */
#define _POSIX_C_SOURCE 200809L
#include <omx_raw.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* Two addresses, EtherType, index of the sender, type, and what tells these frames from those of others. */
#define HEADER 17
#define MARK (HEADER + 4)
/* Frames shorter than that are padded on their way. */
#define SHORTEST 60
#define TRIES 10
#define TRY_MS 1000

enum kind { QUESTION = 0xf1, ANSWER = 0xf2, END = 0xf3 };

struct raw {
  omx_raw_endpoint_t endpoint;
  uint64_t nic;
};

static void put_address(unsigned char *place, uint64_t nic) {
  int i;
  for (i = 0; i < 6; i++) place[i] = (unsigned char)(nic >> (40 - 8 * i));
}

static uint64_t address(const unsigned char *place) {
  uint64_t nic = 0;
  int i;
  for (i = 0; i < 6; i++) nic = nic << 8 | place[i];
  return nic;
}

/* A frame whose content no board takes for a beacon. */
static void build(unsigned char *frame, size_t length, uint64_t to, uint64_t from, enum kind kind, unsigned number) {
  size_t i;
  put_address(frame, to);
  put_address(frame + 6, from);
  memcpy(frame + 12, "\x86\xdf\0\0\1", 5);
  frame[HEADER] = 'c';
  frame[HEADER + 1] = (unsigned char)kind;
  frame[HEADER + 2] = (unsigned char)(number >> 8);
  frame[HEADER + 3] = (unsigned char)number;
  for (i = MARK; i < length; i++) frame[i] = (unsigned char)(pattern(i, number) | 0x80);
}

/* Hands a frame over and hears of that; the frames that come in between are lost. */
static void send_frame(struct raw *raw, const unsigned char *frame, size_t length) {
  unsigned char heard[OMX_RAW_FRAME_MAX];
  omx_raw_status_t status = OMX_RAW_NO_EVENT;
  void *context = NULL;
  uint32_t port = 1;
  OK(omx__raw_send(raw->endpoint, frame, (uint32_t)length, 1, raw));
  while (status != OMX_RAW_SEND_COMPLETE) {
    uint32_t room = sizeof(heard);
    OK(omx__raw_next_event(raw->endpoint, &port, &context, heard, &room, TIMEOUT, &status, 1));
    CHECK(status != OMX_RAW_NO_EVENT);
  }
  CHECK(context == raw && port == 0);
}

/* The next frame of the suite that is for this board; its length, or 0 when none comes in time. */
static uint32_t next_frame(struct raw *raw, unsigned char *frame, uint32_t milliseconds) {
  double start = seconds();
  while ((seconds() - start) * 1000 <= milliseconds) {
    uint32_t length = OMX_RAW_FRAME_MAX;
    omx_raw_status_t status;
    struct pollfd ready;
    ready.fd = omx_raw_handle(raw->endpoint);
    ready.events = POLLIN;
    if (poll(&ready, 1, (int)milliseconds) == 0) return 0;
    OK(omx__raw_next_event(raw->endpoint, NULL, NULL, frame, &length, 0, &status, 0));
    if (status == OMX_RAW_RECV_COMPLETE && length > MARK && frame[HEADER] == 'c' && address(frame) == raw->nic)
      return length;
  }
  return 0;
}

static struct raw open_raw(uint32_t board) {
  struct raw raw;
  omx_raw_endpoint_t again;
  OK(omx_board_number_to_nic_id(board, &raw.nic));
  OK(omx_raw_open_endpoint(board, NULL, 0, &raw.endpoint));
  CHECK(omx_raw_open_endpoint(board, NULL, 0, &again) == OMX_BUSY);
  return raw;
}

/* Sends one question back; whether the end was asked for. */
static int answer(struct raw *raw, uint32_t milliseconds) {
  unsigned char frame[OMX_RAW_FRAME_MAX];
  uint32_t length = next_frame(raw, frame, milliseconds);
  if (!length) return 0;
  if (frame[HEADER + 1] == END) return 1;
  CHECK(frame[HEADER + 1] == QUESTION);
  memcpy(frame, frame + 6, 6);
  put_address(frame + 6, raw->nic);
  frame[HEADER + 1] = ANSWER;
  send_frame(raw, frame, length);
  return 0;
}

/* A question and its answer, whole. */
static void ask(struct raw *raw, uint64_t to, struct raw *other, size_t length, unsigned number) {
  unsigned char frame[OMX_RAW_FRAME_MAX], expected[OMX_RAW_FRAME_MAX], heard[OMX_RAW_FRAME_MAX];
  int try;
  build(frame, length, to, raw->nic, QUESTION, number);
  build(expected, length, raw->nic, to, ANSWER, number);
  for (try = 0; try < TRIES; try++) {
    uint32_t got;
    send_frame(raw, frame, length);
    if (other) CHECK(!answer(other, TRY_MS));
    while ((got = next_frame(raw, heard, TRY_MS)) != 0) {
      /* An answer to an earlier try. */
      if (memcmp(heard + HEADER, expected + HEADER, 4)) continue;
      CHECK(got >= length && (got == length || length < SHORTEST));
      CHECK(!memcmp(heard, expected, length));
      verified(2, 2 * (unsigned long long)length);
      return;
    }
  }
  CHECK(!"answered after many tries");
}

/* Frames that a board must not send: they are dropped, and the next honest one is answered. */
static void forge(struct raw *raw, uint64_t to, unsigned number) {
  unsigned char frame[OMX_RAW_FRAME_MAX];
  build(frame, 100, to, to ^ 2, QUESTION, number);
  send_frame(raw, frame, 100);
  build(frame, 100, to, raw->nic, QUESTION, number);
  frame[16] = 0x11;
  send_frame(raw, frame, 100);
  CHECK(omx__raw_send(raw->endpoint, frame, OMX_RAW_FRAME_MAX + 1, 1, NULL) == OMX_BAD_ERROR);
}

static void run(const struct options *options) {
  static const size_t lengths[] = {MARK + 1, SHORTEST, 64, 65, 333, 1000, OMX_RAW_FRAME_MAX};
  struct raw raw, second, *other = NULL;
  unsigned char frame[OMX_RAW_FRAME_MAX];
  unsigned number = 0;
  uint64_t to;
  long turn;
  size_t i;
  begin(options);
  raw = open_raw(options->board);
  if (options->way == BY_PEER) {
    to = nic_of(options->peer);
  } else {
    second = open_raw(options->board + 1);
    other = &second;
    to = second.nic;
  }
  for (turn = 0; turn < options->count; turn++) {
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
      forge(&raw, to, number);
      ask(&raw, to, other, lengths[i], number);
      tell(options, "%zu bytes went there and came back", lengths[i]);
      number++;
    }
  }
  if (other) {
    OK(omx_raw_close_endpoint(other->endpoint));
  } else {
    /* Several, since one may be lost. */
    for (i = 0; i < 3; i++) {
      build(frame, 64, to, raw.nic, END, number);
      send_frame(&raw, frame, 64);
    }
  }
  OK(omx_raw_close_endpoint(raw.endpoint));
  OK(omx_finalize());
}

static void run_peer(const struct options *options) {
  struct raw raw;
  begin(options);
  raw = open_raw(options->board);
  while (!answer(&raw, TIMEOUT)) continue;
  OK(omx_raw_close_endpoint(raw.endpoint));
  OK(omx_finalize());
}

const struct program raw = {
    "raw",
    "RAW frames to another board's raw endpoint and back: to the next board here, or to a node that runs "
    "`conformance raw_peer`, which ends then",
    "bdN",
    {.count = 3},
    run,
};

const struct program raw_peer = {
    "raw_peer", "sends the frames of `raw` on another node back, until that has ended", "b", {.count = 0}, run_peer,
};
