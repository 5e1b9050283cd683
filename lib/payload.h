/* SPDX-License-Identifier: MIT */
/*
 * Dividing a chunk of payload memory among messages. The books are in private
 * memory: nothing that a peer can see, let alone write, is relied on.
 */
#ifndef FLOWIPC_LIB_PAYLOAD_H
#define FLOWIPC_LIB_PAYLOAD_H

#include <stdint.h>

/* Payloads begin at a multiple of this, a cache line. */
#define FLOWIPC__PAYLOAD_ALIGN 64

struct payload;

/* For a chunk of @bytes, in at most @pieces pieces. NULL: out of memory. */
struct payload *flowipc__payload_create(uint64_t bytes, uint32_t pieces);
void flowipc__payload_free(struct payload *payload);

/*
 * Take @bytes, at least 1. Returns a handle for flowipc__payload_give() and
 * sets *offset in the chunk; -EAGAIN when there is no such piece just now.
 */
int64_t flowipc__payload_take(struct payload *payload, uint64_t bytes,
			      uint64_t *offset);
void flowipc__payload_give(struct payload *payload, uint32_t handle);

/* What is free, all together: it need not be in one piece. */
uint64_t flowipc__payload_free_bytes(const struct payload *payload);

/* Give back the end of a piece, all but its first @bytes. */
void flowipc__payload_trim(struct payload *payload, uint32_t handle,
			   uint64_t bytes);

#endif
