// SPDX-License-Identifier: MIT
/* How a session ends: once, for a reason, and none but that one. */
#include "raw.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static enum flowipc_end_reason wait_for_end(struct flowipc_session *session,
					    const char *words)
{
	struct pollfd poller = { .events = POLLIN };
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_session_end again = { .sz = sizeof(again) };

	poller.fd = flowipc_session_fd(session);
	gives(poll(&poller, 1, test_ms(10000)), 1);
	ok(flowipc_session_end(session, &end));
	check_msg(strstr(end.text, words), "\"%s\" does not say \"%s\"",
		  end.text, words);
	/* for ever */
	ok(flowipc_session_end(session, &again));
	gives(again.reason, end.reason);
	check(!strcmp(again.text, end.text));
	poller.revents = 0;
	gives(poll(&poller, 1, 0), 1);
	return end.reason;
}

enum departure { CLOSES, EXITS, WAITS, FORKS };

static void depart(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;
	struct peer child;

	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	sync_put(sync, 0);
	sync_get(sync);
	switch (*(enum departure *)arg) {
	case CLOSES:
		flowipc_session_close(session);
		/* the last channel is what ends it */
		sync_put(sync, 0);
		sync_get(sync);
		flowipc_channel_close(channel);
		break;
	case EXITS:
		/* no last words of the sanitizers about what it leaves */
		_exit(0);
	case WAITS:
		pause();
		break;
	case FORKS:
		/* what a child closes is not closed for its parent */
		child.pid = (pid_t)sys(fork());
		if (!child.pid) {
			flowipc_channel_close(channel);
			flowipc_session_close(session);
			_exit(0);
		}
		gives(waitpid(child.pid, NULL, 0), child.pid);
		test_put(channel, 1);
		sync_put(sync, 0);
		gives(test_take(channel), 2);
		flowipc_channel_close(channel);
		flowipc_session_close(session);
	}
}

static void peers_that_leave(void **state)
{
	enum departure departure;
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_channel *channel, *none = NULL;
	struct link link;

	(void)state;
	for (departure = CLOSES; departure <= FORKS; departure++) {
		test_session_start(&link, depart, &departure);
		gives(flowipc_session_end(link.session, &end), -EAGAIN);
		ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
					  &channel));
		sync_get(link.sync);
		gives(flowipc_session_end(link.session, &end), -EAGAIN);
		sync_put(link.sync, 0);
		if (departure == CLOSES) {
			sync_get(link.sync);
			gives(flowipc_session_end(link.session, &end),
			      -EAGAIN);
			sync_put(link.sync, 0);
		} else if (departure == WAITS) {
			peer_kill(&link.peer);
		} else if (departure == FORKS) {
			sync_get(link.sync);
			gives(flowipc_session_end(link.session, &end),
			      -EAGAIN);
			gives(test_take(channel), 1);
			test_put(channel, 2);
		}
		gives(wait_for_end(link.session, "the peer has"),
		      departure == CLOSES || departure == FORKS ?
		      FLOWIPC_END_PEER_CLOSED : FLOWIPC_END_PEER_DIED);
		gives(flowipc_channel_open(link.session, NULL, 0, &none),
		      -EPIPE);
		gives(flowipc_channel_accept(link.session, NULL, 0, &none),
		      -EPIPE);
		test_last_error_has("the peer has");
		check(!none);
		gives(flowipc_receive(channel, &(char){ 0 }, 1,
				      test_ms(10000)), -EPIPE);
		flowipc_channel_close(channel);
		link_close(&link);
		if (departure != WAITS)
			peer_join(&link.peer);
	}
}

/* A session whose other side is made by hand. */
static int raw_session(struct flowipc_server *server,
		       struct flowipc_session **session)
{
	struct control packet = {
		.kind = CONTROL_HELLO,
		.backends = (uint16_t)(1u << test_backend()),
		.oldest = FLOWIPC__PROTOCOL_OLDEST,
		.newest = FLOWIPC__PROTOCOL,
	};
	int fd = raw_connect(test_path("flowipc/t.sock"));

	raw_send(fd, &packet, NULL, 0);
	ok(flowipc_accept(server, test_ms(10000), session));
	raw_receive(fd, &packet);
	gives(packet.kind, CONTROL_WELCOME);
	return fd;
}

struct violation {
	enum control_kind kind;
	unsigned int fd_count;
	int answer_type;	/* of the socket that is to be for the answer */
	const char *words;
};

static void violations_of_the_session(void **state)
{
	static const struct violation list[] = {
		{ CONTROL_ACCEPT, 0, 0, "unknown packet" },
		{ CONTROL_HELLO, 0, 0, "unknown packet" },
		{ 12345, 0, 0, "unknown packet" },
		{ CONTROL_GOODBYE, 1, 0, "unknown packet" },
		{ CONTROL_OPEN, 0, 0, "no sense" },
		{ CONTROL_OPEN, 1, 0, "no sense" },
		{ CONTROL_OPEN, 5, SOCK_STREAM, "no sense" },
		{ CONTROL_OPEN, 5, SOCK_DGRAM, "no sense" },
	};
	struct flowipc_session *session, *other;
	struct flowipc_channel *channel = NULL;
	struct flowipc_server *server;
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int fds = test_count_fds(), fd, other_fd, pair[2], passed[5];
	struct control packet;
	size_t i, j;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	other_fd = raw_session(server, &other);
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		fd = raw_session(server, &session);
		sys(socketpair(AF_UNIX, (list[i].answer_type ?
					 list[i].answer_type :
					 SOCK_SEQPACKET) | SOCK_CLOEXEC, 0,
			       pair));
		for (j = 0; j < 5; j++)
			passed[j] = pair[0];
		packet = (struct control){ .kind = (uint16_t)list[i].kind };
		raw_send(fd, &packet, passed, list[i].fd_count);
		gives(flowipc_channel_accept(session, NULL, test_ms(10000),
					     &channel), -EPROTO);
		test_last_error_has(list[i].words);
		gives(wait_for_end(session, list[i].words),
		      FLOWIPC_END_PROTOCOL);
		gives(flowipc_channel_open(session, NULL, 0, &channel),
		      -EPROTO);
		gives(flowipc_channel_accept(session, NULL, 0, &channel),
		      -EPROTO);
		/* it is told, and hung up on */
		raw_receive(fd, &packet);
		gives(packet.kind, CONTROL_GOODBYE);
		gives(packet.error, EPROTO);
		raw_expect_end(fd);
		flowipc_session_close(session);
		close(fd);
		close(pair[0]);
		close(pair[1]);
	}
	check(!channel);
	/* of others there is nothing to be seen */
	gives(flowipc_session_end(other, &end), -EAGAIN);
	flowipc_session_close(other);
	close(other_fd);
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
}

struct bad_answer {
	enum control_kind kind;
	unsigned int fd_count;
	int error;	/* of the open */
	bool ends;	/* the session with it */
};

/* Somebody accepts, or not, in a way that makes no sense. */
static void violations_in_an_answer(void **state)
{
	static const struct bad_answer list[] = {
		{ CONTROL_ACCEPT, 0, -EPROTO, true },
		{ CONTROL_ACCEPT, 2, -EPROTO, true },
		/* a socket instead of memory */
		{ CONTROL_ACCEPT, 1, -EPROTO, true },
		{ CONTROL_OPEN, 1, -EPROTO, true },
		{ CONTROL_CANCEL, 0, -EPROTO, true },
		{ CONTROL_REFUSE, 3, -ECONNREFUSED, false },
		{ CONTROL_REFUSE, 0, -ECONNREFUSED, false },
		/* no word at all, but the end of the socket */
		{ 0, 0, -ECONNREFUSED, false },
	};
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int fds_before = test_count_fds(), fds[16], passed[3], fd;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_server *server;
	struct control packet;
	unsigned int count, j;
	size_t i;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		fd = raw_session(server, &session);
		ok(flowipc_channel_open(session, NULL, 0, &channel));
		test_put(channel, 1);
		count = raw_receive_fds(fd, &packet, fds);
		gives(packet.kind, CONTROL_OPEN);
		check(count >= 3);
		for (j = 0; j < 3; j++)
			passed[j] = fds[1];
		packet = (struct control){ .kind = (uint16_t)list[i].kind };
		if (list[i].kind)
			raw_send(fds[1], &packet, passed, list[i].fd_count);
		close(fds[1]);
		gives(flowipc_receive(channel, &(char){ 0 }, 1,
				      test_ms(10000)), list[i].error);
		gives(flowipc_send(channel, "a", 1, 0), list[i].error);
		if (list[i].ends)
			gives(wait_for_end(session, "the peer"),
			      FLOWIPC_END_PROTOCOL);
		else
			gives(flowipc_session_end(session, &end), -EAGAIN);
		flowipc_channel_close(channel);
		flowipc_session_close(session);
		for (j = 0; j < count; j++)
			if (j != 1)
				close(fds[j]);
		close(fd);
	}
	flowipc_server_close(server);
	gives(test_count_fds(), fds_before);
}

/* The other side of that: what the one who did it is told. */
static void goodbye_with_a_reason(void **state)
{
	struct control packet = { .kind = CONTROL_GOODBYE, .error = EPROTO };
	struct flowipc_session *session;
	struct flowipc_server *server;
	int fd;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	fd = raw_session(server, &session);
	raw_send(fd, &packet, NULL, 0);
	close(fd);
	gives(wait_for_end(session, "we broke the protocol"),
	      FLOWIPC_END_PEER_CLOSED);
	gives(flowipc_session_end(session, &(struct flowipc_session_end){ 0 }),
	      -EINVAL);
	flowipc_session_close(session);
	flowipc_server_close(server);
}

/* Write nonsense over all that one owns, where the next channel will be. */
static void spoil(struct flowipc_channel *channel, const struct map *before,
		  int count_before)
{
	struct map after[64];
	int count = test_shared_maps("rw", after, 64), i, j;

	test_put(channel, 1);
	for (i = 0; i < count; i++) {
		for (j = 0; j < count_before; j++)
			if (after[i].start == before[j].start)
				break;
		if (j == count_before)
			memset((void *)after[i].start, 0x5a,
			       after[i].end - after[i].start);
	}
}

static void misbehave_in_one_channel(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *good[2], *bad;
	struct map before[64];
	int count, i;

	(void)arg;
	for (i = 0; i < 2; i++)
		ok(flowipc_channel_open(session, NULL, test_ms(10000),
					&good[i]));
	count = test_shared_maps("rw", before, 64);
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &bad));
	sync_get(sync);
	spoil(bad, before, count);
	sync_put(sync, 0);
	sync_get(sync);
	gives(wait_for_end(session, "we broke the protocol"),
	      FLOWIPC_END_PEER_CLOSED);
	_exit(0);
}

static void wait_in_vain(void *arg)
{
	gives(flowipc_receive(arg, &(char){ 0 }, 1, test_ms(10000)), -EPROTO);
}

static void violations_in_a_channel(void **state)
{
	struct flowipc_channel *channels[3], *none = NULL;
	struct flowipc_session *session;
	struct thread thread;
	struct link link;
	struct peer other;
	int i;

	(void)state;
	test_session_start(&link, misbehave_in_one_channel, NULL);
	for (i = 0; i < 3; i++)
		ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
					  &channels[i]));
	/* one of the others sleeps meanwhile; on the device it sleeps on */
	if (test_backend() == FLOWIPC_BACKEND_MEMFD)
		thread_start(&thread, wait_in_vain, channels[0]);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	gives(flowipc_channel_reclaim(channels[2]), -EPROTO);
	gives(wait_for_end(link.session, "the peer"), FLOWIPC_END_PROTOCOL);
	if (test_backend() == FLOWIPC_BACKEND_MEMFD)
		thread_join(&thread);
	for (i = 0; i < 3; i++) {
		gives(flowipc_receive(channels[i], &(char){ 0 }, 1, 0),
		      -EPROTO);
		gives(flowipc_send(channels[i], "a", 1, 0), -EPROTO);
	}
	gives(flowipc_channel_open(link.session, NULL, 0, &none), -EPROTO);
	sync_put(link.sync, 0);
	/* another session with this process is as good as ever */
	peer_start(&other, test_say_to, "t");
	ok(flowipc_accept(link.server, test_ms(10000), &session));
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &none));
	gives(test_take(none), 42);
	test_put(none, 42);
	peer_join(&other);
	flowipc_channel_close(none);
	flowipc_session_close(session);
	for (i = 0; i < 3; i++)
		flowipc_channel_close(channels[i]);
	link_stop(&link);
}

/* Opens channels that nobody looks at, until there is room for no more. */
static void open_many_and_close(int sync, void *arg)
{
	static unsigned char metadata[4096];
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channels[1024];
	int count = 0, err;

	(void)arg;
	for (;;) {
		check(count < 1024);
		err = flowipc_channel_open(session, FLOWIPC_OPTS(channel,
				.slots = 2, .payload_bytes = 4096,
				.metadata = metadata,
				.metadata_size = sizeof(metadata)),
				0, &channels[count]);
		if (err)
			break;
		count++;
	}
	gives(err, -EAGAIN);
	while (count--)
		flowipc_channel_close(channels[count]);
	flowipc_session_close(session);
	sync_put(sync, 0);
}

/* However much the peer has not looked at, a farewell is never lost. */
static void goodbye_behind_a_queue(void **state)
{
	struct link link;

	(void)state;
	test_session_start(&link, open_many_and_close, NULL);
	sync_get(link.sync);
	gives(wait_for_end(link.session, "the peer has closed"),
	      FLOWIPC_END_PEER_CLOSED);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(peers_that_leave),
	TEST(violations_of_the_session),
	TEST(violations_in_an_answer),
	TEST(goodbye_with_a_reason),
	TEST(goodbye_behind_a_queue),
	TEST(violations_in_a_channel),
};

TEST_MAIN(tests, NULL)
