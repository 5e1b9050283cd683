// SPDX-License-Identifier: MIT
/*
 * Many threads on one channel: every message goes to exactly one of them, each
 * waits as long as it wants to, and none keeps another from what it needs.
 */
#include "harness.h"

#include <signal.h>
#include <stdatomic.h>

enum { THREADS = 4, LENT = 12000 };

#define MANY .threads = FLOWIPC_THREADS_MANY

/* The type of a message says who has sent it, and as what number. */
static uint64_t type_of(uint64_t sender, uint64_t number)
{
	return sender << 32 | number;
}

static uint64_t size_of(uint64_t type)
{
	uint64_t state = type;

	return test_random_below(&state, type % 4 ? 100 : 3000);
}

struct flood {
	struct flowipc_channel *channel;
	uint64_t count; /* of each sender */
	_Atomic uint64_t next_sender;
	_Atomic unsigned char *seen[THREADS];
	/* Released by whoever comes next, not by who has received it. */
	struct flowipc_message *_Atomic left;
};

static void prepare(struct flood *flood, uint64_t type,
		    struct flowipc_message **message)
{
	uint64_t size = size_of(type);

	ok(flowipc_message_new(flood->channel, size + 10, test_ms(20000),
			       message));
	ok(flowipc_message_truncate(*message, size));
	pattern_fill(flowipc_message_buffer(*message), size, type);
	flowipc_message_set_type(*message, type);
}

static void send_numbers(void *arg)
{
	struct flood *flood = arg;
	uint64_t sender = atomic_fetch_add(&flood->next_sender, 1);
	struct flowipc_message *messages[3];
	uint64_t i = 0;
	int n;

	while (i < flood->count) {
		n = i % 7 ? 1 : 3;
		if (i + (uint64_t)n > flood->count)
			n = 1;
		for (int k = 0; k < n; k++)
			prepare(flood, type_of(sender, i++), &messages[k]);
		if (n == 1)
			ok(flowipc_message_send(messages[0], test_ms(20000)));
		else
			gives(flowipc_message_send_batch(messages, (size_t)n,
							 test_ms(20000)), n);
	}
}

static void take_number(struct flood *flood, struct flowipc_message *message,
			uint64_t *last)
{
	uint64_t type = flowipc_message_type(message);
	uint64_t sender = type >> 32, number = (uint32_t)type;

	check(sender < THREADS && number < flood->count);
	gives(flowipc_message_size(message), size_of(type));
	if (number % 5 == 0)
		ok(flowipc_message_make_private(message));
	pattern_check(flowipc_message_data(message), size_of(type), type);
	/* once, and to each thread in the order in which it was sent */
	gives(atomic_fetch_add(&flood->seen[sender][number], 1), 0);
	check(number + 1 > last[sender]);
	last[sender] = number + 1;
	flowipc_message_release(atomic_exchange(&flood->left, message));
}

static void receive_numbers(void *arg)
{
	struct flood *flood = arg;
	uint64_t last[THREADS] = { 0 };
	struct flowipc_message *messages[4];
	uint64_t rounds = 0;
	int got, i;

	while ((got = flowipc_message_receive_batch(flood->channel, messages,
			rounds++ % 2 ? 1 : 4, test_ms(20000))) > 0)
		for (i = 0; i < got; i++)
			take_number(flood, messages[i], last);
	gives(got, -EPIPE);
}

static void in_threads(struct flood *flood, void (*run)(void *arg))
{
	struct thread threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		thread_start(&threads[i], run, flood);
	for (i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
}

static void far_receives(struct link *far, void *arg)
{
	struct flood flood = { .channel = far->channel,
			       .count = *(uint64_t *)arg };
	uint64_t i, k;

	for (i = 0; i < THREADS; i++) {
		flood.seen[i] = calloc(flood.count, 1);
		check(flood.seen[i]);
	}
	in_threads(&flood, receive_numbers);
	flowipc_message_release(atomic_exchange(&flood.left, NULL));
	for (i = 0; i < THREADS; i++) {
		for (k = 0; k < flood.count; k++)
			gives(flood.seen[i][k], 1);
		free((void *)flood.seen[i]);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void each_message_once(void **state)
{
	uint64_t count = (uint64_t)test_loops(8000);
	enum flowipc_wait_mode mode;
	struct flood flood;
	struct link link;
	int tight;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		for (tight = 0; tight < 2; tight++) {
			link_start(&link, FLOWIPC_OPTS(channel, MANY,
					.wait_mode = mode,
					.slots = tight ? 2 : 256,
					.payload_bytes = 16384,
					.payload_max_bytes = 16384),
				   FLOWIPC_OPTS(channel, MANY,
						.wait_mode = mode),
				   far_receives, &count);
			flood = (struct flood){ .channel = link.channel,
						.count = count };
			in_threads(&flood, send_numbers);
			ok(flowipc_channel_shutdown(link.channel));
			sync_get(link.sync);
			gives(flowipc_channel_reclaim(link.channel), 0);
			sync_put(link.sync, 0);
			link_stop(&link);
		}
	}
}

/* A thread that receives, with a timeout, and tells what came of it. */
struct waiter {
	struct thread thread;
	struct flowipc_channel *channel;
	int timeout_ms;
	uint64_t size; /* not 0: waits for memory instead */
	_Atomic int result;
	_Atomic uint64_t took_ns;
};

enum { WAITS = 1000 };

static void wait_once(void *arg)
{
	struct waiter *waiter = arg;
	struct flowipc_message *message;
	uint64_t start = test_now_ns();
	int err;

	if (waiter->size)
		err = flowipc_message_new(waiter->channel, waiter->size,
					  waiter->timeout_ms, &message);
	else
		err = flowipc_message_receive(waiter->channel, &message,
					      waiter->timeout_ms);
	if (!err)
		flowipc_message_release(message);
	atomic_store(&waiter->took_ns, test_now_ns() - start);
	atomic_store(&waiter->result, err);
}

static void waiter_start(struct waiter *waiter,
			 struct flowipc_channel *channel, uint64_t size,
			 int timeout_ms)
{
	waiter->channel = channel;
	waiter->size = size;
	waiter->timeout_ms = timeout_ms;
	atomic_store(&waiter->result, WAITS);
	thread_start(&waiter->thread, wait_once, waiter);
}

static void act_when_told(struct link *far, void *arg)
{
	struct flowipc_message *message[2] = { NULL };
	uint64_t order;

	(void)arg;
	while ((order = sync_get(far->sync))) {
		switch (order) {
		case 1:
			ok(flowipc_send(far->channel, "", 1, test_ms(5000)));
			break;
		case 2:
			message[0] = message[1];
			ok(flowipc_message_receive(far->channel, &message[1],
						   test_ms(5000)));
			break;
		case 3:
			flowipc_message_release(message[0]);
			message[0] = NULL;
			break;
		}
		sync_put(far->sync, 0);
	}
	flowipc_message_release(message[0]);
	flowipc_message_release(message[1]);
}

static void tell(struct link *link, uint64_t order)
{
	sync_put(link->sync, order);
	sync_get(link->sync);
}

static void each_waits_as_it_likes(void **state)
{
	enum flowipc_wait_mode mode;
	struct waiter patient, hasty, middling;
	struct flowipc_message *message;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode), NULL, act_when_told, NULL);
		waiter_start(&patient, link.channel, 0, -1);
		test_sleep_ms(50);
		waiter_start(&middling, link.channel, 0, test_ms(20000));
		test_sleep_ms(20);
		waiter_start(&hasty, link.channel, 0, 100);
		gives(flowipc_message_receive(link.channel, &message, 0),
		      -EAGAIN);
		thread_join(&hasty.thread);
		gives(hasty.result, -ETIMEDOUT);
		check(hasty.took_ns >= 99000000u);
		check(hasty.took_ns < (uint64_t)test_ms(5000) * 1000000u);
		gives(patient.result, WAITS);
		gives(middling.result, WAITS);
		/* one for each; whoever gets the first, the other gets one */
		tell(&link, 1);
		test_sleep_ms(20);
		gives((patient.result == WAITS) + (middling.result == WAITS),
		      1);
		tell(&link, 1);
		thread_join(&patient.thread);
		thread_join(&middling.thread);
		gives(patient.result, 0);
		gives(middling.result, 0);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

/* The first waits for so much memory that it gets none; others get some. */
static void none_waits_for_another(void **state)
{
	enum flowipc_wait_mode mode;
	struct waiter large, small, receiver;
	struct flowipc_message *message, *held;
	struct link link;
	int i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode, .payload_bytes = 65536,
				.payload_max_bytes = 65536), NULL,
			   act_when_told, NULL);
		for (i = 0; i < 5; i++) {
			ok(flowipc_message_new(link.channel, LENT, 0,
					       &message));
			ok(flowipc_message_send(message, 0));
		}
		tell(&link, 1);
		ok(flowipc_message_receive(link.channel, &held,
					   test_ms(5000)));
		waiter_start(&receiver, link.channel, 0, -1);
		waiter_start(&large, link.channel, 40000, -1);
		test_sleep_ms(50);
		waiter_start(&small, link.channel, LENT, -1);
		test_sleep_ms(20);
		gives(large.result, WAITS);
		gives(small.result, WAITS);
		/* nor is a release, though somebody waits for messages */
		flowipc_message_release(held);
		tell(&link, 2);
		tell(&link, 2);
		tell(&link, 3);
		thread_join(&small.thread);
		gives(small.result, 0);
		gives(large.result, WAITS);
		gives(receiver.result, WAITS);
		sync_put(link.sync, 0);
		/* the end is for all of them */
		thread_join(&large.thread);
		thread_join(&receiver.thread);
		gives_one_of(large.result, 0, -EPIPE);
		gives(receiver.result, -EPIPE);
		link_stop(&link);
	}
}

/* Receives, keeps, and releases only once another message has come. */
static void release_for_another(struct link *far, void *arg)
{
	struct flowipc_message *lent, *other;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &lent, test_ms(5000)));
	sync_put(far->sync, 0);
	ok(flowipc_message_receive(far->channel, &other, test_ms(20000)));
	flowipc_message_release(other);
	flowipc_message_release(lent);
	sync_get(far->sync);
}

/* What waits to be flushed must not wait for who waits for the peer. */
static void none_is_quiet_while_one_waits(void **state)
{
	enum flowipc_wait_mode mode;
	struct flowipc_message *message;
	struct waiter waiter;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode, .payload_bytes = 16384,
				.payload_max_bytes = 16384),
			   FLOWIPC_OPTS(channel,
					.wait_mode = FLOWIPC_WAIT_SLEEP),
			   release_for_another, NULL);
		ok(flowipc_message_new(link.channel, LENT, 0, &message));
		ok(flowipc_message_send(message, 0));
		sync_get(link.sync);
		flowipc_channel_cork(link.channel);
		waiter_start(&waiter, link.channel, LENT, test_ms(10000));
		test_sleep_ms(100);
		gives(waiter.result, WAITS);
		ok(flowipc_send(link.channel, "", 1, 0));
		thread_join(&waiter.thread);
		gives(waiter.result, 0);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

static void the_end_wakes_all(void **state)
{
	enum flowipc_wait_mode mode;
	struct waiter waiters[2 * THREADS];
	struct flowipc_message *message;
	struct link link;
	int i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode, .payload_bytes = 65536,
				.payload_max_bytes = 65536), NULL,
			   act_when_told, NULL);
		while (!flowipc_message_new(link.channel, LENT, 0, &message))
			ok(flowipc_message_send(message, 0));
		for (i = 0; i < 2 * THREADS; i++)
			waiter_start(&waiters[i], link.channel,
				     i % 2 ? LENT : 0, -1);
		test_sleep_ms(50);
		peer_kill(&link.peer);
		for (i = 0; i < 2 * THREADS; i++) {
			thread_join(&waiters[i].thread);
			gives(waiters[i].result, -EPIPE);
		}
		link_close(&link);
	}
}

/* Messages that fit nobody's buffer are not lost, however many there are. */
static void receive_into_nothing(void *arg)
{
	char byte;

	gives(flowipc_receive(arg, &byte, 1, test_ms(5000)), -EMSGSIZE);
}

static void send_two_sizes(struct link *far, void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		ok(flowipc_send(far->channel, "12345678", 8, test_ms(5000)));
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void too_large_for_all(void **state)
{
	struct thread threads[THREADS];
	struct link link;
	char bytes[8];
	int i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, MANY), NULL, send_two_sizes,
		   NULL);
	sync_get(link.sync);
	for (i = 0; i < THREADS; i++)
		thread_start(&threads[i], receive_into_nothing, link.channel);
	for (i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	for (i = 0; i < THREADS; i++)
		gives(flowipc_receive(link.channel, bytes, 8, 0), 8);
	gives(flowipc_receive(link.channel, bytes, 8, 0), -EAGAIN);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void options(void **state)
{
	struct flowipc_channel *channel;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, act_when_told, NULL);
	gives(flowipc_channel_open(link.session, FLOWIPC_OPTS(channel,
			.threads = 2), 0, &channel), -EINVAL);
	test_last_error_has("threads");
	sync_put(link.sync, 0);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(each_message_once),
	TEST(each_waits_as_it_likes),
	TEST(none_waits_for_another),
	TEST(none_is_quiet_while_one_waits),
	TEST(the_end_wakes_all),
	TEST(too_large_for_all),
	TEST(options),
};

TEST_MAIN(tests, NULL)
