/* SPDX-License-Identifier: MIT */
/*
 * Somebody who writes anything into the outbox that is his, while the other side
 * reads it, and counts the words.
 */
#ifndef FLOWIPC_SELFTESTS_SCRIBBLER_H
#define FLOWIPC_SELFTESTS_SCRIBBLER_H

#include "harness.h"

#include <stdatomic.h>

#include "outbox.h"

/* What can be told apart, each as 32-bit words of one kind. */
enum {
	HEADER_WORDS = FLOWIPC__LINE_PAIR / 4,
	CURSOR_WORDS = sizeof(struct outbox_cursor) / 4,
	BELLS_WORDS = sizeof(struct outbox_bells) / 4,
	SPAN_WORDS = sizeof(struct outbox_span) / 4,
	SLOT_WORDS = sizeof(struct slot) / 4,
	HEADER = 0,
	CURSOR = HEADER + HEADER_WORDS,
	BELLS = CURSOR + CURSOR_WORDS,
	SPAN = BELLS + BELLS_WORDS,
	RELEASES = SPAN + SPAN_WORDS,
	SLOTS = RELEASES + 1,
	KINDS = SLOTS + SLOT_WORDS,
};

enum { COMPLAINTS = 32, COMPLAINT_BYTES = 96 };

/* Seen by all processes. */
struct progress {
	_Atomic bool over;
	_Atomic uint64_t sessions;
	_Atomic uint64_t words;
	_Atomic uint64_t flips;
	_Atomic uint64_t hits[KINDS];
	/* What the victim had of it. */
	uint64_t messages;
	uint64_t pieces;
	uint64_t fds;
	uint64_t protocol_errors;
	uint64_t complaint_count[COMPLAINTS];
	char complaints[COMPLAINTS][COMPLAINT_BYTES];
};

extern struct progress *progress;

/* How many words are to be changed at least. */
uint64_t words_wanted(void);

/*
 * Connect to "t" and open a channel, again and again, until that many words are
 * changed; for peer_start(), with a seed of type uint64_t.
 */
void scribbler(int sync, void *seed);

#endif /* FLOWIPC_SELFTESTS_SCRIBBLER_H */
