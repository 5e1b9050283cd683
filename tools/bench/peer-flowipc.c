// SPDX-License-Identifier: MIT
/*
 * flowipc itself, used the way a program would: both sides write into memory
 * that the library lends and read the other's message in place.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct conversation {
	char name[32];
	struct flowipc_session *session;
	struct flowipc_channel *channel;
};

static _Noreturn void die(const char *what, int error)
{
	const char *line = flowipc_last_error();

	/* Timeouts and hang-ups of messages leave no line behind. */
	if (error == -ETIMEDOUT || error == -EPIPE || !*line)
		line = flowipc_strerror(error);
	bench_die("flowipc: cannot %s: %s", what, line);
}

static void prepare(struct bench_link *link)
{
	struct conversation *talk = calloc(1, sizeof(*talk));

	if (!talk)
		bench_die("flowipc: out of memory");
	snprintf(talk->name, sizeof(talk->name), "flowipc-bench.%d", getpid());
	link->state = talk;
}

static struct flowipc_channel_opts channel_options(const struct bench_link *link)
{
	static const enum flowipc_wait_mode wait_modes[BENCH_MODES] = {
		[BENCH_SPIN] = FLOWIPC_WAIT_SPIN,
		[BENCH_ADAPTIVE] = FLOWIPC_WAIT_ADAPTIVE,
		[BENCH_SLEEP] = FLOWIPC_WAIT_SLEEP,
	};
	struct flowipc_channel_opts opts = {
		.sz = sizeof(opts),
		.wait_mode = wait_modes[link->mode],
	};

	/* Large messages too come out of the channel's own memory. */
	if (link->size > 1 << 20)
		opts.payload_bytes = 4 * link->size;
	return opts;
}

static void answer(struct bench_link *link)
{
	struct conversation *talk = link->state;
	struct flowipc_message *question, *reply;
	uint64_t number;
	int err;

	for (;;) {
		err = flowipc_message_receive(talk->channel, &question,
					      BENCH_HANG_MS);
		if (err == -EPIPE)
			return;
		if (err)
			die("receive", err);
		if (flowipc_message_size(question) != link->size)
			bench_die("flowipc: a message has the wrong size");
		number = 0;
		memcpy(&number, flowipc_message_data(question),
		       link->size < sizeof(number) ? link->size :
						     sizeof(number));
		bench_check(&bench_flowipc, flowipc_message_data(question),
			    link->size, number);
		flowipc_message_release(question);

		err = flowipc_message_new(talk->channel, link->size,
					  BENCH_HANG_MS, &reply);
		if (err)
			die("make a message", err);
		bench_stamp(flowipc_message_buffer(reply), link->size, number);
		err = flowipc_message_send(reply, BENCH_HANG_MS);
		if (err == -EPIPE) {
			flowipc_message_release(reply);
			return;
		}
		if (err)
			die("send", err);
	}
}

static void serve(struct bench_link *link)
{
	const struct flowipc_channel_opts opts = channel_options(link);
	struct conversation *talk = link->state;
	struct flowipc_server *server;
	sigset_t term, before;
	int err;

	/* Not to be ended while the name exists: nobody would remove it. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigaddset(&term, SIGINT);
	sigprocmask(SIG_BLOCK, &term, &before);
	err = flowipc_listen(talk->name,
			     FLOWIPC_OPTS(listen,
					  .backend = link->config->backend),
			     &server);
	if (err)
		die("listen", err);
	bench_ready(link);
	err = flowipc_accept(server, BENCH_HANG_MS, &talk->session);
	flowipc_server_close(server);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err)
		die("accept", err);

	err = flowipc_channel_accept(talk->session, &opts, BENCH_HANG_MS,
				     &talk->channel);
	if (err)
		die("accept a channel", err);
	answer(link);
	flowipc_channel_close(talk->channel);
	flowipc_session_close(talk->session);
}

static void connect_end(struct bench_link *link)
{
	const struct flowipc_channel_opts opts = channel_options(link);
	struct conversation *talk = link->state;
	int err;

	err = flowipc_connect(talk->name,
			      FLOWIPC_OPTS(connect,
					   .backend = link->config->backend),
			      BENCH_HANG_MS, &talk->session);
	if (err)
		die("connect", err);
	err = flowipc_channel_open(talk->session, &opts, BENCH_HANG_MS,
				   &talk->channel);
	if (err)
		die("open a channel", err);
}

static void ping(struct bench_link *link, uint64_t number)
{
	struct conversation *talk = link->state;
	struct flowipc_message *message;
	int err;

	err = flowipc_message_new(talk->channel, link->size, BENCH_HANG_MS,
				  &message);
	if (err)
		die("make a message", err);
	bench_stamp(flowipc_message_buffer(message), link->size, number);
	err = flowipc_message_send(message, BENCH_HANG_MS);
	if (err)
		die("send", err);

	err = flowipc_message_receive(talk->channel, &message, BENCH_HANG_MS);
	if (err)
		die("receive", err);
	if (flowipc_message_size(message) != link->size)
		bench_die("flowipc: a message has the wrong size");
	bench_check(&bench_flowipc, flowipc_message_data(message), link->size,
		    number);
	flowipc_message_release(message);
}

static void disconnect(struct bench_link *link)
{
	struct conversation *talk = link->state;

	flowipc_channel_close(talk->channel);
	flowipc_session_close(talk->session);
	free(talk);
}

const struct bench_peer bench_flowipc = {
	.name = "flowipc",
	.modes = 1 << BENCH_SPIN | 1 << BENCH_ADAPTIVE | 1 << BENCH_SLEEP,
	.prepare = prepare,
	.serve = serve,
	.connect = connect_end,
	.ping = ping,
	.disconnect = disconnect,
};
