/* Two of MPI's processes measure and verify: for each length half a round trip, and what a window of sends carries. Rank 0 prints
 * "LENGTH MICROSECONDS MIB_PER_SECOND" for each; whatever is wrong ends the job with a sentence and status 1. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sends of a window, which one answer ends. */
#define WINDOW 16

static const int lengths[] = { 0, 1, 64, 1024, 4096, 16384, 65536, 262144, 1 << 20, 4 << 20 };

static int rank;

static void fill(unsigned char *bytes, int length, int seed)
{
	for (int i = 0; i < length; i++)
		bytes[i] = i * 31 + (i >> 8) + seed;
}

static void verify(const unsigned char *bytes, unsigned char *right, int length, int seed)
{
	fill(right, length, seed);
	if (memcmp(bytes, right, length)) {
		fprintf(stderr, "rank %d: a message of %d bytes has other bytes than were sent\n", rank, length);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
}

/* So many round trips, each message with a first byte of its own; the seconds that they took. */
static double round_trips(unsigned char *out, unsigned char *in, int length, int times)
{
	double begun = MPI_Wtime();

	for (int i = 0; i < times; i++) {
		if (length)
			out[0] = i;
		if (rank == 0)
			MPI_Send(out, length, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		MPI_Recv(in, length, MPI_BYTE, !rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (rank == 1)
			MPI_Send(out, length, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
		if (length && in[0] != (unsigned char)i) {
			fprintf(stderr, "rank %d: another message than the one of this round\n", rank);
			MPI_Abort(MPI_COMM_WORLD, 1);
		}
	}
	return MPI_Wtime() - begun;
}

/* So many windows from rank 0 to rank 1, each into memory of its own; the seconds that they took. */
static double windows(unsigned char *out, unsigned char *in, int length, int times)
{
	MPI_Request requests[WINDOW];
	double begun = MPI_Wtime();

	for (int i = 0; i < times; i++) {
		for (int k = 0; k < WINDOW; k++) {
			if (rank == 0)
				MPI_Isend(out, length, MPI_BYTE, 1, 2, MPI_COMM_WORLD, &requests[k]);
			else
				MPI_Irecv(in + (size_t)k * length, length, MPI_BYTE, 0, 2, MPI_COMM_WORLD, &requests[k]);
		}
		MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
		if (rank == 0)
			MPI_Recv(NULL, 0, MPI_BYTE, 1, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		else
			MPI_Send(NULL, 0, MPI_BYTE, 0, 3, MPI_COMM_WORLD);
	}
	return MPI_Wtime() - begun;
}

static void measure(int length)
{
	/* Some milliseconds for each length, on a network of 1 µs and 1 ns a byte or of ten times that. */
	int times = length <= 4096 ? 2000 : length <= 65536 ? 400 : length <= 262144 ? 100 : 20;
	unsigned char *out = malloc(length + 1), *in = malloc((size_t)WINDOW * length + 1), *right = malloc(length + 1);
	int bursts = times / WINDOW + 1;
	double trips, full;

	fill(out, length, rank);
	round_trips(out, in, length, times / 10);
	fill(out, length, rank);
	trips = round_trips(out, in, length, times);
	if (length) {
		in[0] = !rank;
		verify(in, right, length, !rank);
	}
	fill(out, length, 7);
	full = windows(out, in, length, bursts);
	for (int k = 0; k < WINDOW && rank == 1; k++)
		verify(in + (size_t)k * length, right, length, 7);
	if (rank == 0)
		printf("%d %.3f %.1f\n", length, trips / times / 2 * 1e6,
		       (double)length * WINDOW * bursts / full / (1 << 20));
	free(out);
	free(in);
	free(right);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
		measure(lengths[i]);
	MPI_Finalize();
	return 0;
}
