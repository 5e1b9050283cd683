// SPDX-License-Identifier: MIT
/* Subscribers, and sending them what is published. See topic.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options.h"
#include "session.h"
#include "topic.h"

#define HISTORY_MAX	  65536
#define MAX_BYTES_DEFAULT (64ULL << 20)

int flowipc_topic_create(const struct flowipc_topic_opts *opts,
			 struct flowipc_topic **topic)
{
	struct flowipc_topic_opts known;
	const struct backend *backend;
	struct flowipc_topic *new;
	uint64_t max;
	int err;

	err = flowipc__options_read(&known, sizeof(known), opts, "topic");
	if (err)
		return err;
	if (known.history > HISTORY_MAX)
		return flowipc__fail(
			-EINVAL, "topic options: history is %u, more than %d",
			known.history, HISTORY_MAX);
	max = flowipc__page_align(known.max_bytes ? known.max_bytes :
						    MAX_BYTES_DEFAULT);
	if (!max)
		return flowipc__fail(-EINVAL,
				     "topic options: max_bytes is %llu",
				     (unsigned long long)known.max_bytes);
	err = flowipc__backend_find(known.backend, &backend);
	if (err)
		return err;
	new = calloc(1, sizeof(*new) + known.history * sizeof(*new->history));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	/* There is no outbox for a chunk to be part of. */
	err = flowipc__chunks_init(&new->chunks, NULL, 0, max);
	if (err) {
		free(new);
		return err;
	}
	new->backend = backend;
	new->process = flowipc__process();
	new->history_max = known.history;
	*topic = new;
	return 0;
}

/* A process that has ended reads nothing any more. */
static bool peer_has_died(struct flowipc_session *session)
{
	struct flowipc_session_end end = {.sz = sizeof(end)};

	return !flowipc_session_end(session, &end) &&
	       end.reason == FLOWIPC_END_PEER_DIED;
}

/* The loans of the channel are messages from regions like others from now on. */
static void subscriber_let_go(struct subscriber *subscriber)
{
	struct flowipc_channel *channel = subscriber->channel;
	struct sender *sender = &channel->sender;
	bool ours = flowipc__topic_is_ours(subscriber->topic), read;
	struct flowipc_publication *publication;
	struct error_line line;
	uint32_t i;

	flowipc__error_keep(&line);
	if (ours)
		flowipc__loans_reclaim(channel);
	read = ours && !peer_has_died(channel->session);
	flowipc__error_restore(&line);
	for (i = 0; i < sender->fresh_loan; i++) {
		publication = sender->loans[i].publication;
		if (!publication)
			continue;
		sender->loans[i].publication = NULL;
		if (read)
			flowipc__publication_abandon(publication);
		flowipc__publication_put(publication);
	}
}

void flowipc__subscriber_end(struct subscriber *subscriber, int error)
{
	if (subscriber->ended)
		return;
	subscriber->ended = error;
	subscriber_let_go(subscriber);
}

void flowipc__subscriber_remove(struct subscriber *subscriber)
{
	if (!subscriber->ended)
		subscriber_let_go(subscriber);
	*subscriber->link = subscriber->next;
	if (subscriber->next)
		subscriber->next->link = subscriber->link;
	subscriber->channel->sender.subscriber = NULL;
	free(subscriber);
}

void flowipc_topic_destroy(struct flowipc_topic *topic)
{
	if (!topic)
		return;
	while (topic->subscribers)
		flowipc__subscriber_remove(topic->subscribers);
	flowipc__publications_free(topic);
	free(topic);
}

void flowipc__subscribers_reclaim(struct flowipc_topic *topic)
{
	struct subscriber *subscriber;
	int err;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		if (subscriber->ended)
			continue;
		err = flowipc__channel_error(subscriber->channel);
		if (!err)
			err = flowipc__loans_reclaim(subscriber->channel);
		if (err)
			flowipc__subscriber_end(subscriber, err);
	}
}

/* Make a message of a publication, as by flowipc_message_from_region(). */
static int message_make(struct flowipc_channel *channel,
			struct flowipc_publication *publication,
			uint64_t deadline, struct flowipc_message **message)
{
	struct sender *sender = &channel->sender;
	struct flowipc_message *new;
	struct loan *loan;
	int err;

	err = flowipc__sender_error(channel);
	if (err)
		return err;
	new = flowipc__message_get(channel, &sender->unused);
	if (!new)
		return -ENOMEM;
	new->received = false;
	new->size = publication->size;
	new->type = publication->type;
	new->correlation = publication->correlation;
	if (!publication->region) {
		new->kind = SLOT_INLINE;
		new->data = new->bytes;
		memcpy(new->bytes, publication->bytes, publication->size);
	} else {
		err = flowipc__loan_wait(channel, deadline, &new->loan);
		if (err) {
			flowipc__message_put(new, &sender->unused);
			return err;
		}
		loan = &sender->loans[new->loan];
		loan->region = publication->region;
		loan->publication = publication;
		flowipc__region_get(publication->region);
		flowipc__publication_hold(publication);
		new->kind = SLOT_REGION;
		new->region = publication->region;
		new->offset = publication->offset;
		new->data = flowipc_publication_buffer(publication);
	}
	sender->held++;
	*message = new;
	return 0;
}

/* What is left until @deadline, in ms, rounded up. */
static int timeout_left(uint64_t deadline)
{
	uint64_t now, left;

	if (deadline == FLOWIPC__NEVER)
		return -1;
	now = deadline ? flowipc__now() : 0;
	if (now >= deadline)
		return 0;
	left = (deadline - now + 999999) / 1000000;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* What has to do with this side, or this moment, and not with the channel. */
static bool error_passes(int error)
{
	switch (error) {
	case -EAGAIN:
	case -ETIMEDOUT:
	case -EINTR:
	case -ENOMEM:
	case -EMFILE:
	case -EDQUOT:
	case -ENOSPC:
		return true;
	default:
		return false;
	}
}

/*
 * Send a subscriber a publication, unless it has it. Nothing but what is to be
 * tried again; who cannot be sent anything any more ends.
 */
static int subscriber_send(struct subscriber *subscriber,
			   struct flowipc_publication *publication,
			   uint64_t deadline)
{
	struct flowipc_channel *channel = subscriber->channel;
	enum flowipc_when_full when_full = channel->sender.when_full;
	struct flowipc_message *message;
	int err;

	if (subscriber->ended || subscriber->wanted > publication->number)
		return 0;
	if (when_full != FLOWIPC_FULL_WAIT)
		deadline = 0;
	err = message_make(channel, publication, deadline, &message);
	if (!err) {
		err = flowipc_message_send(message, timeout_left(deadline));
		if (err)
			flowipc_message_release(message);
	}
	if (!err) {
		subscriber->topic->missed +=
			publication->number - subscriber->wanted;
		subscriber->wanted = publication->number + 1;
		return 0;
	}
	if (err == -EAGAIN && when_full == FLOWIPC_FULL_DROP_OLDEST)
		return 0;
	if (error_passes(err) && !flowipc__channel_error(channel))
		return err;
	flowipc__subscriber_end(subscriber, err);
	return 0;
}

/* To all: what went wrong last, but "not now" is the least of it. */
static int subscribers_send(struct flowipc_topic *topic,
			    struct flowipc_publication *publication,
			    uint64_t deadline)
{
	struct subscriber *subscriber;
	int err, result = 0;

	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next) {
		err = subscriber_send(subscriber, publication, deadline);
		if (err == -EINTR)
			return err;
		if (err && (!result || err != -EAGAIN))
			result = err;
	}
	return result;
}

int flowipc_publication_send(struct flowipc_publication *publication,
			     int timeout_ms)
{
	struct flowipc_topic *topic = publication->topic;
	int err;

	if (!flowipc__topic_is_ours(topic))
		return flowipc__process_refuse();
	if (!publication->number) {
		flowipc__publication_unmake(publication);
		publication->number = ++topic->published;
		flowipc__history_add(topic, publication);
	}
	err = subscribers_send(topic, publication, 0);
	if (err == -EAGAIN && timeout_ms) {
		err = subscribers_send(topic, publication,
				       flowipc__deadline(timeout_ms));
		if (err == -EAGAIN)
			err = -ETIMEDOUT;
	}
	if (!err)
		flowipc__publication_put(publication);
	return err;
}

int flowipc_publish(struct flowipc_topic *topic, const void *data,
		    uint64_t size, int timeout_ms)
{
	struct flowipc_publication *publication;
	int err;

	err = flowipc_publication_new(topic, size, timeout_ms, &publication);
	if (err)
		return err;
	if (size)
		memcpy(flowipc_publication_buffer(publication), data, size);
	err = flowipc_publication_send(publication, timeout_ms);
	if (err)
		flowipc_publication_release(publication);
	return err;
}

/* As much of the history as there can be room for, the newest last. */
static int history_send(struct subscriber *subscriber)
{
	struct flowipc_topic *topic = subscriber->topic;
	uint64_t slots = subscriber->channel->mine.slot_mask + 1;
	uint32_t i = 0;
	int err = 0;

	if (topic->history_count > slots)
		i = topic->history_count - (uint32_t)slots;
	if (i < topic->history_count)
		subscriber->wanted = flowipc__history_get(topic, i)->number;
	for (; i < topic->history_count && !err && !subscriber->ended; i++)
		err = subscriber_send(subscriber,
				      flowipc__history_get(topic, i), 0);
	return err ? err : subscriber->ended;
}

int flowipc_topic_subscribe(struct flowipc_topic *topic,
			    struct flowipc_channel *channel)
{
	struct subscriber *subscriber;
	int err;

	if (!flowipc__topic_is_ours(topic))
		return flowipc__process_refuse();
	if (channel->sender.subscriber)
		return flowipc__fail(-EINVAL,
				     "the channel is in a topic already");
	/* Others who send on it would take note of what was released. */
	if (channel->sender.lane.crowd)
		return flowipc__fail(
			-EINVAL,
			"a channel for many threads cannot be in a topic");
	if (channel->session->backend != topic->backend)
		return flowipc__fail(
			-EOPNOTSUPP,
			"a %s topic cannot be sent in a %s session",
			flowipc_backend_name(topic->backend->id),
			flowipc_backend_name(channel->session->backend->id));
	subscriber = calloc(1, sizeof(*subscriber));
	if (!subscriber)
		return flowipc__fail(-ENOMEM, "out of memory");
	subscriber->topic = topic;
	subscriber->channel = channel;
	subscriber->wanted = topic->published + 1;
	subscriber->next = topic->subscribers;
	subscriber->link = &topic->subscribers;
	if (subscriber->next)
		subscriber->next->link = &subscriber->next;
	topic->subscribers = subscriber;
	channel->sender.subscriber = subscriber;
	err = flowipc__sender_error(channel);
	if (!err)
		err = history_send(subscriber);
	if (err)
		flowipc__subscriber_remove(subscriber);
	return err;
}

int flowipc_topic_next_end(struct flowipc_topic *topic,
			   struct flowipc_channel **channel, int *reason)
{
	struct subscriber *subscriber = topic->subscribers;

	if (!flowipc__topic_is_ours(topic))
		return flowipc__process_refuse();
	while (subscriber && !subscriber->ended)
		subscriber = subscriber->next;
	if (!subscriber)
		return -EAGAIN;
	*channel = subscriber->channel;
	*reason = subscriber->ended;
	flowipc__subscriber_remove(subscriber);
	return 0;
}

int flowipc_topic_stats(struct flowipc_topic *topic,
			struct flowipc_topic_stats *stats)
{
	struct flowipc_topic_stats known = {0};
	const struct subscriber *subscriber;

	if (!flowipc__topic_is_ours(topic))
		return flowipc__process_refuse();
	flowipc__subscribers_reclaim(topic);
	flowipc__chunks_shrink(&topic->chunks);
	known.published = topic->published;
	for (subscriber = topic->subscribers; subscriber;
	     subscriber = subscriber->next)
		known.subscribers += !subscriber->ended;
	known.history = topic->history_count;
	known.missed = topic->missed;
	known.reserved = topic->chunks.reserved + topic->apart_bytes;
	known.used = flowipc__chunks_used(&topic->chunks) + topic->apart_bytes;
	return flowipc__options_answer(stats, &known, sizeof(known),
				       "topic stats");
}
