// SPDX-License-Identifier: MIT
#include "storm.h"

#include <poll.h>

const struct flowipc_channel_opts *some_options(uint64_t *random)
{
	static struct flowipc_channel_opts opts;

	opts = (struct flowipc_channel_opts){
		.sz = sizeof(opts),
		.slots = 2u << test_random_below(random, 8),
		.wait_mode = test_random_below(random, 2) ?
			FLOWIPC_WAIT_SLEEP : FLOWIPC_WAIT_ADAPTIVE,
		.payload_bytes = 1u << 17,
	};
	return &opts;
}

static void progressed(void)
{
	atomic_fetch_add_explicit(&storm->progress[role], 1,
				  memory_order_relaxed);
}

/* What message a stream has at a position: both sides know. */
struct plan {
	uint64_t seed;
	uint64_t size;
	bool from_region;
	unsigned int fds;
};

static struct plan plan_of(const struct flow *flow)
{
	uint64_t state = storm->seed + flow->stream * 1000003 + flow->position;
	struct plan plan = { .seed = test_random(&state) };

	switch (test_random_below(&state, 64)) {
	case 0:
		plan.size = 300000; /* a region of its own */
		break;
	case 1:
		plan.from_region = true;
		plan.seed = REGION_SEED;
		plan.size = REGION_BYTES;
		break;
	case 2:
		plan.fds = 1 + (unsigned int)test_random_below(&state, 3);
		break;
	case 3:
	case 4:
	case 5:
		plan.size = test_random_below(&state, 20000);
		break;
	default:
		plan.size = test_random_below(&state, 200);
	}
	return plan;
}

static int message_make(struct flow *flow, const struct plan *plan, int timeout,
			struct flowipc_message **message)
{
	int err;

	if (plan->from_region)
		return flowipc_message_from_region(flow->channel, flow->region,
						   0, plan->size, timeout,
						   message);
	err = flowipc_message_new(flow->channel, plan->size, timeout, message);
	if (!err)
		pattern_fill(flowipc_message_buffer(*message), plan->size,
			     plan->seed);
	return err;
}

int flow_send(struct flow *flow, int timeout)
{
	struct plan plan = plan_of(flow);
	struct flowipc_message *message;
	unsigned int i;
	int err;

	err = message_make(flow, &plan, timeout, &message);
	if (!err) {
		for (i = 0; i < plan.fds; i++)
			ok(flowipc_message_attach_fd(message, STDERR_FILENO));
		flowipc_message_set_type(message, flow->position);
		err = flowipc_message_send(message, timeout);
		if (err)
			flowipc_message_release(message);
	}
	if (err)
		return (int)gives_one_of(err, -EPIPE, -EAGAIN, -ETIMEDOUT);
	atomic_store(&flow->account->sent, ++flow->position);
	progressed();
	return 0;
}

int flow_receive(struct flow *flow, int timeout)
{
	struct plan plan = plan_of(flow);
	struct flowipc_message *message, **kept;
	int err;

	err = flowipc_message_receive(flow->channel, &message, timeout);
	if (err)
		return (int)gives_one_of(err, -EPIPE, -EAGAIN, -ETIMEDOUT);
	gives(flowipc_message_type(message), flow->position);
	gives(flowipc_message_size(message), plan.size);
	pattern_check(flowipc_message_data(message), plan.size, plan.seed);
	gives(flowipc_message_fd_count(message), plan.fds);
	/* the others are closed with the message */
	if (plan.fds)
		sys(close(flowipc_message_take_fd(message, 0)));
	/* some are held for a while, and given back out of order */
	kept = &flow->kept[plan.seed % KEPT];
	flowipc_message_release(*kept);
	*kept = message;
	atomic_store(&flow->account->received, ++flow->position);
	progressed();
	return 0;
}

void flow_end(struct flow *flow)
{
	int i;

	for (i = 0; i < KEPT; i++)
		flowipc_message_release(flow->kept[i]);
	flowipc_channel_close(flow->channel);
}

/*
 * The sender is gone, and may have had no time to count the last one. One that
 * closed and lives on has counted all.
 */
void receiver_compare(const struct flow *flow)
{
	uint64_t sent = atomic_load(&flow->account->sent);

	check_msg(flow->position == sent || flow->position == sent + 1,
		  "of stream %" PRIu64 " %" PRIu64 " messages were sent, %" PRIu64
		  " received", flow->stream, sent, flow->position);
}

/* The receiver is gone, with what it had not received. */
void sender_compare(const struct flow *flow)
{
	uint64_t received = atomic_load(&flow->account->received);

	check_msg(received <= flow->position, "of stream %" PRIu64 " %" PRIu64
		  " messages were sent, %" PRIu64 " received", flow->stream,
		  flow->position, received);
}

void compared(enum direction direction)
{
	atomic_fetch_add(&storm->compared[direction], 1);
}

/* As soon as the session has ended, which may be a little later: for what? */
void check_end(struct flowipc_session *session, bool may_be_closed)
{
	struct pollfd ended = {
		.fd = flowipc_session_fd(session), .events = POLLIN,
	};
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int err;

	while ((err = flowipc_session_end(session, &end)) == -EAGAIN)
		check_msg(sys(poll(&ended, 1, test_ms(10000))) > 0,
			  "the session does not end");
	ok(err);
	check_msg(end.reason == FLOWIPC_END_PEER_DIED ||
		  (may_be_closed && end.reason == FLOWIPC_END_PEER_CLOSED),
		  "the session ended with %d: %s", end.reason, end.text);
}
