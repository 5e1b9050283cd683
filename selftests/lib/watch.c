// SPDX-License-Identifier: MIT
/* A peer that lives and is stuck, and others that only seem to be. */
#include "harness.h"

#include <signal.h>

static const struct flowipc_channel_opts *watched(int limit)
{
	static struct flowipc_channel_opts opts;

	opts = (struct flowipc_channel_opts){
		.sz = sizeof(opts),
		.slots = 2,
		.stuck_timeout_ms = (uint32_t)limit,
	};
	return &opts;
}

/* Take one message, and look at nothing any more. */
static void get_stuck(struct link *far, void *arg)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_channel *second;

	(void)arg;
	ok(flowipc_channel_open(far->session, NULL, test_ms(10000), &second));
	gives(test_take(far->channel), 1);
	sync_put(far->sync, 0);
	/* the other side waits for no sign of life but this */
	sync_get(far->sync);
	while (flowipc_session_end(far->session, &end))
		test_sleep_ms(1);
	gives(end.reason, FLOWIPC_END_PEER_CLOSED);
	check(strstr(end.text, "we are stuck"));
	flowipc_channel_close(second);
}

enum wait { RECEIVES, SENDS, POLLS };

static void a_stuck_peer(void **state)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_channel *second, *none = NULL;
	enum wait wait;
	struct link link;
	uint64_t start;
	int err = 0;

	(void)state;
	for (wait = RECEIVES; wait <= POLLS; wait++) {
		link_start(&link, watched(200), NULL, get_stuck, NULL);
		ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
					  &second));
		test_put(link.channel, 1);
		sync_get(link.sync);
		sys(kill(link.peer.pid, SIGSTOP));
		start = test_now_ns();
		test_put(link.channel, 2);
		switch (wait) {
		case RECEIVES:
			err = (int)flowipc_receive(link.channel,
					&(uint64_t){ 0 }, 8, -1);
			break;
		case SENDS:
			test_put(link.channel, 3);
			err = flowipc_send(link.channel, "a", 1, -1);
			break;
		case POLLS:
			while ((err = (int)flowipc_receive(link.channel,
					&(uint64_t){ 0 }, 8, 0)) == -EAGAIN)
				test_sleep_ms(1);
		}
		gives(err, -ECONNABORTED);
		test_last_error_has("stuck");
		check(test_now_ns() - start >= 190000000u);
		ok(flowipc_session_end(link.session, &end));
		gives(end.reason, FLOWIPC_END_STUCK);
		check(strstr(end.text, "200 ms"));
		/* nothing of this session is of use any more */
		gives(flowipc_send(link.channel, "a", 1, 0), -ECONNABORTED);
		gives(flowipc_send(second, "a", 1, 0), -ECONNABORTED);
		gives(flowipc_channel_open(link.session, NULL, 0, &none),
		      -ECONNABORTED);
		flowipc_channel_close(second);
		sys(kill(link.peer.pid, SIGCONT));
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

enum { LARGE = 1 << 20 };

static void get_unstuck(struct link *far, void *arg)
{
	struct flowipc_message *message, *held;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &held, test_ms(5000)));
	sync_put(far->sync, 0);
	/* by now the other side is gone */
	sync_get(far->sync);
	gives(flowipc_send(far->channel, "a", 1, 0), -EPIPE);
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	gives(flowipc_message_size(message), LARGE);
	pattern_check(flowipc_message_data(message), LARGE, 5);
	flowipc_message_release(message);
	pattern_check(flowipc_message_data(held), LARGE, 4);
	flowipc_message_release(held);
	gives(flowipc_message_receive(far->channel, &message, test_ms(5000)),
	      -EPIPE);
}

static void send_large(struct flowipc_channel *channel, uint64_t seed)
{
	struct flowipc_message *message;

	ok(flowipc_message_new(channel, LARGE, 0, &message));
	pattern_fill(flowipc_message_buffer(message), LARGE, seed);
	ok(flowipc_message_send(message, 0));
}

/* A peer that was given up still gets what was sent before, of any size. */
static void what_was_sent_before(void **state)
{
	struct flowipc_channel_opts opts = *watched(100);
	struct flowipc_message *message;
	struct link link;

	(void)state;
	opts.payload_max_bytes = 65536;
	link_start(&link, &opts, NULL, get_unstuck, NULL);
	send_large(link.channel, 4);
	sync_get(link.sync);
	send_large(link.channel, 5);
	gives(flowipc_message_receive(link.channel, &message, -1),
	      -ECONNABORTED);
	link_close(&link);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
}

/* Nothing to do, then a little at a time, then nothing again. */
static void take_it_easy(struct link *far, void *arg)
{
	int limit = *(int *)arg, i;

	for (i = 0; i < 6; i++) {
		sync_get(far->sync);
		test_sleep_ms(limit / 4);
		gives(test_take(far->channel), i);
	}
	sync_get(far->sync);
}

static void a_slow_peer(void **state)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int limit = test_wait_ms(800), i;
	struct link link;

	(void)state;
	link_start(&link, watched(limit), NULL, take_it_easy, &limit);
	/* it sleeps, and has nothing to do */
	gives(flowipc_receive(link.channel, &(char){ 0 }, 1, 2 * limit),
	      -ETIMEDOUT);
	/* never without work, but it gets on */
	test_put(link.channel, 0);
	for (i = 1; i < 6; i++) {
		sync_put(link.sync, 0);
		test_put(link.channel, (uint64_t)i);
		gives(flowipc_receive(link.channel, &(char){ 0 }, 1,
				      limit / 3), -ETIMEDOUT);
	}
	sync_put(link.sync, 0);
	/* nothing again, for longer than the limit */
	gives(flowipc_receive(link.channel, &(char){ 0 }, 1, 2 * limit),
	      -ETIMEDOUT);
	gives(flowipc_session_end(link.session, &end), -EAGAIN);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void accept_late(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;

	(void)arg;
	sync_get(sync);
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &channel));
	gives(test_take(channel), 1);
	test_put(channel, 2);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

/* One that has not accepted has not begun to take anything. */
static void a_late_acceptor(void **state)
{
	struct flowipc_channel *channel;
	struct link link;

	(void)state;
	test_session_start(&link, accept_late, NULL);
	ok(flowipc_channel_open(link.session, watched(test_wait_ms(500)), 0,
				&channel));
	test_put(channel, 1);
	gives(flowipc_receive(channel, &(char){ 0 }, 1, test_wait_ms(1000)),
	      -ETIMEDOUT);
	sync_put(link.sync, 0);
	gives(test_take(channel), 2);
	flowipc_channel_close(channel);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(a_stuck_peer),
	TEST(what_was_sent_before),
	TEST(a_slow_peer),
	TEST(a_late_acceptor),
};

TEST_MAIN(tests, NULL)
