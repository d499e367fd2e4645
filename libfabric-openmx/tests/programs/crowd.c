/* Many of MPI's processes: each sends to every other one, and verifies what it gets. Rank 0 prints how long the first exchange took,
 * which connects all with all, the median of later ones, and what memory a rank has; whatever is wrong ends the job with a sentence
 * and status 1. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH 1024
#define TIMES 21

static int rank, ranks;

static unsigned char byte_of(int from, int to, int round, int i)
{
	return from * 31 + to * 17 + round * 7 + i;
}

static double exchange(unsigned char *out, unsigned char *in, int round)
{
	double begun;

	for (int to = 0; to < ranks; to++)
		for (int i = 0; i < LENGTH; i++)
			out[to * LENGTH + i] = byte_of(rank, to, round, i);
	MPI_Barrier(MPI_COMM_WORLD);
	begun = MPI_Wtime();
	MPI_Alltoall(out, LENGTH, MPI_BYTE, in, LENGTH, MPI_BYTE, MPI_COMM_WORLD);
	begun = MPI_Wtime() - begun;
	for (int from = 0; from < ranks; from++) {
		for (int i = 0; i < LENGTH; i++) {
			if (in[from * LENGTH + i] == byte_of(from, rank, round, i))
				continue;
			fprintf(stderr, "rank %d: other bytes than rank %d has sent\n", rank, from);
			MPI_Abort(MPI_COMM_WORLD, 1);
		}
	}
	return begun;
}

/* Anonymous memory of this process, and what it shares with its node, in KiB. */
static long memory(const char *key)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long found = -1;

	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, key, strlen(key)))
			found = atol(line + strlen(key) + 1);
	if (file)
		fclose(file);
	return found;
}

static int earlier(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	double times[TIMES], longest[TIMES];
	long own[2], most[2];

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	unsigned char *out = malloc((size_t)ranks * LENGTH), *in = malloc((size_t)ranks * LENGTH);

	for (int round = 0; round < TIMES; round++)
		times[round] = exchange(out, in, round);
	MPI_Reduce(times, longest, TIMES, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
	own[0] = memory("RssAnon");
	own[1] = memory("RssShmem");
	MPI_Reduce(own, most, 2, MPI_LONG, MPI_MAX, 0, MPI_COMM_WORLD);
	if (rank == 0) {
		qsort(longest + 1, TIMES - 1, sizeof *longest, earlier);
		printf("%d ranks: first exchange %.1f ms, later ones %.1f ms; a rank has %ld KiB of its own and %ld KiB shared with its node\n",
		       ranks, longest[0] * 1e3, longest[TIMES / 2] * 1e3, most[0], most[1]);
	}
	free(out);
	free(in);
	MPI_Finalize();
	return 0;
}
