// SPDX-License-Identifier: MIT
/* Many messages by one call, and one wake-up for many. */
#include "harness.h"

#include <poll.h>

enum { BATCH = 40 };

/* Mostly small; one in ten is lent. */
static uint64_t size_of(uint64_t number)
{
	return number % 10 ? number % 80 : 3000 + number;
}

static void make(struct flowipc_channel *channel, uint64_t number,
		 struct flowipc_message **message)
{
	uint64_t size = size_of(number);

	ok(flowipc_message_new(channel, size, test_ms(10000), message));
	pattern_fill(flowipc_message_buffer(*message), size, number);
	flowipc_message_set_type(*message, number);
}

static void make_batch(struct flowipc_channel *channel, uint64_t number,
		       struct flowipc_message **messages, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		make(channel, number + i, &messages[i]);
}

static void take_apart(struct flowipc_message *message, uint64_t number)
{
	gives(flowipc_message_type(message), number);
	gives(flowipc_message_size(message), size_of(number));
	pattern_check(flowipc_message_data(message), size_of(number), number);
	flowipc_message_release(message);
}

struct stream {
	uint64_t count;
	uint64_t seed;
};

static void receive_in_batches(struct link *far, void *arg)
{
	struct flowipc_message *messages[BATCH];
	const struct stream *stream = arg;
	uint64_t random = stream->seed + 1, received = 0;
	size_t most;
	int got, i;

	while (received < stream->count) {
		most = 1 + test_random_below(&random, BATCH);
		got = flowipc_message_receive_batch(far->channel, messages,
						    most, test_ms(10000));
		check_msg(got > 0 && (size_t)got <= most,
			  "%d messages where %zu fit", got, most);
		for (i = 0; i < got; i++)
			take_apart(messages[i], received++);
	}
	gives(flowipc_message_receive_batch(far->channel, messages, BATCH,
					    test_ms(10000)), -EPIPE);
}

static void send_in_batches(struct link *link, const struct stream *stream)
{
	struct flowipc_message *messages[BATCH];
	uint64_t random = stream->seed, sent = 0;
	size_t count;

	while (sent < stream->count) {
		count = 1 + test_random_below(&random, BATCH);
		if (count > stream->count - sent)
			count = stream->count - sent;
		make_batch(link->channel, sent, messages, count);
		gives(flowipc_message_send_batch(messages, count, -1), count);
		sent += count;
		if (!test_random_below(&random, 500))
			test_sleep_ms(1);
	}
	ok(flowipc_channel_shutdown(link->channel));
}

static void batches_in_order(void **state)
{
	struct stream stream = { (uint64_t)test_loops(20000), test_seed() };
	enum flowipc_wait_mode mode;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		/* fewer slots than the largest batch, and more */
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode,
				.slots = mode ? 16 : 256),
			   FLOWIPC_OPTS(channel, .wait_mode = mode),
			   receive_in_batches, &stream);
		send_in_batches(&link, &stream);
		link_stop(&link);
	}
}

/* One number a step: how many to receive, by one call. */
static void receive_when_told(struct link *far, void *arg)
{
	struct flowipc_message *messages[BATCH];
	uint64_t number = 0, most;
	int got, i;

	(void)arg;
	while ((most = sync_get(far->sync))) {
		got = flowipc_message_receive_batch(far->channel, messages,
						    most, 0);
		for (i = 0; i < got; i++)
			take_apart(messages[i], number++);
		sync_put(far->sync, (uint64_t)got);
	}
}

static int let_receive(struct link *link, uint64_t most)
{
	sync_put(link->sync, most);
	return (int)sync_get(link->sync);
}

/* As many as there is room for; and as many as there are. */
static void parts_of_a_batch(void **state)
{
	struct flowipc_message *messages[7];
	struct link link;
	uint64_t start;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4), NULL,
		   receive_when_told, NULL);
	gives(let_receive(&link, 5), -EAGAIN);
	gives(flowipc_message_send_batch(NULL, 0, -1), 0);
	gives(flowipc_message_receive_batch(link.channel, NULL, 0, -1), 0);
	make_batch(link.channel, 0, messages, 7);
	gives(flowipc_message_send_batch(messages, 7, 0), 4);
	gives(flowipc_message_send_batch(messages + 4, 3, 0), -EAGAIN);
	start = test_now_ns();
	gives(flowipc_message_send_batch(messages + 4, 3, 20), -ETIMEDOUT);
	check(test_now_ns() - start >= 19900000u);
	gives(let_receive(&link, 1), 1);
	start = test_now_ns();
	gives(flowipc_message_send_batch(messages + 4, 3, 20), 1);
	check(test_now_ns() - start >= 19900000u);
	gives(let_receive(&link, 3), 3);
	gives(let_receive(&link, BATCH), 1);
	gives(let_receive(&link, BATCH), -EAGAIN);
	gives(flowipc_message_send_batch(messages + 5, 2, 0), 2);
	gives(let_receive(&link, BATCH), 2);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void send_some(struct link *far, void *arg)
{
	struct flowipc_message *messages[3];

	(void)arg;
	make_batch(far->channel, 0, messages, 3);
	gives(flowipc_message_send_batch(messages, 3, 0), 3);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

/* What did not fit a buffer is still the next one. */
static void a_kept_one_comes_first(void **state)
{
	struct flowipc_message *messages[3];
	struct link link;
	char byte;
	int i;

	(void)state;
	for (i = 1; i <= 3; i += 2) {
		link_start(&link, NULL, NULL, send_some, NULL);
		sync_get(link.sync);
		gives(flowipc_receive(link.channel, &byte, 1, 0), -EMSGSIZE);
		gives(flowipc_message_receive_batch(link.channel, messages,
						    (size_t)i, 0), i);
		take_apart(messages[0], 0);
		if (i == 3) {
			take_apart(messages[1], 1);
			take_apart(messages[2], 2);
		}
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

static void what_is_no_batch(void **state)
{
	struct flowipc_message *messages[3], *received;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, send_some, NULL);
	sync_get(link.sync);
	ok(flowipc_message_receive(link.channel, &received, 0));
	make_batch(link.channel, 0, messages, 3);
	flowipc_message_release(messages[2]);
	messages[2] = received;
	gives(flowipc_message_send_batch(messages, 3, 0), -EINVAL);
	test_last_error_has("received");
	/* nothing was sent: both are still ours */
	gives(flowipc_message_send_batch(messages, 2, 0), 2);
	flowipc_message_release(received);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void accept_another(struct link *far, void *arg)
{
	struct flowipc_channel *other;

	(void)arg;
	ok(flowipc_channel_accept(far->session, NULL, test_ms(10000), &other));
	gives(test_take(other), 2);
	gives(test_take(far->channel), 1);
	flowipc_channel_close(other);
}

static void several_channels(void **state)
{
	struct flowipc_message *messages[2];
	struct flowipc_channel *other;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, accept_another, NULL);
	ok(flowipc_channel_open(link.session, NULL, test_ms(10000), &other));
	make(link.channel, 1, &messages[0]);
	make(other, 2, &messages[1]);
	gives(flowipc_message_send_batch(messages, 2, 0), -EINVAL);
	test_last_error_has("channel");
	flowipc_message_release(messages[0]);
	flowipc_message_release(messages[1]);
	test_put(other, 2);
	test_put(link.channel, 1);
	peer_join(&link.peer);
	flowipc_channel_close(other);
	link_close(&link);
}

/* Once a number comes: was there something to see within that many ms? */
static void watch(struct link *far, void *arg)
{
	struct pollfd poller = { .fd = flowipc_channel_fd(far->channel),
				 .events = POLLIN };
	uint64_t limit, byte, expected = 0;
	int got;

	(void)arg;
	gives(flowipc_receive(far->channel, &byte, sizeof(byte), 0), -EAGAIN);
	while ((limit = sync_get(far->sync))) {
		got = poll(&poller, 1, (int)limit);
		while (got && (got = (int)flowipc_receive(far->channel, &byte,
				sizeof(byte), 0)) == sizeof(byte))
			gives(byte, expected++);
		sync_put(far->sync, expected);
		gives_one_of(got, 0, -EAGAIN, -EPIPE);
	}
}

static uint64_t seen_within(struct link *link, int milliseconds)
{
	sync_put(link->sync, (uint64_t)milliseconds);
	return sync_get(link->sync);
}

static void cork_and_flush(void **state)
{
	struct flowipc_message *messages[2];
	struct link link;
	uint64_t i;
	int n;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 8), NULL, watch,
		   NULL);
	gives(seen_within(&link, 1), 0);
	flowipc_channel_cork(link.channel);
	for (i = 0; i < 3; i++)
		ok(flowipc_send(link.channel, &i, sizeof(i), 0));
	/* a batch is no reason either */
	for (n = 0; n < 2; n++, i++) {
		ok(flowipc_message_new(link.channel, sizeof(i), 0,
				       &messages[n]));
		memcpy(flowipc_message_buffer(messages[n]), &i, sizeof(i));
	}
	gives(flowipc_message_send_batch(messages, 2, 0), 2);
	gives(seen_within(&link, 100), 0);
	ok(flowipc_channel_flush(link.channel));
	gives(seen_within(&link, test_ms(10000)), 5);
	/* that was the end of it */
	ok(flowipc_send(link.channel, &i, sizeof(i), 0));
	gives(seen_within(&link, test_ms(10000)), 6);
	/* flushed or not, nothing is in vain if there is no room */
	flowipc_channel_cork(link.channel);
	for (i = 6; i < 14; i++)
		ok(flowipc_send(link.channel, &i, sizeof(i), 0));
	gives(seen_within(&link, 100), 6);
	gives(flowipc_send(link.channel, &i, sizeof(i), 0), -EAGAIN);
	gives(seen_within(&link, test_ms(10000)), 14);
	/* nor at the end */
	ok(flowipc_send(link.channel, &i, sizeof(i), 0));
	ok(flowipc_channel_shutdown(link.channel));
	gives(seen_within(&link, test_ms(10000)), 15);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* Nothing but waiting: a sleeper is woken in time, cork or not. */
static void sum_up(struct link *far, void *arg)
{
	uint64_t i, count = *(uint64_t *)arg;

	for (i = 0; i < count; i++)
		gives(test_take(far->channel), i);
}

static void corked_without_end(void **state)
{
	uint64_t count = (uint64_t)test_loops(5000), i;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.wait_mode = FLOWIPC_WAIT_SLEEP),
		   FLOWIPC_OPTS(channel, .wait_mode = FLOWIPC_WAIT_SLEEP),
		   sum_up, &count);
	flowipc_channel_cork(link.channel);
	for (i = 0; i < count; i++)
		ok(flowipc_send(link.channel, &i, sizeof(i), -1));
	ok(flowipc_channel_flush(link.channel));
	link_stop(&link);
}

/* A region that is revoked while its message is under way. */
static void send_revoked(struct link *far, void *arg)
{
	struct flowipc_message *messages[3];
	struct flowipc_region *region;

	(void)arg;
	ok(flowipc_region_create(4096, NULL, &region));
	make(far->channel, 0, &messages[0]);
	ok(flowipc_message_from_region(far->channel, region, 0, 4096, 0,
				       &messages[1]));
	make(far->channel, 2, &messages[2]);
	gives(flowipc_message_send_batch(messages, 3, test_ms(1000)), 3);
	ok(flowipc_region_revoke(region));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	flowipc_region_destroy(region);
}

static void one_in_between_is_revoked(void **state)
{
	struct flowipc_message *messages[3];
	struct link link;

	(void)state;
	if (!test_has(FLOWIPC_HAS_REVOKE)) {
		print_message("skipped: this back end cannot revoke\n");
		return;
	}
	link_start(&link, NULL, NULL, send_revoked, NULL);
	sync_get(link.sync);
	gives(flowipc_message_receive_batch(link.channel, messages, 3, 0), 1);
	take_apart(messages[0], 0);
	gives(flowipc_message_receive_batch(link.channel, messages, 3, 0),
	      -EACCES);
	gives(flowipc_message_receive_batch(link.channel, messages, 3, 0), 1);
	take_apart(messages[0], 2);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(batches_in_order),
	TEST(parts_of_a_batch),
	TEST(a_kept_one_comes_first),
	TEST(what_is_no_batch),
	TEST(several_channels),
	TEST(cork_and_flush),
	TEST(corked_without_end),
	TEST(one_in_between_is_revoked),
};

TEST_MAIN(tests, NULL)
