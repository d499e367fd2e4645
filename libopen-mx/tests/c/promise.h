/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For test programs that show one promise at a time: PROGRAM NAME. */
#ifndef PROMISE_H
#define PROMISE_H

#include "pair.h"

struct promise {
  const char *name;
  void (*check)(void);
};

static inline int show_promise(const struct promise *promises, size_t count, const char *name) {
  size_t i;
  for (i = 0; i < count; i++) {
    if (strcmp(promises[i].name, name) != 0) continue;
    promises[i].check();
    return 0;
  }
  fprintf(stderr, "there is no promise %s\n", name);
  return 1;
}

/* A promise is shown by the function of its name. */
#define PROMISE(name) {#name, name}
/* The program's promises, and its main. */
#define PROMISES(...)                                                                        \
  int main(int count, char **arguments) {                                                    \
    static const struct promise promises[] = {__VA_ARGS__};                                  \
    CHECK(count == 2);                                                                       \
    return show_promise(promises, sizeof(promises) / sizeof(promises[0]), arguments[1]);     \
  }

#endif
