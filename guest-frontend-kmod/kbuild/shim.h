/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0 */
/*
 * The seam between the C shim and the Rust logic of open-mx-frontend.
 *
 * shim_*: what the kernel offers to C only, for the logic. All may sleep unless the line says otherwise.
 * omx_*:  the logic, for the shim. Numbers that can be negative are errors as kernel functions return them.
 */
#ifndef OPEN_MX_SHIM_H
#define OPEN_MX_SHIM_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/types.h>

struct page;
struct mm_struct;
struct mutex;
struct vm_area_struct;

/* As in the logic: boards of a guest, endpoints of a board. */
#define OMX_BOARDS 4
#define OMX_ENDPOINTS 256
#define OMX_QUEUE_ENTRIES_MIN 64u
#define OMX_QUEUE_ENTRIES_MAX 2048u
/* As in mx_ring::uapi. */
#define OMX_RAW_FRAME_MAX 1024
#define OMX_IOCTL _IOWR('O', 0xc0, struct omx_call)
struct omx_call {
	__u32 kind;
	__u32 error;
	__u64 words[14];
	__u64 number;
};

/* ---- runtime (memory.c) */
void *shim_allocate(size_t size, size_t align);
void shim_free(const void *memory);
void shim_log(int level, const char *text, size_t length);
void shim_panic(const char *file, size_t file_length, u32 line, const char *text, size_t length);
struct mutex *shim_endpoint_mutex(unsigned int board, unsigned int endpoint);
struct mutex *shim_link_mutex(unsigned int board);
struct mutex *shim_shared_mutex(void);
void shim_lock(struct mutex *mutex);
void shim_unlock(struct mutex *mutex);
u32 shim_random(void);

/* ---- pages (memory.c) */
struct page *shim_allocate_pages(unsigned int order);
struct page *shim_page_after(struct page *page, unsigned int pages);
void shim_free_page(struct page *page);
void *shim_page_address(struct page *page);
void shim_hold_page(struct page *page);
int shim_pin(unsigned long address, unsigned long pages, bool writable, struct page **into);
int shim_watch(unsigned long address, unsigned long length, void *context, void **notifier);
unsigned long shim_watch_begin(void *notifier);
bool shim_watch_missed(void *notifier, unsigned long seen);
void shim_unwatch(void *notifier);
void shim_unpin(struct page *page, bool written);
int shim_account_pinned(unsigned long pages, bool limited, struct mm_struct **space);
void shim_unaccount_pinned(struct mm_struct *space, unsigned long pages);

/* ---- Xen (xenbus.c) */
int shim_grant(u16 domain, struct page *page, bool read_only);
bool shim_end_grant(u32 reference);
void shim_leave_grant(u32 reference);
void shim_notify(unsigned int board);
void shim_schedule_answers(unsigned int board); /* any context */
void shim_schedule_reaper(void); /* any context */
void shim_schedule_sweep(void); /* any context */

/* ---- callers and sleepers (device.c) */
struct mm_struct *shim_current_space(void);
u32 shim_current_user(void);
u32 shim_current_process(u8 command[16]);
bool shim_current_is_unlimited(void);
bool shim_current_administers_network(void);
bool shim_current_may_send_raw(void);
void shim_limits(unsigned int *endpoints, unsigned int *pages);
unsigned int shim_queue_entries(void);
int shim_bind_to_space(void *file);
int shim_map(struct vm_area_struct *area, struct page **pages, unsigned long count, bool writable);
u32 shim_answers_seen(unsigned int board);
void shim_announce_answer(unsigned int board);
int shim_wait_for_answer(unsigned int board, u32 seen, unsigned int milliseconds);
void shim_wake_sleepers(unsigned int board, unsigned int endpoint); /* any context */
int shim_sleep(unsigned int board, unsigned int endpoint, bool (*ready)(void *), void *context, u64 deadline);

/* ---- the logic */
int omx_attach(unsigned int board, u16 domain, u32 *ring_ref); /* -EBUSY: again, an earlier backend maps something */
void omx_connected(unsigned int board);
bool omx_catch_up(unsigned int board); /* false: again, something could not be granted */
bool omx_orphan(unsigned int board); /* the backend is gone; true: the board waits for another one */
bool omx_end_grants(unsigned int board); /* false: the backend that is gone maps something */
void omx_detach(unsigned int board);
bool omx_interrupt(unsigned int board); /* in the interrupt; false when it was for nothing */
int omx_answers(unsigned int board); /* 1: call again, 0: done, negative: the backend is not to be trusted */
bool omx_reap(void); /* true when pages are left that the backend still maps */
void omx_changed(const void *context); /* a watched span changes; any context */
void omx_sweep(void);
int omx_start(void); /* before all others, once */
void omx_give_up(void); /* what is left goes to the kernel's list */
void omx_stop(void); /* after all others */
long omx_call(void *file, u64 *state, struct omx_call *call);
int omx_map(u64 *state, struct vm_area_struct *area, u64 offset, u64 length, bool writable);
void omx_end(u64 *state);
int omx_raw_board(u64 *state); /* negative: no raw endpoint's file */
int omx_raw_send(u64 *state, const u8 *frame, unsigned int length);
int omx_raw_take(u64 *state, u8 *frame);
int omx_raw_waits(u64 *state);
int omx_endpoint_place(u64 *state); /* board * OMX_ENDPOINTS + index; negative: no endpoint's file */
int omx_endpoint_waits(u64 *state); /* 1: events, 0: none yet, negative: ended */
extern const char omx_protocol[];
extern const u32 omx_version;

/* ---- between the files of the shim */
void omx_init_mutexes(void);
int omx_xenbus_start(void);
void omx_xenbus_stop(void);

#endif
