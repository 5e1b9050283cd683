// SPDX-License-Identifier: MIT
/* Full: what a sender waits for, and what makes room for it. */
#include "harness.h"

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

static const struct CMUnitTest tests[] = {
	TEST(slots_full),
	TEST(payload_space_full),
	TEST(payload_space_in_pieces),
	TEST(kept_without_limit),
	TEST(a_release_wakes_the_sender),
	TEST(a_receive_wakes_the_sender),
};

TEST_MAIN(tests, NULL)
