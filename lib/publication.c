// SPDX-License-Identifier: MIT
/* The memory of a topic: publications in hand, under way and kept as history. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "topic.h"

/* The first chunk is at least so large, if that is allowed. */
#define CHUNK_LEAST (64ULL << 10)

/* While waiting for one subscriber, see so often whether others made room. */
#define SLICE_MS 10

struct finding {
	struct flowipc_topic *topic;
	struct flowipc_publication *publication;
	uint64_t bytes;
	bool rigid; /* there is no further memory to be had */
	struct subscriber *holder; /* who is asked, see holder_ready() */
};

static uint64_t finding_limit(const struct finding *finding)
{
	const struct chunks *chunks = &finding->topic->chunks;

	return finding->rigid ? chunks->reserved : chunks->max;
}

void flowipc__publication_hold(struct flowipc_publication *publication)
{
	publication->holders++;
}

void flowipc__publication_unmake(const struct flowipc_publication *publication)
{
	if (publication->region)
		publication->topic->made_bytes -= publication->size;
}

void flowipc__publication_put(struct flowipc_publication *publication)
{
	struct flowipc_topic *topic = publication->topic;

	if (--publication->holders)
		return;
	if (!publication->number)
		flowipc__publication_unmake(publication);
	if (publication->in_chunk)
		flowipc__chunks_give(&topic->chunks, &publication->piece);
	if (publication->region)
		flowipc__region_put(publication->region);
	topic->apart_bytes -= publication->apart;
	publication->apart = 0;
	publication->in_chunk = false;
	publication->region = NULL;
	publication->next_unused = topic->unused;
	topic->unused = publication;
}

void flowipc__publication_abandon(struct flowipc_publication *publication)
{
	struct flowipc_topic *topic = publication->topic;
	struct flowipc_region *region = publication->region;
	struct flowipc_publication *other;

	/* A region of its own is not used again anyway. */
	if (!publication->in_chunk)
		return;
	flowipc__chunks_retire(&topic->chunks, publication->piece.chunk);
	for (other = topic->publications; other; other = other->next) {
		if (other->region == region)
			other->in_chunk = false;
	}
}

void flowipc__publications_free(struct flowipc_topic *topic)
{
	struct flowipc_publication *publication;

	while ((publication = topic->publications)) {
		topic->publications = publication->next;
		if (publication->region)
			flowipc__region_put(publication->region);
		free(publication);
	}
	flowipc__chunks_free(&topic->chunks, false);
}

struct flowipc_publication *
flowipc__history_get(const struct flowipc_topic *topic, uint32_t index)
{
	return topic
		->history[(topic->history_first + index) % topic->history_max];
}

void flowipc__history_drop(struct flowipc_topic *topic)
{
	struct flowipc_publication *oldest = flowipc__history_get(topic, 0);

	topic->history_first = (topic->history_first + 1) % topic->history_max;
	topic->history_count--;
	flowipc__publication_put(oldest);
}

void flowipc__history_add(struct flowipc_topic *topic,
			  struct flowipc_publication *publication)
{
	if (!topic->history_max)
		return;
	if (topic->history_count == topic->history_max)
		flowipc__history_drop(topic);
	flowipc__publication_hold(publication);
	topic->history[(topic->history_first + topic->history_count++) %
		       topic->history_max] = publication;
}

/* Unused publications are kept, so that publishing allocates nothing. */
static struct flowipc_publication *publication_get(struct flowipc_topic *topic)
{
	struct flowipc_publication *publication = topic->unused;

	if (publication) {
		topic->unused = publication->next_unused;
	} else {
		publication =
			aligned_alloc(_Alignof(struct flowipc_publication),
				      sizeof(*publication));
		if (!publication) {
			flowipc__fail(-ENOMEM, "out of memory");
			return NULL;
		}
		memset(publication, 0, sizeof(*publication));
		publication->topic = topic;
		publication->next = topic->publications;
		topic->publications = publication;
	}
	publication->holders = 1;
	publication->number = 0;
	publication->type = 0;
	publication->correlation = 0;
	return publication;
}

/* Take a piece of a chunk. True if there was one. */
static bool finding_take(struct finding *finding, bool anywhere)
{
	struct flowipc_publication *publication = finding->publication;
	struct chunks *chunks = &finding->topic->chunks;

	if (flowipc__chunks_take(chunks, finding->bytes, anywhere,
				 &publication->piece))
		return false;
	publication->region = chunks->list[publication->piece.chunk].region;
	publication->offset = publication->piece.offset;
	publication->in_chunk = true;
	flowipc__region_get(publication->region);
	return true;
}

static int finding_ready(void *context)
{
	struct finding *finding = context;

	flowipc__subscribers_reclaim(finding->topic);
	return finding_take(finding, true);
}

/* The same, but when all are asked, each is looked at once. */
static int holder_ready(void *context)
{
	struct finding *finding = context;
	int err = flowipc__loans_reclaim(finding->holder->channel);

	return err ? err : finding_take(finding, true);
}

/* Is there room, were it not for pieces that lie in between? */
static bool finding_is_fragmented(const struct finding *finding)
{
	const struct flowipc_topic *topic = finding->topic;
	uint64_t used =
		flowipc__chunks_used(&topic->chunks) + topic->apart_bytes;

	return used <= topic->chunks.max &&
	       topic->chunks.max - used >= finding->bytes;
}

static int finding_grow(struct finding *finding)
{
	struct flowipc_topic *topic = finding->topic;
	uint64_t bytes = finding->bytes;
	struct error_line line;
	int err;

	if (!topic->chunks.reserved && bytes < CHUNK_LEAST)
		bytes = topic->chunks.max < CHUNK_LEAST ? topic->chunks.max :
							  CHUNK_LEAST;
	flowipc__error_keep(&line);
	err = flowipc__chunks_grow(&topic->chunks, topic->backend, bytes);
	if (!err || !flowipc__chunks_hold(&topic->chunks, finding->bytes))
		return err;
	/* It will fit into what there is, when that is released. */
	flowipc__error_restore(&line);
	finding->rigid = true;
	return 0;
}

static int finding_apart(struct finding *finding)
{
	struct flowipc_publication *publication = finding->publication;
	int err;

	err = flowipc__region_create(finding->topic->backend, finding->bytes, 0,
				     &publication->region);
	if (err)
		return err;
	publication->offset = 0;
	publication->apart = finding->bytes;
	finding->topic->apart_bytes += finding->bytes;
	return 0;
}

static bool subscriber_waits(const struct subscriber *subscriber)
{
	return !subscriber->ended &&
	       subscriber->channel->sender.when_full == FLOWIPC_FULL_WAIT;
}

/* Who holds most, among those that are waited for or the others. */
static struct subscriber *holder_find(const struct flowipc_topic *topic,
				      bool waits)
{
	struct subscriber *subscriber, *found = NULL;
	uint64_t most = 0;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		if (subscriber->ended ||
		    subscriber_waits(subscriber) != waits ||
		    subscriber->channel->sender.lent_bytes <= most)
			continue;
		most = subscriber->channel->sender.lent_bytes;
		found = subscriber;
	}
	return found;
}

/*
 * Nothing is taken from anybody if that cannot help, because of what the user
 * has in hand and those hold who are waited for.
 */
static bool shedding_helps(const struct finding *finding)
{
	const struct flowipc_topic *topic = finding->topic;
	const struct subscriber *subscriber;
	uint64_t held = topic->made_bytes;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		if (subscriber_waits(subscriber))
			held += subscriber->channel->sender.lent_bytes;
	}
	return held <= finding_limit(finding) &&
	       finding_limit(finding) - held >= finding->bytes;
}

/* Forget the oldest that nobody else holds, and what is older. */
static bool history_shed(struct flowipc_topic *topic)
{
	const struct flowipc_publication *publication;
	uint32_t i;

	for (i = 0; i < topic->history_count; i++) {
		publication = flowipc__history_get(topic, i);
		if (publication->region && publication->holders == 1)
			break;
	}
	if (i == topic->history_count)
		return false;
	do
		flowipc__history_drop(topic);
	while (i--);
	return true;
}

/* Messages that were not received and may be dropped, if that is of use. */
static uint64_t subscriber_backlog(const struct subscriber *subscriber)
{
	struct flowipc_channel *channel = subscriber->channel;
	const struct sender *sender = &channel->sender;

	if (subscriber->ended || !flowipc__sender_drops(sender) ||
	    flowipc__consumed_look(channel) ||
	    !flowipc__dropping_frees(channel))
		return 0;
	return sender->position - sender->oldest;
}

/* Drop a message of each that has so many. True if there was one. */
static bool backlogs_drop(struct flowipc_topic *topic, uint64_t backlog)
{
	struct subscriber *subscriber;
	bool dropped = false;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		if (subscriber->backlog == backlog &&
		    flowipc__oldest_drop(subscriber->channel) > 0)
			dropped = true;
	}
	return dropped;
}

/*
 * Drop what was not received. Those that are furthest behind all have the oldest
 * publication to come, whose memory is free when each of them has dropped it.
 */
static bool unreceived_shed(struct flowipc_topic *topic)
{
	struct subscriber *subscriber;
	uint64_t most = 0;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		subscriber->backlog = subscriber_backlog(subscriber);
		if (subscriber->backlog > most)
			most = subscriber->backlog;
	}
	if (!most)
		return false;
	if (backlogs_drop(topic, most))
		return true;
	/* They are about to receive it, so it is for the others. */
	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		if (subscriber->backlog && subscriber->backlog != most &&
		    flowipc__oldest_drop(subscriber->channel) > 0)
			return true;
	}
	return false;
}

static bool received_shed(struct flowipc_topic *topic)
{
	struct subscriber *holder = holder_find(topic, false);

	if (!holder)
		return false;
	flowipc__subscriber_end(holder,
				flowipc__channel_disconnect(holder->channel));
	return true;
}

static bool shed(struct finding *finding)
{
	return shedding_helps(finding) && (history_shed(finding->topic) ||
					   unreceived_shed(finding->topic) ||
					   received_shed(finding->topic));
}

/* 1: taken; 0: look again; -EAGAIN, -ETIMEDOUT; -EINTR. */
static int finding_wait(struct finding *finding, uint64_t deadline)
{
	struct subscriber *subscriber, *holder;
	uint64_t slice;
	int err;

	if (!deadline) {
		/* Whoever releases something is asked to tell. */
		for (subscriber = finding->topic->subscribers; subscriber;
		     subscriber = subscriber->next) {
			if (!subscriber_waits(subscriber))
				continue;
			finding->holder = subscriber;
			err = flowipc__sender_wait(subscriber->channel,
						   holder_ready, finding, 0);
			if (!err)
				return 1;
			if (err == -EAGAIN)
				continue;
			flowipc__subscriber_end(subscriber, err);
			return 0;
		}
		return -EAGAIN;
	}
	holder = holder_find(finding->topic, true);
	if (!holder)
		return flowipc__fail(
			-EAGAIN,
			"all memory of the topic is in the caller's hands");
	slice = flowipc__deadline(SLICE_MS);
	if (slice > deadline)
		slice = deadline;
	err = flowipc__sender_wait(holder->channel, finding_ready, finding,
				   slice);
	if (err == -ETIMEDOUT)
		return deadline <= flowipc__now() ? err : 0;
	if (err == -EINTR)
		return err;
	if (err)
		flowipc__subscriber_end(holder, err);
	return !err;
}

static int find(struct finding *finding, uint64_t deadline)
{
	struct flowipc_topic *topic = finding->topic;
	int err = finding_take(finding, false);

	while (!err) {
		err = finding_ready(finding);
		if (err)
			break;
		if (!finding->rigid &&
		    flowipc__chunks_can_grow(&topic->chunks, finding->bytes)) {
			err = finding_grow(finding);
			continue;
		}
		if (!finding->rigid && finding_is_fragmented(finding))
			return finding_apart(finding);
		if (!shed(finding))
			err = finding_wait(finding, deadline);
	}
	return err < 0 ? err : 0;
}

/* Give up the memory that was not used for a while. */
static void topic_tidy(struct flowipc_topic *topic)
{
	uint64_t now = flowipc__ticks();

	if (now - topic->tidied_ticks < FLOWIPC__TICKS)
		return;
	topic->tidied_ticks = now;
	flowipc__subscribers_reclaim(topic);
	flowipc__chunks_shrink(&topic->chunks);
}

int flowipc_publication_new(struct flowipc_topic *topic, uint64_t size,
			    int timeout_ms,
			    struct flowipc_publication **publication)
{
	struct finding finding = {.topic = topic, .bytes = size};
	int err;

	if (!flowipc__topic_is_ours(topic))
		return flowipc__process_refuse();
	if (size > topic->chunks.max)
		return flowipc__fail(
			-EMSGSIZE,
			"a publication of %llu bytes is larger than the %llu allowed (max_bytes)",
			(unsigned long long)size,
			(unsigned long long)topic->chunks.max);
	topic_tidy(topic);
	finding.publication = publication_get(topic);
	if (!finding.publication)
		return -ENOMEM;
	finding.publication->size = size;
	if (size > FLOWIPC__INLINE_MAX) {
		err = find(&finding, flowipc__deadline(timeout_ms));
		if (err) {
			flowipc__publication_put(finding.publication);
			return err;
		}
		topic->made_bytes += size;
	}
	*publication = finding.publication;
	return 0;
}

void *flowipc_publication_buffer(struct flowipc_publication *publication)
{
	if (!publication->region)
		return publication->bytes;
	return (unsigned char *)publication->region->mapping.base +
	       publication->offset;
}

int flowipc_publication_truncate(struct flowipc_publication *publication,
				 uint64_t size)
{
	if (publication->number || size > publication->size)
		return flowipc__fail(
			-EINVAL,
			"a publication of %llu bytes%s cannot be cut to %llu",
			(unsigned long long)publication->size,
			publication->number ? " that was sent" : "",
			(unsigned long long)size);
	if (publication->region)
		publication->topic->made_bytes -= publication->size - size;
	publication->size = size;
	if (publication->in_chunk)
		flowipc__chunks_trim(&publication->topic->chunks,
				     &publication->piece, size);
	return 0;
}

void flowipc_publication_set_type(struct flowipc_publication *publication,
				  uint64_t type)
{
	publication->type = type;
}

void flowipc_publication_set_correlation(
	struct flowipc_publication *publication, uint64_t correlation)
{
	publication->correlation = correlation;
}

void flowipc_publication_release(struct flowipc_publication *publication)
{
	if (publication)
		flowipc__publication_put(publication);
}
