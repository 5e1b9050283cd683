// SPDX-License-Identifier: MIT
/*
 * Who gets a session: policies, back ends that do not match, and strangers
 * that only waste a server's or a client's time.
 */
#include "raw.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/flowipc.h>

enum { NOBODY = 65534, OTHER_GROUP = 65533 };

/*
 * The device for other users as well, as its group rule would do for members,
 * and back again; so the back end under test is used across users, too.
 */
static mode_t device_for_all(void)
{
	struct stat status;

	if (test_backend() != FLOWIPC_BACKEND_DEVICE)
		return 0;
	sys(stat(FLOWIPC_DEVICE_PATH, &status));
	sys(chmod(FLOWIPC_DEVICE_PATH, 0666));
	return status.st_mode & 07777;
}

static void device_as_before(mode_t mode)
{
	if (mode)
		sys(chmod(FLOWIPC_DEVICE_PATH, mode));
}

struct admission {
	enum flowipc_policy server_policy;
	enum flowipc_policy client_policy;
	gid_t client_gid;
	bool nobody_serves;	/* else nobody is the client */
	int outcome;		/* of connecting */
};

static void become_nobody(gid_t gid)
{
	sys(setgroups(0, NULL));
	sys(setgid(gid));
	sys(setuid(NOBODY));
}

static void client_side(const struct admission *test)
{
	struct flowipc_session *session = NULL;
	struct flowipc_channel *channel;
	char text[100];

	gives(flowipc_connect(test_path("s"), FLOWIPC_OPTS(connect,
			.policy = test->client_policy),
			test_ms(3000), &session), test->outcome);
	if (test->outcome) {
		check(!session);
		return;
	}
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	/* larger than what travels in a slot, so that memory is lent */
	memset(text, 'x', sizeof(text));
	ok(flowipc_send(channel, text, sizeof(text), test_ms(10000)));
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(10000)),
	      sizeof(text));
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void server_side(const struct admission *test, int ready)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_peer who;
	char text[100];

	ok(flowipc_listen(test_path("s"), FLOWIPC_OPTS(listen,
			.policy = test->server_policy), &server));
	if (ready >= 0)
		sync_put(ready, 0);
	if (test->outcome) {
		gives(flowipc_accept(server, 300, &session), -ETIMEDOUT);
		flowipc_server_close(server);
		return;
	}
	ok(flowipc_accept(server, test_ms(10000), &session));
	flowipc_session_peer(session, &who);
	gives(who.uid, test->nobody_serves ? 0 : NOBODY);
	gives(who.gid, test->nobody_serves ? 0 : test->client_gid);
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &channel));
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(10000)),
	      sizeof(text));
	ok(flowipc_send(channel, text, sizeof(text), test_ms(10000)));
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(10000)),
	      -EPIPE);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
}

static void nobody(int sync, void *arg)
{
	const struct admission *test = arg;

	become_nobody(test->nobody_serves ? NOBODY : test->client_gid);
	if (test->nobody_serves) {
		server_side(test, sync);
	} else {
		sync_get(sync);
		client_side(test);
	}
}

static void policies(void **state)
{
	static const struct admission list[] = {
		/* root serves, nobody comes */
		{ FLOWIPC_POLICY_SAME_USER, FLOWIPC_POLICY_SAME_USER,
		  OTHER_GROUP, false, -EACCES },
		{ FLOWIPC_POLICY_SAME_USER, FLOWIPC_POLICY_ANYONE,
		  OTHER_GROUP, false, -EACCES },
		{ FLOWIPC_POLICY_SAME_USER, FLOWIPC_POLICY_ANYONE,
		  0, false, -EACCES },
		{ FLOWIPC_POLICY_SAME_GROUP, FLOWIPC_POLICY_ANYONE,
		  OTHER_GROUP, false, -EACCES },
		{ FLOWIPC_POLICY_SAME_GROUP, FLOWIPC_POLICY_ANYONE,
		  0, false, 0 },
		{ FLOWIPC_POLICY_SAME_GROUP, FLOWIPC_POLICY_SAME_GROUP,
		  0, false, 0 },
		{ FLOWIPC_POLICY_ANYONE, FLOWIPC_POLICY_ANYONE,
		  OTHER_GROUP, false, 0 },
		/* a server that is root is trusted by everybody */
		{ FLOWIPC_POLICY_ANYONE, FLOWIPC_POLICY_SAME_USER,
		  OTHER_GROUP, false, 0 },
		/* nobody serves, root comes */
		{ FLOWIPC_POLICY_SAME_USER, FLOWIPC_POLICY_ANYONE,
		  0, true, 0 },
		{ FLOWIPC_POLICY_ANYONE, FLOWIPC_POLICY_SAME_USER,
		  0, true, -EACCES },
		{ FLOWIPC_POLICY_ANYONE, FLOWIPC_POLICY_SAME_GROUP,
		  0, true, -EACCES },
		{ FLOWIPC_POLICY_ANYONE, FLOWIPC_POLICY_ANYONE,
		  0, true, 0 },
	};
	struct admission test;
	struct peer peer;
	mode_t mode;
	size_t i;

	(void)state;
	if (!test_is_root()) {
		print_message("not root: cannot become another user\n");
		skip();
	}
	sys(chmod(test_dir(), 0777));
	mode = device_for_all();
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		test = list[i];
		peer_start(&peer, nobody, &test);
		if (test.nobody_serves) {
			sync_get(peer.sync);
			client_side(&test);
		} else {
			server_side(&test, peer.sync);
		}
		peer_join(&peer);
	}
	device_as_before(mode);
}

static void say_and_end(int sync, void *arg)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;

	(void)sync;
	(void)arg;
	ok(flowipc_connect(test_path("s"), NULL, test_ms(5000), &session));
	ok(flowipc_channel_open(session, NULL, test_ms(5000), &channel));
	ok(flowipc_send(channel, "abc", 4, test_ms(5000)));
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

/* An honest client gets through in less than one stranger's time limit. */
static void honest_client_passes(struct flowipc_server *server)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	uint64_t start = test_now_ns();
	struct peer peer;
	char text[8];

	peer_start(&peer, say_and_end, NULL);
	ok(flowipc_accept(server, test_ms(5000), &session));
	check_msg(test_now_ns() - start < (uint64_t)test_ms(900) * 1000000u,
		  "an honest client was delayed for %" PRIu64 " ms",
		  (test_now_ns() - start) / 1000000);
	ok(flowipc_channel_accept(session, NULL, test_ms(5000), &channel));
	gives(flowipc_receive(channel, text, sizeof(text), test_ms(5000)), 4);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	peer_join(&peer);
}

enum { STRANGERS = 40 };

static void silent_clients(void **state)
{
	struct flowipc_server *server;
	struct flowipc_session *session = NULL;
	int strangers[STRANGERS], fds, i;

	(void)state;
	ok(flowipc_listen(test_path("s"), NULL, &server));
	fds = test_count_fds();
	for (i = 0; i < STRANGERS; i++) {
		strangers[i] = raw_connect(test_path("s"));
		gives(flowipc_accept(server, 0, &session), -EAGAIN);
	}
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	for (i = 0; i < 5; i++)
		honest_client_passes(server);
	for (i = 0; i < STRANGERS; i++)
		close(strangers[i]);
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	honest_client_passes(server);
	/* and nothing of theirs is kept */
	gives(test_count_fds(), fds);
	flowipc_server_close(server);
}

static void stay_silent(int sync, void *arg)
{
	int strangers[STRANGERS], i;

	(void)sync;
	(void)arg;
	for (i = 0; i < STRANGERS; i++)
		strangers[i] = raw_connect(test_path("s"));
	/* until they are all dropped */
	for (i = 0; i < STRANGERS; i++) {
		struct pollfd poller = { .fd = strangers[i] };

		gives(poll(&poller, 1, test_ms(20000)), 1);
		close(strangers[i]);
	}
}

static void silent_clients_are_dropped(void **state)
{
	struct flowipc_server *server;
	struct flowipc_session *session = NULL;
	struct peer peer;

	(void)state;
	ok(flowipc_listen(test_path("s"), NULL, &server));
	peer_start(&peer, stay_silent, NULL);
	/* a program that accepts by poll sees nothing of them either */
	while (!sync_poll(peer.sync, 0))
		gives(flowipc_accept(server, 100, &session), -ETIMEDOUT);
	peer_join(&peer);
	flowipc_server_close(server);
}

static void garbage_clients(void **state)
{
	uint64_t random = test_seed();
	struct flowipc_server *server;
	struct flowipc_session *session = NULL;
	unsigned char bytes[4096];
	int fds, fd, round, i, count;
	size_t size, at;

	(void)state;
	ok(flowipc_listen(test_path("s"), NULL, &server));
	fds = test_count_fds();
	for (round = 0; round < test_loops(200); round++) {
		fd = raw_connect(test_path("s"));
		if (round % 2)
			gives(flowipc_accept(server, 0, &session), -EAGAIN);
		count = 1 + (int)test_random_below(&random, 4);
		for (i = 0; i < count; i++) {
			size = test_random_below(&random, i ? 4096 : 256);
			for (at = 0; at < sizeof(bytes); at++)
				bytes[at] = (unsigned char)
					test_random(&random);
			/* the server may have hung up already */
			if (send(fd, bytes, size, MSG_NOSIGNAL |
				 MSG_DONTWAIT) < 0)
				break;
		}
		gives(flowipc_accept(server, 0, &session), -EAGAIN);
		if (round % 50 == 0)
			honest_client_passes(server);
		close(fd);
	}
	honest_client_passes(server);
	gives(test_count_fds(), fds);
	check(!session);
	flowipc_server_close(server);
}

enum stranger { CLOSES, SILENT, TALKS_NONSENSE, ECHOES, IS_A_STREAM };

static void strange_server(int sync, void *arg)
{
	enum stranger kind = *(enum stranger *)arg;
	unsigned char bytes[4096];
	int fd, client;
	ssize_t got;

	fd = raw_listen(test_path("x"), kind == IS_A_STREAM ?
			SOCK_STREAM : SOCK_SEQPACKET);
	sync_put(sync, 0);
	for (;;) {
		client = (int)sys(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
		if (kind == SILENT)
			continue;
		got = kind == CLOSES ? 0 :
			recv(client, bytes, sizeof(bytes), 0);
		if (kind == TALKS_NONSENSE)
			memset(bytes, 0xa5, sizeof(bytes));
		if (got > 0)
			send(client, bytes, (size_t)got, MSG_NOSIGNAL);
		if (kind != CLOSES)
			recv(client, bytes, sizeof(bytes), 0);
		close(client);
	}
}

static void strange_servers(void **state)
{
	struct flowipc_session *session = NULL;
	enum stranger kind;
	struct peer peer;
	uint64_t start;
	int fds;

	(void)state;
	for (kind = CLOSES; kind <= IS_A_STREAM; kind++) {
		unlink(test_path("x"));
		peer_start(&peer, strange_server, &kind);
		sync_get(peer.sync);
		fds = test_count_fds();
		start = test_now_ns();
		switch (kind) {
		case SILENT:
			gives(flowipc_connect(test_path("x"), NULL, 200,
					      &session), -ETIMEDOUT);
			/* without a limit of ours there is one still */
			gives_one_of(flowipc_connect(test_path("x"), NULL, 0,
						     &session),
				     -ETIMEDOUT, -EAGAIN);
			break;
		case CLOSES:
			gives_one_of(flowipc_connect(test_path("x"), NULL,
						     test_ms(1000), &session),
				     -EPROTO, -ECONNREFUSED, -EACCES);
			break;
		default:
			gives(flowipc_connect(test_path("x"), NULL,
					      test_ms(5000), &session),
			      -EPROTO);
		}
		check(test_now_ns() - start < (uint64_t)test_ms(4000) *
		      1000000u);
		check(!session);
		gives(test_count_fds(), fds);
		peer_kill(&peer);
	}
}

struct match {
	enum flowipc_backend server;
	enum flowipc_backend client;
	int outcome;
	enum flowipc_backend result;
};

static void connect_with_backend(int sync, void *arg)
{
	const struct match *match = arg;
	struct flowipc_session *session;
	struct flowipc_channel *channel;

	unsetenv("FLOWIPC_BACKEND");
	sync_get(sync);
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect,
			.backend = match->client), test_ms(2000), &session),
	      match->outcome);
	if (match->outcome)
		return;
	gives(flowipc_session_backend(session), match->result);
	ok(flowipc_channel_open(session, NULL, test_ms(5000), &channel));
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void listen_with_backend(int sync, void *arg)
{
	const struct match *match = arg;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_server *server;

	unsetenv("FLOWIPC_BACKEND");
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .backend = match->server),
			  &server));
	sync_put(sync, 0);
	if (match->outcome) {
		gives(flowipc_accept(server, 300, &session), -ETIMEDOUT);
	} else {
		ok(flowipc_accept(server, test_ms(5000), &session));
		gives(flowipc_session_backend(session), match->result);
		ok(flowipc_channel_accept(session, NULL, test_ms(5000),
					  &channel));
		flowipc_channel_close(channel);
		flowipc_session_close(session);
	}
	flowipc_server_close(server);
}

/* short for the tables below */
#define A FLOWIPC_BACKEND_AUTO
#define D FLOWIPC_BACKEND_DEVICE
#define M FLOWIPC_BACKEND_MEMFD

static void backends(void **state)
{
	static const struct match with_device[] = {
		{ A, A, 0, D }, { A, D, 0, D }, { A, M, 0, M },
		{ D, A, 0, D }, { D, D, 0, D }, { D, M, -EPROTONOSUPPORT, A },
		{ M, A, 0, M }, { M, D, -EPROTONOSUPPORT, A }, { M, M, 0, M },
	};
	static const struct match without_device[] = {
		{ A, A, 0, M }, { A, M, 0, M }, { M, A, 0, M }, { M, M, 0, M },
	};
	bool has_device = flowipc_features(FLOWIPC_BACKEND_DEVICE) != 0;
	const struct match *list = has_device ? with_device : without_device;
	size_t count = has_device ? 9 : 4, i;
	struct flowipc_session *session;
	struct flowipc_server *server;
	struct peer client, peer;
	struct match match;

	(void)state;
	for (i = 0; i < count; i++) {
		match = list[i];
		peer_start(&client, connect_with_backend, &match);
		peer_start(&peer, listen_with_backend, &match);
		sync_get(peer.sync);
		sync_put(client.sync, 0);
		peer_join(&client);
		peer_join(&peer);
	}
	if (!has_device) {
		gives_one_of(flowipc_listen("t", FLOWIPC_OPTS(listen,
				.backend = D), &server), -ENODEV, -EACCES,
				-ENOEXEC);
		gives_one_of(flowipc_connect("t", FLOWIPC_OPTS(connect,
				.backend = D), 0, &session), -ENODEV,
				-EACCES, -ENOEXEC);
	}
}

static void serve_without_descriptors(int sync, void *arg)
{
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	sync_put(sync, 0);
	sync_get(sync);
	test_deny_fds(true);
	/* no loop at full speed, no hang, and no lost client */
	gives(flowipc_accept(server, 200, &session), -EMFILE);
	test_deny_fds(false);
	ok(flowipc_accept(server, test_ms(5000), &session));
	sync_put(sync, 0);
	sync_get(sync);
	flowipc_session_close(session);
	flowipc_server_close(server);
}

static void connect_in_time(void *arg)
{
	ok(flowipc_connect("t", NULL, test_ms(10000), arg));
}

static void no_descriptors(void **state)
{
	struct flowipc_session *session;
	struct thread thread;
	struct peer peer;

	(void)state;
	peer_start(&peer, serve_without_descriptors, NULL);
	sync_get(peer.sync);
	thread_start(&thread, connect_in_time, &session);
	test_sleep_ms(100);
	sync_put(peer.sync, 0);
	thread_join(&thread);
	sync_get(peer.sync);
	sync_put(peer.sync, 0);
	peer_join(&peer);
	flowipc_session_close(session);
}

static const struct CMUnitTest tests[] = {
	TEST(policies),
	TEST(silent_clients),
	TEST(silent_clients_are_dropped),
	TEST(garbage_clients),
	TEST(strange_servers),
	TEST(backends),
	TEST(no_descriptors),
};

TEST_MAIN(tests, NULL)
