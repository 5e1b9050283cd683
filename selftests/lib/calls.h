/* SPDX-License-Identifier: MIT */
/* What tests of calls have in common: messages that are told by their type. */
#ifndef FLOWIPC_SELFTESTS_CALLS_H
#define FLOWIPC_SELFTESTS_CALLS_H

#include "harness.h"

static inline struct flowipc_message *make(struct flowipc_channel *channel,
				    uint64_t type)
{
	struct flowipc_message *message;

	ok(flowipc_message_new(channel, 8, test_ms(20000), &message));
	flowipc_message_set_type(message, type);
	return message;
}

static inline uint64_t take(struct flowipc_message *message)
{
	uint64_t type = flowipc_message_type(message);

	flowipc_message_release(message);
	return type;
}

static inline struct flowipc_channel_calls calls_of(struct flowipc_channel *channel)
{
	struct flowipc_channel_calls calls = { .sz = sizeof(calls) };

	ok(flowipc_channel_calls(channel, &calls));
	return calls;
}

static inline void start(struct flowipc_channel *channel, struct flowipc_call **call)
{
	ok(flowipc_call_start(make(channel, 0), NULL, test_ms(5000), call));
}

static inline uint64_t next_request(struct flowipc_channel *channel)
{
	struct flowipc_message *message;
	uint64_t request;

	ok(flowipc_message_receive(channel, &message, test_ms(20000)));
	request = flowipc_message_request(message);
	flowipc_message_release(message);
	return request;
}

#endif /* FLOWIPC_SELFTESTS_CALLS_H */
