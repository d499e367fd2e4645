/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* info KEY: the row of that name in the table of omx_get_info's keys: its number, what it answers by endpoint and by
 * board, and that a buffer of one byte less is refused for numbers, and gets the first part of a text. */
#include "pair.h"

static const uint8_t board_of_right = 1;

/* The value of a key by the endpoint on the right, and by that endpoint's board. */
static void both_ways(omx_info_key_t key, void *by_endpoint, void *by_board, uint32_t length) {
  OK(omx_get_info(right, key, NULL, 0, by_endpoint, length));
  OK(omx_get_info(NULL, key, &board_of_right, 1, by_board, length));
  CHECK(memcmp(by_endpoint, by_board, length) == 0);
}

static uint32_t word(omx_info_key_t key) {
  uint32_t by_endpoint = 0, by_board = 1;
  both_ways(key, &by_endpoint, &by_board, 4);
  CHECK(omx_get_info(right, key, NULL, 0, &by_endpoint, 3) == OMX_BAD_INFO_LENGTH);
  return by_endpoint;
}

/* A text in a buffer of that length: what it has room for, zeros, and nothing beyond. */
static void text_in(omx_info_key_t key, const void *in, uint32_t in_length, const char *expected,
                    uint32_t room) {
  char text[128];
  size_t length = strlen(expected) < room ? strlen(expected) : room - 1, i;
  memset(text, '?', sizeof(text));
  OK(omx_get_info(in == NULL ? right : NULL, key, in, in_length, text, room));
  CHECK(memcmp(text, expected, length) == 0);
  for (i = length; i < room; i++) CHECK(text[i] == 0);
  CHECK(text[room] == '?');
}

/* A text, in buffers of all kinds. */
static void string(omx_info_key_t key, const void *in, uint32_t in_length, const char *expected) {
  uint32_t length = (uint32_t)strlen(expected) + 1;
  char none;
  text_in(key, in, in_length, expected, 100);
  text_in(key, in, in_length, expected, length);
  text_in(key, in, in_length, expected, length - 1);
  text_in(key, in, in_length, expected, 8);
  text_in(key, in, in_length, expected, 1);
  CHECK(omx_get_info(in == NULL ? right : NULL, key, in, in_length, &none, 0) ==
        OMX_BAD_INFO_LENGTH);
}

static void board_max(void) { CHECK(word(OMX_INFO_BOARD_MAX) == 32); }

static void endpoint_max(void) {
  omx_endpoint_t beyond;
  uint32_t most = word(OMX_INFO_ENDPOINT_MAX);
  CHECK(most > right_id && most <= 256);
  CHECK(omx_open_endpoint(1, most, KEY, NULL, 0, &beyond) == OMX_BAD_ENDPOINT);
}

static void board_count(void) { CHECK(word(OMX_INFO_BOARD_COUNT) == 2); }

static void board_ids(void) {
  uint64_t ids[3] = {1, 1, 1};
  OK(omx_get_info(NULL, OMX_INFO_BOARD_IDS, NULL, 0, ids, sizeof(ids)));
  CHECK(ids[0] == left_nic && ids[1] == right_nic && ids[2] == 0);
  CHECK(omx_get_info(NULL, OMX_INFO_BOARD_IDS, NULL, 0, ids, 16) == OMX_BAD_INFO_LENGTH);
}

static void board_hostname(void) {
  string(OMX_INFO_BOARD_HOSTNAME, NULL, 0, "right:0");
  string(OMX_INFO_BOARD_HOSTNAME, &board_of_right, 1, "right:0");
}

static void board_ifacename(void) {
  char by_endpoint[16], by_board[16];
  memset(by_endpoint, 1, sizeof(by_endpoint));
  memset(by_board, 1, sizeof(by_board));
  both_ways(OMX_INFO_BOARD_IFACENAME, by_endpoint, by_board, sizeof(by_board));
  CHECK(memchr(by_endpoint, 0, sizeof(by_endpoint)) != NULL);
}

static void board_numa_node(void) { CHECK(word(OMX_INFO_BOARD_NUMA_NODE) == 0xffffffff); }

static void counter_max(void) { CHECK(word(OMX_INFO_COUNTER_MAX) == 85); }

static void counter_values(void) {
  /* The two boards are of one host. */
  enum { SHARED_TINY = 72 };
  uint32_t before[85], after[85], board = 0;
  char byte = 0;
  /* Others use the boards, too: the counters stand still between two looks, sooner or later. */
  do {
    OK(omx_get_info(left, OMX_INFO_COUNTER_VALUES, NULL, 0, before, sizeof(before)));
    OK(omx_get_info(NULL, OMX_INFO_COUNTER_VALUES, &board, 1, after, sizeof(after)));
  } while (memcmp(before, after, sizeof(after)) != 0);
  OK(omx_isend(left, &byte, 1, to_right, 0, NULL, NULL));
  do {
    OK(omx_progress(right));
    OK(omx_get_info(left, OMX_INFO_COUNTER_VALUES, NULL, 0, after, sizeof(after)));
  } while (after[SHARED_TINY] == before[SHARED_TINY]);
  CHECK(omx_get_info(right, OMX_INFO_COUNTER_VALUES, NULL, 0, after, sizeof(after) - 1) ==
        OMX_BAD_INFO_LENGTH);
}

static void counter_label(void) {
  static const uint8_t first = 0, last = 84, none = 85;
  char text[64];
  string(OMX_INFO_COUNTER_LABEL, &first, 1, "Send Tiny");
  string(OMX_INFO_COUNTER_LABEL, &last, 1, "DMA Shared Large only Partial");
  CHECK(omx_get_info(NULL, OMX_INFO_COUNTER_LABEL, &none, 1, text, sizeof(text)) ==
        OMX_BAD_INFO_ADDRESS);
}

static const struct row {
  const char *name;
  omx_info_key_t key;
  int number;
  void (*check)(void);
} rows[] = {
#define ROW(name, number, check) {#name, OMX_INFO_##name, number, check}
    ROW(BOARD_MAX, 0, board_max),
    ROW(ENDPOINT_MAX, 1, endpoint_max),
    ROW(BOARD_COUNT, 2, board_count),
    ROW(BOARD_IDS, 3, board_ids),
    ROW(BOARD_HOSTNAME, 4, board_hostname),
    ROW(BOARD_IFACENAME, 5, board_ifacename),
    ROW(BOARD_NUMA_NODE, 6, board_numa_node),
    ROW(COUNTER_MAX, 7, counter_max),
    ROW(COUNTER_VALUES, 8, counter_values),
    ROW(COUNTER_LABEL, 9, counter_label),
};

int main(int count, char **arguments) {
  size_t i;
  CHECK(count == 2);
  open_pair();
  for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    if (strcmp(rows[i].name, arguments[1]) != 0) continue;
    CHECK((int)rows[i].key == rows[i].number);
    rows[i].check();
    return 0;
  }
  fprintf(stderr, "there is no row %s\n", arguments[1]);
  return 1;
}
