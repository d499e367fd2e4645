// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/* The xenbus driver of class "omx": a board's life, its grants and its event channel. */
#include "shim.h"

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/freezer.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

/* How long the keeper waits before it looks again whether a backend that is gone has let go, or grants are there. */
#define OMX_LOOK_AGAIN (HZ / 100 ?: 1)
/* How long a driver domain may take to give back the pages of a guest that is to be saved: less than the freezer waits. */
#define OMX_SUSPEND_LIMIT (15 * HZ)

static unsigned int takeover_seconds = 500;
module_param(takeover_seconds, uint, 0644);
MODULE_PARM_DESC(takeover_seconds, "seconds for which a board and its endpoints wait for another driver domain when theirs is gone (default 500)");

struct omx_board {
	struct mutex changing; /* the state of the device and what follows; taken before the logic's locks */
	struct xenbus_device *device; /* none while it is not bound */
	char *backend; /* whom the device was bound to */
	int backend_id;
	bool offers; /* the keeper is to connect it */
	bool behind; /* the keeper is to grant what could not be granted */
	bool orphaned; /* it waits for another backend, with its endpoints */
	bool suspended; /* for a save; the next backend may be the same */
	bool moves; /* from one backend to another */
	unsigned long since; /* orphaned, in jiffies */
	int irq; /* read under RCU by those who notify */
	struct work_struct answers;
};

static struct omx_board omx_boards[OMX_BOARDS];
static struct task_struct *omx_keeper;
static DECLARE_WAIT_QUEUE_HEAD(omx_keeper_sleeps);
static bool omx_keeper_wanted;
static void omx_reap_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(omx_reaper, omx_reap_work);
static void omx_sweep_work(struct work_struct *work);
static DECLARE_WORK(omx_sweeper, omx_sweep_work);

int shim_grant(u16 domain, struct page *page, bool read_only)
{
	return gnttab_grant_foreign_access(domain, xen_page_to_gfn(page), read_only);
}

bool shim_end_grant(u32 reference)
{
	return gnttab_try_end_foreign_access(reference);
}

/* The kernel's own list takes a reference to the page and looks at ten grants a second. */
void shim_leave_grant(u32 reference)
{
	gnttab_end_foreign_access(reference, NULL);
}

void shim_notify(unsigned int board)
{
	int irq;

	rcu_read_lock();
	irq = READ_ONCE(omx_boards[board].irq);
	if (irq > 0)
		notify_remote_via_irq(irq);
	rcu_read_unlock();
}

void shim_schedule_answers(unsigned int board)
{
	schedule_work(&omx_boards[board].answers);
}

void shim_schedule_reaper(void)
{
	mod_delayed_work(system_wq, &omx_reaper, 0);
}

void shim_schedule_sweep(void)
{
	schedule_work(&omx_sweeper);
}

static void omx_sweep_work(struct work_struct *work)
{
	omx_sweep();
}

static void omx_reap_work(struct work_struct *work)
{
	if (omx_reap())
		schedule_delayed_work(&omx_reaper, HZ / 10);
}

static irqreturn_t omx_irq(int irq, void *context)
{
	struct omx_board *board = context;
	bool useful = omx_interrupt(board - omx_boards);

	xen_irq_lateeoi(irq, useful ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

static int omx_connect_irq(struct omx_board *board, evtchn_port_t *port)
{
	int irq, error = xenbus_alloc_evtchn(board->device, port);

	if (error)
		return error;
	irq = bind_evtchn_to_irqhandler_lateeoi(*port, omx_irq, 0, "open-mx", board);
	if (irq < 0) {
		xenbus_free_evtchn(board->device, *port);
		return irq;
	}
	WRITE_ONCE(board->irq, irq);
	return 0;
}

static int omx_publish(struct xenbus_device *device, u32 ring_ref, evtchn_port_t port)
{
	struct xenbus_transaction t;
	const char *what;
	int error;

	do {
		error = xenbus_transaction_start(&t);
		if (error)
			return error;
		error = xenbus_printf(t, device->nodename, what = "ring-ref", "%u", ring_ref) ?:
			xenbus_printf(t, device->nodename, what = "event-channel", "%u", port) ?:
			xenbus_printf(t, device->nodename, what = "protocol", "%s", omx_protocol) ?:
			xenbus_printf(t, device->nodename, what = "version", "%u", omx_version);
		if (error) {
			xenbus_transaction_end(t, 1);
			xenbus_dev_fatal(device, error, "writing %s", what);
			return error;
		}
		error = xenbus_transaction_end(t, 0);
	} while (error == -EAGAIN);
	return error;
}

static void omx_wake_keeper(void)
{
	WRITE_ONCE(omx_keeper_wanted, true);
	wake_up(&omx_keeper_sleeps);
}

/* Interrupt first: its handler touches the device pages. Idempotent. */
static void omx_unbind_irq(struct omx_board *board)
{
	int irq = board->irq;

	WRITE_ONCE(board->irq, 0);
	if (irq > 0) {
		synchronize_rcu(); /* nobody notifies through it any more */
		unbind_from_irqhandler(irq, board);
	}
}

/* The endpoints end. */
static void omx_cut(struct omx_board *board)
{
	lockdep_assert_held(&board->changing);
	board->offers = false;
	board->orphaned = false;
	omx_unbind_irq(board);
	omx_detach(board - omx_boards);
}

/* The backend is gone: the board waits for another one, with its endpoints. */
static void omx_orphan_board(struct omx_board *board)
{
	lockdep_assert_held(&board->changing);
	board->offers = false;
	omx_unbind_irq(board);
	if (!board->orphaned)
		board->since = jiffies;
	board->orphaned = omx_orphan(board - omx_boards);
}

static void omx_answers_work(struct work_struct *work)
{
	struct omx_board *board = container_of(work, struct omx_board, answers);
	int more = omx_answers(board - omx_boards);

	if (more > 0) {
		schedule_work(work);
	} else if (more < 0) {
		mutex_lock(&board->changing);
		omx_cut(board);
		if (board->device)
			xenbus_dev_fatal(board->device, more, "the backend broke the protocol of the control ring");
		mutex_unlock(&board->changing);
	}
}

/* The device of a board offers itself to its backend. -EBUSY: again soon; -EAGAIN: when the backend has said something. */
static int omx_offer(struct omx_board *board)
{
	struct xenbus_device *device = board->device;
	unsigned int number = board - omx_boards;
	evtchn_port_t port;
	u32 ring_ref;
	int error;

	/* Before, it may be giving back what an earlier use of the device has left. */
	if (xenbus_read_unsigned(device->otherend, "state", XenbusStateUnknown) != XenbusStateInitWait)
		return -EAGAIN; /* a change wakes the keeper */
	error = omx_attach(number, device->otherend_id, &ring_ref);
	if (error)
		return error;
	error = omx_connect_irq(board, &port) ?: omx_publish(device, ring_ref, port) ?:
		xenbus_switch_state(device, XenbusStateInitialised);
	board->behind = !error && !omx_catch_up(number);
	if (error)
		omx_orphan_board(board);
	return error;
}

static int omx_probe(struct xenbus_device *device, const struct xenbus_device_id *id)
{
	struct omx_board *board;
	unsigned int number;
	char *backend;

	if (sscanf(device->nodename, "device/omx/%u", &number) != 1 || number >= OMX_BOARDS) {
		xenbus_dev_fatal(device, -ENOSPC, "a guest has boards 0 to %d", OMX_BOARDS - 1);
		return -ENOSPC;
	}
	backend = kstrdup(device->otherend, GFP_KERNEL);
	if (!backend)
		return -ENOMEM;
	board = &omx_boards[number];
	mutex_lock(&board->changing);
	kfree(board->backend);
	board->backend = backend;
	board->backend_id = device->otherend_id;
	board->device = device;
	board->suspended = false;
	dev_set_drvdata(&device->dev, board);
	/* It may have been another backend's. One that is there yet gives everything back when it reads this. */
	xenbus_switch_state(device, XenbusStateInitialising);
	board->offers = true;
	mutex_unlock(&board->changing);
	omx_wake_keeper();
	return 0;
}

static void omx_backend_closes(struct omx_board *board, enum xenbus_state state)
{
	struct xenbus_device *device = board->device;
	bool detached = !xenbus_read_unsigned(device->otherend, "online", 1);

	/* What it says before the board is offered is left over from what was before. */
	if (device->state == XenbusStateClosed || (board->offers && !detached))
		return;
	/* It ends when the host's administrator says so, or a backend that is there refuses it. */
	if (detached || xenbus_exists(XBT_NIL, device->otherend, "reason"))
		omx_cut(board);
	else
		omx_orphan_board(board);
	dev_info(&device->dev, "domain %d %s%s\n", device->otherend_id,
		 state == XenbusStateUnknown ? "is gone" : "closes the board",
		 board->orphaned ? ", the board waits for another one" : "");
	xenbus_frontend_closed(device);
}

static void omx_backend_changed(struct xenbus_device *device, enum xenbus_state state)
{
	struct omx_board *board = dev_get_drvdata(&device->dev);

	mutex_lock(&board->changing);
	switch (state) {
	case XenbusStateConnected:
		if (device->state != XenbusStateInitialised)
			break;
		omx_connected(board - omx_boards);
		board->orphaned = false;
		xenbus_switch_state(device, XenbusStateConnected);
		dev_info(&device->dev, "connected to domain %d\n", device->otherend_id);
		break;
	case XenbusStateUnknown: /* its directory is gone, and most likely its domain */
	case XenbusStateClosing:
	case XenbusStateClosed:
		omx_backend_closes(board, state);
		break;
	default:
		break;
	}
	mutex_unlock(&board->changing);
	omx_wake_keeper();
}

/* Between two backends its endpoints wait; else they end. After it neither interrupt nor work touches the board. */
static void omx_remove_device(struct xenbus_device *device)
{
	struct omx_board *board = dev_get_drvdata(&device->dev);
	bool moves;

	mutex_lock(&board->changing);
	moves = board->moves;
	board->device = NULL;
	if (moves)
		omx_orphan_board(board);
	else
		omx_cut(board);
	mutex_unlock(&board->changing);
	cancel_work_sync(&board->answers); /* it takes the mutex */
	if (!moves)
		xenbus_switch_state(device, XenbusStateClosed);
}

static int __maybe_unused omx_remove_device_int(struct xenbus_device *device)
{
	omx_remove_device(device);
	return 0;
}

/* The return type changed in 6.2, and Debian's 6.1 has the change too: ask the type, not the version. */
#define OMX_REMOVE                                                                                     \
	__builtin_choose_expr(__builtin_types_compatible_p(typeof(((struct xenbus_driver *)0)->remove), \
							   int (*)(struct xenbus_device *)),           \
			      omx_remove_device_int, omx_remove_device)

static const struct xenbus_device_id omx_ids[] = { { "omx" }, { "" } };

static struct xenbus_driver omx_driver = {
	.name = "omx",
	.ids = omx_ids,
	.allow_rebind = true, /* leaves the state alone when the driver is removed */
	.not_essential = true,
	.probe = omx_probe,
	.remove = OMX_REMOVE,
	.otherend_changed = omx_backend_changed,
};

/* Whether xenstore names another backend than the one that the device is bound to, or the same one anew. */
static bool omx_is_moved(struct omx_board *board, struct xenbus_device *device)
{
	int id = xenbus_read_unsigned(device->nodename, "backend-id", 0);
	char *backend = xenbus_read(XBT_NIL, device->nodename, "backend", NULL);
	bool moved;

	if (IS_ERR(backend))
		return false;
	mutex_lock(&board->changing);
	moved = board->suspended || id != board->backend_id || !board->backend || strcmp(backend, board->backend);
	mutex_unlock(&board->changing);
	moved = moved && xenbus_exists(XBT_NIL, backend, "state");
	kfree(backend);
	return moved;
}

static struct xenbus_device *omx_hold_device(struct omx_board *board)
{
	struct xenbus_device *device;

	mutex_lock(&board->changing);
	device = board->device;
	if (device)
		get_device(&device->dev);
	mutex_unlock(&board->changing);
	return device;
}

static void omx_follow(struct omx_board *board)
{
	struct xenbus_device *device = omx_hold_device(board);

	if (!device)
		return;
	if (omx_is_moved(board, device)) {
		dev_info(&device->dev, "goes to another driver domain\n");
		WRITE_ONCE(board->moves, true);
		if (device_reprobe(&device->dev))
			dev_warn(&device->dev, "not bound to the other driver domain\n");
		WRITE_ONCE(board->moves, false);
	}
	put_device(&device->dev);
}

/*
 * In the thread of all watches, so that no device comes or goes, and no guest is saved, meanwhile: who unregisters a watch
 * elsewhere waits for this thread, and this thread waits for a device's lock when its directory goes.
 */
static void omx_moved(struct xenbus_watch *watch, const char *path, const char *token)
{
	unsigned int i;

	for (i = 0; i < OMX_BOARDS; i++)
		omx_follow(&omx_boards[i]);
}

static struct xenbus_watch omx_watch = { .node = "device/omx", .callback = omx_moved };
static int omx_watched = -ENODEV;

static void omx_give_up_waiting(struct omx_board *board)
{
	pr_warn("board %u: no other driver domain has come for %u s, it ends\n",
		(unsigned int)(board - omx_boards), READ_ONCE(takeover_seconds));
	omx_cut(board);
}

/* In how many jiffies the board is to be looked at again. */
static long omx_keep(struct omx_board *board)
{
	unsigned int number = board - omx_boards;
	long again = MAX_SCHEDULE_TIMEOUT;
	int error = 0;

	mutex_lock(&board->changing);
	if (board->offers && board->device) {
		error = omx_offer(board);
		board->offers = error == -EBUSY || error == -EAGAIN;
		if (error && !board->offers)
			xenbus_dev_fatal(board->device, error, "connecting to the backend");
	}
	if (board->behind)
		board->behind = !omx_catch_up(number);
	if (error == -EBUSY || board->behind)
		again = OMX_LOOK_AGAIN;
	if (board->orphaned) {
		unsigned long end = board->since + READ_ONCE(takeover_seconds) * HZ;

		if (time_after_eq(jiffies, end))
			omx_give_up_waiting(board);
		else
			again = min_t(long, again, end - jiffies);
	}
	mutex_unlock(&board->changing);
	return again;
}

/*
 * Nothing that a driver domain maps goes into the memory that is saved, and nothing of it is written meanwhile: boards let
 * go of their backends, endpoints stay. False: a driver domain does not let go in time.
 */
static bool omx_suspend(void)
{
	unsigned long end = jiffies + OMX_SUSPEND_LIMIT;
	struct omx_board *board;
	bool released;

	for (board = omx_boards; board < omx_boards + OMX_BOARDS; board++) {
		mutex_lock(&board->changing);
		if (board->device) {
			board->suspended = true;
			omx_orphan_board(board);
			xenbus_switch_state(board->device, XenbusStateClosing);
		}
		mutex_unlock(&board->changing);
	}
	do {
		released = !omx_reap();
		for (board = omx_boards; board < omx_boards + OMX_BOARDS; board++) {
			mutex_lock(&board->changing);
			released &= omx_end_grants(board - omx_boards);
			mutex_unlock(&board->changing);
		}
		if (!released)
			msleep(1);
	} while (!released && time_before(jiffies, end));
	return released;
}

/*
 * Linux ignores a xenbus driver that cannot suspend, but does not save a guest with a kernel thread that does not freeze.
 */
static void omx_freeze(void)
{
	if (omx_suspend()) {
		try_to_freeze();
	} else {
		pr_err("the guest is not suspended: a driver domain maps its memory and does not let go\n");
		while (freezing(current) && !kthread_should_stop())
			msleep(10);
	}
	/* A new watch fires once. */
	if (!omx_watched) {
		unregister_xenbus_watch(&omx_watch);
		omx_watched = register_xenbus_watch(&omx_watch);
	}
}

/* What boards wait for, and who lets go of them before a guest is saved. */
static int omx_keep_all(void *context)
{
	long again = 0;
	unsigned int i;

	set_freezable();
	while (!kthread_should_stop()) {
		wait_event_interruptible_timeout(omx_keeper_sleeps,
						 READ_ONCE(omx_keeper_wanted) || kthread_should_stop() || freezing(current),
						 again);
		WRITE_ONCE(omx_keeper_wanted, false);
		if (freezing(current))
			omx_freeze();
		again = MAX_SCHEDULE_TIMEOUT;
		for (i = 0; i < OMX_BOARDS && !kthread_should_stop(); i++)
			again = min(again, omx_keep(&omx_boards[i]));
	}
	return 0;
}

/* Registering waits up to 30 s for devices that are not connected: insmod must not. */
static int omx_registered = -ENODEV;

static void omx_register_work(struct work_struct *work)
{
	omx_watched = register_xenbus_watch(&omx_watch);
	if (omx_watched)
		pr_err("xenstore was not watched: error %d\n", omx_watched);
	omx_registered = xenbus_register_frontend(&omx_driver);
	if (omx_registered)
		pr_err("the xenbus driver was refused with error %d\n", omx_registered);
}

static DECLARE_WORK(omx_register, omx_register_work);

int omx_xenbus_start(void)
{
	unsigned int i;

	for (i = 0; i < OMX_BOARDS; i++) {
		mutex_init(&omx_boards[i].changing);
		INIT_WORK(&omx_boards[i].answers, omx_answers_work);
	}
	omx_keeper = kthread_run(omx_keep_all, NULL, "open-mx");
	if (IS_ERR(omx_keeper))
		return PTR_ERR(omx_keeper);
	if (xen_domain())
		queue_work(system_long_wq, &omx_register);
	return 0;
}

void omx_xenbus_stop(void)
{
	unsigned int i;

	flush_work(&omx_register);
	kthread_stop(omx_keeper); /* it may register the watch anew */
	if (!omx_watched)
		unregister_xenbus_watch(&omx_watch);
	if (!omx_registered)
		xenbus_unregister_driver(&omx_driver);
	for (i = 0; i < OMX_BOARDS; i++) {
		omx_detach(i); /* one that was orphaned has no device */
		kfree(omx_boards[i].backend);
	}
	cancel_delayed_work_sync(&omx_reaper);
	omx_give_up(); /* the last watch ends, and with it the sweeps */
	cancel_work_sync(&omx_sweeper);
	omx_stop();
}

MODULE_ALIAS("xen:omx");
