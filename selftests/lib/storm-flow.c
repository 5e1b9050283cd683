// SPDX-License-Identifier: MIT
#include "storm.h"

#include <poll.h>

const struct flowipc_channel_opts *some_options(uint64_t *random,
						uint64_t stream)
{
	static struct flowipc_channel_opts opts;

	opts = (struct flowipc_channel_opts){
		.sz = sizeof(opts),
		.slots = slots_of(stream),
		.wait_mode = test_random_below(random, 2) ?
			FLOWIPC_WAIT_SLEEP : FLOWIPC_WAIT_ADAPTIVE,
		.payload_bytes = 1u << 17,
	};
	return &opts;
}

void progressed(void)
{
	atomic_fetch_add_explicit(&storm->progress[role], 1,
				  memory_order_relaxed);
}

void flow_begin(struct flow *flow, uint64_t stream)
{
	flow->stream = stream;
	flow->account = &storm->streams[stream % STREAMS];
}

/* One that nobody has begun. */
uint64_t stream_new(void)
{
	uint64_t stream = atomic_fetch_add(&storm->next_stream, 1) + 1;
	struct stream *account = &storm->streams[stream % STREAMS];

	atomic_store(&account->sent, 0);
	atomic_store(&account->received, 0);
	atomic_store(&account->closing, false);
	return stream;
}

int flow_send(struct flow *flow, int timeout)
{
	struct flowipc_message *message;
	int err;

	err = message_make(flow, timeout, &message);
	if (!err) {
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

/* It is as it was, be its sender alive or not. */
static void kept_release(const struct flow *flow, struct kept *kept)
{
	if (kept->message)
		message_check(flow, kept->message, kept->position);
	flowipc_message_release(kept->message);
	kept->message = NULL;
}

/* Some are held for a while, and given back out of order. */
void flow_keep(struct flow *flow, struct flowipc_message *message)
{
	uint64_t state = storm->seed + flow->position;
	struct kept *kept = &flow->kept[test_random_below(&state, KEPT)];

	kept_release(flow, kept);
	*kept = (struct kept){ message, flow->position };
}

int flow_receive(struct flow *flow, int timeout)
{
	struct flowipc_message *message;
	int err;

	err = flowipc_message_receive(flow->channel, &message, timeout);
	if (err)
		return (int)gives_one_of(err, -EPIPE, -EAGAIN, -ETIMEDOUT);
	message_check(flow, message, flow->position);
	/* the last one is closed with the message */
	message_take_fds(flow, message);
	flow_keep(flow, message);
	atomic_store(&flow->account->received, ++flow->position);
	progressed();
	return 0;
}

void flow_end(struct flow *flow)
{
	int i;

	for (i = 0; i < KEPT; i++)
		kept_release(flow, &flow->kept[i]);
	flowipc_channel_close(flow->channel);
}

/*
 * The sender is gone, and may have had no time to count the last one. One that
 * has said that it was all had counted all.
 */
void receiver_compare(const struct flow *flow)
{
	bool all = flowipc_channel_was_shut_down(flow->channel);
	uint64_t sent = atomic_load(&flow->account->sent);

	check_msg(flow->position == sent || (!all && flow->position == sent + 1),
		  "of stream %" PRIu64 " %" PRIu64 " messages were sent, %" PRIu64
		  " received", flow->stream, sent, flow->position);
	if (all)
		atomic_fetch_add(&storm->shut_down, 1);
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

/* Has the session ended, and for the right reason? */
bool has_ended(struct flowipc_session *session, bool may_be_closed)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };

	if (gives_one_of(flowipc_session_end(session, &end), 0, -EAGAIN))
		return false;
	check_msg(end.reason == FLOWIPC_END_PEER_DIED ||
		  (may_be_closed && end.reason == FLOWIPC_END_PEER_CLOSED),
		  "the session ended with %d: %s", end.reason, end.text);
	return true;
}

/* It may be a little later than the end of a channel. */
void await_end(struct flowipc_session *session, bool may_be_closed)
{
	struct pollfd ended = {
		.fd = flowipc_session_fd(session), .events = POLLIN,
	};

	while (!has_ended(session, may_be_closed))
		check_msg(sys(poll(&ended, 1, test_ms(10000))) > 0,
			  "the session does not end");
}
