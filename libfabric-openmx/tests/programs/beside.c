/* Data of all 32 bits beside a tag, by each way to send, to receive and to look, between two endpoints of one process. It ends with
 * "N messages with data verified"; whatever is wrong ends it with a sentence and status 1. */

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX (1 << 20)
#define TAG 0x1234567

struct end {
	struct fid_ep *ep;
	struct fid_cq *cq;
	fi_addr_t number;
};

/* The last that fits into match info, its neighbours, and the greatest. */
static const uint64_t datas[] = { 0, 1, 0x2fffe, 0x2ffff, 0x30000, 0x3ffff, 0x40000, 0xfffffffe, 0xffffffff };
static const size_t lengths[] = { 0, 1, 32, 128, 129, 4096, 32768, 32769, LENGTH_MAX };
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_av *av;
static struct fi_info *info;
static struct end sender, receiver;
static char *bytes, *place;
static struct fi_context2 sent, received;
static long verified;

static void expect(int holds, const char *what, long number)
{
	if (holds)
		return;
	fprintf(stderr, "%s (%ld)\n", what, number);
	exit(1);
}

static void open_end(struct end *end)
{
	struct fi_cq_attr attributes = { .format = FI_CQ_FORMAT_TAGGED };
	char name[64];
	size_t size = sizeof name;

	expect(!fi_endpoint(domain, info, &end->ep, NULL), "no endpoint", 0);
	expect(!fi_cq_open(domain, &attributes, &end->cq, NULL), "no queue", 0);
	fi_ep_bind(end->ep, &av->fid, 0);
	fi_ep_bind(end->ep, &end->cq->fid, FI_TRANSMIT | FI_RECV);
	expect(!fi_enable(end->ep), "an endpoint is not enabled", 0);
	expect(!fi_getname(&end->ep->fid, name, &size), "no name", 0);
	expect(fi_av_insert(av, name, 1, &end->number, 0, NULL) == 1, "no number", 0);
}

/* What completes next at one end, while both make progress. */
static long next(struct end *end, struct fi_cq_tagged_entry *entry)
{
	struct end *other = end == &sender ? &receiver : &sender;
	long found;

	do {
		fi_cq_read(other->cq, NULL, 0);
		found = fi_cq_read(end->cq, entry, 1);
	} while (found == -FI_EAGAIN);
	return found;
}

enum way { SENDDATA, INJECT, DELIVERED, VECTOR, WAYS };

static void send_one(enum way way, size_t length, uint64_t tag, uint64_t data)
{
	struct iovec parts[2] = { { bytes, length / 2 }, { bytes + length / 2, length - length / 2 } };
	struct fi_msg_tagged message = {
		.msg_iov = parts, .iov_count = 2, .addr = receiver.number, .tag = tag, .context = &sent, .data = data,
	};
	long code;

	do {
		switch (way) {
		case SENDDATA:
			code = fi_tsenddata(sender.ep, bytes, length, NULL, data, receiver.number, tag, &sent);
			break;
		case INJECT:
			code = fi_tinjectdata(sender.ep, bytes, length, data, receiver.number, tag);
			break;
		default:
			code = fi_tsendmsg(sender.ep, &message,
					   FI_REMOTE_CQ_DATA | FI_COMPLETION | (way == DELIVERED ? FI_DELIVERY_COMPLETE : 0));
		}
	} while (code == -FI_EAGAIN);
	expect(!code, "a send", code);
}

static void end_send(enum way way)
{
	struct fi_cq_tagged_entry entry;

	if (way == INJECT)
		return;
	expect(next(&sender, &entry) == 1, "a send's end", 0);
	expect(entry.op_context == &sent, "a send's context", 0);
}

static void receive(size_t room, uint64_t tag)
{
	memset(place, 0, room);
	expect(!fi_trecv(receiver.ep, place, room, NULL, FI_ADDR_UNSPEC, tag, 0, &received), "a receive", 0);
}

static void is_right(const struct fi_cq_tagged_entry *entry, size_t length, uint64_t tag, uint64_t data)
{
	expect(entry->tag == tag, "a tag", entry->tag);
	expect(entry->len == length, "a length", entry->len);
	expect(entry->flags & FI_REMOTE_CQ_DATA, "there is no data", data);
	expect(entry->data == data, "other data", entry->data);
	verified++;
}

static void end_receive(size_t length, uint64_t tag, uint64_t data)
{
	struct fi_cq_tagged_entry entry;

	expect(next(&receiver, &entry) == 1, "a receive's end", 0);
	is_right(&entry, length, tag, data);
	expect(!memcmp(place, bytes, length), "other bytes", length);
	expect(place[length] == 0, "a byte behind the message", place[length]);
}

/* Received before and after it was sent. */
static void there(enum way way, size_t length, uint64_t data)
{
	if (way == INJECT && length > info->tx_attr->inject_size)
		return;
	receive(length + 1, TAG);
	send_one(way, length, TAG, data);
	end_receive(length, TAG, data);
	end_send(way);
	send_one(way, length, TAG, data);
	/* A message behind it that has come says that this one has, too. */
	fi_tinject(sender.ep, bytes, 0, receiver.number, TAG + 1);
	receive(0, TAG + 1);
	struct fi_cq_tagged_entry entry;
	expect(next(&receiver, &entry) == 1 && !(entry.flags & FI_REMOTE_CQ_DATA), "a message without data", 0);
	receive(length + 1, TAG);
	end_receive(length, TAG, data);
	end_send(way);
}

static void look(uint64_t flags, long is)
{
	struct iovec part = { place, LENGTH_MAX };
	struct fi_msg_tagged message = {
		.msg_iov = &part, .iov_count = 1, .addr = FI_ADDR_UNSPEC, .tag = TAG, .context = &received,
	};
	long code = fi_trecvmsg(receiver.ep, &message, flags | FI_COMPLETION);

	expect(code == is, "a look", code);
}

/* Looked for until it is there: without a message a look ends with an error. */
static void found(uint64_t flags, size_t length, uint64_t data)
{
	struct fi_cq_tagged_entry entry;
	struct fi_cq_err_entry error = { 0 };

	for (;;) {
		look(FI_PEEK | flags, 0);
		if (next(&receiver, &entry) == 1)
			break;
		expect(fi_cq_readerr(receiver.cq, &error, 0) == 1 && error.err == FI_ENOMSG, "a look's error", error.err);
		fi_cq_read(sender.cq, NULL, 0);
	}
	is_right(&entry, length, TAG, data);
}

static void looks(size_t length, uint64_t data)
{
	send_one(SENDDATA, length, TAG, data);
	send_one(SENDDATA, length, TAG, data ^ 1);
	send_one(SENDDATA, length, TAG, data ^ 2);
	send_one(SENDDATA, length, TAG, data ^ 3);
	found(0, length, data);
	found(0, length, data);
	found(FI_CLAIM, length, data);
	found(FI_DISCARD, length, data ^ 1);
	memset(place, 0, length + 1);
	look(FI_CLAIM, 0);
	end_receive(length, TAG, data);
	found(FI_CLAIM, length, data ^ 2);
	look(FI_CLAIM | FI_DISCARD, 0);
	struct fi_cq_tagged_entry entry;
	expect(next(&receiver, &entry) == 1, "what was thrown away", 0);
	receive(length + 1, TAG);
	end_receive(length, TAG, data ^ 3);
	for (int i = 0; i < 4; i++)
		end_send(SENDDATA);
}

static void truncated(size_t length, uint64_t data)
{
	struct fi_cq_tagged_entry entry;
	struct fi_cq_err_entry error = { 0 };

	receive(length - 1, TAG);
	send_one(SENDDATA, length, TAG, data);
	send_one(SENDDATA, length, TAG, data ^ 1);
	expect(next(&receiver, &entry) == -FI_EAVAIL, "a message that was too long", 0);
	expect(fi_cq_readerr(receiver.cq, &error, 0) == 1, "no error", 0);
	expect(error.err == FI_ETRUNC && error.olen == 1 && error.len == length - 1, "an error", error.err);
	expect(error.data == data && error.tag == TAG, "data of a message that was too long", error.data);
	receive(length + 1, TAG);
	end_receive(length, TAG, data ^ 1);
	end_send(SENDDATA);
	end_send(SENDDATA);
}

/* Of many messages each has its own, whatever the order of the receives. */
static void many(int count)
{
	for (int i = 0; i < count; i++)
		send_one(SENDDATA, 8, i, 0xffffffff - i);
	for (int i = count - 1; i >= 0; i--) {
		receive(9, i);
		end_receive(8, i, 0xffffffff - i);
	}
	for (int i = 0; i < count; i++)
		end_send(SENDDATA);
}

/* Several messages into one receive, one behind the other. */
static void several(size_t length, int count)
{
	struct iovec part = { place, (count - 1) * length + 4096 + length / 2 };
	struct fi_msg_tagged message = {
		.msg_iov = &part, .iov_count = 1, .addr = FI_ADDR_UNSPEC, .tag = TAG, .context = &received,
	};
	struct fi_cq_tagged_entry entry;

	expect(!fi_trecvmsg(receiver.ep, &message, FI_MULTI_RECV | FI_COMPLETION), "a receive of several", 0);
	for (int i = 0; i < count; i++)
		send_one(SENDDATA, length, TAG, 0x80000000 + i);
	for (int i = 0; i < count; i++) {
		expect(next(&receiver, &entry) == 1, "one of several", i);
		is_right(&entry, length, TAG, 0x80000000 + i);
		expect(entry.buf == place + i * length && !memcmp(entry.buf, bytes, length), "its bytes", i);
		expect(!(entry.flags & FI_MULTI_RECV) == (i + 1 < count), "the last of several", i);
		end_send(SENDDATA);
	}
}

/* What does not reach anybody fails once, and so does the next. */
static void nobody(void)
{
	struct fi_cq_tagged_entry entry;
	struct fi_cq_err_entry error = { 0 };
	unsigned char name[64];
	size_t size = sizeof name;
	fi_addr_t number;

	expect(!fi_getname(&receiver.ep->fid, name, &size), "no name", 0);
	name[8] = 31;
	expect(fi_av_insert(av, name, 1, &number, 0, NULL) == 1, "no number", 0);
	for (int i = 0; i < 2; i++) {
		expect(!fi_tsenddata(sender.ep, bytes, 1, NULL, 0xffffffff, number, TAG, &sent), "a send to nobody", 0);
		expect(next(&sender, &entry) == -FI_EAVAIL, "a send to nobody ends well", 0);
		expect(fi_cq_readerr(sender.cq, &error, 0) == 1 && error.op_context == &sent, "another error", error.err);
		expect(fi_cq_read(sender.cq, &entry, 1) == -FI_EAGAIN, "a send to nobody ends twice", 0);
	}
}

int main(void)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_av_attr of_vector = { .type = FI_AV_TABLE };

	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_TAGGED | FI_MSG | FI_MULTI_RECV;
	hints->domain_attr->cq_data_size = 4;
	hints->fabric_attr->prov_name = strdup("openmx");
	expect(!fi_getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints, &info), "nothing offered", 0);
	expect(!fi_fabric(info->fabric_attr, &fabric, NULL), "no fabric", 0);
	expect(!fi_domain(fabric, info, &domain, NULL), "no domain", 0);
	expect(!fi_av_open(domain, &of_vector, &av, NULL), "no vector", 0);
	open_end(&sender);
	open_end(&receiver);
	bytes = malloc(LENGTH_MAX + 1);
	place = malloc(LENGTH_MAX + 1);
	for (int i = 0; i <= LENGTH_MAX; i++)
		bytes[i] = 1 + i * 7 % 127;

	expect(fi_tsenddata(sender.ep, bytes, 1, NULL, 1ull << 32, receiver.number, TAG, &sent) == -FI_EINVAL,
	       "data of 33 bits is taken", 0);
	for (size_t d = 0; d < COUNT(datas); d++) {
		for (size_t l = 0; l < COUNT(lengths); l++) {
			for (int way = 0; way < WAYS; way++)
				there(way, lengths[l], datas[d]);
			if (lengths[l] < LENGTH_MAX)
				looks(lengths[l], datas[d]);
			if (lengths[l] > 0)
				truncated(lengths[l], datas[d]);
		}
		several(2048, 5);
	}
	/* More than codes for what nobody has taken yet. */
	many(1000);
	for (int i = 0; i < 650; i++)
		many(100);
	nobody();
	printf("%ld messages with data verified\n", verified);
	fi_close(&sender.ep->fid);
	fi_close(&receiver.ep->fid);
	fi_close(&sender.cq->fid);
	fi_close(&receiver.cq->fid);
	fi_close(&av->fid);
	fi_close(&domain->fid);
	fi_close(&fabric->fid);
	return 0;
}
