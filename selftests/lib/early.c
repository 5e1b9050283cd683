// SPDX-License-Identifier: MIT
/* Channels that are opened without waiting, and used before there is an answer. */
#include "harness.h"

enum { SLOTS = 8 };

static void send_before_the_answer(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_message *message;
	struct flowipc_channel *channel;
	uint64_t number;

	(void)arg;
	ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel, .slots = SLOTS),
				0, &channel));
	/* nothing to receive, of course */
	gives(flowipc_receive(channel, &number, sizeof(number), 0), -EAGAIN);
	gives(flowipc_receive(channel, &number, sizeof(number), 50),
	      -ETIMEDOUT);
	for (number = 0; number < SLOTS - 1; number++)
		ok(flowipc_send(channel, &number, sizeof(number), 0));
	/* the last one is lent */
	ok(flowipc_message_new(channel, 3000, 0, &message));
	pattern_fill(flowipc_message_buffer(message), 3000, 7);
	ok(flowipc_message_send(message, 0));
	gives(flowipc_send(channel, &number, sizeof(number), 0), -EAGAIN);
	gives(flowipc_send(channel, &number, sizeof(number), 50), -ETIMEDOUT);
	gives(flowipc_channel_reclaim(channel), 1);
	sync_put(sync, 0);
	/* waits for the answer and then for room */
	test_put(channel, 100);
	gives(test_take(channel), 101);
	/* from now on everything is as ever */
	for (number = 0; number < 5 * SLOTS; number++)
		test_put(channel, number);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void sent_before_the_answer(void **state)
{
	struct flowipc_message *message;
	struct flowipc_channel *channel;
	struct link link;
	uint64_t number;

	(void)state;
	test_session_start(&link, send_before_the_answer, NULL);
	sync_get(link.sync);
	ok(flowipc_channel_accept(link.session, NULL, 0, &channel));
	for (number = 0; number < SLOTS - 1; number++)
		gives(test_take(channel), number);
	ok(flowipc_message_receive(channel, &message, test_ms(10000)));
	gives(flowipc_message_size(message), 3000);
	pattern_check(flowipc_message_data(message), 3000, 7);
	flowipc_message_release(message);
	gives(test_take(channel), 100);
	test_put(channel, 101);
	for (number = 0; number < 5 * SLOTS; number++)
		gives(test_take(channel), number);
	flowipc_channel_close(channel);
	link_stop(&link);
}

/*
 * An opener that never looks for the answer by itself must wake an acceptor
 * that sleeps all the same; many times, because it is about a race.
 */
static void send_to_sleepers(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;
	uint64_t random = 1;
	int i, pause;

	(void)arg;
	for (i = 0; i < test_loops(2000); i++) {
		ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
				.wait_mode = FLOWIPC_WAIT_SLEEP), 0,
				&channel));
		for (pause = (int)test_random_below(&random, 3000); pause;
		     pause--)
			__asm__ volatile("" ::: "memory");
		test_put(channel, (uint64_t)i);
		/* it has accepted, we do not know, and it falls asleep */
		if (i % 16 == 0) {
			sync_get(sync);
			test_sleep_ms(2);
		}
		test_put(channel, 5);
		/* the answer to both may come before that to the open */
		gives(test_take(channel), i);
		flowipc_channel_close(channel);
	}
	flowipc_session_close(session);
}

static void acceptors_that_sleep(void **state)
{
	struct flowipc_channel *channel;
	struct link link;
	int i;

	(void)state;
	test_session_start(&link, send_to_sleepers, NULL);
	for (i = 0; i < test_loops(2000); i++) {
		ok(flowipc_channel_accept(link.session, FLOWIPC_OPTS(channel,
				.wait_mode = FLOWIPC_WAIT_SLEEP),
				test_ms(10000), &channel));
		gives(test_take(channel), i);
		if (i % 16 == 0)
			sync_put(link.sync, 0);
		gives(test_take(channel), 5);
		test_put(channel, (uint64_t)i);
		flowipc_channel_close(channel);
	}
	link_stop(&link);
}

enum { NUMBERS = 3000, OPENERS = 4 };

static void send_numbers(void *arg)
{
	uint64_t i;

	for (i = 0; i < (uint64_t)test_loops(NUMBERS); i++)
		test_put(arg, i);
}

/* One direction each in a thread, and each finds out that there is an answer. */
static void open_and_use(void *arg)
{
	struct flowipc_session *session = arg;
	struct flowipc_channel *channel;
	struct thread thread;
	uint64_t i;

	ok(flowipc_channel_open(session, NULL, 0, &channel));
	thread_start(&thread, send_numbers, channel);
	for (i = 0; i < (uint64_t)test_loops(NUMBERS); i++)
		gives(test_take(channel), i);
	thread_join(&thread);
	flowipc_channel_close(channel);
}

static void open_by_threads(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct thread threads[OPENERS];
	int i;

	(void)sync;
	(void)arg;
	for (i = 0; i < OPENERS; i++)
		thread_start(&threads[i], open_and_use, session);
	for (i = 0; i < OPENERS; i++)
		thread_join(&threads[i]);
	flowipc_session_close(session);
}

static void accept_and_echo(void *arg)
{
	struct flowipc_channel *channel;
	uint64_t i;

	ok(flowipc_channel_accept(arg, NULL, test_ms(10000), &channel));
	for (i = 0; i < (uint64_t)test_loops(NUMBERS); i++)
		test_put(channel, test_take(channel));
	gives(flowipc_receive(channel, &(char){ 0 }, 1, test_ms(10000)),
	      -EPIPE);
	flowipc_channel_close(channel);
}

static void many_threads(void **state)
{
	struct thread threads[OPENERS];
	struct link link;
	int i;

	(void)state;
	test_session_start(&link, open_by_threads, NULL);
	/* whoever opens has begun to send by now */
	test_sleep_ms(50);
	for (i = 0; i < OPENERS; i++)
		thread_start(&threads[i], accept_and_echo, link.session);
	for (i = 0; i < OPENERS; i++)
		thread_join(&threads[i]);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(sent_before_the_answer),
	TEST(acceptors_that_sleep),
	TEST(many_threads),
};

TEST_MAIN(tests, NULL)
