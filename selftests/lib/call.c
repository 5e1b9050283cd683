// SPDX-License-Identifier: MIT
/*
 * Request and reply: every call gets its own reply, in whatever order they come
 * and whoever else uses the channel, and all else is received as ever.
 */
#include "harness.h"

#include <poll.h>
#include <stdatomic.h>

enum { THREADS = 4, PENDING = 16 };

#define MANY .threads = FLOWIPC_THREADS_MANY

/* Types of what is sent, and what the other side does about it. */
enum {
	ECHO = 1, /* a reply with the same bytes */
	STREAM, /* as many replies as the correlation says */
	HOLD, /* a reply when the next message comes */
	NEVER, /* no reply */
	TELL, /* before the reply, as many messages as the correlation says */
	STOP,
	ANSWER,
	TOLD,
};

static void fill(struct flowipc_message *message, uint64_t type,
		 uint64_t correlation)
{
	flowipc_message_set_type(message, type);
	flowipc_message_set_correlation(message, correlation);
	pattern_fill(flowipc_message_buffer(message),
		     flowipc_message_size(message), correlation);
}

static struct flowipc_message *make(struct flowipc_channel *channel,
				    uint64_t type, uint64_t correlation,
				    uint64_t size)
{
	struct flowipc_message *message;

	ok(flowipc_message_new(channel, size, test_ms(20000), &message));
	fill(message, type, correlation);
	return message;
}

static void say(struct flowipc_channel *channel, uint64_t type,
		uint64_t correlation)
{
	ok(flowipc_message_send(make(channel, type, correlation, 8),
				test_ms(20000)));
}

static void take(struct flowipc_message *message, uint64_t type,
		 uint64_t correlation, uint64_t size)
{
	gives(flowipc_message_type(message), type);
	gives(flowipc_message_correlation(message), correlation);
	gives(flowipc_message_size(message), size);
	gives(flowipc_message_request(message), 0);
	pattern_check(flowipc_message_data(message), size, correlation);
	flowipc_message_release(message);
}

static void answer(struct flowipc_channel *channel, uint64_t request,
		   uint64_t correlation, uint64_t size, unsigned int flags)
{
	ok(flowipc_reply(make(channel, ANSWER, correlation, size), request,
			 flags, test_ms(20000)));
}

static void call_and_check(struct flowipc_channel *channel, uint64_t number,
			   uint64_t size)
{
	struct flowipc_message *reply;

	ok(flowipc_call(make(channel, ECHO, number, size), test_ms(20000),
			&reply));
	take(reply, ANSWER, number, size);
}

/* One message, dealt with. False after the last one. */
static bool serve(struct flowipc_channel *channel,
		  struct flowipc_message *message, uint64_t *held)
{
	uint64_t request = flowipc_message_request(message), i;
	uint64_t type = flowipc_message_type(message);
	uint64_t count = flowipc_message_correlation(message);
	uint64_t size = flowipc_message_size(message);

	/* What a request was is known by its number alone. */
	flowipc_message_release(message);
	if (*held)
		answer(channel, *held, 0, 8, 0);
	*held = 0;
	switch (type) {
	case ECHO:
		answer(channel, request, count, size, 0);
		break;
	case STREAM:
		for (i = 1; i <= count; i++)
			answer(channel, request, i, size,
			       i < count ? FLOWIPC_REPLY_MORE : 0);
		break;
	case HOLD:
		*held = request;
		break;
	case TELL:
		for (i = 0; i < count; i++)
			say(channel, TOLD, i);
		answer(channel, request, count, size, 0);
		break;
	case STOP:
		return false;
	}
	return true;
}

static void service(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t held = 0;

	(void)arg;
	do {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(20000)));
	} while (serve(far->channel, message, &held));
}

static void stop(struct link *link)
{
	say(link->channel, STOP, 0);
	link_stop(link);
}

static struct flowipc_channel_calls calls_of(struct flowipc_channel *channel)
{
	struct flowipc_channel_calls calls = { .sz = sizeof(calls) };

	ok(flowipc_channel_calls(channel, &calls));
	return calls;
}

static void every_size_and_mode(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 80, 81, 5000, 200000 };
	enum flowipc_wait_mode mode;
	struct link link;
	uint64_t i, k;
	int many;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		for (many = 0; many < 2; many++) {
			link_start(&link, FLOWIPC_OPTS(channel,
					.wait_mode = mode, .threads = many),
				   FLOWIPC_OPTS(channel, .wait_mode = mode),
				   service, NULL);
			for (i = 0; i < 20; i++)
				for (k = 0; k < 6; k++)
					call_and_check(link.channel, i,
						       sizes[k]);
			gives(calls_of(link.channel).replies, 120);
			gives(calls_of(link.channel).in_flight, 0);
			gives(flowipc_channel_reclaim(link.channel), 0);
			stop(&link);
		}
	}
}

/* Answers the requests it has at hand in any order, when they are released. */
static void shuffle(struct link *far, void *arg)
{
	struct { uint64_t request, correlation, size; } pending[PENDING], one;
	uint64_t random = test_seed(), count = 0, i;
	struct flowipc_message *message;
	int err, patience;

	(void)arg;
	for (;;) {
		err = -EAGAIN;
		patience = count ? !test_random_below(&random, 16) :
				   test_ms(20000);
		if (count < PENDING)
			err = flowipc_message_receive(far->channel, &message,
						      patience);
		gives_one_of(err, 0, -EAGAIN, -ETIMEDOUT);
		if (!err && flowipc_message_type(message) == STOP)
			break;
		if (!err) {
			one.request = flowipc_message_request(message);
			one.correlation = flowipc_message_correlation(message);
			one.size = flowipc_message_size(message);
			check(one.request);
			pending[count++] = one;
			flowipc_message_release(message);
			if (test_random_below(&random, 8))
				continue;
		}
		i = test_random_below(&random, count);
		one = pending[i];
		pending[i] = pending[--count];
		answer(far->channel, one.request, one.correlation, one.size, 0);
	}
	flowipc_message_release(message);
	gives(count, 0);
}

struct caller {
	struct thread thread;
	struct flowipc_channel *channel;
	uint64_t first;
	uint64_t count;
};

static void call_again_and_again(void *arg)
{
	struct caller *caller = arg;
	uint64_t i, random = caller->first;

	for (i = 0; i < caller->count; i++)
		call_and_check(caller->channel, caller->first + i,
			       test_random_below(&random, 200));
}

static void callers_start(struct caller *callers,
			  struct flowipc_channel *channel, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < THREADS; i++) {
		callers[i] = (struct caller){ .channel = channel,
				.first = (i + 1) << 32, .count = count };
		thread_start(&callers[i].thread, call_again_and_again,
			     &callers[i]);
	}
}

static void callers_join(struct caller *callers)
{
	int i;

	for (i = 0; i < THREADS; i++)
		thread_join(&callers[i].thread);
}

static void out_of_order_to_many_threads(void **state)
{
	uint64_t count = (uint64_t)test_loops(3000);
	struct caller callers[THREADS];
	enum flowipc_wait_mode mode;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode), NULL, shuffle, NULL);
		callers_start(callers, link.channel,
			      mode == FLOWIPC_WAIT_SPIN ? count / 10 : count);
		callers_join(callers);
		gives(calls_of(link.channel).late, 0);
		gives(calls_of(link.channel).unknown, 0);
		stop(&link);
	}
}

static void many_in_flight_of_one_thread(void **state)
{
	struct flowipc_call *calls[3 * PENDING], *call;
	struct flowipc_message *reply;
	struct link link;
	uint64_t i, round;

	(void)state;
	link_start(&link, NULL, NULL, shuffle, NULL);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 3 * PENDING; i++)
			ok(flowipc_call_start(make(link.channel, ECHO, i, i),
					      &calls[i], 0, &calls[i]));
		gives(calls_of(link.channel).in_flight, 3 * PENDING);
		for (i = 0; i < 3 * PENDING; i++) {
			call = calls[(i * 7) % (3 * PENDING)];
			check(flowipc_call_user(call) ==
			      &calls[(i * 7) % (3 * PENDING)]);
			ok(flowipc_call_wait(call, test_ms(20000), &reply));
			take(reply, ANSWER, (i * 7) % (3 * PENDING),
			     (i * 7) % (3 * PENDING));
			gives(flowipc_call_wait(call, -1, &reply), -ENODATA);
			flowipc_call_end(call);
		}
	}
	gives(flowipc_call_next(link.channel, &call), -EAGAIN);
	stop(&link);
}

static void several_replies(void **state)
{
	struct flowipc_message *reply;
	struct flowipc_call *call;
	struct link link;
	uint64_t i, round;

	(void)state;
	link_start(&link, NULL, NULL, service, NULL);
	for (round = 0; round < 20; round++) {
		ok(flowipc_call_start(make(link.channel, STREAM, 100,
					   round * 10), NULL, 0, &call));
		for (i = 1; i <= 100; i++) {
			ok(flowipc_call_wait(call, test_ms(20000), &reply));
			take(reply, ANSWER, i, round * 10);
			/* others get theirs in between */
			if (i % 32 == 0)
				call_and_check(link.channel, i, i);
		}
		gives(flowipc_call_wait(call, 0, &reply), -ENODATA);
		gives(flowipc_call_wait(call, -1, &reply), -ENODATA);
		flowipc_call_end(call);
	}
	/* only the first one is waited for */
	ok(flowipc_call(make(link.channel, STREAM, 3, 8), test_ms(20000),
			&reply));
	take(reply, ANSWER, 1, 8);
	call_and_check(link.channel, 1, 1);
	/* cancelled after the first */
	ok(flowipc_call_start(make(link.channel, STREAM, 100, 500), NULL, 0,
			      &call));
	ok(flowipc_call_wait(call, test_ms(20000), &reply));
	take(reply, ANSWER, 1, 500);
	flowipc_call_end(call);
	call_and_check(link.channel, 1, 1);
	gives(calls_of(link.channel).late + calls_of(link.channel).replies,
	      2000 + 60 + 3 + 1 + 100 + 1);
	gives(calls_of(link.channel).unknown, 0);
	stop(&link);
}

static void too_late(void **state)
{
	struct flowipc_message *reply = NULL;
	struct flowipc_call *call;
	struct link link;
	uint64_t start;

	(void)state;
	link_start(&link, NULL, NULL, service, NULL);
	start = test_now_ns();
	gives(flowipc_call(make(link.channel, HOLD, 0, 8), 50, &reply),
	      -ETIMEDOUT);
	check(test_now_ns() - start >= 49000000u);
	gives(flowipc_call(make(link.channel, HOLD, 0, 8), 0, &reply),
	      -EAGAIN);
	check(!reply);
	gives(calls_of(link.channel).in_flight, 0);
	/* both are answered now: the next one gets its own */
	call_and_check(link.channel, 1, 1);
	gives(calls_of(link.channel).late, 2);
	/* not late for who goes on waiting, or does so when it is there */
	ok(flowipc_call_start(make(link.channel, HOLD, 0, 8), NULL, 0, &call));
	gives(flowipc_call_wait(call, 0, &reply), -EAGAIN);
	gives(flowipc_call_wait(call, 20, &reply), -ETIMEDOUT);
	call_and_check(link.channel, 1, 1);
	ok(flowipc_call_wait(call, 0, &reply));
	take(reply, ANSWER, 0, 8);
	flowipc_call_end(call);
	/* cancelled, with the reply not there, and there */
	ok(flowipc_call_start(make(link.channel, HOLD, 0, 8), NULL, 0, &call));
	flowipc_call_end(call);
	ok(flowipc_call_start(make(link.channel, HOLD, 0, 8), NULL, 0, &call));
	call_and_check(link.channel, 1, 1);
	flowipc_call_end(call);
	gives(calls_of(link.channel).late, 3);
	/* who receives is not told of it, but does count */
	gives(flowipc_call(make(link.channel, HOLD, 0, 8), 20, &reply),
	      -ETIMEDOUT);
	say(link.channel, NEVER, 0);
	gives(flowipc_message_receive(link.channel, &reply, 100), -ETIMEDOUT);
	gives(calls_of(link.channel).late, 4);
	gives(calls_of(link.channel).in_flight, 0);
	stop(&link);
}

static void all_else_in_order(void **state)
{
	struct flowipc_message *message, *messages[8];
	struct link link;
	uint64_t i, seen;
	char byte;
	int got, many;

	(void)state;
	for (many = 0; many < 2; many++) {
		link_start(&link, FLOWIPC_OPTS(channel, .threads = many), NULL,
			   service, NULL);
		for (i = 0; i < 3; i++) {
			ok(flowipc_call(make(link.channel, TELL, 300, 8),
					test_ms(20000), &message));
			take(message, ANSWER, 300, 8);
		}
		say(link.channel, STOP, 0);
		for (seen = 0; seen < 900; ) {
			got = flowipc_message_receive_batch(link.channel,
					messages, 8, test_ms(20000));
			check(got > 0);
			for (i = 0; i < (uint64_t)got; i++, seen++)
				take(messages[i], TOLD, seen % 300, 8);
			/* put back, it is the next one still */
			if (seen < 900)
				gives(flowipc_receive(link.channel, &byte, 1,
						      0), -EMSGSIZE);
		}
		gives(flowipc_message_receive(link.channel, &message, -1),
		      -EPIPE);
		link_stop(&link);
	}
}

/* As epoll would: nothing is done unless the descriptor says so. */
static void in_an_event_loop(void **state)
{
	uint64_t wanted = (uint64_t)test_loops(2000), started = 0, told = 0;
	struct flowipc_message *message, *request;
	struct flowipc_call *call;
	struct pollfd arrival;
	uint64_t replied = 0, random = test_seed(), i;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, service, NULL);
	arrival = (struct pollfd){ flowipc_channel_fd(link.channel), POLLIN,
				   0 };
	while (replied < wanted) {
		for (i = test_random_below(&random, 4);
		     i && started < wanted && started - replied < 20; i--) {
			request = make(link.channel, started % 3 ? ECHO : TELL,
				       started % 2, started % 300);
			ok(flowipc_call_start(request, NULL, 0, &call));
			started++;
		}
		while (!flowipc_message_receive(link.channel, &message, 0)) {
			take(message, TOLD, 0, 8);
			told++;
		}
		if (!flowipc_call_next(link.channel, &call)) {
			ok(flowipc_call_wait(call, 0, &message));
			flowipc_message_release(message);
			flowipc_call_end(call);
			replied++;
			continue;
		}
		if (started > replied)
			gives(poll(&arrival, 1, test_ms(20000)), 1);
	}
	while (!flowipc_message_receive(link.channel, &message, 0)) {
		take(message, TOLD, 0, 8);
		told++;
	}
	/* the odd multiples of three */
	gives(told, (wanted + 2) / 6);
	stop(&link);
}

/* Threads that serve, threads that call, and one that only sends, at each end. */
struct side {
	struct flowipc_channel *channel;
	uint64_t count;
	_Atomic uint64_t told;
};

static void serve_until_the_end(void *arg)
{
	struct side *side = arg;
	struct flowipc_message *message;
	uint64_t request, correlation, size;
	int err;

	while (!(err = flowipc_message_receive(side->channel, &message,
					       test_ms(20000)))) {
		request = flowipc_message_request(message);
		if (!request) {
			gives(flowipc_message_type(message), TOLD);
			atomic_fetch_add(&side->told, 1);
			flowipc_message_release(message);
			continue;
		}
		correlation = flowipc_message_correlation(message);
		size = flowipc_message_size(message);
		flowipc_message_release(message);
		answer(side->channel, request, correlation, size, 0);
	}
	gives(err, -EPIPE);
}

static void tell_all(void *arg)
{
	struct side *side = arg;
	uint64_t i;

	for (i = 0; i < side->count; i++)
		say(side->channel, TOLD, i);
}

static void both_roles(struct link *link, void *arg)
{
	struct side side = { .channel = link->channel,
			     .count = *(uint64_t *)arg };
	struct thread servers[2], teller;
	struct caller callers[THREADS];
	int i;

	for (i = 0; i < 2; i++)
		thread_start(&servers[i], serve_until_the_end, &side);
	thread_start(&teller, tell_all, &side);
	callers_start(callers, link->channel, side.count);
	callers_join(callers);
	thread_join(&teller);
	/* the other side may still be calling */
	sync_put(link->sync, 0);
	sync_get(link->sync);
	ok(flowipc_channel_shutdown(link->channel));
	for (i = 0; i < 2; i++)
		thread_join(&servers[i]);
	gives(side.told, side.count);
	gives(calls_of(link->channel).replies, THREADS * side.count);
}

static void both_call_at_once(void **state)
{
	uint64_t count = (uint64_t)test_loops(1000);
	enum flowipc_wait_mode mode;
	struct link link;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		uint64_t less = mode == FLOWIPC_WAIT_SPIN ? count / 10 : count;

		link_start(&link, FLOWIPC_OPTS(channel, MANY, .slots = 16,
				.wait_mode = mode),
			   FLOWIPC_OPTS(channel, MANY, .slots = 16,
					.wait_mode = mode), both_roles, &less);
		both_roles(&link, &less);
		link_stop(&link);
	}
}

/* Nobody flushes while a call is waited for. */
static void through_the_cork(void **state)
{
	struct flowipc_message *reply;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel,
			.wait_mode = FLOWIPC_WAIT_SLEEP),
		   FLOWIPC_OPTS(channel, .wait_mode = FLOWIPC_WAIT_SLEEP),
		   service, NULL);
	flowipc_channel_cork(link.channel);
	test_sleep_ms(50);
	/* well before the other side would look by itself */
	ok(flowipc_call(make(link.channel, ECHO, 1, 1), test_ms(5000),
			&reply));
	take(reply, ANSWER, 1, 1);
	ok(flowipc_channel_flush(link.channel));
	stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(every_size_and_mode),
	TEST(out_of_order_to_many_threads),
	TEST(many_in_flight_of_one_thread),
	TEST(several_replies),
	TEST(too_late),
	TEST(all_else_in_order),
	TEST(in_an_event_loop),
	TEST(both_call_at_once),
	TEST(through_the_cork),
};

TEST_MAIN(tests, NULL)
