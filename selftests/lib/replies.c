// SPDX-License-Identifier: MIT
/*
 * Replies that nobody has asked for, and more of them, or of messages, than
 * anybody takes.
 */
#include "calls.h"

#include <stdatomic.h>

#include "outbox.h"

enum { PILE = 1024 };

#define MANY .threads = FLOWIPC_THREADS_MANY

/* Slots that the library would not write. */
struct forged {
	uint8_t role;
	uint64_t call;
};

static void forge(struct link *far, void *arg)
{
	const struct forged *forged = arg;
	const struct outbox_header *header;
	struct slot *slots;
	struct map map;
	uint64_t i;

	gives(test_shared_maps("rw", &map, 1), 1);
	header = (const void *)map.start;
	slots = (void *)(map.start + header->slots_offset);
	sync_get(far->sync);
	for (i = 0; forged[i].role != UINT8_MAX; i++) {
		slots[i].kind = SLOT_INLINE;
		slots[i].role = forged[i].role;
		slots[i].call = forged[i].call;
		slots[i].length = 8;
		slots[i].type = i;
		atomic_store(&slots[i].sequence, i + 1);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
	_exit(0);
}

static void meet(struct link *link)
{
	sync_put(link->sync, 0);
	sync_get(link->sync);
}

static void doubled_late_and_unknown(void **state)
{
	static const struct forged forged[] = {
		{ SLOT_REPLY, 0 }, { SLOT_REPLY_MORE, 3 }, { SLOT_REPLY, 1 },
		{ SLOT_PLAIN, 2 }, { SLOT_REPLY_MORE, 2 }, { SLOT_REPLY, 1 },
		{ SLOT_REPLY_MORE, 1 }, { SLOT_REPLY, 2 }, { SLOT_REPLY, 2 },
		{ SLOT_REPLY, UINT64_MAX }, { SLOT_REQUEST, UINT64_MAX },
		{ SLOT_REPLY, 1ull << 32 | 1 }, { UINT8_MAX, 0 },
	};
	struct flowipc_message *message;
	struct flowipc_call *calls[2];
	struct link link;
	int receive_first;

	(void)state;
	for (receive_first = 0; receive_first < 2; receive_first++) {
		link_start(&link, NULL, NULL, forge, (void *)forged);
		start(link.channel, &calls[0]);
		start(link.channel, &calls[1]);
		meet(&link);
		if (receive_first) {
			ok(flowipc_message_receive(link.channel, &message, 0));
			gives(take(message), 3);
		}
		ok(flowipc_call_wait(calls[1], 0, &message));
		gives(take(message), 4);
		ok(flowipc_call_wait(calls[1], 0, &message));
		gives(take(message), 7);
		gives(flowipc_call_wait(calls[1], 0, &message), -ENODATA);
		ok(flowipc_call_wait(calls[0], 0, &message));
		gives(take(message), 2);
		gives(flowipc_call_wait(calls[0], 0, &message), -ENODATA);
		if (!receive_first) {
			ok(flowipc_message_receive(link.channel, &message, 0));
			gives(take(message), 3);
		}
		ok(flowipc_message_receive(link.channel, &message, 0));
		gives(flowipc_message_request(message), UINT64_MAX);
		gives(take(message), 10);
		gives(flowipc_message_receive(link.channel, &message, 0),
		      -EAGAIN);
		gives(calls_of(link.channel).replies, 3);
		gives(calls_of(link.channel).late, 3);
		gives(calls_of(link.channel).unknown, 4);
		flowipc_call_end(calls[0]);
		flowipc_call_end(calls[1]);
		sync_put(link.sync, 0);
		link_drop(&link);
	}
}

static void what_nobody_may_send(void **state)
{
	static const struct forged wrong[][2] = {
		{ { SLOT_REPLY_MORE + 1, 1 }, { UINT8_MAX, 0 } },
		{ { UINT8_MAX - 1, 1 }, { UINT8_MAX, 0 } },
		{ { SLOT_REQUEST, 0 }, { UINT8_MAX, 0 } },
	};
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_message *message, *request;
	struct flowipc_call *call;
	struct link link;
	int i;

	(void)state;
	for (i = 0; i < 6; i++) {
		link_start(&link, NULL, NULL, forge, (void *)wrong[i / 2]);
		start(link.channel, &call);
		request = make(link.channel, 0);
		meet(&link);
		if (i % 2)
			gives(flowipc_message_receive(link.channel, &message,
						      0), -EPROTO);
		else
			gives(flowipc_call_wait(call, -1, &message), -EPROTO);
		test_last_error_has(i / 2 == 2 ? "request without a number" :
						 "of unknown role");
		gives(flowipc_call_wait(call, -1, &message), -EPROTO);
		gives(flowipc_call(request, -1, &message), -EPROTO);
		flowipc_call_end(call);
		ok(flowipc_session_end(link.session, &end));
		gives(end.reason, FLOWIPC_END_PROTOCOL);
		sync_put(link.sync, 0);
		link_drop(&link);
	}
}

/* Replies to one request as long as there is room. */
static void answer_without_end(struct link *far, void *arg)
{
	uint64_t request, sent = 0;
	struct flowipc_message *reply;

	(void)arg;
	request = next_request(far->channel);
	for (;;) {
		reply = make(far->channel, sent);
		if (flowipc_reply(reply, request, FLOWIPC_REPLY_MORE,
				  test_wait_ms(300)))
			break;
		sent++;
	}
	flowipc_message_release(reply);
	sync_put(far->sync, sent);
	ok(flowipc_reply(make(far->channel, sent), request, 0,
			 test_ms(20000)));
	sync_get(far->sync);
}

static void more_replies_than_are_taken(void **state)
{
	struct flowipc_message *message;
	struct flowipc_call *call, *next;
	uint64_t sent, seen = 0;
	struct link link;
	int err, many;

	(void)state;
	for (many = 0; many < 2; many++) {
		link_start(&link, FLOWIPC_OPTS(channel, .threads = many),
			   FLOWIPC_OPTS(channel, .slots = 16),
			   answer_without_end, NULL);
		start(link.channel, &call);
		gives(flowipc_message_receive(link.channel, &message,
					      test_ms(20000)), -ENOBUFS);
		test_last_error_has("wait to be taken");
		sent = sync_get(link.sync);
		check_msg(sent >= PILE && sent <= PILE + 16, "%" PRIu64, sent);
		gives(flowipc_message_receive(link.channel, &message, 0),
		      -ENOBUFS);
		/* nothing is lost by that */
		for (seen = 0; !(err = flowipc_call_wait(call, test_ms(20000),
							 &message)); seen++) {
			gives(take(message), seen);
			if (seen % 16 || seen > PILE / 2)
				continue;
			ok(flowipc_call_next(link.channel, &next));
			check(next == call);
			gives(flowipc_call_next(link.channel, &next), -EAGAIN);
		}
		gives(err, -ENODATA);
		gives(seen, sent + 1);
		flowipc_call_end(call);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

/* Messages that are in the way of a reply. */
static void tell_and_answer(struct link *far, void *arg)
{
	uint64_t request = next_request(far->channel), i;

	for (i = 0; i < *(uint64_t *)arg; i++)
		ok(flowipc_message_send(make(far->channel, i),
					test_ms(20000)));
	ok(flowipc_reply(make(far->channel, i), request, 0, test_ms(20000)));
	sync_get(far->sync);
}

static void more_messages_than_are_received(void **state)
{
	uint64_t count = 3 * PILE, seen = 0;
	struct flowipc_message *message;
	struct flowipc_call *call;
	struct link link;
	int err, full, many;

	(void)state;
	for (many = 0; many < 2; many++) {
		link_start(&link, FLOWIPC_OPTS(channel, .threads = many),
			   FLOWIPC_OPTS(channel, .slots = 16),
			   tell_and_answer, &count);
		start(link.channel, &call);
		seen = 0;
		full = 0;
		while ((err = flowipc_call_wait(call, test_ms(20000),
						&message))) {
			gives(err, -ENOBUFS);
			full++;
			while (!flowipc_message_receive(link.channel, &message,
							0))
				gives(take(message), seen++);
		}
		check(full);
		gives(take(message), count);
		while (!flowipc_message_receive(link.channel, &message, 0))
			gives(take(message), seen++);
		gives(seen, count);
		flowipc_call_end(call);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

struct reader {
	struct flowipc_channel *channel;
	uint64_t count;
};

static void receive_slowly(void *arg)
{
	struct reader *reader = arg;
	struct flowipc_message *message;
	uint64_t i;

	for (i = 0; i < reader->count; i++) {
		if (i % 1000 == 0)
			test_sleep_ms(20);
		ok(flowipc_message_receive(reader->channel, &message,
					   test_ms(20000)));
		gives(take(message), i);
	}
}

/* Who calls has to wait for who receives, and then goes on. */
static void room_is_made_by_another(void **state)
{
	uint64_t count = 8 * PILE;
	struct flowipc_message *reply;
	struct reader reader;
	struct thread thread;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, MANY), NULL, tell_and_answer,
		   &count);
	reader = (struct reader){ link.channel, count };
	thread_start(&thread, receive_slowly, &reader);
	ok(flowipc_call(make(link.channel, 0), test_ms(20000), &reply));
	gives(take(reply), count);
	thread_join(&thread);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void send_much(void *arg)
{
	struct flowipc_message *message;
	int i, err = 0;

	for (i = 0; i < 4 * PILE && !err; i++) {
		message = make(arg, 0);
		err = flowipc_message_send(message, test_wait_ms(2000));
		if (err)
			flowipc_message_release(message);
	}
	gives(err, -ETIMEDOUT);
}

/* Calls, without a limit, while it floods the other, who does the same. */
static void call_and_flood(struct link *link, void *arg)
{
	struct flowipc_message *reply;
	struct flowipc_call *call;
	struct thread thread;

	(void)arg;
	start(link->channel, &call);
	thread_start(&thread, send_much, link->channel);
	gives(flowipc_call_wait(call, -1, &reply), -ENOBUFS);
	flowipc_call_end(call);
	thread_join(&thread);
	sync_put(link->sync, 0);
	sync_get(link->sync);
}

static void nobody_receives(void **state)
{
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, MANY, .slots = 16),
		   FLOWIPC_OPTS(channel, MANY, .slots = 16), call_and_flood,
		   NULL);
	call_and_flood(&link, NULL);
	link_stop(&link);
}

static void answer_late_for_ever(struct link *far, void *arg)
{
	uint64_t request = next_request(far->channel);
	int err = 0;

	(void)arg;
	while (!err) {
		struct flowipc_message *reply;

		err = flowipc_message_new(far->channel, 8, 0, &reply);
		if (!err)
			err = flowipc_reply(reply, request, FLOWIPC_REPLY_MORE,
					    test_ms(20000));
	}
	gives(err, -EPIPE);
	_exit(0);
}

/* A peer that sends nothing of use cannot keep anybody. */
static void late_replies_without_end(void **state)
{
	struct flowipc_message *message;
	struct flowipc_call *call;
	struct link link;
	uint64_t began;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, answer_late_for_ever, NULL);
	start(link.channel, &call);
	flowipc_call_end(call);
	start(link.channel, &call);
	for (i = 0; i < 200; i++) {
		gives_one_of(flowipc_message_receive(link.channel, &message,
						     0), -EAGAIN, -EINTR);
		gives_one_of(flowipc_call_wait(call, 0, &message), -EAGAIN,
			     -EINTR);
	}
	for (i = 0; i < 2; i++) {
		began = test_now_ns();
		gives(i ? flowipc_call_wait(call, 50, &message) :
			  flowipc_message_receive(link.channel, &message, 50),
		      -ETIMEDOUT);
		began = test_now_ns() - began;
		check(began >= 49000000u);
		check(began < (uint64_t)test_ms(5000) * 1000000u);
	}
	check(calls_of(link.channel).late);
	flowipc_call_end(call);
	flowipc_session_close(link.session);
	flowipc_channel_close(link.channel);
	link.session = NULL;
	link.channel = NULL;
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(doubled_late_and_unknown),
	TEST(what_nobody_may_send),
	TEST(more_replies_than_are_taken),
	TEST(more_messages_than_are_received),
	TEST(room_is_made_by_another),
	TEST(nobody_receives),
	TEST(late_replies_without_end),
};

TEST_MAIN(tests, NULL)
