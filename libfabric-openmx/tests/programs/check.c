/* Any number of MPI's processes, from two on, verify what they send each other in the ways that a provider can get wrong.
 * Rank 0 ends with "N messages verified"; whatever is wrong ends the job with a sentence and status 1. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, ranks;
static long verified;

static void fail(const char *what, long number)
{
	fprintf(stderr, "rank %d: %s (%ld)\n", rank, what, number);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

static void expect(int holds, const char *what, long number)
{
	if (!holds)
		fail(what, number);
}

/* Bytes that name their sender, their receiver and their message. */
static void fill(unsigned char *bytes, int length, int from, int to, int seed)
{
	unsigned state = 2654435761u * (unsigned)(from * 65537 + to * 257 + seed + 1);

	for (int i = 0; i < length; i++) {
		state = state * 1664525u + 1013904223u;
		bytes[i] = state >> 24;
	}
}

static void compare(const unsigned char *bytes, int length, int from, int to, int seed)
{
	unsigned char *right = malloc(length + 1);

	fill(right, length, from, to, seed);
	expect(!memcmp(bytes, right, length), "a message has other bytes than were sent, of length", length);
	free(right);
	verified++;
}

/* Every rank sends to every other one, with each length, by each kind of send. */
static void lengths(void)
{
	static const int all[] = { 0, 1, 31, 32, 33, 128, 129, 4095, 4096, 32768, 32769, 65537, 1 << 20, (4 << 20) + 3 };
	int (*sends[])(const void *, int, MPI_Datatype, int, int, MPI_Comm) = { MPI_Send, MPI_Ssend };

	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		int length = all[i];
		unsigned char *out = malloc(length + 1), *in = malloc(length + 1);

		for (int to = 0; to < ranks; to++) {
			for (int from = 0; from < ranks; from++) {
				if (from == to)
					continue;
				for (int kind = 0; kind < 2; kind++) {
					int seed = i * 2 + kind, count;
					MPI_Status status;

					if (rank == from) {
						fill(out, length, from, to, seed);
						sends[kind](out, length, MPI_BYTE, to, seed, MPI_COMM_WORLD);
					}
					if (rank == to) {
						memset(in, 0, length);
						MPI_Recv(in, length, MPI_BYTE, from, seed, MPI_COMM_WORLD, &status);
						MPI_Get_count(&status, MPI_BYTE, &count);
						expect(count == length && status.MPI_SOURCE == from, "wrong status, count", count);
						compare(in, length, from, to, seed);
					}
				}
			}
		}
		free(out);
		free(in);
	}
}

/* Many messages at once, of which the receiver names the sender, the tag, both or neither. */
static void many(void)
{
	enum { COUNT = 64, LENGTH = 300 };
	MPI_Request requests[2 * COUNT];
	MPI_Status statuses[2 * COUNT];
	static unsigned char out[COUNT][LENGTH], in[COUNT][LENGTH];
	int to = (rank + 1) % ranks, from = (rank + ranks - 1) % ranks;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < COUNT; i++) {
			int source = round & 1 ? from : MPI_ANY_SOURCE;
			int tag = round & 2 ? i : MPI_ANY_TAG;

			MPI_Irecv(in[i], LENGTH, MPI_BYTE, source, tag, MPI_COMM_WORLD, &requests[i]);
		}
		MPI_Barrier(MPI_COMM_WORLD);
		for (int i = 0; i < COUNT; i++) {
			fill(out[i], LENGTH, rank, to, i);
			MPI_Isend(out[i], LENGTH, MPI_BYTE, to, i, MPI_COMM_WORLD, &requests[COUNT + i]);
		}
		MPI_Waitall(2 * COUNT, requests, statuses);
		for (int i = 0; i < COUNT; i++) {
			expect(statuses[i].MPI_TAG == i && statuses[i].MPI_SOURCE == from, "out of order, tag", statuses[i].MPI_TAG);
			compare(in[i], LENGTH, from, rank, i);
		}
		MPI_Barrier(MPI_COMM_WORLD);
	}
}

/* Two synchronous sends of one tag to two receivers, of which one receives much later: only the other's is complete. */
static void synchronous(void)
{
	if (ranks < 3)
		return;
	if (rank == 0) {
		MPI_Request sends[2];
		char byte = 7;
		int done;

		MPI_Issend(&byte, 1, MPI_CHAR, 1, 5, MPI_COMM_WORLD, &sends[0]);
		MPI_Issend(&byte, 1, MPI_CHAR, 2, 5, MPI_COMM_WORLD, &sends[1]);
		MPI_Wait(&sends[1], MPI_STATUS_IGNORE);
		for (int i = 0; i < 1000; i++) {
			MPI_Test(&sends[0], &done, MPI_STATUS_IGNORE);
			expect(!done, "a synchronous send is complete before its receive", i);
		}
		MPI_Send(&byte, 1, MPI_CHAR, 1, 6, MPI_COMM_WORLD);
		MPI_Wait(&sends[0], MPI_STATUS_IGNORE);
		verified += 2;
	} else if (rank < 3) {
		char byte;

		if (rank == 1)
			MPI_Recv(&byte, 1, MPI_CHAR, 0, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Recv(&byte, 1, MPI_CHAR, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
}

/* Messages that are looked for before they are received, and one that is longer than its receive. */
static void probes(void)
{
	enum { LENGTH = 5000 };
	static unsigned char out[4][LENGTH];
	unsigned char bytes[LENGTH];

	if (rank == 1) {
		MPI_Request sends[4];

		/* The receiver does not take them in this order. */
		for (int i = 0; i < 4; i++) {
			fill(out[i], LENGTH, 1, 0, i);
			MPI_Isend(out[i], LENGTH, MPI_BYTE, 0, i < 3 ? 40 + i : 50, MPI_COMM_WORLD, &sends[i]);
		}
		MPI_Waitall(4, sends, MPI_STATUSES_IGNORE);
	}
	if (rank == 0) {
		MPI_Message message;
		MPI_Status status;
		int count, found = 0, error;

		MPI_Mprobe(1, 41, MPI_COMM_WORLD, &message, &status);
		MPI_Get_count(&status, MPI_BYTE, &count);
		expect(count == LENGTH, "a probe tells another length", count);
		MPI_Iprobe(1, 41, MPI_COMM_WORLD, &found, &status);
		expect(!found, "a claimed message is found again", found);
		MPI_Mrecv(bytes, LENGTH, MPI_BYTE, &message, &status);
		compare(bytes, LENGTH, 1, 0, 1);
		MPI_Probe(MPI_ANY_SOURCE, 42, MPI_COMM_WORLD, &status);
		expect(status.MPI_SOURCE == 1, "a probe tells another sender", status.MPI_SOURCE);
		MPI_Recv(bytes, LENGTH, MPI_BYTE, 1, 42, MPI_COMM_WORLD, &status);
		compare(bytes, LENGTH, 1, 0, 2);
		MPI_Recv(bytes, LENGTH, MPI_BYTE, 1, 40, MPI_COMM_WORLD, &status);
		compare(bytes, LENGTH, 1, 0, 0);
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
		error = MPI_Recv(bytes, 10, MPI_BYTE, 1, 50, MPI_COMM_WORLD, &status);
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
		MPI_Error_class(error, &error);
		expect(error == MPI_ERR_TRUNCATE, "a message that is too long is no error, but", error);
		verified++;
	}
	MPI_Barrier(MPI_COMM_WORLD);
}

/* A receive that is taken back, and one that is not. */
static void cancelled(void)
{
	char byte = 1;

	if (rank == 0) {
		MPI_Request request;
		MPI_Status status;
		int is;

		MPI_Irecv(&byte, 1, MPI_CHAR, 1, 60, MPI_COMM_WORLD, &request);
		MPI_Cancel(&request);
		MPI_Wait(&request, &status);
		MPI_Test_cancelled(&status, &is);
		expect(is, "a receive that nobody sends to is not taken back", is);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_Recv(&byte, 1, MPI_CHAR, 1, 60, MPI_COMM_WORLD, &status);
		verified++;
		return;
	}
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 1)
		MPI_Send(&byte, 1, MPI_CHAR, 0, 60, MPI_COMM_WORLD);
}

static void collectives(void)
{
	enum { LENGTH = 20000 };
	unsigned char *out = malloc((size_t)ranks * LENGTH), *in = malloc((size_t)ranks * LENGTH);

	for (int round = 0; round < 5; round++) {
		long sum = 0;
		long own = rank + 1;

		for (int to = 0; to < ranks; to++)
			fill(out + to * LENGTH, LENGTH, rank, to, round);
		MPI_Alltoall(out, LENGTH, MPI_BYTE, in, LENGTH, MPI_BYTE, MPI_COMM_WORLD);
		for (int from = 0; from < ranks; from++)
			compare(in + from * LENGTH, LENGTH, from, rank, round);
		MPI_Allreduce(&own, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		expect(sum == (long)ranks * (ranks + 1) / 2, "a wrong sum", sum);
	}
	free(out);
	free(in);
}

/* What is sent just before the end arrives: the last thing that a rank does. */
static void last(void)
{
	char byte = 3;

	if (rank != 0) {
		for (int i = 0; i < 50; i++)
			MPI_Send(&byte, 1, MPI_CHAR, 0, 70, MPI_COMM_WORLD);
		return;
	}
	for (int i = 0; i < 50 * (ranks - 1); i++) {
		MPI_Recv(&byte, 1, MPI_CHAR, MPI_ANY_SOURCE, 70, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		verified++;
	}
}

int main(int argc, char **argv)
{
	long all = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	expect(ranks > 1, "ranks that are too few", ranks);
	lengths();
	many();
	synchronous();
	probes();
	cancelled();
	collectives();
	MPI_Reduce(&verified, &all, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	verified = 0;
	last();
	if (rank == 0)
		printf("%d ranks: %ld messages verified\n", ranks, all + verified);
	MPI_Finalize();
	return 0;
}
