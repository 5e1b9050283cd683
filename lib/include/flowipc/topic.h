/* SPDX-License-Identifier: MIT */
/**
 * @file topic.h
 * @brief Publish and subscribe: one publisher, any number of subscribers.
 *
 * A topic belongs to the publisher. It sends each publication to every channel
 * in its care, one for each subscriber, in a session of its own; the payload is
 * written once, however many there are. A subscriber is a program that has a
 * channel and receives from it, flowipc_message_receive(): it does not know of
 * the topic. Publications of up to 80 bytes are copied into each channel.
 *
 * What happens to a slow subscriber is what its channel says, on the
 * publisher's side (enum flowipc_when_full):
 *
 * FLOWIPC_FULL_WAIT         it is waited for, so it holds up the others
 * FLOWIPC_FULL_DROP_OLDEST  what it has not received is dropped
 * FLOWIPC_FULL_DISCONNECT   its channel ends, at once
 *
 * Memory is shared, so it runs out for all. Then first the oldest of the
 * history are forgotten; then what subscribers of the second kind have not
 * received is dropped, of those that are furthest behind; then, of both those
 * kinds, whoever holds most of what it received is disconnected. Those of the
 * first kind are waited for.
 *
 * A subscriber that ends, in whichever way, does not disturb the others.
 *
 * Threads: a topic, its publications, and sending on all its channels and
 * closing them belong to one thread.
 */
#ifndef FLOWIPC_TOPIC_H
#define FLOWIPC_TOPIC_H

#include <flowipc/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_topic;
struct flowipc_publication;

/** Options of flowipc_topic_create(). */
struct flowipc_topic_opts {
	size_t sz;
	/** Back end; sessions of its subscribers must have the same one. */
	enum flowipc_backend backend;
	/**
	 * How many of the last publications a new subscriber is sent to begin
	 * with; 65536 at most; default 0.
	 */
	uint32_t history;
	/**
	 * Most memory for publications, in whole pages; default 64 MiB. It
	 * starts with nothing, grows, and shrinks when not used for a while.
	 * Memory that a subscriber has left with is not counted any more.
	 */
	uint64_t max_bytes;
};

/**
 * @brief Make a topic.
 * @param topic set to the topic; release it with flowipc_topic_destroy().
 * @return 0; -EINVAL; -ENOMEM; and what flowipc_backend_find() returns.
 *
 * Thread-safe. Does not block. Since 0.1.
 */
FLOWIPC_API int flowipc_topic_create(const struct flowipc_topic_opts *opts,
				     struct flowipc_topic **topic);

/**
 * @brief Give a topic up. Its channels stay open, and what was sent on them is
 * received.
 * @param topic may be NULL. Publications that were not sent go with it.
 *
 * Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_topic_destroy(struct flowipc_topic *topic);

/**
 * @brief Put a channel into the care of a topic. It is sent the history, as
 * much of it as it has slots, and from then on each publication.
 * @param channel belongs to the caller, who may receive from it and send on it
 *        as before. It is in no topic any more when flowipc_channel_close() was
 *        called or flowipc_topic_next_end() has returned it.
 * @return 0; -EINVAL it is in a topic already, or for many threads
 * (FLOWIPC_THREADS_MANY); -EOPNOTSUPP the session's back end is not the topic's;
 * and what flowipc_message_send() returns.
 *
 * Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_topic_subscribe(struct flowipc_topic *topic,
					struct flowipc_channel *channel);

/**
 * @brief Take out a channel that nothing can be sent on any more.
 * @param channel set to the channel, for the caller to close.
 * @param reason set to what sending gave: -EPIPE the subscriber is gone;
 *        -EPROTO it broke the protocol; -ECONNABORTED it was too slow; others
 *        as of flowipc_message_send().
 * @return 0; -EAGAIN there is none.
 *
 * An end is noticed when something is sent; the channel's own descriptor tells
 * at once. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_topic_next_end(struct flowipc_topic *topic,
				       struct flowipc_channel **channel,
				       int *reason);

/** What flowipc_topic_stats() tells. */
struct flowipc_topic_stats {
	/** Set by the caller: the size of this structure. */
	size_t sz;
	uint64_t published; /**< publications so far */
	uint64_t subscribers; /**< those that have not ended */
	uint64_t history; /**< publications kept for new subscribers */
	/**
	 * Publications that a subscriber was not sent, because the caller gave
	 * up waiting for it, or it held all it could; each is counted when
	 * that subscriber is sent the next one. What was sent and then dropped
	 * is told by flowipc_channel_dropped().
	 */
	uint64_t missed;
	uint64_t reserved; /**< bytes of memory */
	uint64_t used; /**< how many of them publications take up */
};

/**
 * @brief Tell how a topic does. Takes note of what subscribers have released.
 * @param stats its sz must be set.
 * @return 0; -EINVAL sz.
 *
 * Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_topic_stats(struct flowipc_topic *topic,
				    struct flowipc_topic_stats *stats);

/**
 * @brief Obtain memory for a publication.
 * @param size bytes; 0 is allowed.
 * @param timeout_ms limit for subscribers to release memory, should all be
 *        taken.
 * @param publication set to the publication: hand it to
 *        flowipc_publication_send(), or give it up with
 *        flowipc_publication_release().
 * @return 0; -EMSGSIZE larger than max_bytes; -EAGAIN, -ETIMEDOUT no memory is
 * free; -ENOMEM; -EDQUOT; -EMFILE; -EINTR.
 *
 * The contents are undefined. Since 0.1.
 */
FLOWIPC_API int
flowipc_publication_new(struct flowipc_topic *topic, uint64_t size,
			int timeout_ms,
			struct flowipc_publication **publication);

/**
 * @brief Where to write a publication: memory aligned to 64 bytes, valid until
 * it is sent or released; not to be written after a send that failed. Since 0.1.
 */
FLOWIPC_API void *
flowipc_publication_buffer(struct flowipc_publication *publication);

/**
 * @brief Make a publication shorter, before it is sent.
 * @return 0; -EINVAL @p size is more than its size now, or it was sent. Since
 * 0.1.
 */
FLOWIPC_API int
flowipc_publication_truncate(struct flowipc_publication *publication,
			     uint64_t size);

/** @brief Set the type that its messages have; 0 unless set. Since 0.1. */
FLOWIPC_API void
flowipc_publication_set_type(struct flowipc_publication *publication,
			     uint64_t type);

/** @brief Set the correlation of its messages; 0 unless set. Since 0.1. */
FLOWIPC_API void
flowipc_publication_set_correlation(struct flowipc_publication *publication,
				    uint64_t correlation);

/**
 * @brief Send a publication to all subscribers.
 * @param publication on success it is no longer the caller's. On failure it
 *        still is: send it again, to those who have not got it, or
 *        flowipc_publication_release() it, and they have missed it.
 * @param timeout_ms limit for subscribers with FLOWIPC_FULL_WAIT to make room;
 *        all others get it before these are waited for.
 * @return 0, whoever the subscribers are and if there is none; -EAGAIN,
 * -ETIMEDOUT some had no room; -EINTR; for the first publication in memory that
 * is new to a subscriber: -EMFILE, -EDQUOT, -ENOMEM, -ENOSPC.
 *
 * One system call at most for each subscriber that sleeps. In an event loop,
 * after -EAGAIN poll the channels' flowipc_channel_space_fd(). Since 0.1.
 */
FLOWIPC_API int
flowipc_publication_send(struct flowipc_publication *publication,
			 int timeout_ms);

/** @brief Give up a publication. @param publication may be NULL. Since 0.1. */
FLOWIPC_API void
flowipc_publication_release(struct flowipc_publication *publication);

/**
 * @brief Publish a copy of @p size bytes at @p data.
 * @return 0, and what flowipc_publication_new() and flowipc_publication_send()
 * return; then those who have not got it have missed it.
 *
 * Since 0.1.
 */
FLOWIPC_API int flowipc_publish(struct flowipc_topic *topic, const void *data,
				uint64_t size, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_TOPIC_H */
