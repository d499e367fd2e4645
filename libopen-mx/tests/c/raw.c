/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The raw endpoints of boards 0 and 1 of a node exchange RAW frames. Exit status 0 when all was right. */
#define _POSIX_C_SOURCE 200112L
#include <mx_raw.h>
#include <omx_raw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                      \
  do {                                                                   \
    if (!(what)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)
#define OK(call) CHECK((int)(call) == 0)

static mx_raw_endpoint_t left, right;

static void put_address(unsigned char *place, uint64_t nic) {
  int i;
  for (i = 0; i < 6; i++) place[i] = (unsigned char)(nic >> (40 - 8 * i));
}

/* Sends a frame from the left to the right board and hears of both ends; beacons of the boards come in between. */
static void exchange(uint64_t from, uint64_t to, uint32_t length) {
  unsigned char frame[1024], heard[1024];
  uint32_t i, port = 7, bytes;
  mx_raw_status_t status = MX_RAW_NO_EVENT;
  void *context = NULL;
  struct pollfd ready;

  for (i = 0; i < length; i++) frame[i] = (unsigned char)(i | 0x80);
  put_address(frame, to);
  put_address(frame + 6, from);
  memcpy(frame + 12, "\x86\xdf\0\0\1", 5);
  OK(mx_raw_send(left, 0, NULL, 0, frame, length, &left));
  ready.fd = mx_raw_handle(left);
  ready.events = POLLIN;
  CHECK(poll(&ready, 1, 5000) == 1);
  while (status != MX_RAW_SEND_COMPLETE) {
    bytes = sizeof heard;
    OK(mx_raw_next_event(left, &port, &context, heard, &bytes, 5000, &status));
    CHECK(status != MX_RAW_NO_EVENT);
  }
  CHECK(context == &left && port == 0);
  do {
    ready.fd = mx_raw_handle(right);
    CHECK(poll(&ready, 1, 5000) == 1);
    bytes = sizeof heard;
    OK(mx_raw_next_event(right, &port, &context, heard, &bytes, 5000, &status));
    CHECK(status == MX_RAW_RECV_COMPLETE);
  } while (bytes != length || memcmp(heard, frame, length) != 0);
}

/* The native calls: an event for a frame that was sent only if one is needed, and only when it is asked for. */
static void sent_events(uint64_t from, uint64_t to) {
  unsigned char frame[64] = {0}, heard[1024];
  omx_raw_endpoint_t raw;
  omx_raw_status_t status;
  uint32_t bytes, port = 7;
  void *context;
  put_address(frame, to);
  put_address(frame + 6, from);
  memcpy(frame + 12, "\x86\xdf\0\0\1", 5);
  OK(omx_raw_open_endpoint(0, NULL, 0, &raw));
  OK(omx__raw_send(raw, frame, sizeof frame, 0, &status));
  OK(omx__raw_send(raw, frame, sizeof frame, 1, &bytes));
  OK(omx__raw_send(raw, frame, sizeof frame, 0, NULL));
  do {
    bytes = sizeof heard;
    OK(omx__raw_next_event(raw, NULL, NULL, heard, &bytes, 20, &status, 0));
    CHECK(status != OMX_RAW_SEND_COMPLETE);
  } while (status != OMX_RAW_NO_EVENT);
  OK(omx__raw_next_event(raw, &port, &context, heard, &bytes, 5000, &status, 1));
  CHECK(status == OMX_RAW_SEND_COMPLETE && context == &bytes && port == 0);
  do {
    bytes = sizeof heard;
    OK(omx__raw_next_event(raw, NULL, &context, heard, &bytes, 0, &status, 1));
    CHECK(status != OMX_RAW_SEND_COMPLETE);
  } while (status != OMX_RAW_NO_EVENT);
  OK(omx_raw_close_endpoint(raw));
}

int main(void) {
  uint64_t nics[2], peer = 0x020000001234;
  uint32_t ports;
  char name[MX_MAX_HOSTNAME_LEN];
  mx_line_speed_t speed;
  mx_raw_endpoint_t again;
  unsigned char long_frame[1025] = {0};

  OK(mx_init());
  mx_set_error_handler(MX_ERRORS_RETURN);
  OK(mx_raw_open_endpoint(0, NULL, 0, &left));
  OK(mx_raw_open_endpoint(1, NULL, 0, &right));
  CHECK(mx_raw_open_endpoint(0, NULL, 0, &again) == MX_BUSY);
  CHECK(mx_raw_open_endpoint(9, NULL, 0, &again) == MX_BOARD_UNKNOWN);
  OK(mx_board_number_to_nic_id(0, &nics[0]));
  OK(mx_board_number_to_nic_id(1, &nics[1]));
  exchange(nics[0], nics[1], 64);
  exchange(nics[0], 0xffffffffffff, 1024);
  CHECK(mx_raw_send(left, 0, NULL, 0, long_frame, sizeof long_frame, NULL) == MX_BAD_BAD_BAD);

  OK(mx_raw_num_ports(left, &ports));
  CHECK(ports == 1);
  OK(mx_raw_line_speed(left, &speed));
  CHECK(speed == MX_SPEED_10G);
  OK(mx_raw_set_route_begin(left));
  OK(mx_raw_set_route(left, peer, NULL, 0, 0, 0, 0));
  OK(mx_raw_set_route_mag(left, peer, NULL, 0, 0, 0, 0, 1));
  OK(mx_raw_set_route_end(left));
  OK(mx_nic_id_to_hostname(peer, name));
  CHECK(name[0] == '\0');
  OK(mx_raw_set_peer_name(left, peer, (char *)"somebody:3"));
  OK(mx_nic_id_to_hostname(peer, name));
  CHECK(strcmp(name, "somebody:3") == 0);
  OK(mx_raw_set_hostname(left, (char *)"renamed:0"));
  OK(mx_nic_id_to_hostname(nics[0], name));
  CHECK(strcmp(name, "renamed:0") == 0);
  OK(mx_raw_clear_routes(left, peer, 0));
  OK(mx_raw_set_map_version(left, 0, nics[0], 1, 3, 1));
  OK(mx_raw_set_nic_reply_info(left, NULL, 0));

  OK(mx_raw_close_endpoint(left));
  CHECK(mx_raw_close_endpoint(left) == MX_BAD_ENDPOINT);
  CHECK(mx_raw_handle(left) == -1);
  sent_events(nics[0], nics[1]);
  OK(mx_raw_close_endpoint(right));
  OK(mx_finalize());
  return 0;
}
