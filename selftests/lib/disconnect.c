// SPDX-License-Identifier: MIT
/*
 * A sender that ends the channel of a receiver that is too slow: that gets what
 * was sent and then the end, and whoever waits on the sender's side is told.
 */
#include "harness.h"

enum { LENT = 12000, LARGE = 100000 };

/* The second one is lent, the third from a region of its own. */
static uint64_t size_of(uint64_t number)
{
	return number == 1 ? LENT : number == 2 ? LARGE : 8;
}

static void take_four(struct link *far, void *arg)
{
	bool once = *(bool *)arg;
	struct flowipc_message *message;
	uint64_t i;

	sync_get(far->sync);
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(test_check_numbered(message), i);
		flowipc_message_release(message);
	}
	if (once) {
		gives(flowipc_message_receive(far->channel, &message, -1),
		      -EPIPE);
		check(!flowipc_channel_was_shut_down(far->channel));
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void the_slow_one_is_disconnected(void **state)
{
	struct flowipc_message *message;
	struct link link;
	bool once = true;
	uint64_t start, i;
	int waits;

	(void)state;
	for (waits = 0; waits < 2; waits++) {
		link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
				.when_full = FLOWIPC_FULL_DISCONNECT), NULL,
			   take_four, &once);
		for (i = 0; i < 4; i++)
			ok(test_send_numbered(link.channel, i, size_of(i), 0));
		start = test_now_ns();
		gives(test_send_numbered(link.channel, i, 1, 50 * waits),
		      -ECONNABORTED);
		test_last_error_has("slow");
		check(test_now_ns() - start >= 49900000u * (uint64_t)waits);
		gives(test_send_numbered(link.channel, i, 1, -1), -ECONNABORTED);
		gives(flowipc_message_receive(link.channel, &message, -1),
		      -ECONNABORTED);
		gives(flowipc_channel_shutdown(link.channel), -ECONNABORTED);
		/* the end wakes the other side, even before a close */
		sync_put(link.sync, 0);
		sync_get(link.sync);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

/* Also for want of memory; but not one that is fast enough. */
static void disconnected_for_memory(void **state)
{
	struct link link;
	bool once = false;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 65536,
			.payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DISCONNECT), NULL,
		   take_four, &once);
	for (i = 0; i < 4; i++)
		ok(test_send_numbered(link.channel, i, LENT, test_ms(5000)));
	sync_put(link.sync, 0);
	sync_get(link.sync);
	for (; i < 8; i++)
		ok(test_send_numbered(link.channel, i, LENT, 0));
	while (i < 100 && !test_send_numbered(link.channel, i, LENT, 0))
		i++;
	check(i < 100);
	gives(test_send_numbered(link.channel, i, 1, 0), -ECONNABORTED);
	sync_put(link.sync, 0);
	link_stop(&link);
}


/* What a channel that is at its end still gives. */
static void receive_all_and_the_end(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	(void)arg;
	sync_get(far->sync);
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(test_check_numbered(message), i);
		flowipc_message_release(message);
	}
	gives(flowipc_message_receive(far->channel, &message, -1), -EPIPE);
	check(!flowipc_channel_was_shut_down(far->channel));
}

/* Also when the sender has closed the channel by then. */
static void what_was_sent_is_received(void **state)
{
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DISCONNECT), NULL,
		   receive_all_and_the_end, NULL);
	for (i = 0; i < 4; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), 0));
	gives(test_send_numbered(link.channel, i, 1, 0), -ECONNABORTED);
	flowipc_channel_close(link.channel);
	link.channel = NULL;
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void do_nothing(struct link *far, void *arg)
{
	(void)arg;
	sync_get(far->sync);
}

struct waiter {
	struct thread thread;
	struct flowipc_channel *channel;
	_Atomic bool waits;
};

/* It would wait for ever: the peer does nothing. */
static void wait_for_a_message(void *arg)
{
	struct waiter *waiter = arg;
	struct flowipc_message *message;

	waiter->waits = true;
	gives(flowipc_message_receive(waiter->channel, &message,
				      test_ms(30000)), -ECONNABORTED);
}

static void wait_for_room(void *arg)
{
	struct waiter *waiter = arg;

	waiter->waits = true;
	gives(test_send_numbered(waiter->channel, 4, 1, test_ms(30000)), -ECONNABORTED);
}

static void waiter_start(struct waiter *waiter, void (*run)(void *arg))
{
	thread_start(&waiter->thread, run, waiter);
	while (!waiter->waits)
		test_sleep_ms(1);
	/* beyond the time that it spins */
	test_sleep_ms(20);
}

static void sleepers_of(enum flowipc_wait_mode mode,
			enum flowipc_threads threads)
{
	int count = threads == FLOWIPC_THREADS_MANY ? 3 : 1, i;
	struct waiter waiters[4] = { 0 };
	struct link link;

	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4, .wait_mode = mode,
			.threads = threads,
			.when_full = FLOWIPC_FULL_DISCONNECT), NULL,
		   do_nothing, NULL);
	for (i = 0; i < 4; i++) {
		waiters[i].channel = link.channel;
		ok(test_send_numbered(link.channel, (uint64_t)i, 8, 0));
	}
	for (i = 0; i < count; i++)
		waiter_start(&waiters[i], i == 1 ? wait_for_room :
			     wait_for_a_message);
	gives(test_send_numbered(link.channel, 4, 1, 1), -ECONNABORTED);
	for (i = 0; i < count; i++)
		thread_join(&waiters[i].thread);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void own_sleepers_are_woken(void **state)
{
	enum flowipc_threads threads;

	(void)state;
	for (threads = FLOWIPC_THREADS_ONE_EACH;
	     threads <= FLOWIPC_THREADS_MANY; threads++) {
		sleepers_of(FLOWIPC_WAIT_ADAPTIVE, threads);
		sleepers_of(FLOWIPC_WAIT_SPIN, threads);
		sleepers_of(FLOWIPC_WAIT_SLEEP, threads);
	}
}

static const struct CMUnitTest tests[] = {
	TEST(the_slow_one_is_disconnected),
	TEST(disconnected_for_memory),
	TEST(what_was_sent_is_received),
	TEST(own_sleepers_are_woken),
};

TEST_MAIN(tests, NULL)
