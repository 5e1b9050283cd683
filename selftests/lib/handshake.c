// SPDX-License-Identifier: MIT
/*
 * What client and server say before there is a session: versions, features,
 * back ends, and what is told of those who get none.
 */
#include "raw.h"

#include <sys/socket.h>

static const char *path(void)
{
	return test_path("flowipc/t.sock");
}

static struct control hello(uint16_t oldest, uint16_t newest)
{
	return (struct control){
		.kind = CONTROL_HELLO,
		.backends = (uint16_t)(1u << test_backend()),
		.oldest = oldest,
		.newest = newest,
		.features = UINT64_MAX,
	};
}

static void refused_with(struct flowipc_server *server,
			 enum flowipc_refusal_reason reason, const char *words)
{
	struct flowipc_refusal refusal = { .sz = sizeof(refusal) };

	ok(flowipc_server_refusal(server, &refusal));
	gives(refusal.reason, reason);
	gives(refusal.peer.pid, getpid());
	gives(refusal.peer.uid, geteuid());
	gives(refusal.peer.gid, getegid());
	check_msg(strstr(refusal.text, words), "\"%s\" does not say \"%s\"",
		  refusal.text, words);
	gives(flowipc_server_refusal(server, &refusal), -EAGAIN);
}

static void clients_of_other_versions(void **state)
{
	static const uint16_t foreign[][2] = {
		{ 0, 0 }, { FLOWIPC__PROTOCOL + 1, FLOWIPC__PROTOCOL + 2 },
		{ UINT16_MAX, UINT16_MAX },
	};
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;
	struct control packet;
	char words[32];
	size_t i;
	int fd;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		fd = raw_connect(path());
		packet = hello(foreign[i][0], foreign[i][1]);
		raw_send(fd, &packet, NULL, 0);
		gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
		raw_receive(fd, &packet);
		gives(packet.kind, CONTROL_REFUSED);
		gives(packet.error, EPROTONOSUPPORT);
		gives(packet.oldest, FLOWIPC__PROTOCOL_OLDEST);
		gives(packet.newest, FLOWIPC__PROTOCOL);
		raw_expect_end(fd);
		close(fd);
		snprintf(words, sizeof(words), "%u", foreign[i][1]);
		refused_with(server, FLOWIPC_REFUSED_VERSION, words);
	}
	flowipc_server_close(server);
}

static void newer_clients_that_know_the_old(void **state)
{
	struct control packet = hello(FLOWIPC__PROTOCOL_OLDEST, UINT16_MAX);
	struct flowipc_session *session;
	struct flowipc_refusal refusal = { .sz = sizeof(refusal) };
	struct flowipc_server *server;
	int fd;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	fd = raw_connect(path());
	raw_send(fd, &packet, NULL, 0);
	ok(flowipc_accept(server, test_ms(5000), &session));
	raw_receive(fd, &packet);
	gives(packet.kind, CONTROL_WELCOME);
	gives(packet.newest, FLOWIPC__PROTOCOL);
	/* of all the features in the world, those that both know */
	gives(packet.features, FLOWIPC__FEATURES);
	gives(packet.backends, 1u << test_backend());
	flowipc_session_close(session);
	raw_receive(fd, &packet);
	gives(packet.kind, CONTROL_GOODBYE);
	gives(packet.error, 0);
	raw_expect_end(fd);
	close(fd);
	gives(flowipc_server_refusal(server, &refusal), -EAGAIN);
	flowipc_server_close(server);
}

static void clients_without_sense(void **state)
{
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;
	struct control packet;
	int fd;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	/* older than it is new */
	fd = raw_connect(path());
	packet = hello(FLOWIPC__PROTOCOL + 1, FLOWIPC__PROTOCOL);
	raw_send(fd, &packet, NULL, 0);
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	refused_with(server, FLOWIPC_REFUSED_PROTOCOL, "not of a flowipc");
	close(fd);
	/* no hello */
	fd = raw_connect(path());
	packet = hello(FLOWIPC__PROTOCOL, FLOWIPC__PROTOCOL);
	packet.kind = CONTROL_OPEN;
	raw_send(fd, &packet, NULL, 0);
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	refused_with(server, FLOWIPC_REFUSED_PROTOCOL, "not of a flowipc");
	close(fd);
	/* no back end */
	fd = raw_connect(path());
	packet = hello(FLOWIPC__PROTOCOL, FLOWIPC__PROTOCOL);
	packet.backends = 1u << 15;
	raw_send(fd, &packet, NULL, 0);
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	raw_receive(fd, &packet);
	gives(packet.error, EPROTONOSUPPORT);
	check(packet.backends & 1u << test_backend());
	refused_with(server, FLOWIPC_REFUSED_BACKEND, "neither");
	close(fd);
	/* one that leaves without a word was not refused */
	close(raw_connect(path()));
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	gives(flowipc_server_refusal(server, &(struct flowipc_refusal){ .sz = sizeof(struct flowipc_refusal) }),
	      -EAGAIN);
	check(!session);
	flowipc_server_close(server);
}

static void the_last_refusals_are_remembered(void **state)
{
	enum { REMEMBERED = 64, MORE = 5 };
	const uid_t other[] = { geteuid() + 1 };
	struct flowipc_session *session = NULL;
	struct flowipc_refusal refusal = { .sz = sizeof(refusal) };
	struct flowipc_server *server;
	int fds = test_count_fds(), i;

	(void)state;
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .allow =
			FLOWIPC_OPTS(allow, .uids = other, .uid_count = 1)),
			&server));
	for (i = 0; i < REMEMBERED + MORE; i++) {
		int fd = raw_connect(path());

		gives(flowipc_accept(server, 0, &session), -EAGAIN);
		close(fd);
	}
	for (i = 0; i < REMEMBERED; i++) {
		ok(flowipc_server_refusal(server, &refusal));
		gives(refusal.lost, i ? 0 : MORE);
		gives(refusal.reason, FLOWIPC_REFUSED_UID);
	}
	gives(flowipc_server_refusal(server, &refusal), -EAGAIN);
	/* it begins anew */
	i = raw_connect(path());
	gives(flowipc_accept(server, 0, &session), -EAGAIN);
	close(i);
	ok(flowipc_server_refusal(server, &refusal));
	gives(refusal.lost, 0);
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
}

/* A server that answers with this packet, and the courier's socket or not. */
struct answer {
	struct control packet;
	bool courier;
	int outcome;
	const char *words;
};

static void answer(int sync, void *arg)
{
	const struct answer *answer = arg;
	int listener = raw_listen(test_path("x"), SOCK_SEQPACKET);
	int pair[2], fd;
	struct control heard;

	sync_put(sync, 0);
	fd = raw_accept(listener);
	raw_receive(fd, &heard);
	gives(heard.kind, CONTROL_HELLO);
	gives(heard.oldest, FLOWIPC__PROTOCOL_OLDEST);
	gives(heard.newest, FLOWIPC__PROTOCOL);
	gives(heard.features, FLOWIPC__FEATURES);
	check(heard.backends & 1u << test_backend());
	sys(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	raw_send(fd, &answer->packet, pair, answer->courier);
	sync_get(sync);
}

static void servers_of_other_versions(void **state)
{
	uint16_t backend = (uint16_t)(1u << test_backend());
	const struct answer list[] = {
		{ { .kind = CONTROL_WELCOME, .newest = FLOWIPC__PROTOCOL,
		    .backends = backend }, true, 0, NULL },
		{ { .kind = CONTROL_REFUSED, .error = EPROTONOSUPPORT,
		    .oldest = 40, .newest = 41 }, false, -EPROTONOSUPPORT,
		  "versions 40 to 41" },
		{ { .kind = CONTROL_REFUSED, .error = EPROTONOSUPPORT,
		    .oldest = 40, .newest = 41 }, false, -EPROTONOSUPPORT,
		  "we version 1" },
		{ { .kind = CONTROL_REFUSED, .error = EPROTONOSUPPORT,
		    .oldest = 1, .newest = 1 }, false, -EPROTONOSUPPORT,
		  "neither device nor memfd" },
		{ { .kind = CONTROL_REFUSED, .error = EACCES }, false, -EACCES,
		  "refused us" },
		{ { .kind = CONTROL_REFUSED, .error = 12345 }, false, -EPROTO,
		  "refused us" },
		/* a welcome to something we did not offer */
		{ { .kind = CONTROL_WELCOME, .newest = FLOWIPC__PROTOCOL + 1,
		    .backends = backend }, true, -EPROTO, "no sense" },
		{ { .kind = CONTROL_WELCOME, .newest = 0,
		    .backends = backend }, true, -EPROTO, "no sense" },
		{ { .kind = CONTROL_WELCOME, .newest = FLOWIPC__PROTOCOL,
		    .backends = backend, .features = 1ull << 63 }, true,
		  -EPROTO, "no sense" },
		{ { .kind = CONTROL_WELCOME, .newest = FLOWIPC__PROTOCOL,
		    .backends = 1u << 14 }, true, -EPROTO, "no sense" },
		{ { .kind = CONTROL_WELCOME, .newest = FLOWIPC__PROTOCOL,
		    .backends = backend }, false, -EPROTO, "no sense" },
	};
	struct flowipc_session *session;
	struct answer test;
	struct peer peer;
	int fds;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		test = list[i];
		session = NULL;
		unlink(test_path("x"));
		peer_start(&peer, answer, &test);
		sync_get(peer.sync);
		fds = test_count_fds();
		gives(flowipc_connect(test_path("x"), NULL, test_ms(5000),
				      &session), test.outcome);
		if (test.words)
			test_last_error_has(test.words);
		check(!session == !!test.outcome);
		flowipc_session_close(session);
		gives(test_count_fds(), fds);
		sync_put(peer.sync, 0);
		peer_join(&peer);
	}
}

/* Neither a packet nor the end: what comes with it is not kept. */
static void clients_with_descriptors_alone(void **state)
{
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;
	int fds, fd;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	fds = test_count_fds();
	fd = raw_connect(path());
	raw_send_empty(fd, (const int[]){ 0, 1, 2 }, 3);
	raw_send_empty(fd, (const int[]){ 0 }, 1);
	gives(flowipc_accept(server, 50, &session), -ETIMEDOUT);
	raw_expect_end(fd);
	close(fd);
	gives(test_count_fds(), fds);
	flowipc_server_close(server);
}

static const struct CMUnitTest tests[] = {
	TEST(clients_of_other_versions),
	TEST(newer_clients_that_know_the_old),
	TEST(clients_without_sense),
	TEST(clients_with_descriptors_alone),
	TEST(the_last_refusals_are_remembered),
	TEST(servers_of_other_versions),
};

TEST_MAIN(tests, NULL)
