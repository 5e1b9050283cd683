// SPDX-License-Identifier: MIT
/* Wake-ups by what is read from a descriptor: an eventfd, and a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

/* As large a number as an eventfd can carry. */
#define END (UINT64_MAX - 1)

/* One direction; both the same for an eventfd. */
struct way {
	int read_fd, write_fd;
};

struct ways {
	const char *name;
	struct way there, back;
};

static uint64_t take(const struct ways *ways, const struct way *way)
{
	uint64_t number;

	while (read(way->read_fd, &number, sizeof(number)) != sizeof(number))
		if (errno != EINTR)
			bench_die("%s: cannot read: %s", ways->name,
				  strerror(errno));
	return number;
}

static void put(const struct ways *ways, const struct way *way, uint64_t number)
{
	if (write(way->write_fd, &number, sizeof(number)) != sizeof(number))
		bench_die("%s: cannot write: %s", ways->name, strerror(errno));
}

static void serve(struct bench_link *link)
{
	const struct ways *ways = link->state;
	uint64_t number;

	bench_ready(link);
	while ((number = take(ways, &ways->there)) != END)
		put(ways, &ways->back, number);
}

static void ping(struct bench_link *link, uint64_t number)
{
	const struct ways *ways = link->state;

	put(ways, &ways->there, number);
	if (take(ways, &ways->back) != number)
		bench_die("%s: a reply is not the one that was asked for",
			  ways->name);
}

static void close_way(const struct way *way)
{
	close(way->read_fd);
	if (way->write_fd != way->read_fd)
		close(way->write_fd);
}

static void disconnect(struct bench_link *link)
{
	struct ways *ways = link->state;

	put(ways, &ways->there, END);
	close_way(&ways->there);
	close_way(&ways->back);
	free(ways);
}

static struct ways *ways_new(struct bench_link *link, const char *name)
{
	struct ways *ways = calloc(1, sizeof(*ways));

	if (!ways)
		bench_die("%s: out of memory", name);
	ways->name = name;
	link->state = ways;
	return ways;
}

static void make_eventfd(struct way *way)
{
	way->read_fd = way->write_fd = eventfd(0, EFD_CLOEXEC);
	if (way->read_fd < 0)
		bench_die("eventfd: cannot make one: %s", strerror(errno));
}

static void prepare_eventfd(struct bench_link *link)
{
	struct ways *ways = ways_new(link, bench_eventfd.name);

	make_eventfd(&ways->there);
	make_eventfd(&ways->back);
}

static void make_pipe(struct way *way)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		bench_die("pipe: cannot make one: %s", strerror(errno));
	way->read_fd = fds[0];
	way->write_fd = fds[1];
}

static void prepare_pipe(struct bench_link *link)
{
	struct ways *ways = ways_new(link, bench_pipe.name);

	make_pipe(&ways->there);
	make_pipe(&ways->back);
}

const struct bench_peer bench_eventfd = {
	.name = "eventfd",
	.modes = 1 << BENCH_SLEEP,
	.is_floor = true,
	.prepare = prepare_eventfd,
	.serve = serve,
	.ping = ping,
	.disconnect = disconnect,
};

const struct bench_peer bench_pipe = {
	.name = "pipe",
	.modes = 1 << BENCH_SLEEP,
	.is_floor = true,
	.prepare = prepare_pipe,
	.serve = serve,
	.ping = ping,
	.disconnect = disconnect,
};
