/* Any number of MPI's processes, from two on, put into each other's memory, get from it and add to it, with lengths from 4 bytes to
 * 1 MiB. Rank 0 ends with "N ranks: M words verified"; whatever is wrong ends the job with a sentence and status 1. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* Words that others put here; behind them stands a sum. */
#define WORDS (1 << 18)
#define ROUNDS 5

static int rank, ranks;
static long verified;

static void expect(int is, int right, const char *what)
{
	if (is != right) {
		fprintf(stderr, "rank %d: %s: %d, and not %d\n", rank, what, is, right);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	verified++;
}

static int word_of(int from, int round, int i)
{
	return from * 1000003 + round * 17 + i;
}

/* Each puts into its right neighbour's memory, and gets it back. */
static void there_and_back(MPI_Win window, int *own, int *bytes, int round, int count)
{
	int right = (rank + 1) % ranks, left = (rank + ranks - 1) % ranks;

	for (int i = 0; i < count; i++) {
		own[i] = -1;
		bytes[i] = word_of(rank, round, i);
	}
	MPI_Win_fence(0, window);
	MPI_Put(bytes, count, MPI_INT, right, 0, count, MPI_INT, window);
	MPI_Win_fence(0, window);
	for (int i = 0; i < count; i++) {
		expect(own[i], word_of(left, round, i), "a word that was put");
		bytes[i] = -1;
	}
	MPI_Win_fence(0, window);
	MPI_Get(bytes, count, MPI_INT, right, 0, count, MPI_INT, window);
	MPI_Win_fence(0, window);
	for (int i = 0; i < count; i++)
		expect(bytes[i], word_of(rank, round, i), "a word that was got");
}

/* All add to rank 0's sum, together and one after the other. */
static void sums(MPI_Win window, int *own)
{
	int one = 1, before;

	own[WORDS] = 0;
	MPI_Win_fence(0, window);
	MPI_Accumulate(&one, 1, MPI_INT, 0, WORDS, 1, MPI_INT, MPI_SUM, window);
	MPI_Win_fence(0, window);
	MPI_Win_lock_all(0, window);
	MPI_Fetch_and_op(&one, &before, MPI_INT, 0, WORDS, MPI_SUM, window);
	MPI_Win_unlock_all(window);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
	MPI_Get(&before, 1, MPI_INT, 0, WORDS, 1, MPI_INT, window);
	MPI_Win_unlock(0, window);
	expect(before, 2 * ranks, "a sum");
	MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
	MPI_Win window;
	long all = 0;
	int *own, *bytes = malloc(WORDS * sizeof *bytes);

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	MPI_Win_allocate((WORDS + 1) * sizeof *own, sizeof *own, MPI_INFO_NULL, MPI_COMM_WORLD, &own, &window);
	for (int round = 0; round < ROUNDS; round++) {
		for (int count = 1; count <= WORDS; count *= 8)
			there_and_back(window, own, bytes, round, count);
		sums(window, own);
	}
	MPI_Reduce(&verified, &all, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("%d ranks: %ld words verified\n", ranks, all);
	MPI_Win_free(&window);
	MPI_Finalize();
	free(bytes);
	return 0;
}
