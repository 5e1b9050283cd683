// SPDX-License-Identifier: MIT
/* Calls that get no reply: one of the sides ends, or should not have called. */
#include "calls.h"

#include <signal.h>
#include <stdatomic.h>

enum { THREADS = 4 };

#define MANY .threads = FLOWIPC_THREADS_MANY

struct caller {
	struct thread thread;
	struct flowipc_channel *channel;
	int result;
};

static void call_for_ever(void *arg)
{
	struct caller *caller = arg;
	struct flowipc_message *reply = NULL;

	caller->result = flowipc_call(make(caller->channel, 0), -1, &reply);
	flowipc_message_release(reply);
}

static void wait_to_be_killed(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t requests[THREADS + 1];
	int i;

	(void)arg;
	for (i = 0; i <= THREADS; i++)
		requests[i] = next_request(far->channel);
	/* what was sent before the end is still received */
	ok(flowipc_reply(make(far->channel, 5), requests[THREADS],
			 FLOWIPC_REPLY_MORE, 0));
	sync_put(far->sync, 0);
	ok(flowipc_message_receive(far->channel, &message, -1));
}

static void killed_while_calls_are_in_flight(void **state)
{
	struct caller callers[THREADS];
	struct flowipc_message *reply;
	enum flowipc_wait_mode mode;
	struct flowipc_call *call;
	struct link link;
	int i, err;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, MANY,
				.wait_mode = mode), NULL, wait_to_be_killed,
			   NULL);
		for (i = 0; i < THREADS; i++) {
			callers[i].channel = link.channel;
			thread_start(&callers[i].thread, call_for_ever,
				     &callers[i]);
		}
		/* it may be any but the last one that is answered */
		while (calls_of(link.channel).in_flight < THREADS)
			test_sleep_ms(1);
		start(link.channel, &call);
		sync_get(link.sync);
		peer_kill(&link.peer);
		for (i = 0; i < THREADS; i++)
			thread_join(&callers[i].thread);
		for (i = 0; i < THREADS; i++)
			gives_one_of(callers[i].result, -EPIPE, 0);
		err = flowipc_call_wait(call, -1, &reply);
		if (!err)
			flowipc_message_release(reply);
		else
			gives(err, -EPIPE);
		gives(flowipc_call_wait(call, -1, &reply), -EPIPE);
		gives(flowipc_call(make(link.channel, 0), -1, &reply), -EPIPE);
		gives(calls_of(link.channel).replies, 1);
		flowipc_call_end(call);
		link_close(&link);
	}
}

/* Of two threads the first waits in vain, but for both of them. */
struct waiter {
	struct thread thread;
	struct flowipc_channel *channel;
	bool calls; /* or receives */
	_Atomic bool done;
};

static void wait_for_one(void *arg)
{
	struct waiter *waiter = arg;
	struct flowipc_message *message;

	if (waiter->calls)
		ok(flowipc_call(make(waiter->channel, 0), -1, &message));
	else
		ok(flowipc_message_receive(waiter->channel, &message, -1));
	gives(flowipc_message_type(message), waiter->calls);
	flowipc_message_release(message);
	atomic_store(&waiter->done, true);
}

static bool is_done_soon(struct waiter *waiter)
{
	int i;

	for (i = 0; i < 300 && !atomic_load(&waiter->done); i++)
		test_sleep_ms(test_ms(10));
	return atomic_load(&waiter->done);
}

/* Answers the request of that number, or sends a message if it is 0. */
static void serve_in_turn(struct link *far, void *arg)
{
	uint64_t requests[2], count = 0, order;

	(void)arg;
	while ((order = sync_get(far->sync)) < 3) {
		while (count < order)
			requests[count++] = next_request(far->channel);
		if (order)
			ok(flowipc_reply(make(far->channel, 1),
					 requests[order - 1], 0, 0));
		else
			ok(flowipc_message_send(make(far->channel, 0), 0));
	}
}

static void none_keeps_another_waiting(void **state)
{
	enum flowipc_wait_mode mode;
	struct waiter waiters[2];
	struct link link;
	int kind, i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP; mode++) {
		for (kind = 1; kind < 4; kind++) {
			link_start(&link, FLOWIPC_OPTS(channel, MANY,
					.wait_mode = mode), NULL,
				   serve_in_turn, NULL);
			for (i = 0; i < 2; i++) {
				waiters[i] = (struct waiter){
					.channel = link.channel,
					.calls = kind & 1 << i };
				thread_start(&waiters[i].thread, wait_for_one,
					     &waiters[i]);
				test_sleep_ms(50);
			}
			/* the second one, then the first */
			sync_put(link.sync, kind == 1 ? 0 : kind == 2 ? 1 : 2);
			check(is_done_soon(&waiters[1]));
			check(!atomic_load(&waiters[0].done));
			sync_put(link.sync, kind == 2 ? 0 : 1);
			check(is_done_soon(&waiters[0]));
			thread_join(&waiters[0].thread);
			thread_join(&waiters[1].thread);
			sync_put(link.sync, 3);
			link_stop(&link);
		}
	}
}

static void call_and_die(struct link *far, void *arg)
{
	struct flowipc_message *reply;

	(void)arg;
	gives(flowipc_call(make(far->channel, 0), -1, &reply), 0);
}

static void caller_is_killed(void **state)
{
	struct flowipc_message *reply;
	struct link link;
	uint64_t request;

	(void)state;
	link_start(&link, NULL, NULL, call_and_die, NULL);
	request = next_request(link.channel);
	peer_kill(&link.peer);
	/* it may take a moment until sending knows */
	do {
		reply = NULL;
		if (flowipc_message_new(link.channel, 8, 0, &reply))
			break;
	} while (!flowipc_reply(reply, request, FLOWIPC_REPLY_MORE, 0));
	gives(flowipc_reply(reply, request, 0, 0), -EPIPE);
	flowipc_message_release(reply);
	link_close(&link);
}

static void send_no_more(struct link *far, void *arg)
{
	(void)arg;
	next_request(far->channel);
	ok(flowipc_channel_shutdown(far->channel));
	sync_get(far->sync);
}

static void shut_down(void **state)
{
	struct flowipc_message *reply, *request;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, send_no_more, NULL);
	gives(flowipc_call(make(link.channel, 0), -1, &reply), -EPIPE);
	request = make(link.channel, 0);
	ok(flowipc_channel_shutdown(link.channel));
	gives(flowipc_call(request, -1, &reply), -EPIPE);
	gives(calls_of(link.channel).in_flight, 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void answer_two(struct link *far, void *arg)
{
	uint64_t requests[3];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		requests[i] = next_request(far->channel);
	ok(flowipc_reply(make(far->channel, 0), requests[0], 0, 0));
	ok(flowipc_reply(make(far->channel, 1), requests[1], 0, 0));
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void end_in_a_child(int sync, void *arg)
{
	struct flowipc_message *reply;
	struct flowipc_call **calls = arg;
	int i;

	(void)sync;
	gives(flowipc_call_wait(calls[1], -1, &reply), -EPERM);
	gives(flowipc_call_wait(calls[2], -1, &reply), -EPERM);
	for (i = 0; i < 3; i++)
		flowipc_call_end(calls[i]);
}

/* One is answered and was received, one is not yet, one will not be. */
static void closed_while_calls_are_in_flight(void **state)
{
	struct flowipc_message *message;
	struct flowipc_call *calls[3];
	struct peer child;
	struct link link;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, answer_two, NULL);
	for (i = 0; i < 3; i++)
		start(link.channel, &calls[i]);
	sync_get(link.sync);
	gives(flowipc_message_receive(link.channel, &message, 0), -EAGAIN);
	gives(calls_of(link.channel).replies, 2);
	peer_start(&child, end_in_a_child, calls);
	peer_join(&child);
	flowipc_channel_close(link.channel);
	link.channel = NULL;
	for (i = 0; i < 3; i++)
		flowipc_call_end(calls[i]);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void call_one_that_drops(struct link *far, void *arg)
{
	struct flowipc_message *message, *reply;

	(void)arg;
	message = make(far->channel, 7);
	gives(flowipc_call_start(message, NULL, 0, &(struct flowipc_call *){
								NULL }),
	      -EOPNOTSUPP);
	test_last_error_has("drops");
	gives(flowipc_call(message, -1, &reply), -EOPNOTSUPP);
	sync_get(far->sync);
}

static void not_where_messages_are_dropped(void **state)
{
	struct flowipc_message *message;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   call_one_that_drops, NULL);
	gives(flowipc_call(make(link.channel, 0), -1, &message), -EOPNOTSUPP);
	message = make(link.channel, 0);
	gives(flowipc_reply(message, 1, 0, 0), -EOPNOTSUPP);
	ok(flowipc_message_send(message, 0));
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void answer_second(struct link *far, void *arg)
{
	(void)arg;
	gives(next_request(far->channel), 0);
	ok(flowipc_reply(make(far->channel, 3), next_request(far->channel), 0,
			 0));
	sync_get(far->sync);
}

static void wrong_arguments(void **state)
{
	struct flowipc_channel_calls calls = { .sz = 0 };
	struct flowipc_message *message, *reply = NULL;
	struct flowipc_call *call = NULL;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, answer_second, NULL);
	message = make(link.channel, 1);
	gives(flowipc_message_request(message), 0);
	gives(flowipc_reply(message, 0, 0, 0), -EINVAL);
	test_last_error_has("no request");
	gives(flowipc_reply(message, 1, 2, 0), -EINVAL);
	test_last_error_has("flags");
	/* nothing has become of it: it is sent as what it is, a message */
	gives(flowipc_channel_calls(link.channel, &calls), -EINVAL);
	ok(flowipc_message_send(message, 0));
	flowipc_call_end(NULL);

	ok(flowipc_call(make(link.channel, 2), test_ms(20000),
			&reply));
	/* what was received cannot be sent; flowipc_call() takes it anyway */
	gives(flowipc_call_start(reply, NULL, 0, &call), -EINVAL);
	gives(flowipc_reply(reply, 1, 0, 0), -EINVAL);
	gives(flowipc_call(reply, 0, &message), -EINVAL);
	check(!call);
	gives(calls_of(link.channel).replies, 1);
	gives(calls_of(link.channel).in_flight, 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(none_keeps_another_waiting),
	TEST(killed_while_calls_are_in_flight),
	TEST(caller_is_killed),
	TEST(shut_down),
	TEST(closed_while_calls_are_in_flight),
	TEST(not_where_messages_are_dropped),
	TEST(wrong_arguments),
};

TEST_MAIN(tests, NULL)
