/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two programs greet each other through MX.
 *
 *   cc -o hello hello.c $(pkg-config --cflags --libs myriexpress)
 *
 *   hello                 on one node: waits for a greeting and answers it
 *   hello node1:0         on another: greets the program on that node (omx_info lists the names)
 *
 * Every call that fails says why and ends the program: that is MX's first error handler. */
#include <myriexpress.h>
#include <stdio.h>
#include <string.h>

#define ENDPOINT 3
#define KEY 0x68656c6c
#define GREETING 1
#define ANSWER 2

/* Waits until a request is done. */
static mx_status_t finish(mx_endpoint_t endpoint, mx_request_t request) {
  mx_status_t status;
  uint32_t done;
  mx_wait(endpoint, &request, MX_INFINITE, &status, &done);
  return status;
}

static void send_text(mx_endpoint_t endpoint, mx_endpoint_addr_t to, uint64_t match, char *text) {
  mx_segment_t segment = {text, (uint32_t)strlen(text) + 1};
  mx_request_t request;
  /* Synchronous: done when the other side has it, so that this program may end. */
  mx_issend(endpoint, &segment, 1, to, match, NULL, &request);
  finish(endpoint, request);
}

static mx_status_t receive_text(mx_endpoint_t endpoint, uint64_t match, char *text, uint32_t size) {
  mx_segment_t segment = {text, size - 1};
  mx_request_t request;
  mx_status_t status;
  mx_irecv(endpoint, &segment, 1, match, MX_MATCH_MASK_NONE, NULL, &request);
  status = finish(endpoint, request);
  text[status.xfer_length] = '\0';
  return status;
}

/* Connects to the program on the node of that address. */
static mx_endpoint_addr_t connect_to(mx_endpoint_t endpoint, uint64_t nic) {
  mx_endpoint_addr_t address;
  mx_connect(endpoint, nic, ENDPOINT, KEY, 10000, &address);
  return address;
}

int main(int argc, char **argv) {
  mx_endpoint_t endpoint;
  char own[MX_MAX_HOSTNAME_LEN], text[256], heard[256];
  uint64_t nic;

  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fprintf(stderr, "usage: hello [NODE]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  mx_init();
  mx_board_number_to_nic_id(0, &nic);
  mx_nic_id_to_hostname(nic, own);
  mx_open_endpoint(0, ENDPOINT, KEY, NULL, 0, &endpoint);

  if (argc == 2) {
    mx_endpoint_addr_t there;
    mx_hostname_to_nic_id(argv[1], &nic);
    there = connect_to(endpoint, nic);
    sprintf(text, "hello from %s", own);
    send_text(endpoint, there, GREETING, text);
    receive_text(endpoint, ANSWER, heard, sizeof heard);
  } else {
    mx_status_t status;
    uint32_t number;
    printf("%s waits for a greeting\n", own);
    status = receive_text(endpoint, GREETING, heard, sizeof heard);
    mx_decompose_endpoint_addr(status.source, &nic, &number);
    sprintf(text, "hello yourself, from %s", own);
    send_text(endpoint, connect_to(endpoint, nic), ANSWER, text);
  }
  printf("%s heard: %s\n", own, heard);

  mx_close_endpoint(endpoint);
  mx_finalize();
  return 0;
}
