// SPDX-License-Identifier: MIT
/* Channels: opening, accepting, options, and the end. */
#include "harness.h"

/* A small payload area: on the device every page of it is really there. */
static const struct flowipc_channel_opts *small(void)
{
	static const struct flowipc_channel_opts opts = {
		.sz = sizeof(opts), .slots = 4, .payload_bytes = 4096,
	};

	return &opts;
}

static void open_then_accept(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *mine, *theirs;

	(void)sync;
	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &mine));
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &theirs));
	test_put(mine, 1);
	test_put(theirs, 2);
	gives(test_take(mine), 3);
	gives(test_take(theirs), 4);
	flowipc_channel_close(mine);
	flowipc_channel_close(theirs);
	flowipc_session_close(session);
}

static void from_either_side(void **state)
{
	struct flowipc_channel *mine, *theirs;
	struct link link;

	(void)state;
	test_session_start(&link, open_then_accept, NULL);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &theirs));
	ok(flowipc_channel_open(link.session, NULL, 0, &mine));
	test_put(theirs, 3);
	test_put(mine, 4);
	gives(test_take(theirs), 1);
	gives(test_take(mine), 2);
	flowipc_channel_close(mine);
	flowipc_channel_close(theirs);
	link_stop(&link);
}

enum { MANY = 60 };

static void open_many(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channels[MANY];
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++)
		ok(flowipc_channel_open(session, small(), test_ms(10000),
					&channels[i]));
	for (i = MANY - 1; i >= 0; i--)
		test_put(channels[i], (uint64_t)i);
	for (i = 0; i < MANY; i++)
		gives(test_take(channels[i]), 1000 + i);
	/* every other one goes away, and the rest does not care */
	for (i = 0; i < MANY; i += 2)
		flowipc_channel_close(channels[i]);
	for (i = 1; i < MANY; i += 2)
		test_put(channels[i], (uint64_t)i);
	sync_get(sync);
	for (i = 1; i < MANY; i += 2)
		flowipc_channel_close(channels[i]);
	flowipc_session_close(session);
}

static void many_channels(void **state)
{
	struct flowipc_channel *channels[MANY];
	uint64_t number;
	struct link link;
	int i;

	(void)state;
	test_session_start(&link, open_many, NULL);
	for (i = 0; i < MANY; i++)
		ok(flowipc_channel_accept(link.session, small(),
					  test_ms(10000), &channels[i]));
	for (i = 0; i < MANY; i++)
		gives(test_take(channels[i]), i);
	for (i = 0; i < MANY; i++)
		test_put(channels[i], 1000 + (uint64_t)i);
	for (i = 0; i < MANY; i++) {
		if (i % 2)
			gives(test_take(channels[i]), i);
		else
			gives(flowipc_receive(channels[i], &number,
					      sizeof(number), test_ms(10000)),
			      -EPIPE);
	}
	sync_put(link.sync, 0);
	for (i = 0; i < MANY; i++)
		flowipc_channel_close(channels[i]);
	link_stop(&link);
}

static void open_one_and_wait(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;

	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	test_put(channel, 5);
	sync_get(sync);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void bad_options(void **state)
{
	static const uint32_t bad_slots[] = {
		1, 3, 5, 255, 65535, 131072, UINT32_MAX, 1u << 31,
	};
	struct {
		struct flowipc_channel_opts opts;
		uint64_t later;
	} longer = { .opts.sz = sizeof(longer), .later = 1 };
	struct flowipc_channel_opts opts = { .sz = sizeof(opts) };
	struct flowipc_channel *channel = NULL;
	struct link link;
	size_t i;

	(void)state;
	test_session_start(&link, open_one_and_wait, NULL);
	for (i = 0; i < sizeof(bad_slots) / sizeof(bad_slots[0]); i++) {
		opts.slots = bad_slots[i];
		gives(flowipc_channel_open(link.session, &opts, 100, &channel),
		      -EINVAL);
		gives(flowipc_channel_accept(link.session, &opts, 100,
					     &channel), -EINVAL);
	}
	test_last_error_has("slots");
	opts.slots = 0;
	opts.wait_mode = (enum flowipc_wait_mode)3;
	gives(flowipc_channel_open(link.session, &opts, 100, &channel),
	      -EINVAL);
	gives(flowipc_channel_accept(link.session, &opts, 100, &channel),
	      -EINVAL);
	test_last_error_has("wait");
	opts.wait_mode = FLOWIPC_WAIT_ADAPTIVE;
	opts.payload_bytes = UINT64_MAX;
	gives_one_of(flowipc_channel_open(link.session, &opts, 100, &channel),
		     -EINVAL, -ENOMEM, -EFBIG);
	opts.payload_bytes = 0;
	opts.sz = 0;
	gives(flowipc_channel_open(link.session, &opts, 100, &channel),
	      -EINVAL);
	gives(flowipc_channel_open(link.session, &longer.opts, 100, &channel),
	      -E2BIG);
	gives(flowipc_channel_accept(link.session, &longer.opts, 100,
				     &channel), -E2BIG);
	check(!channel);
	/* None of it was held against the peer, whose request still waits. */
	longer.later = 0;
	ok(flowipc_channel_accept(link.session, &longer.opts, test_ms(10000),
				  &channel));
	gives(test_take(channel), 5);
	sync_put(link.sync, 0);
	flowipc_channel_close(channel);
	link_stop(&link);
}

static void open_every_slots(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;
	uint32_t slots;

	(void)sync;
	(void)arg;
	for (slots = 2; slots <= 65536; slots *= 2) {
		ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
				.slots = slots, .payload_bytes = 1),
				test_ms(10000), &channel));
		test_put(channel, slots);
		gives(test_take(channel), slots + 1);
		flowipc_channel_close(channel);
	}
	flowipc_session_close(session);
}

static void every_number_of_slots(void **state)
{
	struct flowipc_channel *channel;
	struct link link;
	uint32_t slots;

	(void)state;
	test_session_start(&link, open_every_slots, NULL);
	for (slots = 2; slots <= 65536; slots *= 2) {
		/* each side has its own number */
		ok(flowipc_channel_accept(link.session, FLOWIPC_OPTS(channel,
				.slots = 65536 / slots * 2,
				.payload_bytes = 1), test_ms(10000),
				&channel));
		gives(test_take(channel), slots);
		test_put(channel, slots + 1);
		flowipc_channel_close(channel);
	}
	link_stop(&link);
}

static void ignore_then_open(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel = NULL;

	(void)arg;
	/* let the other side give up */
	sync_get(sync);
	/* what it gave up is not found any more */
	gives(flowipc_channel_accept(session, NULL, 100, &channel),
	      -ETIMEDOUT);
	check(!channel);
	sync_put(sync, 0);
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &channel));
	gives(test_take(channel), 6);
	test_put(channel, 7);
	sync_get(sync);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void nobody_accepts(void **state)
{
	struct flowipc_channel *channel = NULL;
	struct link link;
	uint64_t start;
	int fds, i;

	(void)state;
	test_session_start(&link, ignore_then_open, NULL);
	fds = test_count_fds();
	for (i = 0; i < 3; i++) {
		start = test_now_ns();
		gives(flowipc_channel_open(link.session, NULL, 100, &channel),
		      -ETIMEDOUT);
		check(test_now_ns() - start >= 99000000u);
	}
	check(!channel);
	gives(test_count_fds(), fds);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	ok(flowipc_channel_open(link.session, NULL, test_ms(10000), &channel));
	test_put(channel, 6);
	gives(test_take(channel), 7);
	sync_put(link.sync, 0);
	flowipc_channel_close(channel);
	link_stop(&link);
}

static void open_for_long(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel, *none = NULL;

	(void)arg;
	sync_get(sync);
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	test_put(channel, 8);
	/* the one the other side had asked for meanwhile is not there */
	gives(flowipc_channel_accept(session, NULL, 100, &none), -ETIMEDOUT);
	gives(test_take(channel), 9);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void both_open_at_once(void **state)
{
	struct flowipc_channel *channel = NULL;
	struct link link;

	(void)state;
	test_session_start(&link, open_for_long, NULL);
	sync_put(link.sync, 0);
	/* Neither can accept while it waits for the other, so one gives up. */
	gives(flowipc_channel_open(link.session, NULL, 300, &channel),
	      -ETIMEDOUT);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &channel));
	gives(test_take(channel), 8);
	test_put(channel, 9);
	gives(flowipc_receive(channel, &(uint64_t){ 0 }, 8, test_ms(10000)),
	      -EPIPE);
	flowipc_channel_close(channel);
	link_stop(&link);
}

static void expect_refusal(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel = NULL;

	(void)arg;
	gives(flowipc_channel_open(session, NULL, test_ms(10000), &channel),
	      -ECONNREFUSED);
	check(!channel);
	sync_put(sync, 0);
	gives(flowipc_channel_open(session, NULL, test_ms(10000), &channel),
	      -ECONNREFUSED);
	check(!channel);
	sync_put(sync, 0);
	/* the session is still good */
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	test_put(channel, 10);
	sync_get(sync);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void refused_for_want_of_something(void **state)
{
	struct flowipc_channel *channel = NULL;
	struct link link;

	(void)state;
	test_session_start(&link, expect_refusal, NULL);
	/* more than any machine has */
	gives_one_of(flowipc_channel_accept(link.session,
			FLOWIPC_OPTS(channel, .payload_bytes = 1ull << 46),
			test_ms(10000), &channel), -ENOMEM, -EFBIG);
	sync_get(link.sync);
	test_deny_fds(true);
	gives(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				     &channel), -EMFILE);
	test_deny_fds(false);
	sync_get(link.sync);
	check(!channel);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &channel));
	gives(test_take(channel), 10);
	sync_put(link.sync, 0);
	flowipc_channel_close(channel);
	link_stop(&link);
}

/* Take a message and keep it over the end of its channel. */
static void outlive(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(10000)));
	flowipc_channel_close(far->channel);
	far->channel = NULL;
	sync_put(far->sync, 0);
	sync_get(far->sync);
	pattern_check(flowipc_message_data(message), 100000, 12);
	flowipc_session_close(far->session);
	far->session = NULL;
	pattern_check(flowipc_message_data(message), 100000, 12);
	flowipc_message_release(message);
}

static void message_outlives_its_channel(void **state)
{
	struct flowipc_message *message, *unsent;
	struct link link;
	uint64_t start;
	int err;

	(void)state;
	link_start(&link, NULL, NULL, outlive, NULL);
	ok(flowipc_message_new(link.channel, 100000, 0, &message));
	pattern_fill(flowipc_message_buffer(message), 100000, 12);
	ok(flowipc_message_send(message, test_ms(10000)));
	ok(flowipc_message_new(link.channel, 100000, 0, &unsent));
	sync_get(link.sync);
	/*
	 * A sender that does not need to look at the peer may be a little late
	 * to see that it is gone; what it sends until then is lost.
	 */
	start = test_now_ns();
	while (!(err = flowipc_message_send(unsent, test_ms(5000)))) {
		check(test_now_ns() - start < (uint64_t)test_ms(5000) *
		      1000000u);
		err = flowipc_message_new(link.channel, 100000,
					  test_ms(5000), &unsent);
		if (err) {
			unsent = NULL;
			break;
		}
	}
	gives(err, -EPIPE);
	flowipc_message_release(unsent);
	/* nor does the sender's end take it away */
	link_close(&link);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
}

static const struct CMUnitTest tests[] = {
	TEST(from_either_side),
	TEST(many_channels),
	TEST(bad_options),
	TEST(every_number_of_slots),
	TEST(nobody_accepts),
	TEST(both_open_at_once),
	TEST(refused_for_want_of_something),
	TEST(message_outlives_its_channel),
};

TEST_MAIN(tests, NULL)
