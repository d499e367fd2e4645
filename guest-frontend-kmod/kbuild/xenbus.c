// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/* The xenbus driver of class "omx": a board's life, its grants and its event channel. */
#include "shim.h"

#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

struct omx_board {
	struct xenbus_device *device;
	struct mutex cutting;
	int irq; /* read under RCU by those who notify */
	struct work_struct answers;
};

static struct omx_board omx_boards[OMX_BOARDS];
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

/* Interrupt first: its handler touches the device pages. Idempotent; who comes second returns when all is done. */
static void omx_cut(struct omx_board *board)
{
	int irq;

	mutex_lock(&board->cutting);
	irq = board->irq;
	WRITE_ONCE(board->irq, 0);
	if (irq > 0) {
		synchronize_rcu(); /* nobody notifies through it any more */
		unbind_from_irqhandler(irq, board);
	}
	omx_detach(board - omx_boards);
	mutex_unlock(&board->cutting);
}

/* After it neither interrupt nor work touches the board. The work may be cutting, or be scheduled by the interrupt. */
static void omx_disconnect(struct omx_board *board)
{
	cancel_work_sync(&board->answers);
	omx_cut(board);
	cancel_work_sync(&board->answers);
}

static void omx_answers_work(struct work_struct *work)
{
	struct omx_board *board = container_of(work, struct omx_board, answers);
	int more = omx_answers(board - omx_boards);

	if (more > 0) {
		schedule_work(work);
	} else if (more < 0) {
		omx_cut(board);
		xenbus_dev_fatal(board->device, more, "the backend broke the protocol of the control ring");
	}
}

static int omx_probe(struct xenbus_device *device, const struct xenbus_device_id *id)
{
	struct omx_board *board;
	evtchn_port_t port;
	unsigned int number;
	u32 ring_ref;
	int error;

	if (sscanf(device->nodename, "device/omx/%u", &number) != 1 || number >= OMX_BOARDS) {
		xenbus_dev_fatal(device, -ENOSPC, "a guest has boards 0 to %d", OMX_BOARDS - 1);
		return -ENOSPC;
	}
	board = &omx_boards[number];
	board->device = device;
	dev_set_drvdata(&device->dev, board);
	error = omx_attach(number, device->otherend_id, &ring_ref);
	if (error) {
		xenbus_dev_fatal(device, error, "granting the device pages");
		return error;
	}
	error = omx_connect_irq(board, &port);
	if (!error)
		error = omx_publish(device, ring_ref, port);
	if (!error)
		error = xenbus_switch_state(device, XenbusStateInitialised);
	if (error)
		omx_disconnect(board);
	return error;
}

static void omx_backend_changed(struct xenbus_device *device, enum xenbus_state state)
{
	struct omx_board *board = dev_get_drvdata(&device->dev);

	switch (state) {
	case XenbusStateConnected:
		if (device->state != XenbusStateInitialised)
			break;
		omx_connected(board - omx_boards);
		xenbus_switch_state(device, XenbusStateConnected);
		dev_info(&device->dev, "connected to domain %d\n", device->otherend_id);
		break;
	case XenbusStateUnknown: /* its directory is gone, and most likely its domain */
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (device->state == XenbusStateClosed)
			break;
		dev_info(&device->dev, "domain %d %s\n", device->otherend_id,
			 state == XenbusStateUnknown ? "is gone" : "closes the board");
		omx_disconnect(board);
		xenbus_frontend_closed(device);
		break;
	default:
		break;
	}
}

static void omx_remove_device(struct xenbus_device *device)
{
	omx_disconnect(dev_get_drvdata(&device->dev));
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
	.not_essential = true,
	.probe = omx_probe,
	.remove = OMX_REMOVE,
	.otherend_changed = omx_backend_changed,
};

/* Registering waits up to 30 s for devices that are not connected: insmod must not. */
static int omx_registered = -ENODEV;

static void omx_register_work(struct work_struct *work)
{
	omx_registered = xenbus_register_frontend(&omx_driver);
	if (omx_registered)
		pr_err("the xenbus driver was refused with error %d\n", omx_registered);
}

static DECLARE_WORK(omx_register, omx_register_work);

void omx_xenbus_start(void)
{
	unsigned int i;

	for (i = 0; i < OMX_BOARDS; i++) {
		mutex_init(&omx_boards[i].cutting);
		INIT_WORK(&omx_boards[i].answers, omx_answers_work);
	}
	if (xen_domain())
		queue_work(system_long_wq, &omx_register);
}

void omx_xenbus_stop(void)
{
	flush_work(&omx_register);
	if (!omx_registered)
		xenbus_unregister_driver(&omx_driver);
	cancel_delayed_work_sync(&omx_reaper);
	omx_give_up(); /* the last watch ends, and with it the sweeps */
	cancel_work_sync(&omx_sweeper);
	omx_stop();
}

MODULE_ALIAS("xen:omx");
