/* An even number of MPI's processes that send short and long messages to each other for ever. Each says "rank N is process P"
 * when a hundred of its messages have gone. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	enum { LONG = 1 << 20 };
	char *bytes = calloc(1, LONG);
	int rank, other;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	other = rank ^ 1;
	for (long i = 0;; i++) {
		int length = i % 2 ? LONG : 8;

		if (i == 100) {
			printf("rank %d is process %d\n", rank, (int)getpid());
			fflush(stdout);
		}
		if (rank < other)
			MPI_Send(bytes, length, MPI_BYTE, other, 1, MPI_COMM_WORLD);
		MPI_Recv(bytes, LONG, MPI_BYTE, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (rank > other)
			MPI_Send(bytes, length, MPI_BYTE, other, 1, MPI_COMM_WORLD);
	}
}
