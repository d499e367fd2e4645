/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Runs a program of the suite, or lists them. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static const struct program *const programs[] = {
    &loopback,        &vectors, &unexpected, &unexpected_handler, &truncated,        &cancel, &wait_any,
    &wakeup,          &address_context, &rails, &rails_waiting, &many, &threads_endpoints,  &threads_wait_any, &cache,
    &message_loop,    &wrong_pointers,  &orphans, &raw,
};
#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

static const struct {
  char letter;
  const char *argument, *what;
} letters[] = {
    {'b', "n", "board"},
    {'e', "n", "endpoint"},
    {'d', "name", "a node that runs `conformance peer`: messages go there and come back"},
    {'r', "n", "endpoint of that node"},
    {'s', NULL, "messages may take the short way between endpoints of one node"},
    {'S', NULL, "messages to oneself stay within the library"},
    {'l', "n", "length"},
    {'N', "n", "how often"},
    {'P', "n", "messages at a time"},
    {'t', "n", "threads, or seconds where time limits the program"},
    {'p', "n", "processes"},
    {'R', "n", "rails: endpoints in parallel"},
    {'F', "n", "first length"},
    {'E', "n", "last length"},
    {'I', "n", "increment of the length"},
    {'c', "bits,shift", "context ids"},
};
#define LETTERS (sizeof(letters) / sizeof(letters[0]))

static long value_of(const struct options *options, char letter) {
  switch (letter) {
    case 'b': return options->board;
    case 'e': return options->endpoint == OMX_ANY_ENDPOINT ? -1 : (long)options->endpoint;
    case 'r': return (long)peer.defaults.endpoint;
    case 'l': return options->length;
    case 'N': return options->count;
    case 'P': return options->parallel;
    case 't': return options->threads;
    case 'p': return options->processes;
    case 'R': return options->rails;
    case 'F': return options->first;
    case 'E': return options->end;
    case 'I': return options->step;
    default: return -1;
  }
}

static void usage(const struct program *program, FILE *to) {
  size_t i;
  fprintf(to, "conformance %s [options]\n %s.\n", program->name, program->what);
  for (i = 0; i < LETTERS; i++) {
    long value = value_of(&program->defaults, letters[i].letter);
    if (!strchr(program->heeds, letters[i].letter)) continue;
    fprintf(to, " -%c %-10s %s", letters[i].letter, letters[i].argument ? letters[i].argument : "", letters[i].what);
    if (letters[i].argument && value >= 0) fprintf(to, " [%ld]", value);
    fputc('\n', to);
  }
  fprintf(to,
          " -v            tell of each step\n"
          " --signals us  interrupt every thread so often, by a handler without SA_RESTART\n --help        this help\n"
          "Boards are found as by all MX programs: /dev/open-mx, or omxd's socket (OMX_SOCKET).\n"
          "The last line counts what was verified. Exit status: 0 when all was right, 1 when something was not.\n");
}

static void help(void) {
  size_t i;
  printf(
      "conformance PROGRAM [options]   runs one of the programs below\n"
      "conformance PROGRAM --help      tells what it verifies and which options it heeds\n"
      "conformance --list              names them, one a line\n\n");
  for (i = 0; i < PROGRAMS; i++) printf("  %-20s %s\n", programs[i]->name, programs[i]->what);
  printf(
      "\nMost send messages to themselves. To judge two nodes, on one of them:\n"
      "  conformance peer\nand on the other, with the first one's name as omx_info shows it:\n"
      "  conformance loopback -d node1:0\n  conformance stop -d node1:0\n");
}

static const struct program *find(const char *name) {
  size_t i;
  for (i = 0; i < PROGRAMS; i++)
    if (!strcmp(programs[i]->name, name)) return programs[i];
  if (!strcmp(name, peer.name)) return &peer;
  if (!strcmp(name, raw_peer.name)) return &raw_peer;
  return strcmp(name, stop.name) ? NULL : &stop;
}

static long number(const char *letter, const char *text) {
  char *end;
  long value = strtol(text, &end, 0);
  if (end == text || *end || value < 0) {
    fprintf(stderr, "option %s needs a number, and not '%s'\n", letter, text);
    exit(1);
  }
  return value;
}

static void parse(const struct program *program, int argc, char **argv, struct options *options) {
  int i;
  *options = program->defaults;
  options->remote = peer.defaults.endpoint;
  for (i = 2; i < argc; i++) {
    const char *word = argv[i], *argument = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
      usage(program, stdout);
      exit(0);
    }
    if (!strcmp(word, "-v")) {
      options->verbose = 1;
      continue;
    }
    if (!strcmp(word, "--signals")) {
      options->signals = number(word, argument);
      i++;
      continue;
    }
    if (word[0] != '-' || !word[1] || word[2] || !strchr(program->heeds, word[1])) {
      fprintf(stderr, "Unknown option %s\n", word);
      usage(program, stderr);
      exit(1);
    }
    if (word[1] == 's') {
      options->way = BY_SHARED;
      continue;
    }
    if (word[1] == 'S') {
      options->way = BY_SELF;
      continue;
    }
    i++;
    switch (word[1]) {
      case 'd':
        options->peer = argument;
        options->way = BY_PEER;
        break;
      case 'c':
        if (sscanf(argument, "%d,%d", &options->context_bits, &options->context_shift) != 2) {
          fprintf(stderr, "option -c needs two numbers, as in 10,10\n");
          exit(1);
        }
        break;
      case 'b': options->board = (uint32_t)number(word, argument); break;
      case 'e': options->endpoint = (uint32_t)number(word, argument); break;
      case 'r': options->remote = (uint32_t)number(word, argument); break;
      case 'l': options->length = number(word, argument); break;
      case 'N': options->count = number(word, argument); break;
      case 'P': options->parallel = number(word, argument); break;
      case 't': options->threads = number(word, argument); break;
      case 'p': options->processes = number(word, argument); break;
      case 'R': options->rails = number(word, argument); break;
      case 'F': options->first = number(word, argument); break;
      case 'E': options->end = number(word, argument); break;
      case 'I': options->step = number(word, argument); break;
      default: break;
    }
  }
}

/* At every end: what was printed is there, or that is told. */
static void close_output(void) {
  errno = 0;
  if (!fflush(stdout) && !ferror(stdout)) return;
  /* Where SIGPIPE is ignored. */
  if (errno == EPIPE) _exit(128 + SIGPIPE);
  fprintf(stderr, "standard output cannot be written%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
  _exit(1);
}

int main(int argc, char **argv) {
  const struct program *program;
  struct options options;
  size_t i;
  if (atexit(close_output)) return 1;
  if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
    help();
    return argc < 2;
  }
  if (!strcmp(argv[1], "--list")) {
    for (i = 0; i < PROGRAMS; i++) puts(programs[i]->name);
    return 0;
  }
  program = find(argv[1]);
  if (!program) {
    fprintf(stderr, "there is no program '%s': conformance --list names them\n", argv[1]);
    return 1;
  }
  parse(program, argc, argv, &options);
  program->run(&options);
  storm_end();
  printf("%s: verified %lu messages, %llu bytes\n", program->name, verified_messages(), verified_bytes());
  return 0;
}
