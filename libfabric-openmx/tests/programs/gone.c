/* What each queue of the provider says when its node goes: an error, and no call waits for ever. It says "ready" when the node may
 * be killed, waits for a line, and ends with "N queues told"; whatever is wrong ends it with a sentence and status 1. */

#include <poll.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each endpoint is looked at in another way. */
enum way { READ, SLEEP, DESCRIPTOR, COUNTER, WAYS };

struct end {
	struct fid_ep *ep;
	struct fid_cq *cq;
	struct fid_cntr *counter;
	struct fi_context context;
	char bytes[8];
};

static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_av *av;
static struct fi_info *info;

static void expect(int holds, const char *what, long number)
{
	if (holds)
		return;
	fprintf(stderr, "%s (%ld)\n", what, number);
	exit(1);
}

static void open_end(struct end *end, enum way way)
{
	struct fi_cq_attr of_queue = { .format = FI_CQ_FORMAT_TAGGED, .wait_obj = way == DESCRIPTOR ? FI_WAIT_FD : FI_WAIT_UNSPEC };
	struct fi_cntr_attr of_counter = { .events = FI_CNTR_EVENTS_COMP, .wait_obj = FI_WAIT_UNSPEC };
	int code;

	code = fi_endpoint(domain, info, &end->ep, NULL);
	expect(!code, "no endpoint", code);
	code = fi_cq_open(domain, &of_queue, &end->cq, NULL);
	expect(!code, "no queue", code);
	code = fi_cntr_open(domain, &of_counter, &end->counter, NULL);
	expect(!code, "no counter", code);
	fi_ep_bind(end->ep, &av->fid, 0);
	fi_ep_bind(end->ep, &end->cq->fid, FI_TRANSMIT | FI_RECV);
	fi_ep_bind(end->ep, &end->counter->fid, FI_RECV);
	code = fi_enable(end->ep);
	expect(!code, "an endpoint is not enabled", code);
	code = fi_trecv(end->ep, end->bytes, sizeof end->bytes, NULL, FI_ADDR_UNSPEC, 7, 0, &end->context);
	expect(!code, "no receive", code);
}

/* Whatever is under way fails, once, with the code of a device that is not there. */
static void failure(struct end *end)
{
	struct fi_cq_err_entry error = { 0 };
	long count = fi_cq_readerr(end->cq, &error, 0);

	expect(count == 1, "no error is told", count);
	expect(error.err == FI_ENODEV, "another error than that the node has gone", error.err);
	expect(error.op_context == &end->context, "an error of another operation", error.err);
}

static void tell(struct end *end, enum way way)
{
	struct fi_cq_tagged_entry entry;
	struct fid *queue = &end->cq->fid;
	long code;
	int descriptor = -1;

	switch (way) {
	case READ:
		do {
			code = fi_cq_read(end->cq, &entry, 1);
		} while (code == -FI_EAGAIN);
		break;
	case SLEEP:
		code = fi_cq_sread(end->cq, &entry, 1, NULL, -1);
		break;
	case DESCRIPTOR:
		code = fi_control(queue, FI_GETWAIT, &descriptor);
		expect(!code, "no descriptor", code);
		while (fi_trywait(fabric, &queue, 1) == FI_SUCCESS) {
			struct pollfd polled = { .fd = descriptor, .events = POLLIN };

			poll(&polled, 1, -1);
		}
		code = fi_cq_read(end->cq, &entry, 1);
		break;
	default:
		code = fi_cntr_wait(end->counter, 1, -1);
		expect(code == -FI_EAVAIL, "a counter does not tell that the node has gone", code);
		expect(fi_cntr_readerr(end->counter) == 1, "failures are not counted", fi_cntr_readerr(end->counter));
	}
	expect(code == -FI_EAVAIL, "a queue does not tell that the node has gone", code);
	failure(end);
	/* And then there is nothing to wait for. */
	code = fi_cq_sread(end->cq, &entry, 1, NULL, -1);
	expect(code == -FI_ENODEV, "a queue has something to wait for", code);
	do {
		code = fi_cq_read(end->cq, &entry, 1);
	} while (code == -FI_EAGAIN);
	expect(code == -FI_ENODEV, "a queue may have something", code);
	code = fi_cntr_wait(end->counter, 2, -1);
	expect(code == -FI_ENODEV, "a counter has something to wait for", code);
	code = fi_trecv(end->ep, end->bytes, sizeof end->bytes, NULL, FI_ADDR_UNSPEC, 7, 0, &end->context);
	expect(code == -FI_ENODEV, "a receive begins", code);
	code = fi_tsend(end->ep, end->bytes, 1, NULL, 0, 7, &end->context);
	expect(code == -FI_ENODEV, "a send begins", code);
}

int main(void)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_av_attr of_vector = { .type = FI_AV_TABLE };
	struct end ends[WAYS];
	char name[64], line[64];
	size_t length = sizeof name;
	int code;

	hints->caps = FI_TAGGED;
	hints->fabric_attr->prov_name = strdup("openmx");
	code = fi_getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints, &info);
	expect(!code, "the provider offers nothing", code);
	code = fi_fabric(info->fabric_attr, &fabric, NULL);
	expect(!code, "no fabric", code);
	code = fi_domain(fabric, info, &domain, NULL);
	expect(!code, "no domain", code);
	code = fi_av_open(domain, &of_vector, &av, NULL);
	expect(!code, "no addresses", code);
	for (int way = 0; way < WAYS; way++)
		open_end(&ends[way], way);
	fi_getname(&ends[0].ep->fid, name, &length);
	fi_av_insert(av, name, 1, NULL, 0, NULL);
	puts("ready");
	fflush(stdout);
	expect(fgets(line, sizeof line, stdin) != NULL, "nobody says that the node is dead", 0);
	for (int way = 0; way < WAYS; way++)
		tell(&ends[way], way);
	for (int way = 0; way < WAYS; way++) {
		fi_close(&ends[way].ep->fid);
		fi_close(&ends[way].cq->fid);
		fi_close(&ends[way].counter->fid);
	}
	fi_close(&av->fid);
	fi_close(&domain->fid);
	fi_close(&fabric->fid);
	printf("%d queues told\n", WAYS);
	return 0;
}
