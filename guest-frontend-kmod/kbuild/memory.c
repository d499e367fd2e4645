// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/* What the logic needs of memory, locks, log and chance. */
#include "shim.h"

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/version.h>

/* Each kind has its own lock class. What each covers and their order: src/lock.rs. */
static struct mutex omx_endpoint_mutexes[OMX_BOARDS][OMX_ENDPOINTS];
static struct mutex omx_link_mutexes[OMX_BOARDS];
static DEFINE_MUTEX(omx_shared_mutex);

void omx_init_mutexes(void)
{
	unsigned int board, endpoint;

	for (board = 0; board < OMX_BOARDS; board++) {
		mutex_init(&omx_link_mutexes[board]);
		for (endpoint = 0; endpoint < OMX_ENDPOINTS; endpoint++)
			mutex_init(&omx_endpoint_mutexes[board][endpoint]);
	}
}

struct mutex *shim_endpoint_mutex(unsigned int board, unsigned int endpoint)
{
	return &omx_endpoint_mutexes[board][endpoint];
}

struct mutex *shim_link_mutex(unsigned int board)
{
	return &omx_link_mutexes[board];
}

struct mutex *shim_shared_mutex(void)
{
	return &omx_shared_mutex;
}

void shim_lock(struct mutex *mutex)
{
	mutex_lock(mutex);
}

void shim_unlock(struct mutex *mutex)
{
	mutex_unlock(mutex);
}

void *shim_allocate(size_t size, size_t align)
{
	/* kmalloc aligns to the size when that is a power of two. */
	return kvmalloc(align > ARCH_KMALLOC_MINALIGN ? roundup_pow_of_two(max(size, align)) : size, GFP_KERNEL_ACCOUNT);
}

void shim_free(const void *memory)
{
	kvfree(memory);
}

void shim_log(int level, const char *text, size_t length)
{
	printk("%c%c" KBUILD_MODNAME ": %.*s\n", KERN_SOH_ASCII, '0' + level, (int)length, text);
}

void shim_panic(const char *file, size_t file_length, u32 line, const char *text, size_t length)
{
	pr_emerg("panic at %.*s:%u: %.*s\n", (int)file_length, file, line, (int)length, text);
	BUG();
}

u32 shim_random(void)
{
	return get_random_u32();
}

struct page *shim_allocate_pages(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, order);

	if (page)
		split_page(page, order);
	return page;
}

struct page *shim_page_after(struct page *page, unsigned int pages)
{
	return page + pages; /* of one allocation: their descriptors are adjacent */
}

void shim_free_page(struct page *page)
{
	put_page(page);
}

void *shim_page_address(struct page *page)
{
	return page_address(page);
}

void shim_hold_page(struct page *page)
{
	get_page(page);
}

/* Pins all the pages, or none. */
int shim_pin(unsigned long address, unsigned long pages, bool writable, struct page **into)
{
	unsigned int flags = FOLL_LONGTERM | (writable ? FOLL_WRITE : 0);
	unsigned long done = 0;

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	/*
	 * Before 6.2 a read-only pin may catch a page that the process leaves at its next write: break sharing first. What
	 * may not be written is not pinned then, and the library copies it; forced, the pin would reach what may not even
	 * be read.
	 */
	flags |= FOLL_WRITE;
#endif
	while (done < pages) {
		int pinned = pin_user_pages_fast(address + done * PAGE_SIZE, pages - done, flags, into + done);

		if (pinned <= 0) {
			unpin_user_pages(into, done);
			return pinned ? pinned : -EFAULT;
		}
		done += pinned;
	}
	return 0;
}

struct omx_watch {
	struct mmu_interval_notifier notifier;
	void *context;
};

/* munmap, mremap, madvise, a page that is replaced, the end of the space. Other protection leaves the pages: after a
 * fork it is the child that gets copies of pinned ones. */
static bool omx_span_changes(struct mmu_interval_notifier *notifier, const struct mmu_notifier_range *range,
			     unsigned long sequence)
{
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		return true;
	default:
		mmu_interval_set_seq(notifier, sequence);
		omx_changed(container_of(notifier, struct omx_watch, notifier)->context);
		return true;
	}
}

static const struct mmu_interval_notifier_ops omx_watch_ops = { .invalidate = omx_span_changes };

int shim_watch(unsigned long address, unsigned long length, void *context, void **notifier)
{
	struct omx_watch *watch = kmalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	int error;

	if (!watch)
		return -ENOMEM;
	watch->context = context;
	*notifier = watch;
	error = mmu_interval_notifier_insert(&watch->notifier, current->mm, address, length, &omx_watch_ops);
	if (error)
		kfree(watch);
	return error == -EINTR ? -ERESTARTNOINTR : error; /* a signal waits: the call begins anew after it */
}

/* What is pinned after this, and before a change is missed, is what later changes are about. */
unsigned long shim_watch_begin(void *notifier)
{
	return mmu_interval_read_begin(&((struct omx_watch *)notifier)->notifier);
}

bool shim_watch_missed(void *notifier, unsigned long seen)
{
	return mmu_interval_read_retry(&((struct omx_watch *)notifier)->notifier, seen);
}

void shim_unwatch(void *notifier)
{
	struct omx_watch *watch = notifier;

	mmu_interval_notifier_remove(&watch->notifier);
	kfree(watch);
}

void shim_unpin(struct page *page, bool written)
{
	unpin_user_pages_dirty_lock(&page, 1, written);
}

/*
 * As RDMA accounts: atomically, so that ending it waits for no lock of the process. What is not limited counts all the
 * same.
 */
int shim_account_pinned(unsigned long pages, bool limited, struct mm_struct **space)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct mm_struct *mm = current->mm;

	if (atomic64_add_return(pages, &mm->pinned_vm) > limit && limited &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, &mm->pinned_vm);
		return -EAGAIN;
	}
	mmgrab(mm);
	*space = mm;
	return 0;
}

void shim_unaccount_pinned(struct mm_struct *space, unsigned long pages)
{
	atomic64_sub(pages, &space->pinned_vm);
	mmdrop(space);
}
