/* SPDX-License-Identifier: MIT */
/*
 * DOC: the memory of a channel
 *
 * Each end of a channel owns one outbox, a region that it maps for writing
 * and its peer for reading only. All that one end tells the other stands in
 * its own outbox, so no end can damage what the other relies on:
 *
 *   [ header:   geometry; constant, read once by the peer when it maps it ]
 *   [ cursor:   how far the owner has consumed the PEER's slots,
 *               and how many messages of the PEER it has released          ]
 *   [ bells:    "I sleep": one word for each thing the owner waits for     ]
 *   [ span:     where the owner's messages begin and end: what it drops,
 *               and whether it sends more                                 ]
 *   [ releases: ring of the loans of the PEER that the owner gave back     ]
 *   [ slots:    ring of messages, written by the owner                     ]
 *   [ payload:  what larger messages of the owner consist of: the first
 *               chunk of it, see chunk.h                                   ]
 *
 * Cursor, bells, span and each slot have a pair of cache lines to themselves,
 * because processors fetch lines in pairs.
 *
 * Positions count messages from 0 and never wrap (2^64). A slot carries its
 * own sequence number: the message at position p is there when the slot
 * p % slots holds sequence p + 1. So a small message reaches the peer as one
 * transfer of the lines it is in, without another word to look at.
 *
 * Everything in a peer's outbox is hostile: each word is read once, with
 * flowipc__peek*(), and checked before use.
 */
#ifndef FLOWIPC_LIB_OUTBOX_H
#define FLOWIPC_LIB_OUTBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

#define FLOWIPC__LINE_PAIR 128

/* Payloads up to this size travel in the slot. */
#define FLOWIPC__INLINE_MAX 80

/* Messages of one sender that are lent out at a time. */
#define FLOWIPC__LOANS 4096

enum slot_kind {
	SLOT_INLINE = 1, /* the payload is in the slot */
	SLOT_PAYLOAD = 2, /* in a chunk of the payload area, lent */
	SLOT_REGION = 3, /* in a region of the courier's, lent */
};

/* What a message is for, see call.h. */
enum slot_role {
	SLOT_PLAIN = 0,
	SLOT_REQUEST = 1,
	SLOT_REPLY = 2, /* the last one to its request */
	SLOT_REPLY_MORE = 3, /* not the last one */
};

struct slot {
	_Atomic uint64_t sequence;
	uint64_t type;
	uint64_t correlation;
	uint64_t sent_ns; /* 0 unless the sender is traced */
	uint8_t kind;
	uint8_t role;
	uint8_t fds; /* descriptors that go with it, see fds.c */
	uint8_t further; /* slots behind this one that belong to it, pieces.c */
	union {
		uint32_t length; /* SLOT_INLINE: bytes */
		uint32_t loan; /* else: what to put into the releases */
	};
	uint64_t call; /* unless SLOT_PLAIN: its number with who calls */
	union {
		struct {
			uint32_t region; /* number; none for chunk 0 */
			uint32_t chunk; /* SLOT_PAYLOAD: its place, chunk.h */
			uint64_t offset;
			uint64_t size;
			uint64_t seal; /* SLOT_REGION: 0, or its seal, seal.c */
		};
		unsigned char bytes[FLOWIPC__INLINE_MAX];
	};
};

_Static_assert(sizeof(struct slot) == FLOWIPC__LINE_PAIR, "one line pair each");

struct outbox_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t slots;
	uint32_t releases;
	uint64_t releases_offset;
	uint64_t slots_offset;
	uint64_t payload_offset;
	uint64_t payload_bytes;
};

/* outbox_header.flags */
#define OUTBOX_REMOTE_FENCE \
	(1U << 0) /* the owner has a remote fence, fence.h */
#define OUTBOX_DROPS (1U << 1) /* the owner drops messages, drop.c */

struct outbox_cursor {
	_Atomic uint64_t consumed;
	_Atomic uint64_t released;
	/* If the PEER drops: 1 + the position that is being taken, */
	_Atomic uint64_t taking;
	/* and the last outbox_span.first that made the owner skip messages. */
	_Atomic uint64_t skipped;
};

/* 0: awake. Else the number of this sleep: whoever sees it rings once for it. */
struct outbox_bells {
	_Atomic uint64_t message;
	_Atomic uint64_t space;
};

/* Of the owner's messages. */
struct outbox_span {
	/*
	 * 2 * a position: messages before that were dropped, if not consumed;
	 * and 0 or 1, where in @dropped it says how many were until then.
	 */
	_Atomic uint64_t first;
	/* 0: more may come. Else 1 + the position at which there is none, */
	_Atomic uint64_t end;
	/* though there should be, if this is not 0: the peer was too slow. */
	_Atomic uint64_t cut;
	_Atomic uint64_t dropped[2];
};

/* One outbox, ours or the peer's: where things are, all checked. */
struct outbox {
	struct mapping mapping;
	struct outbox_cursor *cursor;
	struct outbox_bells *bells;
	struct outbox_span *span;
	_Atomic uint32_t *releases;
	struct slot *slots;
	uint64_t slot_mask;
	unsigned char *payload;
	uint64_t payload_bytes;
	bool remote_fence;
	bool drops;
};

/* Bytes of an outbox; 0 if that is too many. */
uint64_t flowipc__outbox_size(uint32_t slots, uint64_t payload_bytes);

/* Lay out an outbox of ours in zeroed memory of that size. */
void flowipc__outbox_format(struct outbox *outbox,
			    const struct mapping *mapping, uint32_t slots,
			    uint64_t payload_bytes, uint32_t flags);

/*
 * The outbox of a peer that has not done anything yet, to be looked at until
 * there is one. Its remote fence is the way to sleep that is right for both.
 */
const struct outbox *flowipc__outbox_blank(void);

/* Find one's way in an outbox of the peer. -EPROTO if it makes no sense. */
int flowipc__outbox_open(struct outbox *outbox, const struct mapping *mapping);

/* Read a word that the peer may be changing: once, and then no more. */
#define flowipc__peek(word) (*(const volatile __typeof__(word) *)&(word))

#endif
