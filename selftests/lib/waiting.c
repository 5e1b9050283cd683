// SPDX-License-Identifier: MIT
/* Waiting for a message or for room: in which way, for how long, and what ends it. */
#include "harness.h"

#include <signal.h>
#include <time.h>

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

static void signals_interrupt(void **state)
{
	struct flowipc_message *message;
	struct thread interrupter;
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
	thread_start_interrupting(&interrupter);
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
	thread_stop_interrupting(&interrupter);
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
	TEST(wait_modes),
	TEST(timeouts),
	TEST(the_end_wakes_everybody),
	TEST(waiting_costs_nothing),
	TEST(signals_interrupt),
	TEST(a_stopped_peer),
};

TEST_MAIN(tests, NULL)
