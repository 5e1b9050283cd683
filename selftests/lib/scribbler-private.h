/* SPDX-License-Identifier: MIT */
/* Between scribbler.c and scribbler-forge.c. */
#ifndef FLOWIPC_SELFTESTS_SCRIBBLER_PRIVATE_H
#define FLOWIPC_SELFTESTS_SCRIBBLER_PRIVATE_H

#include "scribbler.h"

struct attacker {
	struct flowipc_channel *channel;
	uint64_t random;
	char *mine; /* its own outbox */
	uint64_t size;
	struct slot *slots;
	uint32_t slot_count;
	uint32_t *releases;
	struct outbox_cursor *cursor;
	uint64_t payload_bytes;
	struct flowipc_region *region;
	struct flowipc_topic *topic; /* the victim is a subscriber */
	/* Memory that it has shared, as its slots have called it. */
	struct {
		uint32_t region;
		uint32_t chunk;
	} shared[8];
	unsigned int shared_count;
	/* The victim's, which it may only read. */
	const struct outbox_cursor *their_cursor;
	const struct slot *their_slots;
	uint32_t their_slot_count;
};

/* Races are what this is about, within the attacker's process as well. */
#define NO_TSAN __attribute__((no_sanitize("thread")))

/* A value in place of another one. */
uint64_t chosen(struct attacker *attacker, uint64_t old);
void count_word(const struct attacker *attacker, const void *at);
bool is_alone(const struct attacker *attacker);
int send_from_region(struct attacker *attacker);

/* Without the library, as fast as the victim reads, or as it sends. */
void forge_messages(struct attacker *attacker);
void forge_progress(struct attacker *attacker);

#endif /* FLOWIPC_SELFTESTS_SCRIBBLER_PRIVATE_H */
