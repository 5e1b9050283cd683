// SPDX-License-Identifier: MIT
/* Messages with contents that can be checked. */
#include "harness.h"

static uint64_t pattern_word(uint64_t seed, uint64_t place)
{
	uint64_t x = (seed * 0x2545f4914f6cdd1du + place) *
		     0x9e3779b97f4a7c15u;

	return x ^ x >> 32;
}

void pattern_fill(void *data, uint64_t size, uint64_t seed)
{
	char *at = data;
	uint64_t i, word;

	for (i = 0; i + 8 <= size; i += 8) {
		word = pattern_word(seed, i);
		memcpy(at + i, &word, 8);
	}
	word = pattern_word(seed, i);
	if (i < size)
		memcpy(at + i, &word, size - i);
}

void pattern_check(const void *data, uint64_t size, uint64_t seed)
{
	const char *at = data;
	uint64_t i, word, wanted;

	for (i = 0; i + 8 <= size; i += 8) {
		memcpy(&word, at + i, 8);
		wanted = pattern_word(seed, i);
		check_msg(word == wanted, "byte %" PRIu64 " of %" PRIu64
			  " of message %" PRIu64 ": 0x%" PRIx64
			  ", not 0x%" PRIx64, i, size, seed, word, wanted);
	}
	wanted = pattern_word(seed, i);
	check_msg(i >= size || !memcmp(at + i, &wanted, size - i),
		  "the end of message %" PRIu64 " of %" PRIu64
		  " bytes is not what was sent", seed, size);
}

int test_send_numbered(struct flowipc_channel *channel, uint64_t number,
		       uint64_t size, int timeout_ms)
{
	struct flowipc_message *message;
	int err;

	err = flowipc_message_new(channel, size, timeout_ms, &message);
	if (err)
		return err;
	pattern_fill(flowipc_message_buffer(message), size, number);
	flowipc_message_set_type(message, number);
	err = flowipc_message_send(message, timeout_ms);
	if (err)
		flowipc_message_release(message);
	return err;
}

uint64_t test_check_numbered(const struct flowipc_message *message)
{
	uint64_t number = flowipc_message_type(message);

	pattern_check(flowipc_message_data(message),
		      flowipc_message_size(message), number);
	return number;
}
