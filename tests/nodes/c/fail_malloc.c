/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A heap that fails, for a program that is started with this library before others (LD_PRELOAD): the FAIL_AT-th allocation of
   at least FAIL_FROM bytes, and with FAIL_LASTS all such behind it. FAIL_SEEN is a file that is made when one fails. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* glibc's own. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static size_t number(const char *name) {
  const char *text = getenv(name);
  return text ? strtoul(text, NULL, 10) : 0;
}

static int fails(size_t bytes) {
  static size_t at, from, counted;
  static int lasts;
  size_t which;
  if (!at) {
    from = number("FAIL_FROM");
    lasts = getenv("FAIL_LASTS") != NULL;
    at = number("FAIL_AT");
  }
  if (bytes < from) return 0;
  which = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
  if (which != at && !(lasts && which > at)) return 0;
  if (which == at) close(open(getenv("FAIL_SEEN"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t bytes) { return fails(bytes) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) { return fails(count * bytes) ? NULL : __libc_calloc(count, bytes); }

void *realloc(void *old, size_t bytes) { return fails(bytes) ? NULL : __libc_realloc(old, bytes); }

void *memalign(size_t alignment, size_t bytes) { return fails(bytes) ? NULL : __libc_memalign(alignment, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **place, size_t alignment, size_t bytes) {
  void *memory = memalign(alignment, bytes);
  if (!memory) return ENOMEM;
  *place = memory;
  return 0;
}
