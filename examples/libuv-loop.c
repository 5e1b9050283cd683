// SPDX-License-Identifier: MIT
/* A clock that sends ticks, and a listener, both in loops of libuv. */
#include <errno.h>
#include <flowipc/flowipc.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { TICKS = 5 };

static struct flowipc_channel *channel;
static int ticks, result = 1;

static int failed(const char *what)
{
	fprintf(stderr, "libuv-loop: cannot %s: %s\n", what,
		flowipc_last_error());
	return 1;
}

/*
 * Poll only after -EAGAIN: it asked the peer to wake us. Anything else is the
 * end, and would be readable for ever. Readable is a hint, so ask again.
 */
static void receive(uv_poll_t *poll, int status, int events)
{
	char tick[16];
	ssize_t got;

	(void)events;
	while ((got = flowipc_receive(channel, tick, sizeof(tick), 0)) >= 0)
		printf("heard %.*s\n", (int)got, tick);
	if (got == -EAGAIN && !status &&
	    !uv_poll_start(poll, UV_READABLE, receive))
		return;
	result = !flowipc_channel_was_shut_down(channel);
	uv_close((uv_handle_t *)poll, NULL);
}

static int hear(void)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	uv_poll_t poll;

	if (flowipc_listen("ticks", NULL, &server) ||
	    flowipc_accept(server, 30000, &session) ||
	    flowipc_channel_accept(session, NULL, 1000, &channel) ||
	    uv_poll_init(uv_default_loop(), &poll, flowipc_channel_fd(channel)))
		return failed("listen");
	receive(&poll, 0, 0);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
	return result;
}

static void send_tick(uv_timer_t *timer)
{
	char tick[16];
	int length = snprintf(tick, sizeof(tick), "tick %d", ticks + 1);
	int error = flowipc_send(channel, tick, length, 0);

	if (error == -EAGAIN) /* no room: the timer comes again */
		return;
	if (!error && ++ticks < TICKS)
		return;
	result = error || flowipc_channel_shutdown(channel);
	uv_close((uv_handle_t *)timer, NULL);
}

static int tick(void)
{
	struct flowipc_session *session;
	uv_timer_t timer;

	if (flowipc_connect("ticks", NULL, 10000, &session) ||
	    flowipc_channel_open(session, NULL, 1000, &channel) ||
	    uv_timer_init(uv_default_loop(), &timer) ||
	    uv_timer_start(&timer, send_tick, 0, 20))
		return failed("tick");
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return result;
}

int main(void)
{
	int status, outcome;

	if (!fork())
		return tick();
	outcome = hear();
	return wait(&status) < 0 || status || outcome;
}
