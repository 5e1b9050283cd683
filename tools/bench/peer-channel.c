// SPDX-License-Identifier: MIT
/*
 * The doorbells of flowipc.ko, bare: a KICK and a WAIT, and both in one call.
 * The number goes through shared memory, as a message would.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/flowipc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

#define END UINT64_MAX

struct words {
	_Alignas(128) _Atomic uint64_t ping;
	_Alignas(128) _Atomic uint64_t pong;
};

struct ends {
	int mine, theirs;
};

static void make_channel(int fds[2])
{
	struct flowipc_channel_create create = { 0 };
	int device = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (device < 0 || ioctl(device, FLOWIPC_IOC_CHANNEL_CREATE, &create))
		bench_die("cannot make a channel of %s: %s",
			  FLOWIPC_DEVICE_PATH, strerror(errno));
	close(device);
	fds[0] = create.fd[0];
	fds[1] = create.fd[1];
}

const char *bench_channel_problem(const struct bench_peer *peer)
{
	/* Refused in any case, in one way or the other. */
	struct flowipc_kick_and_wait none = { 0 };
	int fds[2], error;

	if (peer != &bench_kick_and_wait)
		return NULL;
	make_channel(fds);
	error = ioctl(fds[0], FLOWIPC_IOC_KICK_AND_WAIT, &none) ? errno : 0;
	close(fds[0]);
	close(fds[1]);
	return error == ENOTTY ? "this module is too old for it" : NULL;
}

static void prepare(struct bench_link *link)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	int fds[2];

	if (!ends)
		bench_die("kick: out of memory");
	make_channel(fds);
	ends->mine = fds[0];
	ends->theirs = fds[1];
	link->state = ends;
}

static void kick(int fd)
{
	const struct flowipc_kick kick = { .events = FLOWIPC_EVENT_MESSAGE };

	if (ioctl(fd, FLOWIPC_IOC_KICK, &kick))
		bench_die("kick: cannot kick: %s", strerror(errno));
}

static void wait_for_kick(int fd)
{
	struct flowipc_wait wait = {
		.events = FLOWIPC_EVENT_MESSAGE,
		.deadline_ns = FLOWIPC_WAIT_FOREVER,
	};

	while (ioctl(fd, FLOWIPC_IOC_WAIT, &wait))
		if (errno != EINTR)
			bench_die("kick: cannot wait: %s", strerror(errno));
}

static void kick_then_wait(int fd)
{
	kick(fd);
	wait_for_kick(fd);
}

static void kick_and_wait(int fd)
{
	struct flowipc_kick_and_wait both = {
		.kick = FLOWIPC_EVENT_MESSAGE,
		.events = FLOWIPC_EVENT_MESSAGE,
		.deadline_ns = FLOWIPC_WAIT_FOREVER,
	};

	if (!ioctl(fd, FLOWIPC_IOC_KICK_AND_WAIT, &both))
		return;
	if (errno != EINTR)
		bench_die("kick+wait: cannot kick and wait: %s",
			  strerror(errno));
	wait_for_kick(fd);
}

static void serve_by(struct bench_link *link, void (*reply)(int fd))
{
	const struct ends *ends = link->state;
	struct words *words = link->shared;
	uint64_t number;

	bench_ready(link);
	wait_for_kick(ends->theirs);
	while ((number = atomic_load(&words->ping)) != END) {
		atomic_store(&words->pong, number);
		reply(ends->theirs);
	}
}

static void ping_by(struct bench_link *link, uint64_t number,
		    void (*ask)(int fd))
{
	const struct ends *ends = link->state;
	struct words *words = link->shared;

	atomic_store(&words->ping, number);
	ask(ends->mine);
	if (atomic_load(&words->pong) != number)
		bench_die("kick: a reply is not the one that was asked for");
}

static void serve_kick(struct bench_link *link)
{
	serve_by(link, kick_then_wait);
}

static void ping_kick(struct bench_link *link, uint64_t number)
{
	ping_by(link, number, kick_then_wait);
}

static void serve_kick_and_wait(struct bench_link *link)
{
	serve_by(link, kick_and_wait);
}

static void ping_kick_and_wait(struct bench_link *link, uint64_t number)
{
	ping_by(link, number, kick_and_wait);
}

static void disconnect(struct bench_link *link)
{
	struct ends *ends = link->state;
	struct words *words = link->shared;

	atomic_store(&words->ping, END);
	kick(ends->mine);
	close(ends->mine);
	close(ends->theirs);
	free(ends);
}

const struct bench_peer bench_kick = {
	.name = "kick",
	.modes = 1 << BENCH_SLEEP,
	.needs_device = true,
	.prepare = prepare,
	.serve = serve_kick,
	.ping = ping_kick,
	.disconnect = disconnect,
};

const struct bench_peer bench_kick_and_wait = {
	.name = "kick_and_wait",
	.modes = 1 << BENCH_SLEEP,
	.needs_device = true,
	.prepare = prepare,
	.serve = serve_kick_and_wait,
	.ping = ping_kick_and_wait,
	.disconnect = disconnect,
};
