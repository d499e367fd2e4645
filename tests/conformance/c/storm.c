/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A storm of signals, whose handler does not let system calls restart: as timers, profilers and the runtimes of other
 * languages send them. Every thread of the process gets one every so many microseconds. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

static volatile sig_atomic_t over;
static pthread_t thread;
static long every_us;

static void heard(int signal) { (void)signal; }

static void signal_all_but(long own) {
  DIR *threads = opendir("/proc/self/task");
  struct dirent *entry;
  CHECK(threads != NULL);
  while ((entry = readdir(threads)) != NULL) {
    long other = atol(entry->d_name);
    if (other > 0 && other != own) syscall(SYS_tgkill, getpid(), other, SIGUSR1); /* it may have ended */
  }
  closedir(threads);
}

static void *storm(void *nothing) {
  struct timespec pause;
  pause.tv_sec = every_us / 1000000;
  pause.tv_nsec = every_us % 1000000 * 1000;
  while (!over) {
    signal_all_but(syscall(SYS_gettid));
    nanosleep(&pause, NULL);
  }
  return nothing;
}

void storm_begin(const struct options *options) {
  struct sigaction action;
  if (!options->signals || every_us) return;
  memset(&action, 0, sizeof(action));
  action.sa_handler = heard;
  CHECK(!sigaction(SIGUSR1, &action, NULL));
  every_us = options->signals;
  CHECK(!pthread_create(&thread, NULL, storm, NULL));
}

void storm_end(void) {
  if (!every_us) return;
  over = 1;
  CHECK(!pthread_join(thread, NULL));
}
