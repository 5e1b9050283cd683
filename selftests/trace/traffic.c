// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of known latency between two real processes:
 *
 *	traffic NAME MESSAGES:HOLD_US...
 *
 * opens one channel for each argument in a session called NAME, says "ready
 * RECEIVER SENDER" with two process ids, and waits for a line on standard
 * input. Then, channel after channel, that many messages are sent, and each
 * is received no sooner than HOLD_US microseconds after it was sent.
 */
#include <errno.h>
#include <error.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <flowipc/flowipc.h>

#define MAX_CHANNELS 8
#define TIMEOUT_MS 60000

struct load {
	unsigned long messages;
	unsigned long hold_us;
};

static struct load loads[MAX_CHANNELS];
static int load_count;

static void check(int ret, const char *what)
{
	if (ret < 0)
		error(1, 0, "%s: %s (%s)", what, flowipc_strerror(ret),
		      flowipc_last_error());
}

static void tell(int fd)
{
	if (write(fd, "", 1) != 1)
		error(1, errno, "write");
}

static void hear(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	char byte;

	if (poll(&event, 1, TIMEOUT_MS) != 1 || read(fd, &byte, 1) != 1)
		error(1, 0, "the other side does not answer");
}

static void hold(unsigned long us)
{
	struct timespec time = {
		.tv_sec = us / 1000000,
		.tv_nsec = us % 1000000 * 1000,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		;
}

/* @go: the next may be sent; @sent: it was. */
static int run_sender(const char *name, int go, int sent)
{
	struct flowipc_channel *channels[MAX_CHANNELS];
	struct flowipc_session *session;
	int i;

	check(flowipc_connect(name, NULL, TIMEOUT_MS, &session), "connect");
	for (i = 0; i < load_count; i++)
		check(flowipc_channel_open(session, NULL, TIMEOUT_MS,
					   &channels[i]), "open");
	for (i = 0; i < load_count; i++) {
		uint64_t n;

		for (n = 0; n < loads[i].messages; n++) {
			hear(go);
			check(flowipc_send(channels[i], &n, sizeof(n),
					   TIMEOUT_MS), "send");
			tell(sent);
		}
	}
	hear(go); /* all was received */
	for (i = 0; i < load_count; i++)
		flowipc_channel_close(channels[i]);
	flowipc_session_close(session);
	return 0;
}

static void run_receiver(struct flowipc_server *server, int go, int sent,
			 pid_t sender)
{
	struct flowipc_channel *channels[MAX_CHANNELS];
	struct flowipc_session *session;
	int i;

	check(flowipc_accept(server, TIMEOUT_MS, &session), "accept");
	for (i = 0; i < load_count; i++)
		check(flowipc_channel_accept(session, NULL, TIMEOUT_MS,
					     &channels[i]), "accept channel");
	printf("ready %d %d\n", (int)getpid(), (int)sender);
	fflush(stdout);
	hear(STDIN_FILENO);
	for (i = 0; i < load_count; i++) {
		uint64_t n;

		for (n = 0; n < loads[i].messages; n++) {
			uint64_t got = UINT64_MAX;

			tell(go);
			hear(sent);
			hold(loads[i].hold_us);
			check((int)flowipc_receive(channels[i], &got,
						   sizeof(got), TIMEOUT_MS),
			      "receive");
			if (got != n)
				error(1, 0, "received %" PRIu64 " as %" PRIu64,
				      got, n);
		}
	}
	tell(go);
	for (i = 0; i < load_count; i++)
		flowipc_channel_close(channels[i]);
	flowipc_session_close(session);
}

int main(int argc, char **argv)
{
	struct flowipc_server *server;
	int go[2], sent[2], status;
	pid_t child;

	for (; load_count < argc - 2 && load_count < MAX_CHANNELS; load_count++)
		if (sscanf(argv[load_count + 2], "%lu:%lu",
			   &loads[load_count].messages,
			   &loads[load_count].hold_us) != 2)
			error(2, 0, "not MESSAGES:HOLD_US: %s",
			      argv[load_count + 2]);
	if (!load_count)
		error(2, 0, "usage: traffic NAME MESSAGES:HOLD_US...");

	if (pipe(go) || pipe(sent))
		error(1, errno, "pipe");
	child = fork();
	if (child < 0)
		error(1, errno, "fork");
	if (!child)
		_exit(run_sender(argv[1], go[0], sent[1]));

	check(flowipc_listen(argv[1], NULL, &server), "listen");
	run_receiver(server, go[1], sent[0], child);
	flowipc_server_close(server);
	if (waitpid(child, &status, 0) != child || status)
		error(1, 0, "the sender failed");
	return 0;
}
