/* SPDX-License-Identifier: MIT */
/* What the BPF program counted, read and compared between two moments. */
#ifndef FLOWIPC_TOOLS_TRACE_STREAMS_H
#define FLOWIPC_TOOLS_TRACE_STREAMS_H

#include "bpf/latency.h"

#include <stddef.h>
#include <stdint.h>

/* One direction of one channel. */
struct stream {
	struct latency_key key;
	struct latency_name name;
	struct latency_counts counts;
};

/* Counters at one moment, or their growth between two; sorted by key. */
struct streams {
	struct stream *streams;
	size_t count;
};

/* Read all counters. Returns 0 or -errno. */
int streams_read(struct streams *streams, int counts_fd, int names_fd);

/*
 * What was counted from @before to @after, for streams with something to
 * tell, sorted by label. Returns 0 or -errno.
 */
int streams_subtract(struct streams *growth, const struct streams *after,
		     const struct streams *before);

/* How many messages were received, whether their latency is known or not. */
uint64_t stream_messages(const struct stream *stream);

void streams_free(struct streams *streams);

#endif
