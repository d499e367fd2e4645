// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/* /dev/open-mx: files, mappings, and those who wait. */
#include "shim.h"

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tick.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

static unsigned int endpoints_per_user = 256;
module_param(endpoints_per_user, uint, 0644);
MODULE_PARM_DESC(endpoints_per_user, "endpoints that a user may have open (default 256, as many as any board has: the driver domain's own number comes first; CAP_SYS_RESOURCE lifts it)");
static unsigned int pages_per_user = 24576;
module_param(pages_per_user, uint, 0644);
MODULE_PARM_DESC(pages_per_user, "pages of queues and registered memory of a user (default 24576 of the guest's 32768 grants)");

static bool halt_alone = true;
module_param(halt_alone, bool, 0644);
MODULE_PARM_DESC(halt_alone, "who sleeps while nobody else wants the guest's only processor halts it itself, for two ticks at most (default Y)");

static unsigned int queue_entries;

static int set_queue_entries(const char *text, const struct kernel_param *parameter)
{
	unsigned int entries;
	int error = kstrtouint(text, 0, &entries);

	if (error)
		return error;
	if (entries && (entries < OMX_QUEUE_ENTRIES_MIN || entries > OMX_QUEUE_ENTRIES_MAX || !is_power_of_2(entries))) {
		pr_err("open-mx: queue_entries=%u: a power of two from %u to %u is needed, or 0 for the driver domain's choice\n",
		       entries, OMX_QUEUE_ENTRIES_MIN, OMX_QUEUE_ENTRIES_MAX);
		return -EINVAL;
	}
	return param_set_uint(text, parameter);
}

static const struct kernel_param_ops queue_entries_ops = { .set = set_queue_entries, .get = param_get_uint };
module_param_cb(queue_entries, &queue_entries_ops, &queue_entries, 0644);
MODULE_PARM_DESC(queue_entries, "queue entries of an endpoint whose program does not ask for another number: a power of two from 64 to 2048 (default: what the driver domain says)");

struct omx_file {
	u64 state; /* what the logic knows about this file */
	struct mm_struct *space; /* the one that opened the endpoint */
	struct mmu_notifier notifier; /* tells when that one ends */
	struct pid *process; /* its process, which may end before: a child of vfork has the space, too */
	wait_queue_entry_t ending; /* tells when that one ends */
	struct work_struct ended;
};

static struct {
	wait_queue_head_t callers;
	atomic_t answers;
	wait_queue_head_t sleepers[OMX_ENDPOINTS];
} omx_waits[OMX_BOARDS];

struct mm_struct *shim_current_space(void)
{
	return current->mm;
}

u32 shim_current_user(void)
{
	return from_kuid(&init_user_ns, current_uid());
}

u32 shim_current_process(u8 command[16])
{
	char name[TASK_COMM_LEN];

	BUILD_BUG_ON(sizeof(name) != 16);
	get_task_comm(name, current);
	memcpy(command, name, sizeof(name));
	return task_tgid_nr(current);
}

bool shim_current_is_unlimited(void)
{
	return capable(CAP_SYS_RESOURCE);
}

bool shim_current_administers_network(void)
{
	return capable(CAP_NET_ADMIN);
}

bool shim_current_may_send_raw(void)
{
	return capable(CAP_NET_RAW);
}

void shim_limits(unsigned int *endpoints, unsigned int *pages)
{
	*endpoints = READ_ONCE(endpoints_per_user);
	*pages = READ_ONCE(pages_per_user);
}

unsigned int shim_queue_entries(void)
{
	return READ_ONCE(queue_entries);
}

u32 shim_answers_seen(unsigned int board)
{
	return atomic_read(&omx_waits[board].answers);
}

void shim_announce_answer(unsigned int board)
{
	atomic_inc(&omx_waits[board].answers);
	wake_up_all(&omx_waits[board].callers);
}

/* Sleeps until there are more answers than `seen`. -EINTR: killed; -EBUSY: the time is up. */
int shim_wait_for_answer(unsigned int board, u32 seen, unsigned int milliseconds)
{
	long left = milliseconds ? msecs_to_jiffies(milliseconds) : MAX_SCHEDULE_TIMEOUT;
	DEFINE_WAIT(wait);

	for (;;) {
		/* Freezable: a guest may be saved while its driver domain is gone. */
		prepare_to_wait(&omx_waits[board].callers, &wait, TASK_KILLABLE | TASK_FREEZABLE);
		if (atomic_read(&omx_waits[board].answers) != seen || !left || fatal_signal_pending(current))
			break;
		left = schedule_timeout(left);
	}
	finish_wait(&omx_waits[board].callers, &wait);
	if (atomic_read(&omx_waits[board].answers) != seen)
		return 0;
	return left ? -EINTR : -EBUSY;
}

void shim_wake_sleepers(unsigned int board, unsigned int endpoint)
{
	wake_up_all(&omx_waits[board].sleepers[endpoint]);
}

/*
 * Instead of a change to the idle task and back, with all that the idle task does: the calling task, which is queued and about
 * to sleep, halts the guest's only processor itself. An interrupt ends the halt, whatever it is for, and so does the tick,
 * which goes on unless it may stop under a running task. With more processors others could wake the task without an interrupt
 * here. The deadline is met to the tick, as the clock of those who name it goes (CLOCK_MONOTONIC_COARSE). False: it has to
 * sleep.
 */
static bool omx_halt(unsigned long begun, ktime_t until)
{
	bool alone;

	if (!READ_ONCE(halt_alone) || num_online_cpus() > 1 || tick_nohz_full_enabled())
		return false;
	if (time_after(jiffies, begun + 1) || ktime_compare(ktime_get_coarse(), until) >= 0)
		return false;
	/* What an interrupt has changed before is seen; one that comes later ends the halt, which allows them. */
	local_irq_disable();
	alone = single_task_running() && !need_resched();
	if (alone && !task_is_running(current))
		safe_halt();
	else
		local_irq_enable();
	return alone;
}

/* Sleeps until `ready`, which is asked after each wake-up, or the deadline (CLOCK_MONOTONIC ns, U64_MAX for none). */
int shim_sleep(unsigned int board, unsigned int endpoint, bool (*ready)(void *), void *context, u64 deadline)
{
	ktime_t until = min_t(u64, deadline, KTIME_MAX);
	unsigned long begun = jiffies;
	int result = 0;
	DEFINE_WAIT(wait);

	for (;;) {
		prepare_to_wait(&omx_waits[board].sleepers[endpoint], &wait, TASK_INTERRUPTIBLE);
		if (ready(context))
			break;
		if (signal_pending(current)) {
			result = -ERESTARTSYS; /* the deadline is absolute */
			break;
		}
		if (omx_halt(begun, until))
			continue;
		if (!schedule_hrtimeout_range(deadline == U64_MAX ? NULL : &until, 0, HRTIMER_MODE_ABS)) {
			result = ready(context) ? 0 : -ETIMEDOUT;
			break;
		}
	}
	finish_wait(&omx_waits[board].sleepers[endpoint], &wait);
	return result;
}

int shim_map(struct vm_area_struct *area, struct page **pages, unsigned long count, bool writable)
{
	const vm_flags_t set = VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP;
	const vm_flags_t clear = VM_MAYEXEC | (writable ? 0 : VM_MAYWRITE);

	if (!(area->vm_flags & VM_SHARED))
		return -EINVAL;
	if (area->vm_flags & (VM_EXEC | (writable ? 0 : VM_WRITE)))
		return -EACCES;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(area, set, clear);
#else
	area->vm_flags = (area->vm_flags | set) & ~clear;
#endif
	return vm_insert_pages(area, area->vm_start, pages, &count);
}

/* The space that opened the endpoint ends, or its file is closed. */
static void omx_space_ends(struct mmu_notifier *notifier, struct mm_struct *space)
{
	omx_end(&container_of(notifier, struct omx_file, notifier)->state);
}

static const struct mmu_notifier_ops omx_notifier_ops = { .release = omx_space_ends };

static void omx_process_ended(struct work_struct *work)
{
	omx_end(&container_of(work, struct omx_file, ended)->state);
}

/* As who waits by a pidfd is told: all threads have ended. With locks held. */
static int omx_process_ends(wait_queue_entry_t *ending, unsigned int mode, int sync, void *key)
{
	schedule_work(&container_of(ending, struct omx_file, ending)->ended);
	return 0;
}

static void omx_bind_to_process(struct omx_file *file)
{
	file->process = get_pid(task_tgid(current));
	INIT_WORK(&file->ended, omx_process_ended);
	init_waitqueue_func_entry(&file->ending, omx_process_ends);
	add_wait_queue(&file->process->wait_pidfd, &file->ending);
}

static void omx_unbind(struct omx_file *file)
{
	if (file->process) {
		remove_wait_queue(&file->process->wait_pidfd, &file->ending);
		cancel_work_sync(&file->ended);
		put_pid(file->process);
		file->process = NULL;
	}
	if (file->space)
		mmu_notifier_unregister(&file->notifier, file->space);
	file->space = NULL;
}

/*
 * A failed open may have bound the file already, to this space or to one that has the file from a parent. The kernel fails
 * with -EINTR when a signal waits, whatever its handler: the call begins anew then.
 */
int shim_bind_to_space(void *context)
{
	struct omx_file *file = context;
	int error;

	omx_unbind(file);
	file->notifier.ops = &omx_notifier_ops;
	error = mmu_notifier_register(&file->notifier, current->mm);
	if (!error) {
		file->space = current->mm;
		omx_bind_to_process(file);
	}
	return error == -EINTR ? -ERESTARTNOINTR : error;
}

static int omx_open(struct inode *inode, struct file *f)
{
	f->private_data = kzalloc(sizeof(struct omx_file), GFP_KERNEL_ACCOUNT);
	return f->private_data ? 0 : -ENOMEM;
}

static int omx_release(struct inode *inode, struct file *f)
{
	struct omx_file *file = f->private_data;

	omx_unbind(file);
	omx_end(&file->state); /* most often it has ended by now, and stays so */
	kfree(file);
	return 0;
}

static long omx_ioctl(struct file *f, unsigned int request, unsigned long argument)
{
	struct omx_file *file = f->private_data;
	struct omx_call call;
	long result;

	BUILD_BUG_ON(sizeof(call) != 128);
	if (request != OMX_IOCTL)
		return -ENOTTY;
	if (copy_from_user(&call, (void __user *)argument, sizeof(call)))
		return -EFAULT;
	result = omx_call(file, &file->state, &call);
	if (result < 0)
		return result;
	return copy_to_user((void __user *)argument, &call, sizeof(call)) ? -EFAULT : 0;
}

static ssize_t omx_write(struct file *f, const char __user *from, size_t length, loff_t *at)
{
	struct omx_file *file = f->private_data;
	u8 *frame;
	ssize_t result;

	if (!length || length > OMX_RAW_FRAME_MAX)
		return -EMSGSIZE;
	frame = memdup_user(from, length);
	if (IS_ERR(frame))
		return PTR_ERR(frame);
	result = omx_raw_send(&file->state, frame, length);
	kfree(frame);
	return result;
}

/* A frame that is longer than there is room for is cut, as a datagram. */
static ssize_t omx_read(struct file *f, char __user *to, size_t room, loff_t *at)
{
	struct omx_file *file = f->private_data;
	u8 *frame = kmalloc(OMX_RAW_FRAME_MAX, GFP_KERNEL_ACCOUNT);
	ssize_t result;

	if (!frame)
		return -ENOMEM;
	result = omx_raw_take(&file->state, frame);
	if (result > 0) {
		result = min_t(size_t, result, room);
		if (copy_to_user(to, frame, result))
			result = -EFAULT;
	}
	kfree(frame);
	return result;
}

/* An endpoint is readable while there are events beyond those that its process has told to have consumed. */
static __poll_t omx_poll_endpoint(struct file *f, struct poll_table_struct *table)
{
	struct omx_file *file = f->private_data;
	int place = omx_endpoint_place(&file->state);
	int waits;

	if (place < 0)
		return EPOLLERR;
	poll_wait(f, &omx_waits[place / OMX_ENDPOINTS].sleepers[place % OMX_ENDPOINTS], table);
	waits = omx_endpoint_waits(&file->state);
	if (waits < 0)
		return EPOLLERR | EPOLLHUP;
	return waits ? EPOLLIN | EPOLLRDNORM : 0;
}

static __poll_t omx_poll(struct file *f, struct poll_table_struct *table)
{
	struct omx_file *file = f->private_data;
	int board = omx_raw_board(&file->state);
	int waits;

	if (board < 0)
		return omx_poll_endpoint(f, table);
	poll_wait(f, &omx_waits[board].callers, table);
	waits = omx_raw_waits(&file->state);
	if (waits < 0)
		return EPOLLERR | EPOLLHUP | EPOLLIN;
	return EPOLLOUT | EPOLLWRNORM | (waits ? EPOLLIN | EPOLLRDNORM : 0);
}

static int omx_mmap(struct file *f, struct vm_area_struct *area)
{
	struct omx_file *file = f->private_data;

	return omx_map(&file->state, area, (u64)area->vm_pgoff << PAGE_SHIFT, area->vm_end - area->vm_start,
		       area->vm_flags & VM_WRITE);
}

static const struct file_operations omx_operations = {
	.owner = THIS_MODULE,
	.open = omx_open,
	.release = omx_release,
	.unlocked_ioctl = omx_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = omx_mmap,
	.read = omx_read,
	.write = omx_write,
	.poll = omx_poll,
};

static struct miscdevice omx_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "open-mx",
	.fops = &omx_operations,
	.mode = 0666,
};

static int __init omx_init(void)
{
	unsigned int board, endpoint;
	int error;

	for (board = 0; board < OMX_BOARDS; board++) {
		init_waitqueue_head(&omx_waits[board].callers);
		for (endpoint = 0; endpoint < OMX_ENDPOINTS; endpoint++)
			init_waitqueue_head(&omx_waits[board].sleepers[endpoint]);
	}
	omx_init_mutexes();
	error = omx_start();
	if (error)
		return error;
	error = misc_register(&omx_device);
	if (error)
		goto stop;
	error = omx_xenbus_start();
	if (error)
		goto deregister;
	return 0;
deregister:
	misc_deregister(&omx_device);
stop:
	omx_stop();
	return error;
}

static void __exit omx_exit(void)
{
	misc_deregister(&omx_device);
	omx_xenbus_stop();
}

module_init(omx_init);
module_exit(omx_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Open-MX frontend of a Xen guest: endpoints in memory that is shared with a driver domain");
MODULE_AUTHOR("The Xen2MX authors");
