// SPDX-License-Identifier: MIT
/* Very many messages of random size, each looked at. */
#include "harness.h"

#include <poll.h>
#include <sched.h>

#define MIB (1024ull * 1024)

/* Sizes of both sides follow from this; so the receiver knows them, too. */
static uint64_t stream_seed;

enum { KEPT = 16, KEPT_BYTES = 5000 };

/*
 * Mostly small, now and then large, rarely more than the payload area. Those
 * that need a piece of it find one between whatever pieces are kept.
 */
static uint64_t stream_size(uint64_t seed, uint64_t number)
{
	uint64_t state = seed + number;
	uint64_t kind = test_random_below(&state, 1000);

	/* one in 500 of these */
	if (kind >= 998)
		kind = test_random_below(&state, 100) ? 0 : kind;

	if (kind < 700)
		return test_random_below(&state, 200);
	if (kind < 950)
		return test_random_below(&state, 4096);
	if (kind < 998)
		return test_random_below(&state, 100000);
	return kind % 2 ? 200000 : 5 * MIB;
}

/* One direction of one channel, run by one thread. */
struct flow {
	struct flowipc_channel *channel;
	uint64_t seed;
	uint64_t count;
	bool keeps; /* some messages for a while, out of order */
};

static void send_all(void *arg)
{
	struct flow *flow = arg;
	struct flowipc_message *message;
	static __thread unsigned char small[200];
	uint64_t i, size;

	for (i = 0; i < flow->count; i++) {
		size = stream_size(flow->seed, i);
		if (size <= sizeof(small) && i % 2) {
			pattern_fill(small, size, flow->seed + i);
			ok(flowipc_send(flow->channel, small, size,
					test_ms(20000)));
			continue;
		}
		ok(flowipc_message_new(flow->channel, size, test_ms(20000),
				       &message));
		pattern_fill(flowipc_message_buffer(message), size,
			     flow->seed + i);
		flowipc_message_set_type(message, i);
		ok(flowipc_message_send(message, test_ms(20000)));
	}
}

static void check_message(struct flow *flow, struct flowipc_message *message,
			  uint64_t i)
{
	gives(flowipc_message_size(message), stream_size(flow->seed, i));
	pattern_check(flowipc_message_data(message),
		      flowipc_message_size(message), flow->seed + i);
}

static void receive_all(void *arg)
{
	struct flow *flow = arg;
	struct flowipc_message *message, *kept[KEPT] = { NULL };
	uint64_t i;
	size_t j;

	for (i = 0; i < flow->count; i++) {
		ok(flowipc_message_receive(flow->channel, &message,
					   test_ms(20000)));
		check_message(flow, message, i);
		j = (i * 7) % KEPT;
		if (flow->keeps && i % 5 == 0 &&
		    flowipc_message_size(message) < KEPT_BYTES) {
			flowipc_message_release(kept[j]);
			kept[j] = message;
		} else {
			flowipc_message_release(message);
		}
	}
	for (j = 0; j < KEPT; j++)
		flowipc_message_release(kept[j]);
}

static void far_receives(struct link *far, void *arg)
{
	struct flow flow = { far->channel, stream_seed, *(uint64_t *)arg,
			     true };

	receive_all(&flow);
}

static void one_way(void **state)
{
	uint64_t count = (uint64_t)test_loops(300000);
	struct link link;
	struct flow flow;

	(void)state;
	stream_seed = test_seed();
	link_start(&link, NULL, NULL, far_receives, &count);
	flow = (struct flow){ link.channel, stream_seed, count, true };
	send_all(&flow);
	link_stop(&link);
}

/* Two threads a side, each with one direction of the same channel. */
static void both_directions(struct flowipc_channel *channel, uint64_t mine,
			    uint64_t theirs, uint64_t count, bool keeps)
{
	struct flow out = { channel, mine, count, keeps };
	struct flow in = { channel, theirs, count, keeps };
	struct thread sender, receiver;

	thread_start(&sender, send_all, &out);
	thread_start(&receiver, receive_all, &in);
	thread_join(&sender);
	thread_join(&receiver);
}

static void far_does_both(struct link *far, void *arg)
{
	both_directions(far->channel, stream_seed + 1000000000,
			stream_seed, *(uint64_t *)arg, true);
}

static void far_does_both_tightly(struct link *far, void *arg)
{
	both_directions(far->channel, stream_seed + 1000000000,
			stream_seed, *(uint64_t *)arg, false);
}

static void both_ways_by_threads(void **state)
{
	uint64_t count = (uint64_t)test_loops(150000);
	struct link link;

	(void)state;
	stream_seed = test_seed() + 1;
	link_start(&link, NULL, NULL, far_does_both, &count);
	both_directions(link.channel, stream_seed, stream_seed + 1000000000,
			count, true);
	link_stop(&link);

	/* and where there is hardly any room */
	count /= 10;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 2,
			.payload_bytes = 262144), FLOWIPC_OPTS(channel,
			.slots = 4, .wait_mode = FLOWIPC_WAIT_SLEEP,
			.payload_bytes = 262144), far_does_both_tightly,
		   &count);
	both_directions(link.channel, stream_seed, stream_seed + 1000000000,
			count, false);
	link_stop(&link);
}

/*
 * One thread a side that never waits in a call: it sends what there is room
 * for, takes what is there, and polls when neither was possible.
 */
static void both_by_poll(struct flowipc_channel *channel, uint64_t mine,
			 uint64_t theirs, uint64_t count)
{
	struct flow in = { channel, theirs, count, false };
	struct flowipc_message *message, *pending = NULL;
	struct pollfd poller = { .fd = flowipc_channel_fd(channel),
				 .events = POLLIN };
	uint64_t sent = 0, received = 0, size, last = test_now_ns();
	bool progress;
	int err;

	while (sent < count || received < count) {
		progress = false;
		if (!pending && sent < count) {
			size = stream_size(mine, sent);
			err = flowipc_message_new(channel, size, 0, &pending);
			if (!err)
				pattern_fill(flowipc_message_buffer(pending),
					     size, mine + sent);
			else
				gives(err, -EAGAIN);
		}
		if (pending) {
			err = flowipc_message_send(pending, 0);
			if (!err) {
				pending = NULL;
				sent++;
				progress = true;
			} else {
				gives(err, -EAGAIN);
			}
		}
		if (received < count) {
			err = flowipc_message_receive(channel, &message, 0);
			if (!err) {
				check_message(&in, message, received++);
				flowipc_message_release(message);
				progress = true;
			} else {
				gives(err, -EAGAIN);
			}
		}
		if (progress) {
			last = test_now_ns();
			continue;
		}
		check_msg(test_now_ns() - last < (uint64_t)test_ms(20000) *
			  1000000u, "no progress: %" PRIu64 " sent, %" PRIu64
			  " received of %" PRIu64, sent, received, count);
		/* room is not announced by the descriptor: look again */
		if (sent < count)
			sched_yield();
		else
			poll(&poller, 1, test_ms(10000));
	}
	/* what the peer has not released yet would end with the channel */
	while ((err = (int)flowipc_channel_reclaim(channel)) > 0)
		sched_yield();
	gives_one_of(err, 0, -EPIPE);
}

static void far_polls(struct link *far, void *arg)
{
	both_by_poll(far->channel, stream_seed + 1000000000, stream_seed,
		     *(uint64_t *)arg);
}

static void both_ways_by_poll(void **state)
{
	uint64_t count = (uint64_t)test_loops(60000);
	struct link link;

	(void)state;
	stream_seed = test_seed() + 2;
	link_start(&link, NULL, FLOWIPC_OPTS(channel, .slots = 16), far_polls,
		   &count);
	both_by_poll(link.channel, stream_seed, stream_seed + 1000000000,
		     count);
	link_stop(&link);
}

/* Several channels of one session, each with threads of its own. */
enum { LANES = 3 };

static void far_has_lanes(int sync, void *arg)
{
	struct flowipc_channel *channels[LANES];
	struct thread threads[2 * LANES];
	struct flow flows[2 * LANES];
	struct flowipc_session *session;
	uint64_t count = *(uint64_t *)arg;
	int i;

	(void)sync;
	ok(flowipc_connect("t", NULL, test_ms(10000), &session));
	for (i = 0; i < LANES; i++)
		ok(flowipc_channel_open(session, NULL, test_ms(10000),
					&channels[i]));
	for (i = 0; i < LANES; i++) {
		flows[2 * i] = (struct flow){ channels[i], stream_seed,
					      count, true };
		flows[2 * i + 1] = (struct flow){ channels[i],
						  stream_seed + 5, count, true };
		thread_start(&threads[2 * i], receive_all, &flows[2 * i]);
		thread_start(&threads[2 * i + 1], send_all,
			     &flows[2 * i + 1]);
	}
	for (i = 0; i < 2 * LANES; i++)
		thread_join(&threads[i]);
	for (i = 0; i < LANES; i++)
		flowipc_channel_close(channels[i]);
	flowipc_session_close(session);
}

static void channels_of_many_threads(void **state)
{
	uint64_t count = (uint64_t)test_loops(20000);
	struct flowipc_channel *channels[LANES];
	struct thread threads[2 * LANES];
	struct flow flows[2 * LANES];
	struct link link = { .server = NULL };
	int i;

	(void)state;
	stream_seed = test_seed() + 3;
	ok(flowipc_listen("t", NULL, &link.server));
	peer_start(&link.peer, far_has_lanes, &count);
	ok(flowipc_accept(link.server, test_ms(10000), &link.session));
	for (i = 0; i < LANES; i++)
		ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
					  &channels[i]));
	for (i = 0; i < LANES; i++) {
		flows[2 * i] = (struct flow){ channels[i], stream_seed,
					      count, true };
		flows[2 * i + 1] = (struct flow){ channels[i],
						  stream_seed + 5, count, true };
		thread_start(&threads[2 * i], send_all, &flows[2 * i]);
		thread_start(&threads[2 * i + 1], receive_all,
			     &flows[2 * i + 1]);
	}
	for (i = 0; i < 2 * LANES; i++)
		thread_join(&threads[i]);
	for (i = 0; i < LANES; i++)
		flowipc_channel_close(channels[i]);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(one_way),
	TEST(both_ways_by_threads),
	TEST(both_ways_by_poll),
	TEST(channels_of_many_threads),
};

TEST_MAIN(tests, NULL)
