// SPDX-License-Identifier: MIT
#include "streams.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *left, const void *right)
{
	const struct stream *a = left, *b = right;

	if (a->key.stream != b->key.stream)
		return a->key.stream < b->key.stream ? -1 : 1;
	if (a->key.receiver_pid != b->key.receiver_pid)
		return a->key.receiver_pid < b->key.receiver_pid ? -1 : 1;
	return 0;
}

static int compare_labels(const void *left, const void *right)
{
	const struct stream *a = left, *b = right;
	int ret = strcmp(a->name.label, b->name.label);

	return ret ? ret : compare_keys(left, right);
}

int streams_read(struct streams *streams, int counts_fd, int names_fd)
{
	const struct latency_key *previous = NULL;
	struct streams all = { 0 };

	all.streams = calloc(LATENCY_MAX_STREAMS, sizeof(*all.streams));
	if (!all.streams)
		return -ENOMEM;
	/*
	 * Nothing is ever deleted from the maps, so the walk neither repeats
	 * nor restarts; a stream that appears meanwhile may be missed, and is
	 * found the next time with all it had counted.
	 */
	while (all.count < LATENCY_MAX_STREAMS) {
		struct stream *stream = &all.streams[all.count];

		if (bpf_map_get_next_key(counts_fd, previous, &stream->key))
			break;
		if (!bpf_map_lookup_elem(counts_fd, &stream->key,
					 &stream->counts) &&
		    !bpf_map_lookup_elem(names_fd, &stream->key,
					 &stream->name)) {
			/* as read from another process: make sure it ends */
			stream->name.label[LATENCY_LABEL_BYTES - 1] = '\0';
			stream->name.receiver_comm[LATENCY_COMM_BYTES - 1] = '\0';
		} else {
			streams_free(&all);
			return -EIO;
		}
		previous = &stream->key;
		all.count++;
	}
	qsort(all.streams, all.count, sizeof(*all.streams), compare_keys);
	*streams = all;
	return 0;
}

uint64_t stream_messages(const struct stream *stream)
{
	uint64_t sum = stream->counts.untraced + stream->counts.reversed;
	unsigned int i;

	for (i = 0; i < LATENCY_SLOTS; i++)
		sum += stream->counts.slots[i];
	return sum;
}

static void subtract(struct latency_counts *counts,
		     const struct latency_counts *before)
{
	unsigned int i;

	for (i = 0; i < LATENCY_SLOTS; i++)
		counts->slots[i] -= before->slots[i];
	counts->sum_ns -= before->sum_ns;
	counts->untraced -= before->untraced;
	counts->reversed -= before->reversed;
}

int streams_subtract(struct streams *growth, const struct streams *after,
		     const struct streams *before)
{
	struct streams all = { 0 };
	size_t i;

	all.streams = calloc(after->count + 1, sizeof(*all.streams));
	if (!all.streams)
		return -ENOMEM;
	for (i = 0; i < after->count; i++) {
		struct stream *stream = &all.streams[all.count];
		const struct stream *old;

		*stream = after->streams[i];
		old = !before->count ? NULL :
		      bsearch(stream, before->streams, before->count,
			      sizeof(*before->streams), compare_keys);
		if (old)
			subtract(&stream->counts, &old->counts);
		if (stream_messages(stream))
			all.count++;
	}
	qsort(all.streams, all.count, sizeof(*all.streams), compare_labels);
	*growth = all;
	return 0;
}

void streams_free(struct streams *streams)
{
	free(streams->streams);
	*streams = (struct streams){ 0 };
}
