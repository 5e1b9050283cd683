// SPDX-License-Identifier: MIT
/* A Unix stream socket: what local programs use where they do not use us. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench.h"

struct sockets {
	int ends[2];
	char *buffer;
};

static void prepare(struct bench_link *link)
{
	const struct timeval limit = { .tv_sec = BENCH_HANG_MS / 1000 };
	struct sockets *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		bench_die("unix: out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets->ends))
		bench_die("unix: cannot make a socket pair: %s",
			  strerror(errno));
	for (int i = 0; i < 2; i++) {
		if (setsockopt(sockets->ends[i], SOL_SOCKET, SO_RCVTIMEO,
			       &limit, sizeof(limit)) ||
		    setsockopt(sockets->ends[i], SOL_SOCKET, SO_SNDTIMEO,
			       &limit, sizeof(limit)))
			bench_die("unix: cannot limit waiting: %s",
				  strerror(errno));
	}
	sockets->buffer = malloc(link->size);
	if (!sockets->buffer)
		bench_die("unix: out of memory for messages of %llu bytes",
			  (unsigned long long)link->size);
	memset(sockets->buffer, 0, link->size);
	link->state = sockets;
}

/* False at the end of the stream. */
static bool read_all(int fd, char *buffer, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, buffer + done, size - done);

		if (n < 0)
			bench_die("unix: cannot read: %s", strerror(errno));
		if (n == 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

static void write_all(int fd, const char *buffer, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = send(fd, buffer + done, size - done, MSG_NOSIGNAL);

		if (n < 0)
			bench_die("unix: cannot write: %s", strerror(errno));
		done += (uint64_t)n;
	}
}

static void serve(struct bench_link *link)
{
	struct sockets *sockets = link->state;

	close(sockets->ends[0]);
	bench_ready(link);
	while (read_all(sockets->ends[1], sockets->buffer, link->size))
		write_all(sockets->ends[1], sockets->buffer, link->size);
}

static void connect_end(struct bench_link *link)
{
	struct sockets *sockets = link->state;

	/* Or the end of the answering process would go unnoticed. */
	close(sockets->ends[1]);
}

static void ping(struct bench_link *link, uint64_t number)
{
	struct sockets *sockets = link->state;

	bench_stamp(sockets->buffer, link->size, number);
	write_all(sockets->ends[0], sockets->buffer, link->size);
	if (!read_all(sockets->ends[0], sockets->buffer, link->size))
		bench_die("unix: the other process is gone");
	bench_check(&bench_unix, sockets->buffer, link->size, number);
}

static void disconnect(struct bench_link *link)
{
	struct sockets *sockets = link->state;

	close(sockets->ends[0]);
	free(sockets->buffer);
	free(sockets);
}

const struct bench_peer bench_unix = {
	.name = "unix",
	.modes = 1 << BENCH_SLEEP,
	.is_floor = true,
	.prepare = prepare,
	.serve = serve,
	.connect = connect_end,
	.ping = ping,
	.disconnect = disconnect,
};
