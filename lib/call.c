// SPDX-License-Identifier: MIT
/* Who calls: requests are sent, and replies come to their calls. See call.h. */
#include <errno.h>
#include <stdlib.h>

#include "channel.h"
#include "error.h"
#include "options.h"

void flowipc__calls_init(struct calls *calls)
{
	calls->answered_end = &calls->answered;
}

void flowipc__calls_free(struct calls *calls)
{
	struct flowipc_call *call;

	while ((call = calls->unused)) {
		calls->unused = call->next;
		free(call);
	}
}

static struct flowipc_call **bucket_of(struct calls *calls, uint64_t number)
{
	return &calls->buckets[number % FLOWIPC__CALL_BUCKETS];
}

static struct flowipc_call *call_find(struct calls *calls, uint64_t number)
{
	struct flowipc_call *call = *bucket_of(calls, number);

	while (call && call->number != number)
		call = call->next;
	return call;
}

static void answered_add(struct calls *calls, struct flowipc_call *call)
{
	if (call->link_answered)
		return;
	call->next_answered = NULL;
	call->link_answered = calls->answered_end;
	*calls->answered_end = call;
	calls->answered_end = &call->next_answered;
}

static void answered_remove(struct calls *calls, struct flowipc_call *call)
{
	if (!call->link_answered)
		return;
	*call->link_answered = call->next_answered;
	if (call->next_answered)
		call->next_answered->link_answered = call->link_answered;
	else
		calls->answered_end = call->link_answered;
	call->link_answered = NULL;
}

/* From now on there can be replies to it. */
static void call_enter(struct calls *calls, struct flowipc_call *call)
{
	struct flowipc_call **bucket;

	call->number = ++calls->last_number;
	bucket = bucket_of(calls, call->number);
	call->next = *bucket;
	*bucket = call;
	calls->in_flight++;
}

static void call_leave(struct calls *calls, struct flowipc_call *call)
{
	struct flowipc_call **link = bucket_of(calls, call->number);

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	answered_remove(calls, call);
	calls->in_flight--;
}

/* The call that waits for a reply of this number. NULL: none, it is counted. */
static struct flowipc_call *call_of_reply(struct calls *calls, uint64_t number)
{
	struct flowipc_call *call = call_find(calls, number);

	if (call && !call->complete && !call->error) {
		calls->replies++;
		return call;
	}
	if (number && number <= calls->last_number)
		calls->late++;
	else
		calls->unknown++;
	return NULL;
}

void flowipc__reply_deliver(struct flowipc_message *reply)
{
	struct flowipc_channel *channel = reply->channel;
	struct calls *calls = &channel->receiver.calls;
	struct flowipc_call *call = call_of_reply(calls, reply->call);

	if (!call) {
		flowipc__message_discard(reply);
		return;
	}
	call->complete = reply->role == SLOT_REPLY;
	answered_add(calls, call);
	flowipc__pile_add(channel, &call->replies, reply);
}

void flowipc__reply_lose(const struct flowipc_message *reply, int error)
{
	struct calls *calls = &reply->channel->receiver.calls;
	struct flowipc_call *call = call_of_reply(calls, reply->call);

	if (!call)
		return;
	call->error = error;
	answered_add(calls, call);
}

void flowipc__calls_close(struct flowipc_channel *channel)
{
	struct calls *calls = &channel->receiver.calls;
	struct flowipc_call *call;
	unsigned int i;

	for (i = 0; i < FLOWIPC__CALL_BUCKETS; i++)
		for (call = calls->buckets[i]; call; call = call->next)
			flowipc__pile_discard(channel, &call->replies);
}

static int reply_arrived(void *context)
{
	struct flowipc_call *call = context;
	int err;

	if (flowipc__call_is_served(call))
		return 1;
	err = flowipc__messages_keep(call->channel, call);
	return flowipc__call_is_served(call) ? 1 : err;
}

static int reply_wait(struct flowipc_call *call, struct patience *patience)
{
	struct flowipc_channel *channel = call->channel;
	struct lane *lane = &channel->receiver.lane;
	int err;

	do {
		err = reply_arrived(call);
		if (err > 0)
			flowipc__lane_awake(lane);
		else if (!err)
			err = flowipc__lane_wait(
				lane, reply_arrived, call,
				flowipc__patience_deadline(patience));
		if (err == -ENOBUFS || err == -EBUSY)
			err = flowipc__pile_wait(channel, err, patience);
	} while (!err && !flowipc__call_is_served(call));
	return err < 0 ? err : 0;
}

static int reply_take(struct flowipc_call *call, struct flowipc_message **reply)
{
	struct flowipc_channel *channel = call->channel;
	struct calls *calls = &channel->receiver.calls;
	struct flowipc_message *first;

	answered_remove(calls, call);
	first = flowipc__pile_take(channel, &call->replies);
	if (!first)
		return call->error ? call->error : -ENODATA;
	if (call->replies.first || call->error)
		answered_add(calls, call);
	*reply = first;
	return 0;
}

static int call_wait(struct flowipc_call *call, struct patience *patience,
		     struct flowipc_message **reply)
{
	struct flowipc_channel *channel = call->channel;
	int err;

	if (!flowipc__channel_is_ours(channel))
		return flowipc__process_refuse();
	flowipc__receiver_enter(channel);
	err = reply_wait(call, patience);
	if (!err)
		err = reply_take(call, reply);
	flowipc__receiver_leave(channel);
	return err;
}

static int call_send(struct flowipc_call *call, struct flowipc_message *request,
		     struct patience *patience)
{
	struct flowipc_channel *channel = request->channel;
	int err;

	/* The reply may be received before we are back from sending. */
	flowipc__receiver_enter(channel);
	call_enter(&channel->receiver.calls, call);
	flowipc__receiver_leave(channel);
	err = flowipc__message_send_as(request, SLOT_REQUEST, call->number,
				       patience);
	if (!err)
		return 0;
	flowipc__receiver_enter(channel);
	call_leave(&channel->receiver.calls, call);
	flowipc__receiver_leave(channel);
	return err;
}

int flowipc_call(struct flowipc_message *request, int timeout_ms,
		 struct flowipc_message **reply)
{
	struct patience patience = {.timeout_ms = timeout_ms};
	struct flowipc_channel *channel = request->channel;
	struct flowipc_call call = {.channel = channel};
	int err;

	err = call_send(&call, request, &patience);
	if (err) {
		flowipc_message_release(request);
		return err;
	}
	err = call_wait(&call, &patience, reply);
	flowipc__receiver_enter(channel);
	flowipc__pile_discard(channel, &call.replies);
	call_leave(&channel->receiver.calls, &call);
	flowipc__receiver_leave(channel);
	return err;
}

static struct flowipc_call *call_get(struct flowipc_channel *channel,
				     void *user)
{
	struct calls *calls = &channel->receiver.calls;
	struct flowipc_call *call;

	flowipc__receiver_enter(channel);
	call = calls->unused;
	if (call)
		calls->unused = call->next;
	flowipc__receiver_leave(channel);
	if (!call)
		call = malloc(sizeof(*call));
	if (!call)
		flowipc__fail(-ENOMEM, "out of memory");
	else
		*call = (struct flowipc_call){.channel = channel, .user = user};
	return call;
}

static void call_put(struct flowipc_call *call)
{
	struct calls *calls = &call->channel->receiver.calls;

	call->next = calls->unused;
	calls->unused = call;
}

int flowipc_call_start(struct flowipc_message *request, void *user,
		       int timeout_ms, struct flowipc_call **call)
{
	struct patience patience = {.timeout_ms = timeout_ms};
	struct flowipc_channel *channel = request->channel;
	struct flowipc_call *new = call_get(channel, user);
	int err;

	if (!new)
		return -ENOMEM;
	err = call_send(new, request, &patience);
	if (err) {
		flowipc__receiver_enter(channel);
		call_put(new);
		flowipc__receiver_leave(channel);
		return err;
	}
	*call = new;
	return 0;
}

int flowipc_call_wait(struct flowipc_call *call, int timeout_ms,
		      struct flowipc_message **reply)
{
	struct patience patience = {.timeout_ms = timeout_ms};

	return call_wait(call, &patience, reply);
}

int flowipc_call_next(struct flowipc_channel *channel,
		      struct flowipc_call **call)
{
	struct calls *calls = &channel->receiver.calls;
	struct flowipc_call *next;

	flowipc__receiver_enter(channel);
	next = calls->answered;
	if (next)
		answered_remove(calls, next);
	flowipc__receiver_leave(channel);
	if (!next)
		return -EAGAIN;
	*call = next;
	return 0;
}

void *flowipc_call_user(const struct flowipc_call *call)
{
	return call->user;
}

void flowipc_call_end(struct flowipc_call *call)
{
	struct flowipc_channel *channel;

	if (!call)
		return;
	channel = call->channel;
	flowipc__receiver_enter(channel);
	flowipc__pile_discard(channel, &call->replies);
	call_leave(&channel->receiver.calls, call);
	call_put(call);
	flowipc__receiver_leave(channel);
	if (channel->closed)
		flowipc__channel_free_if_unused(channel);
}

uint64_t flowipc_message_request(const struct flowipc_message *message)
{
	return message->received && message->role == SLOT_REQUEST ?
		       message->call :
		       0;
}

int flowipc_reply(struct flowipc_message *reply, uint64_t request,
		  unsigned int flags, int timeout_ms)
{
	struct patience patience = {.timeout_ms = timeout_ms};

	if (!request)
		return flowipc__fail(-EINVAL,
				     "there is no request to reply to");
	if (flags & ~(unsigned int)FLOWIPC_REPLY_MORE)
		return flowipc__fail(-EINVAL, "unknown flags of a reply: %#x",
				     flags);
	return flowipc__message_send_as(
		reply,
		flags & FLOWIPC_REPLY_MORE ? SLOT_REPLY_MORE : SLOT_REPLY,
		request, &patience);
}

int flowipc_channel_calls(struct flowipc_channel *channel,
			  struct flowipc_channel_calls *calls)
{
	const struct calls *books = &channel->receiver.calls;
	struct flowipc_channel_calls known = {0};

	flowipc__receiver_enter(channel);
	known.in_flight = books->in_flight;
	known.replies = books->replies;
	known.late = books->late;
	known.unknown = books->unknown;
	flowipc__receiver_leave(channel);
	return flowipc__options_answer(calls, &known, sizeof(known),
				       "channel calls");
}
