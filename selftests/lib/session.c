// SPDX-License-Identifier: MIT
/* Sessions: finding a peer, waiting for it, and the end. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void bad_options(void **state)
{
	struct {
		struct flowipc_listen_opts opts;
		uint64_t later;
	} listen_longer = { .opts.sz = sizeof(listen_longer), .later = 1 };
	struct {
		struct flowipc_connect_opts opts;
		uint64_t later;
	} connect_longer = { .opts.sz = sizeof(connect_longer), .later = 1 };
	struct flowipc_server *server = NULL;
	struct flowipc_session *session = NULL;

	(void)state;
	gives(flowipc_listen("t", &listen_longer.opts, &server), -E2BIG);
	gives(flowipc_connect("t", &connect_longer.opts, 0, &session), -E2BIG);
	gives(flowipc_listen("t", FLOWIPC_OPTS(listen,
			.policy = (enum flowipc_policy)9), &server), -EINVAL);
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect,
			.policy = (enum flowipc_policy)9), 0, &session),
	      -EINVAL);
	gives(flowipc_listen("t", FLOWIPC_OPTS(listen,
			.backend = (enum flowipc_backend)9), &server),
	      -EINVAL);
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect,
			.backend = (enum flowipc_backend)9), 0, &session),
	      -EINVAL);
	check(!server && !session);
	/* none of them left a socket behind */
	gives_one_of(flowipc_connect("t", NULL, 0, &session), -ENOENT,
		     -ECONNREFUSED);
}

static void no_server(void **state)
{
	struct flowipc_session *session = NULL;
	uint64_t start;
	int fd;

	(void)state;
	gives_one_of(flowipc_connect("none", NULL, 0, &session), -ENOENT,
		     -ECONNREFUSED);
	test_last_error_has("none");
	start = test_now_ns();
	gives_one_of(flowipc_connect("none", NULL, 300, &session), -ENOENT,
		     -ECONNREFUSED, -ETIMEDOUT);
	check(test_now_ns() - start >= 250000000u);
	test_last_error_has("none");
	/* something else that has the name */
	fd = (int)sys(open(test_path("plain"), O_CREAT | O_RDWR | O_CLOEXEC,
			   0600));
	gives_one_of(flowipc_connect(test_path("plain"), NULL, 0, &session),
		     -ECONNREFUSED, -EPROTO);
	close(fd);
	check(!session);
}

static void connect_early(int sync, void *arg)
{
	sync_put(sync, 0);
	test_say(arg, 42);
}

static void waits_for_a_later_server(void **state)
{
	struct flowipc_server *server;
	struct peer peer;

	(void)state;
	peer_start(&peer, connect_early, "later");
	sync_get(peer.sync);
	test_sleep_ms(300);
	ok(flowipc_listen("later", NULL, &server));
	test_serve_one(server, 42);
	peer_join(&peer);
	flowipc_server_close(server);
}

static void say_after_exec(int sync, void *arg)
{
	(void)sync;
	(void)arg;
	test_say("t", 43);
}

static void client_that_was_executed(void **state)
{
	struct flowipc_server *server;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	peer_start_exec(&peer, "say_after_exec");
	test_serve_one(server, 43);
	peer_join(&peer);
	flowipc_server_close(server);
}

static void many_clients(void **state)
{
	enum { CLIENTS = 20 };
	struct flowipc_server *server;
	struct peer peers[CLIENTS];
	int i;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	for (i = 0; i < CLIENTS; i++)
		peer_start(&peers[i], test_say_to, "t");
	for (i = 0; i < CLIENTS; i++)
		test_serve_one(server, 42);
	for (i = 0; i < CLIENTS; i++)
		peer_join(&peers[i]);
	gives(flowipc_accept(server, 0, &(struct flowipc_session *){ NULL }),
	      -EAGAIN);
	flowipc_server_close(server);
}

static void connect_and_wait(int sync, void *arg)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;

	(void)arg;
	ok(flowipc_connect("t", NULL, test_ms(10000), &session));
	sync_put(sync, 0);
	/* until the other side ends it */
	gives(flowipc_channel_accept(session, NULL, test_ms(20000), &channel),
	      -EPIPE);
	gives(flowipc_channel_accept(session, NULL, 0, &channel), -EPIPE);
	gives(flowipc_channel_open(session, NULL, 0, &channel), -EPIPE);
	flowipc_session_close(session);
}

static void accept_waits_and_polls(void **state)
{
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;
	struct pollfd poller;
	struct peer peer;
	uint64_t start;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	poller.fd = flowipc_server_fd(server);
	poller.events = POLLIN;
	gives(poll(&poller, 1, 0), 0);
	gives(flowipc_accept(server, 0, &session), -EAGAIN);
	start = test_now_ns();
	gives(flowipc_accept(server, 100, &session), -ETIMEDOUT);
	check(test_now_ns() - start >= 99000000u);
	check(!session);
	peer_start(&peer, connect_and_wait, NULL);
	/* by the descriptor alone */
	start = test_now_ns() + (uint64_t)test_ms(10000) * 1000000u;
	while (flowipc_accept(server, 0, &session)) {
		check(test_now_ns() < start);
		gives(poll(&poller, 1, test_ms(10000)), 1);
	}
	sync_get(peer.sync);
	flowipc_session_close(session);
	peer_join(&peer);
	flowipc_server_close(server);
}

static void end_of_the_peer_is_seen(void **state)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel = NULL;
	struct flowipc_server *server;
	struct flowipc_peer who;
	struct pollfd poller;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	peer_start(&peer, connect_and_wait, NULL);
	ok(flowipc_accept(server, test_ms(10000), &session));
	sync_get(peer.sync);
	flowipc_session_peer(session, &who);
	gives(who.pid, peer.pid);
	gives(who.uid, geteuid());
	gives(who.gid, getegid());
	gives(flowipc_session_backend(session), test_backend());
	poller.fd = flowipc_session_fd(session);
	poller.events = POLLIN;
	gives(flowipc_channel_accept(session, NULL, 0, &channel), -EAGAIN);
	gives(poll(&poller, 1, 0), 0);
	gives(flowipc_channel_accept(session, NULL, 50, &channel),
	      -ETIMEDOUT);
	peer_kill(&peer);
	gives(poll(&poller, 1, test_ms(5000)), 1);
	check(poller.revents & POLLHUP);
	gives(flowipc_channel_accept(session, NULL, test_ms(5000), &channel),
	      -EPIPE);
	gives(flowipc_channel_open(session, NULL, test_ms(5000), &channel),
	      -EPIPE);
	check(!channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
}

/* Say something on a session that is older than the end of the listening. */
static void talk_on(int sync, void *arg)
{
	struct flowipc_session *session, *second;
	struct flowipc_channel *channel;

	(void)arg;
	ok(flowipc_connect("t", NULL, test_ms(10000), &session));
	sync_put(sync, 0);
	sync_get(sync);
	gives_one_of(flowipc_connect("t", NULL, 0, &second), -ENOENT,
		     -ECONNREFUSED);
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	/* nor does a channel need its session */
	flowipc_session_close(session);
	ok(flowipc_send(channel, "abc", 4, test_ms(10000)));
	sync_get(sync);
	flowipc_channel_close(channel);
}

static void closing_leaves_what_is_open(void **state)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel, *more = NULL;
	struct flowipc_server *server;
	struct peer peer;
	char text[8];

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	peer_start(&peer, talk_on, NULL);
	ok(flowipc_accept(server, test_ms(10000), &session));
	sync_get(peer.sync);
	flowipc_server_close(server);
	sync_put(peer.sync, 0);
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &channel));
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(10000)), 4);
	/* the peer has closed the session, but not yet the channel */
	gives_one_of(flowipc_channel_accept(session, NULL, 50, &more),
		     -ETIMEDOUT, -EPIPE);
	flowipc_session_close(session);
	sync_put(peer.sync, 0);
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(10000)),
	      -EPIPE);
	flowipc_channel_close(channel);
	peer_join(&peer);
}

static void connect_to_closing(int sync, void *arg)
{
	struct flowipc_session *session;
	int err;

	(void)arg;
	sync_put(sync, 0);
	/* Nobody accepts: the kernel's queue does, then the server is gone. */
	err = flowipc_connect("t", NULL, 1000, &session);
	check_msg(err < 0, "connected to a server that never accepted");
}

static void closed_before_accepting(void **state)
{
	struct flowipc_server *server;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	peer_start(&peer, connect_to_closing, NULL);
	sync_get(peer.sync);
	test_sleep_ms(200);
	flowipc_server_close(server);
	peer_join(&peer);
}

static void interrupted_waits(int sync, void *arg)
{
	struct flowipc_session *session;
	struct flowipc_server *server;
	struct thread interrupter;

	(void)sync;
	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	thread_start_interrupting(&interrupter);
	gives(flowipc_accept(server, -1, &session), -EINTR);
	gives(flowipc_accept(server, test_ms(5000), &session), -EINTR);
	gives(flowipc_connect("none", NULL, -1, &session), -EINTR);
	thread_stop_interrupting(&interrupter);
	flowipc_server_close(server);
}

static void signals_interrupt(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, interrupted_waits, NULL);
	peer_join(&peer);
}

static const struct peer_function functions[] = {
	{ "say_after_exec", say_after_exec },
	{ NULL, NULL },
};

static bool lying;

/*
 * What the library calls. Asked just when a packet and the end of the socket
 * come, Linux reports the end, and the packet only if it is asked again. That
 * happens once in some thousand times; while @lying, whenever it could.
 */
ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
	struct pollfd pollfd = { .fd = fd };
	static int lied_about = -1;

	if (lying && fd != lied_about && poll(&pollfd, 1, 0) == 1 &&
	    pollfd.revents & POLLHUP) {
		lied_about = fd;
		header->msg_controllen = 0;
		return 0;
	}
	lied_about = -1;
	return syscall(SYS_recvmsg, fd, header, flags);
}

static void answered_and_gone_client(int sync, void *arg)
{
	int i;

	lying = true;
	for (i = 0; i < *(int *)arg; i++) {
		struct link link = { .sync = sync };

		link_connect(&link, NULL);
		link_close(&link);
	}
}

/* An answer counts, however soon after it the peer hangs up. */
static void answered_and_gone(void **state)
{
	int count = test_loops(200), i;
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	peer_start(&peer, answered_and_gone_client, &count);
	for (i = 0; i < count; i++) {
		ok(flowipc_accept(server, test_ms(10000), &session));
		ok(flowipc_channel_accept(session, NULL, test_ms(10000),
					  &channel));
		flowipc_channel_close(channel);
		flowipc_session_close(session);
	}
	peer_join(&peer);
	flowipc_server_close(server);
}

static const struct CMUnitTest tests[] = {
	TEST(bad_options),
	TEST(no_server),
	TEST(waits_for_a_later_server),
	TEST(client_that_was_executed),
	TEST(many_clients),
	TEST(accept_waits_and_polls),
	TEST(end_of_the_peer_is_seen),
	TEST(closing_leaves_what_is_open),
	TEST(closed_before_accepting),
	TEST(answered_and_gone),
	TEST(signals_interrupt),
};

TEST_MAIN(tests, functions)
