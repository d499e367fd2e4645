/* Atomic operations between two endpoints of one process, by each form of call: what they make of memory, what is refused, and with
 * which code. It ends with "N checks of atomic operations"; whatever is wrong ends it with a sentence and status 1. */

#include <pthread.h>
#include <rdma/fabric.h>
#include <rdma/fi_atomic.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 200
#define MOST 128
#define ALL_KEY 7
#define READ_KEY 8
#define ADDS 3000

struct end {
	struct fid_ep *ep;
	struct fid_cq *cq;
	struct fid_cntr *reads, *writes;
	fi_addr_t number;
};

static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_av *av;
static struct fi_info *info;
static struct end caller, owner;
static uint64_t words[WORDS];
/* The processor writes nothing there. */
static const uint64_t constant = 42;
static struct fi_context2 context;
static long verified;

static void expect(int holds, const char *what, long number)
{
	if (!holds) {
		fprintf(stderr, "%s (%ld)\n", what, number);
		exit(1);
	}
	verified++;
}

static void open_end(struct end *end)
{
	struct fi_cq_attr of_queue = { .format = FI_CQ_FORMAT_TAGGED };
	struct fi_cntr_attr of_counter = { .events = FI_CNTR_EVENTS_COMP };
	char name[64];
	size_t size = sizeof name;

	expect(!fi_endpoint(domain, info, &end->ep, NULL), "no endpoint", 0);
	expect(!fi_cq_open(domain, &of_queue, &end->cq, NULL), "no queue", 0);
	expect(!fi_cntr_open(domain, &of_counter, &end->reads, NULL), "no counter", 0);
	expect(!fi_cntr_open(domain, &of_counter, &end->writes, NULL), "no counter", 0);
	fi_ep_bind(end->ep, &av->fid, 0);
	fi_ep_bind(end->ep, &end->cq->fid, FI_TRANSMIT | FI_RECV);
	fi_ep_bind(end->ep, &end->reads->fid, FI_READ);
	fi_ep_bind(end->ep, &end->writes->fid, FI_WRITE);
	expect(!fi_enable(end->ep), "an endpoint is not enabled", 0);
	expect(!fi_getname(&end->ep->fid, name, &size), "no name", 0);
	expect(fi_av_insert(av, name, 1, &end->number, 0, NULL) == 1, "no number", 0);
}

static long next(struct fi_cq_tagged_entry *entry)
{
	long found;

	do {
		fi_cq_read(owner.cq, NULL, 0);
		found = fi_cq_read(caller.cq, entry, 1);
	} while (found == -FI_EAGAIN);
	return found;
}

static void ends_well(long begun, uint64_t flags)
{
	struct fi_cq_tagged_entry entry;

	expect(!begun, "a call", begun);
	expect(next(&entry) == 1, "an operation", 0);
	expect(entry.op_context == &context && entry.flags == (FI_ATOMIC | flags), "its flags", entry.flags);
}

static void ends_with(long begun, int code)
{
	struct fi_cq_tagged_entry entry;
	struct fi_cq_err_entry error = { 0 };

	expect(!begun, "a call", begun);
	expect(next(&entry) == -FI_EAVAIL, "an operation that is refused ends well", code);
	expect(fi_cq_readerr(caller.cq, &error, 0) == 1 && error.err == code, "another code", error.err);
}

static void set(uint64_t first)
{
	for (int i = 0; i < WORDS; i++)
		words[i] = first + i;
}

static void are(uint64_t first, int from, int until)
{
	for (int i = from; i < until; i++)
		expect(words[i] == first + i, "a word", i);
}

static long change(const void *values, size_t count, uint64_t at, uint64_t key, enum fi_datatype type, enum fi_op op)
{
	return fi_atomic(caller.ep, values, count, NULL, owner.number, at, key, type, op, &context);
}

/* Values in one part and in three, as many as there may be. */
static void each_form(void)
{
	uint64_t add[MOST], before[MOST], compare[MOST];
	struct fi_ioc adds[3] = { { add, 1 }, { add + 1, 100 }, { add + 101, MOST - 101 } };
	struct fi_ioc befores[2] = { { before, 5 }, { before + 5, MOST - 5 } };
	struct fi_ioc compares[2] = { { compare, MOST - 1 }, { compare + MOST - 1, 1 } };
	struct fi_rma_ioc there = { 8, MOST, ALL_KEY };
	struct fi_msg_atomic message = {
		.msg_iov = adds, .iov_count = 3, .addr = owner.number, .rma_iov = &there, .rma_iov_count = 1,
		.datatype = FI_UINT64, .op = FI_SUM, .context = &context,
	};
	uint64_t reads = fi_cntr_read(caller.reads), writes = fi_cntr_read(caller.writes);

	for (int i = 0; i < MOST; i++)
		add[i] = 1000;
	set(0);
	ends_well(change(add, MOST, 8, ALL_KEY, FI_UINT64, FI_SUM), FI_WRITE);
	are(1000, 1, MOST + 1);
	ends_well(fi_atomicv(caller.ep, adds, NULL, 3, owner.number, 8, ALL_KEY, FI_UINT64, FI_SUM, &context), FI_WRITE);
	are(2000, 1, MOST + 1);
	ends_well(fi_atomicmsg(caller.ep, &message, FI_COMPLETION), FI_WRITE);
	are(3000, 1, MOST + 1);
	expect(!fi_inject_atomic(caller.ep, add, 16, owner.number, 8, ALL_KEY, FI_UINT64, FI_SUM), "an injected one", 0);
	expect(fi_inject_atomic(caller.ep, add, 17, owner.number, 8, ALL_KEY, FI_UINT64, FI_SUM) == -FI_EINVAL, "17 injected", 0);
	ends_well(fi_fetch_atomic(caller.ep, NULL, MOST, NULL, before, NULL, owner.number, 8, ALL_KEY, FI_UINT64, FI_ATOMIC_READ,
				  &context), FI_READ);
	are(4000, 1, 17);
	are(3000, 17, MOST + 1);
	expect(!memcmp(before, words + 1, sizeof before), "what was read", 0);
	set(0);
	ends_well(fi_fetch_atomicv(caller.ep, adds, NULL, 3, befores, NULL, 2, owner.number, 8, ALL_KEY, FI_UINT64, FI_SUM, &context),
		  FI_READ);
	are(1000, 1, MOST + 1);
	ends_well(fi_fetch_atomicmsg(caller.ep, &message, befores, NULL, 2, FI_COMPLETION), FI_READ);
	are(2000, 1, MOST + 1);
	for (int i = 0; i < MOST; i++) {
		expect(before[i] == 1001u + i, "what was there", before[i]);
		compare[i] = i % 2 ? 2001 + i : 0;
	}
	ends_well(fi_compare_atomic(caller.ep, add, MOST, NULL, compare, NULL, before, NULL, owner.number, 8, ALL_KEY, FI_UINT64,
				    FI_CSWAP, &context), FI_READ);
	for (int i = 0; i < MOST; i++) {
		expect(before[i] == 2001u + i, "what was there", before[i]);
		expect(words[i + 1] == (i % 2 ? 1000 : 2001u + i), "what was exchanged", words[i + 1]);
		compare[i] = 0xff;
	}
	set(0x1000);
	message.op = FI_MSWAP;
	ends_well(fi_compare_atomicmsg(caller.ep, &message, compares, NULL, 2, befores, NULL, 2, FI_COMPLETION), FI_READ);
	for (int i = 0; i < MOST; i++)
		expect(words[i + 1] == (0x10e8 | ((0x1001u + i) & ~0xffu)), "bits that were exchanged", words[i + 1]);
	set(0);
	ends_well(fi_compare_atomicv(caller.ep, adds, NULL, 3, compares, NULL, 2, befores, NULL, 2, owner.number, 8, ALL_KEY,
				     FI_UINT64, FI_CSWAP_GT, &context), FI_READ);
	for (int i = 0; i < MOST; i++)
		expect(words[i + 1] == 1000, "what was exchanged", words[i + 1]);
	are(0, 0, 1);
	are(0, MOST + 1, WORDS);
	expect(fi_cntr_read(caller.reads) == reads + 6, "reads that were counted", fi_cntr_read(caller.reads) - reads);
	expect(fi_cntr_read(caller.writes) == writes + 4, "writes that were counted", fi_cntr_read(caller.writes) - writes);
}

/* Nothing is changed by what is refused here, or there. */
static void refusals(void)
{
	uint64_t value[MOST + 1] = { 1 }, before[2];
	struct fi_ioc two = { before, 2 };
	struct fi_ioc one = { value, 1 };
	size_t count;

	set(5);
	ends_with(change(value, 1, 0, 99, FI_UINT64, FI_SUM), FI_EKEYREJECTED);
	ends_with(change(value, 1, 0, READ_KEY, FI_UINT64, FI_SUM), FI_EACCES);
	ends_with(fi_fetch_atomic(caller.ep, value, 1, NULL, before, NULL, owner.number, 0, READ_KEY, FI_UINT64, FI_SUM, &context),
		  FI_EACCES);
	ends_with(change(value, 1, sizeof words, ALL_KEY, FI_UINT64, FI_SUM), FI_EINVAL);
	ends_with(change(value, 2, sizeof words - 8, ALL_KEY, FI_UINT64, FI_SUM), FI_EINVAL);
	ends_with(change(value, 1, UINT64_MAX, ALL_KEY, FI_UINT64, FI_SUM), FI_EINVAL);
	ends_with(change(value, 1, 4, ALL_KEY, FI_UINT64, FI_SUM), FI_EINVAL);
	ends_with(change(value, 1, 2, ALL_KEY, FI_FLOAT, FI_SUM), FI_EINVAL);
	ends_with(change(value, 1, 1, ALL_KEY, FI_INT16, FI_SUM), FI_EINVAL);
	expect(change(value, 0, 0, ALL_KEY, FI_UINT64, FI_SUM) == -FI_EINVAL, "no value", 0);
	expect(change(value, MOST + 1, 0, ALL_KEY, FI_UINT64, FI_SUM) == -FI_EMSGSIZE, "too many values", 0);
	expect(change(value, SIZE_MAX, 0, ALL_KEY, FI_UINT64, FI_SUM) == -FI_EMSGSIZE, "far too many values", 0);
	expect(change(value, 1, 0, ALL_KEY, FI_UINT64, FI_CSWAP) == -FI_EOPNOTSUPP, "an exchange without comparison", 0);
	expect(change(value, 1, 0, ALL_KEY, FI_FLOAT, FI_BOR) == -FI_EOPNOTSUPP, "bits of a float", 0);
	expect(change(value, 1, 0, ALL_KEY, FI_LONG_DOUBLE, FI_SUM) == -FI_EOPNOTSUPP, "a long double", 0);
	expect(change(value, 1, 0, ALL_KEY, 1000, 1000) == -FI_EOPNOTSUPP, "what there is not", 0);
	expect(fi_fetch_atomicv(caller.ep, &one, NULL, 1, &two, NULL, 1, owner.number, 0, ALL_KEY, FI_UINT64, FI_SUM, &context)
	       == -FI_EINVAL, "more results than values", 0);
	expect(fi_compare_atomicv(caller.ep, &one, NULL, 1, &two, NULL, 1, &one, NULL, 1, owner.number, 0, ALL_KEY, FI_UINT64, FI_CSWAP,
				  &context) == -FI_EINVAL, "more to compare with than values", 0);
	expect(fi_atomicvalid(caller.ep, FI_DOUBLE, FI_BXOR, &count) == -FI_EOPNOTSUPP, "bits of a double", 0);
	expect(!fi_atomicvalid(caller.ep, FI_DOUBLE, FI_SUM, &count) && count == MOST, "a sum of doubles", count);
	are(5, 0, WORDS);
	ends_well(fi_fetch_atomic(caller.ep, NULL, 1, NULL, before, NULL, owner.number, 0, READ_KEY, FI_UINT64, FI_ATOMIC_READ,
				  &context), FI_READ);
	expect(before[0] == constant, "what may be read", before[0]);
}

static void *add_here(void *word)
{
	for (int i = 0; i < ADDS; i++)
		__atomic_fetch_add((uint64_t *)word, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* An endpoint, the owner of the memory by itself, and a thread of it add to one word. */
static void together(void)
{
	struct fi_cq_tagged_entry entry;
	uint64_t one = 1, before, last = 0;
	pthread_t thread;
	int begun[2] = { 0 }, ended = 0;

	words[3] = 0;
	pthread_create(&thread, NULL, add_here, &words[3]);
	while (ended < 2 * ADDS) {
		for (int i = 0; i < 2; i++) {
			struct fid_ep *ep = i ? owner.ep : caller.ep;

			if (begun[i] < ADDS && begun[0] + begun[1] - ended < 64
			    && !fi_atomic(ep, &one, 1, NULL, owner.number, 24, ALL_KEY, FI_UINT64, FI_SUM, &context))
				begun[i]++;
		}
		ended += fi_cq_read(caller.cq, &entry, 1) == 1;
		ended += fi_cq_read(owner.cq, &entry, 1) == 1;
		if (words[3] < last)
			expect(0, "a sum becomes less", words[3]);
		last = words[3];
	}
	pthread_join(thread, NULL);
	expect(words[3] == 3 * ADDS, "a sum", words[3]);
	ends_well(fi_fetch_atomic(caller.ep, NULL, 1, NULL, &before, NULL, owner.number, 24, ALL_KEY, FI_UINT64, FI_ATOMIC_READ,
				  &context), FI_READ);
	expect(before == 3 * ADDS, "a sum that is read", before);
}

int main(void)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_av_attr of_vector = { .type = FI_AV_TABLE };
	struct fid_mr *all, *read;

	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_ATOMIC;
	hints->fabric_attr->prov_name = strdup("openmx");
	expect(!fi_getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints, &info), "nothing offered", 0);
	expect(!fi_fabric(info->fabric_attr, &fabric, NULL), "no fabric", 0);
	expect(!fi_domain(fabric, info, &domain, NULL), "no domain", 0);
	expect(!fi_av_open(domain, &of_vector, &av, NULL), "no vector", 0);
	open_end(&caller);
	open_end(&owner);
	expect(!fi_mr_reg(domain, words, sizeof words, FI_REMOTE_READ | FI_REMOTE_WRITE, 0, ALL_KEY, 0, &all, NULL), "no region", 0);
	expect(!fi_mr_reg(domain, &constant, sizeof constant, FI_REMOTE_READ, 0, READ_KEY, 0, &read, NULL), "no region", 0);
	each_form();
	refusals();
	together();
	printf("%ld checks of atomic operations\n", verified);
	fi_close(&all->fid);
	fi_close(&read->fid);
	fi_close(&caller.ep->fid);
	fi_close(&owner.ep->fid);
	return 0;
}
