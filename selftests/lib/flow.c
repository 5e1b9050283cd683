// SPDX-License-Identifier: MIT
/* Full and empty: who waits for what, for how long, and in which way. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* Receive a message each time a number comes; 0 ends it. */
static void receive_when_told(struct link *far, void *arg)
{
	uint64_t expected = 0, number, bytes[512];
	ssize_t size;

	(void)arg;
	while (sync_get(far->sync)) {
		size = flowipc_receive(far->channel, bytes, sizeof(bytes),
				       test_ms(10000));
		check_msg(size >= 8, "receive gave %zd", size);
		number = bytes[0];
		gives(number, expected++);
		sync_put(far->sync, 0);
	}
}

static void let_receive(struct link *link)
{
	sync_put(link->sync, 1);
	sync_get(link->sync);
}

static void slots_full(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t number, start, sent = 0;
	int i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4), NULL,
		   receive_when_told, NULL);
	for (; sent < 4; sent++)
		ok(flowipc_send(link.channel, &sent, sizeof(sent), 0));
	for (i = 0; i < 20; i++) {
		gives(flowipc_send(link.channel, &sent, sizeof(sent), 0),
		      -EAGAIN);
		/* a failed send leaves the message ours, and whole */
		ok(flowipc_message_new(link.channel, 100, 0, &message));
		memcpy(flowipc_message_buffer(message), &sent, sizeof(sent));
		gives(flowipc_message_send(message, 0), -EAGAIN);
		start = test_now_ns();
		gives(flowipc_message_send(message, 20), -ETIMEDOUT);
		check(test_now_ns() - start >= 19900000u);
		memcpy(&number, flowipc_message_data(message), sizeof(number));
		gives(number, sent);
		/* room for exactly as many as were taken */
		let_receive(&link);
		ok(flowipc_message_send(message, test_ms(5000)));
		sent++;
		gives(flowipc_send(link.channel, &sent, sizeof(sent), 0),
		      -EAGAIN);
	}
	for (i = 0; i < 4; i++)
		let_receive(&link);
	for (i = 0; i < 4; i++, sent++)
		ok(flowipc_send(link.channel, &sent, sizeof(sent), 0));
	gives(flowipc_send(link.channel, &sent, sizeof(sent), 0), -EAGAIN);
	sync_put(link.sync, 0);
	link_stop(&link);
}

enum { PART = 60000, PARTS = 4 };

/* Take PARTS messages and release one each time a number comes. */
static void release_when_told(struct link *far, void *arg)
{
	struct flowipc_message *messages[PARTS];
	uint64_t taken = 0, released = 0, round;

	(void)arg;
	for (round = 0; round < 3; round++) {
		for (; taken < (round + 1) * PARTS; taken++)
			ok(flowipc_message_receive(far->channel,
						   &messages[taken % PARTS],
						   test_ms(10000)));
		sync_put(far->sync, 0);
		for (; released < taken; released++) {
			sync_get(far->sync);
			pattern_check(flowipc_message_data(
					messages[released % PARTS]), PART,
				      released);
			flowipc_message_release(messages[released % PARTS]);
			sync_put(far->sync, 0);
		}
	}
}

static int new_part(struct link *link, int timeout_ms,
		    struct flowipc_message **message)
{
	return flowipc_message_new(link->channel, PART, timeout_ms, message);
}

static void send_part(struct flowipc_message *message, uint64_t number)
{
	pattern_fill(flowipc_message_buffer(message), PART, number);
	ok(flowipc_message_send(message, test_ms(5000)));
}

static void payload_space_full(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t sent = 0, round, start, i;

	(void)state;
	/* room for four, not for five */
	link_start(&link, FLOWIPC_OPTS(channel,
			.payload_bytes = PARTS * 61440,
			.payload_max_bytes = PARTS * 61440), NULL,
		   release_when_told, NULL);
	for (; sent < PARTS; sent++) {
		ok(new_part(&link, 0, &message));
		send_part(message, sent);
	}
	for (round = 0; round < 3; round++) {
		sync_get(link.sync);
		/* received, but not given back */
		gives(new_part(&link, 0, &message), -EAGAIN);
		start = test_now_ns();
		gives(new_part(&link, 20, &message), -ETIMEDOUT);
		check(test_now_ns() - start >= 19900000u);
		gives(flowipc_channel_reclaim(link.channel), PARTS);
		if (round == 2) {
			for (i = 0; i < PARTS; i++) {
				sync_put(link.sync, 0);
				sync_get(link.sync);
				gives(flowipc_channel_reclaim(link.channel),
				      PARTS - 1 - i);
			}
			break;
		}
		for (i = 0; i < PARTS; i++, sent++) {
			sync_put(link.sync, 0);
			sync_get(link.sync);
			ok(new_part(&link, test_ms(5000), &message));
			send_part(message, sent);
		}
	}
	link_stop(&link);
}

/* Keep every fourth message, and expect a large one nevertheless. */
static void keep_some(struct link *far, void *arg)
{
	struct flowipc_message *kept[10], *message;
	int i;

	(void)arg;
	for (i = 0; i < 40; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		if (i % 4)
			flowipc_message_release(message);
		else
			kept[i / 4] = message;
	}
	sync_put(far->sync, 0);
	ok(flowipc_message_receive(far->channel, &message, test_ms(10000)));
	gives(flowipc_message_size(message), 500000);
	pattern_check(flowipc_message_data(message), 500000, 9);
	flowipc_message_release(message);
	for (i = 0; i < 10; i++)
		flowipc_message_release(kept[i]);
}

/*
 * One tenth of the payload space is lent, but in pieces all over it. That is
 * not a reason to wait for a receiver which waits for the next message.
 */
static void payload_space_in_pieces(void **state)
{
	struct flowipc_message *message;
	struct link link;
	int i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 1000000,
			.payload_max_bytes = 1000000), NULL, keep_some, NULL);
	for (i = 0; i < 40; i++) {
		ok(flowipc_message_new(link.channel, 24000, test_ms(5000),
				       &message));
		ok(flowipc_message_send(message, test_ms(5000)));
	}
	sync_get(link.sync);
	ok(flowipc_message_new(link.channel, 500000, 200, &message));
	pattern_fill(flowipc_message_buffer(message), 500000, 9);
	ok(flowipc_message_send(message, test_ms(5000)));
	link_stop(&link);
}

/* Take and keep whatever comes until told, then give all of it back. */
static void keep_everything(struct link *far, void *arg)
{
	struct flowipc_message **kept = malloc(sizeof(*kept) * 100000);
	int count = 0, i, round;
	bool told;

	(void)arg;
	check(kept);
	for (round = 0; round < 2; round++) {
		do {
			told = sync_poll(far->sync, 0);
			while (count < 100000 &&
			       !flowipc_message_receive(far->channel,
							&kept[count], 1))
				count++;
		} while (!told);
		gives(sync_get(far->sync), count);
		for (i = 0; i < count; i++)
			flowipc_message_release(kept[i]);
		count = 0;
		sync_put(far->sync, 0);
	}
	free(kept);
}

/* There is an end to what a receiver may keep, and all is used again. */
static void kept_without_limit(void **state)
{
	struct flowipc_message *message;
	uint64_t sent[2] = { 0, 0 };
	struct link link;
	int round, err = 0;

	(void)state;
	link_start(&link, NULL, NULL, keep_everything, NULL);
	for (round = 0; round < 2; round++) {
		while (sent[round] < 100000) {
			err = flowipc_message_new(link.channel, 100,
						  test_ms(200), &message);
			if (err)
				break;
			ok(flowipc_message_send(message, test_ms(5000)));
			sent[round]++;
		}
		gives(err, -ETIMEDOUT);
		gives(flowipc_channel_reclaim(link.channel), sent[round]);
		sync_put(link.sync, sent[round]);
		sync_get(link.sync);
		gives(flowipc_channel_reclaim(link.channel), 0);
	}
	gives(sent[1], sent[0]);
	link_stop(&link);
}

/* Hold all there is for a while, then let go. */
static void release_later(struct link *far, void *arg)
{
	struct flowipc_message *messages[PARTS];
	int i;

	(void)arg;
	for (i = 0; i < PARTS; i++)
		ok(flowipc_message_receive(far->channel, &messages[i],
					   test_ms(10000)));
	sync_put(far->sync, 0);
	test_sleep_ms(200);
	for (i = 0; i < PARTS; i++)
		flowipc_message_release(messages[i]);
	ok(flowipc_message_receive(far->channel, &messages[0],
				   test_ms(10000)));
	pattern_check(flowipc_message_data(messages[0]), PART, 77);
	flowipc_message_release(messages[0]);
}

static void a_release_wakes_the_sender(void **state)
{
	enum flowipc_wait_mode mode;
	struct flowipc_message *message;
	struct link link;
	int i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode,
				.payload_bytes = PARTS * 61440,
				.payload_max_bytes = PARTS * 61440), NULL,
			   release_later, NULL);
		for (i = 0; i < PARTS; i++) {
			ok(new_part(&link, 0, &message));
			send_part(message, 0);
		}
		sync_get(link.sync);
		ok(new_part(&link, -1, &message));
		send_part(message, 77);
		link_stop(&link);
	}
}

/* Receive slowly, after the sender has gone to sleep. */
static void receive_slowly(struct link *far, void *arg)
{
	uint64_t number, i;

	(void)arg;
	for (i = 0; i < 40; i++) {
		if (i % 10 == 0)
			test_sleep_ms(30);
		gives(flowipc_receive(far->channel, &number, sizeof(number),
				      test_ms(10000)), sizeof(number));
		gives(number, i);
	}
}

static void a_receive_wakes_the_sender(void **state)
{
	enum flowipc_wait_mode mode;
	struct link link;
	uint64_t i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode,
				.slots = 2), NULL, receive_slowly, NULL);
		for (i = 0; i < 40; i++)
			ok(flowipc_send(link.channel, &i, sizeof(i), -1));
		link_stop(&link);
	}
}

static void echo(struct link *far, void *arg)
{
	uint64_t bytes[2];
	ssize_t size;

	(void)arg;
	while ((size = flowipc_receive(far->channel, bytes, sizeof(bytes),
				       test_ms(10000))) != -EPIPE) {
		gives(size, sizeof(bytes));
		ok(flowipc_send(far->channel, bytes, sizeof(bytes),
				test_ms(10000)));
	}
}

static void round_trips(enum flowipc_wait_mode near,
			enum flowipc_wait_mode far)
{
	uint64_t bytes[2] = { 0, 5 };
	struct link link;
	int loops = test_loops(2000), i;

	link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = near),
		   FLOWIPC_OPTS(channel, .wait_mode = far), echo, NULL);
	for (i = 0; i < loops; i++) {
		bytes[0] = (uint64_t)i;
		ok(flowipc_send(link.channel, bytes, sizeof(bytes),
				test_ms(10000)));
		bytes[0] = UINT64_MAX;
		gives(flowipc_receive(link.channel, bytes, sizeof(bytes),
				      test_ms(10000)), sizeof(bytes));
		gives(bytes[0], i);
		/* long enough for the other side to have gone to sleep */
		if (i % 256 == 255)
			test_sleep_ms(2);
	}
	link_stop(&link);
}

static void wait_modes(void **state)
{
	enum flowipc_wait_mode near, far;

	(void)state;
	for (near = FLOWIPC_WAIT_ADAPTIVE; near <= FLOWIPC_WAIT_SLEEP; near++)
		for (far = FLOWIPC_WAIT_ADAPTIVE; far <= FLOWIPC_WAIT_SLEEP;
		     far++)
			round_trips(near, far);
}

static void end_when_told(struct link *far, void *arg)
{
	(void)arg;
	sync_get(far->sync);
}

static void timeouts(void **state)
{
	enum flowipc_wait_mode mode;
	struct flowipc_message *message = NULL;
	struct link link;
	uint64_t start, byte;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode),
			   NULL, end_when_told, NULL);
		gives(flowipc_message_receive(link.channel, &message, 0),
		      -EAGAIN);
		gives(flowipc_receive(link.channel, &byte, 1, 0), -EAGAIN);
		start = test_now_ns();
		gives(flowipc_message_receive(link.channel, &message, 100),
		      -ETIMEDOUT);
		check(test_now_ns() - start >= 99000000u);
		check(test_now_ns() - start <
		      (uint64_t)test_ms(5000) * 1000000u);
		gives(flowipc_message_receive(link.channel, &message, 1),
		      -ETIMEDOUT);
		check(!message);
		sync_put(link.sync, 0);
		/* the end is no timeout, however long one would wait */
		gives(flowipc_message_receive(link.channel, &message, -1),
		      -EPIPE);
		link_stop(&link);
	}
}

/* A thread of ours waits without limit, and the peer goes away. */
static void wait_for_message(void *arg)
{
	struct flowipc_message *message;

	gives(flowipc_message_receive(arg, &message, -1), -EPIPE);
}

static void wait_for_space(void *arg)
{
	uint64_t i;
	int err;

	for (i = 0; !(err = flowipc_send(arg, &i, sizeof(i), -1)); i++)
		;
	gives(err, -EPIPE);
}

static void the_end_wakes_everybody(void **state)
{
	enum flowipc_wait_mode mode;
	struct thread receiver, sender;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode),
			   NULL, end_when_told, NULL);
		thread_start(&receiver, wait_for_message, link.channel);
		thread_start(&sender, wait_for_space, link.channel);
		test_sleep_ms(100);
		sync_put(link.sync, 0);
		thread_join(&receiver);
		thread_join(&sender);
		link_stop(&link);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void waiting_costs_nothing(void **state)
{
	enum flowipc_wait_mode modes[] = { FLOWIPC_WAIT_ADAPTIVE,
					   FLOWIPC_WAIT_SLEEP };
	struct flowipc_message *message;
	struct link link;
	uint64_t used;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		link_start(&link, FLOWIPC_OPTS(channel,
				.wait_mode = modes[i]), NULL, end_when_told,
			   NULL);
		used = cpu_ns();
		gives(flowipc_message_receive(link.channel, &message, 400),
		      -ETIMEDOUT);
		used = cpu_ns() - used;
		/* half of the time would be a spin that never sleeps */
		check_msg(used < 200000000u, "%" PRIu64
			  " ms of 400 ms of waiting were spent on it",
			  used / 1000000);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

static void on_nothing(int signal_number)
{
	(void)signal_number;
}

static void *interrupt(void *arg)
{
	/* More than once, because one could come before the wait begins. */
	for (int i = 0; i < 100; i++) {
		test_sleep_ms(20);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	return NULL;
}

static void signals_interrupt(void **state)
{
	struct sigaction action = { .sa_handler = on_nothing }, before;
	pthread_t self = pthread_self(), thread;
	struct flowipc_message *message;
	enum flowipc_wait_mode modes[] = { FLOWIPC_WAIT_ADAPTIVE,
					   FLOWIPC_WAIT_SLEEP };
	struct link links[2];
	uint64_t i;
	int err, m;

	(void)state;
	for (m = 0; m < 2; m++) {
		link_start(&links[m], FLOWIPC_OPTS(channel, .slots = 2,
				.wait_mode = modes[m]), NULL, end_when_told,
			   NULL);
			flowipc_server_close(links[m].server);
		links[m].server = NULL;
	}
	sys(sigaction(SIGUSR1, &action, &before));
	ok(pthread_create(&thread, NULL, interrupt, &self));
	for (m = 0; m < 2; m++) {
		gives(flowipc_message_receive(links[m].channel, &message, -1),
		      -EINTR);
		gives(flowipc_message_receive(links[m].channel, &message,
					      test_ms(9000)), -EINTR);
		for (i = 0; !(err = flowipc_send(links[m].channel, &i,
						 sizeof(i), -1)); i++)
			;
		gives(err, -EINTR);
		gives(i, 2);
	}
	ok(pthread_join(thread, NULL));
	sys(sigaction(SIGUSR1, &before, NULL));
	for (m = 0; m < 2; m++) {
		sync_put(links[m].sync, 0);
		link_stop(&links[m]);
	}
}

/* A peer that is stopped, not dead: nothing fails, and nothing is lost. */
static void receive_forever(struct link *far, void *arg)
{
	uint64_t number, expected = 0;
	ssize_t size;

	(void)arg;
	while ((size = flowipc_receive(far->channel, &number, sizeof(number),
				       test_ms(20000))) == sizeof(number))
		gives(number, expected++);
	gives(size, -EPIPE);
	sync_put(far->sync, expected);
}

static void a_stopped_peer(void **state)
{
	struct link link;
	uint64_t i = 0;
	int err, round;

	(void)state;
	link_start(&link, NULL, NULL, receive_forever, NULL);
	for (round = 0; round < 3; round++) {
		sys(kill(link.peer.pid, SIGSTOP));
		test_sleep_ms(50);
		while (!(err = flowipc_send(link.channel, &i, sizeof(i), 50)))
			i++;
		gives(err, -ETIMEDOUT);
		sys(kill(link.peer.pid, SIGCONT));
		ok(flowipc_send(link.channel, &i, sizeof(i), test_ms(10000)));
		i++;
	}
	link_close(&link);
	gives(sync_get(link.sync), i);
	peer_join(&link.peer);
}

static const struct CMUnitTest tests[] = {
	TEST(slots_full),
	TEST(payload_space_full),
	TEST(payload_space_in_pieces),
	TEST(kept_without_limit),
	TEST(a_release_wakes_the_sender),
	TEST(a_receive_wakes_the_sender),
	TEST(wait_modes),
	TEST(timeouts),
	TEST(the_end_wakes_everybody),
	TEST(waiting_costs_nothing),
	TEST(signals_interrupt),
	TEST(a_stopped_peer),
};

TEST_MAIN(tests, NULL)
