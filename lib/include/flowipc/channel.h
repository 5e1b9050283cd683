/* SPDX-License-Identifier: MIT */
/**
 * @file channel.h
 * @brief A two-way stream of messages between two processes.
 *
 * Threads: at any time one thread may send on a channel and one other may
 * receive. Messages obtained for sending belong to the sending thread,
 * received ones to the receiving thread. With the option threads, a channel is
 * for any number of threads, and a message for one at a time, whichever that is.
 * Different channels are independent.
 *
 * Event loops: two descriptors, both for POLLIN. flowipc_channel_fd() becomes
 * readable when a message arrives, flowipc_channel_space_fd() when there is
 * room again. One rule for both: before polling, call with timeout 0 until the
 * call gives -EAGAIN, for that is what asks the peer to wake this side. Any
 * other result means that there is nothing to poll for: there may be more, or
 * the direction has ended. Readable is a hint, not a promise: the next call may
 * give -EAGAIN once more. For replies to requests see call.h.
 *
 * A channel does not work in a forked child, which gets -EPERM: its memory is
 * not there. As long as such a child has not closed its descriptors, by exec or
 * exit, the peer cannot see that the parent is gone.
 */
#ifndef FLOWIPC_CHANNEL_H
#define FLOWIPC_CHANNEL_H

#include <stdbool.h>

#include <flowipc/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_channel;

/** How this side of a channel waits. */
enum flowipc_wait_mode {
	/** Spin for as long as it lately paid off, 50 us at most; then sleep. */
	FLOWIPC_WAIT_ADAPTIVE = 0,
	/**
	 * Spin only: lowest latency, one processor. The descriptors report the
	 * end only.
	 */
	FLOWIPC_WAIT_SPIN = 1,
	/** Sleep at once: no processor time while waiting. */
	FLOWIPC_WAIT_SLEEP = 2,
};

/** What a side does that makes or sends a message and finds no room. */
enum flowipc_when_full {
	/** Wait for the receiver, up to the timeout of the call. */
	FLOWIPC_FULL_WAIT = 0,
	/**
	 * Drop the oldest message that the receiver has not received, as often
	 * as it takes, and do not wait. What was received is not touched: a
	 * receiver that holds all payload memory is waited for. Nothing is
	 * dropped before the peer has accepted the channel.
	 */
	FLOWIPC_FULL_DROP_OLDEST = 1,
	/**
	 * Wait up to the timeout, then end the channel: this call, others that
	 * wait in the channel, and all later ones give -ECONNABORTED. The
	 * receiver gets what was sent, then -EPIPE, and
	 * flowipc_channel_was_shut_down() stays false.
	 */
	FLOWIPC_FULL_DISCONNECT = 2,
};

/** Which threads of a side may use a channel at the same time. */
enum flowipc_threads {
	/** One that sends and one that receives: no locks. */
	FLOWIPC_THREADS_ONE_EACH = 0,
	/** Any, each with its own timeout: a lock for each direction. */
	FLOWIPC_THREADS_MANY = 1,
};

/** Options of flowipc_channel_open() and flowipc_channel_accept(). */
struct flowipc_channel_opts {
	size_t sz;
	/**
	 * Messages that may be under way before the sender must wait: a power
	 * of two from 2 to 65536; default 256. Each side sets its own.
	 */
	uint32_t slots;
	/** How this side waits. */
	enum flowipc_wait_mode wait_mode;
	/**
	 * Bytes set aside for payloads that this side sends, to begin with;
	 * rounded up to whole pages; default 64 KiB. More is added when there
	 * is no room, and given up when it was not used for about a second.
	 */
	uint64_t payload_bytes;
	/** Largest message this side may send, in bytes; default 16 GiB. */
	uint64_t max_message_bytes;
	/**
	 * What payload_bytes may grow to, in whole pages; default 64 MiB, or
	 * payload_bytes if that is more. When messages take up all of it, a
	 * sender waits for the receiver. A message larger than this is not
	 * counted here and gets a region of its own, at the cost of creating
	 * one; so does one for which there is room, but not in one piece.
	 */
	uint64_t payload_max_bytes;
	/** What to do when there is no room for a message of this side. */
	enum flowipc_when_full when_full;
	/** Which threads of this side may use the channel. */
	enum flowipc_threads threads;
	/**
	 * What the opener tells the acceptor about the channel, 4096 bytes at
	 * most; copied. For flowipc_channel_open() only.
	 */
	const void *metadata;
	size_t metadata_size;
	/**
	 * If the peer has messages of this side to receive and receives none
	 * for so long, it is stuck: the session ends, FLOWIPC_END_STUCK, and
	 * its channels give -ECONNABORTED. Judged by whoever sends, waits or
	 * tries to receive on the channel; there is no timer. Default 0: never.
	 */
	uint32_t stuck_timeout_ms;
};

/**
 * @brief Open a channel to the peer of a session.
 * @param timeout_ms limit for the peer to accept it. With 0 the answer is not
 *        waited for, see below.
 * @param channel set to the channel; release it with flowipc_channel_close().
 * @return 0; -EINVAL; -ETIMEDOUT the peer did not accept in time;
 * -ECONNREFUSED the peer refused; -EAGAIN with timeout 0, many opens wait for
 * the peer to look at them already; -EPIPE the session has ended; -EPROTO;
 * -ENOMEM; -EDQUOT; -EMFILE; -EINTR.
 *
 * With timeout 0 the channel can be used at once: up to @p slots messages can
 * be sent before the peer has accepted, and it receives them when it has, even
 * if this side is gone by then. Until the answer comes there is nothing to
 * receive. If the peer refuses, or fails to make its half, all calls on the
 * channel give -ECONNREFUSED, and its descriptor is hung up.
 *
 * Thread-safe. Blocks up to @p timeout_ms. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_open(struct flowipc_session *session,
				     const struct flowipc_channel_opts *opts,
				     int timeout_ms,
				     struct flowipc_channel **channel);

/**
 * @brief Accept the next channel that the peer opens. To look at what it is
 * first, or to refuse it, see flowipc_session_next_offer().
 * @param channel set to the channel; release it with flowipc_channel_close().
 * @return 0; -EAGAIN; -ETIMEDOUT; -EPIPE the session has ended; -EINVAL;
 * -EPROTO; -ENOMEM; -EDQUOT; -EMFILE; -EINTR. If it fails for want of
 * something on this side, the peer's open fails with -ECONNREFUSED.
 *
 * Thread-safe. Blocks up to @p timeout_ms. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_accept(struct flowipc_session *session,
				       const struct flowipc_channel_opts *opts,
				       int timeout_ms,
				       struct flowipc_channel **channel);

/**
 * @brief What its opener told about the channel, on both sides.
 * @param size set to its size in bytes; may be NULL.
 * @return the bytes, which live as long as the channel; NULL if there are none.
 *
 * Thread-safe. Since 0.1.
 */
FLOWIPC_API const void *
flowipc_channel_metadata(const struct flowipc_channel *channel, size_t *size);

/**
 * @brief Descriptor that is readable when a message arrives and hung up when
 * the peer is gone. For poll and the like; owned by the channel, not to be
 * read. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_fd(const struct flowipc_channel *channel);

/**
 * @brief Descriptor that becomes readable when there may be room again, or the
 * peer is gone, after making or sending a message has given -EAGAIN. For poll
 * and the like; owned by the channel, not to be read.
 * @return a descriptor, each time the same; -EMFILE, -ENOMEM the first time.
 *
 * With FLOWIPC_WAIT_SPIN it reports the end only. Belongs to the sending
 * thread. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_space_fd(struct flowipc_channel *channel);

/**
 * @brief Take note of what the peer has released, without sending. Sending does
 * so by itself; a channel that has nothing to send keeps what it has grown to
 * until this is called, twice with about a second in between.
 * @return number of messages sent and not yet released by the peer; -EPROTO.
 *
 * Belongs to the sending thread. Never waits. Since 0.1.
 */
FLOWIPC_API int64_t flowipc_channel_reclaim(struct flowipc_channel *channel);

/** What flowipc_channel_memory() tells, in bytes if not said otherwise. */
struct flowipc_channel_memory {
	/** Set by the caller: the size of this structure. */
	size_t sz;
	/**
	 * Memory that this side keeps for payloads it sends: what its options
	 * speak of, and regions of single messages.
	 */
	uint64_t reserved;
	/** How much of that messages take up, be they sent or not. */
	uint64_t used;
	/**
	 * What the peer may read: messages sent and not released, also those
	 * from the user's regions, but not small ones, which were copied.
	 */
	uint64_t lent;
	/** In how many messages, each piece of one being counted. */
	uint64_t lent_messages;
	/** In how many pieces the payload memory is. */
	uint32_t chunks;
};

/**
 * @brief Tell what memory this side's messages take up. Takes note of what the
 * peer has released, and gives up memory that was not used for a while, like
 * flowipc_channel_reclaim().
 * @param memory its sz must be set.
 * @return 0; -EINVAL sz; -EPROTO.
 *
 * Belongs to the sending thread. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_memory(struct flowipc_channel *channel,
				       struct flowipc_channel_memory *memory);

/**
 * @brief How many messages this side has dropped after sending them, by
 * FLOWIPC_FULL_DROP_OLDEST. One of several pieces is one message.
 *
 * Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API uint64_t
flowipc_channel_dropped(struct flowipc_channel *channel);

/**
 * @brief How many messages this side has missed because the peer dropped them.
 * They are counted when the next one behind them is waited for. One of several
 * pieces is one message.
 *
 * Belongs to the receiving thread. Since 0.1.
 */
FLOWIPC_API uint64_t
flowipc_channel_missed(struct flowipc_channel *channel);

/**
 * @brief Do not wake the peer for each message that is sent from now on, but
 * once, in flowipc_channel_flush().
 *
 * Until then a peer that sleeps may not notice them; one that is awake does. A
 * call that has to wait for room wakes the peer all the same.
 *
 * Belongs to the sending thread. Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_channel_cork(struct flowipc_channel *channel);

/**
 * @brief Wake the peer for what was sent since flowipc_channel_cork(), and from
 * now on again for each message.
 * @return 0; -EPROTO.
 *
 * Belongs to the sending thread. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_flush(struct flowipc_channel *channel);

/**
 * @brief Send no more: end the direction from this side to the peer.
 * @return 0, also if it was done before; -EPROTO.
 *
 * The peer receives all that was sent and then -EPIPE. It may go on sending,
 * and this side receiving. From now on making or sending a message fails with
 * -EPIPE; one that was made before can only be released.
 *
 * Belongs to the sending thread. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_shutdown(struct flowipc_channel *channel);

/**
 * @brief Was everything received that the peer meant to send?
 * @return true once it was, and the peer has said that it was all, with
 * flowipc_channel_shutdown() or flowipc_channel_close(). False as long as the
 * peer may send more, and for ever if it ended without a word.
 *
 * To be asked when a receive has failed with -EPIPE. Belongs to the receiving
 * thread. Never waits. Since 0.1.
 */
FLOWIPC_API bool
flowipc_channel_was_shut_down(struct flowipc_channel *channel);

/**
 * @brief Close this side.
 * @param channel may be NULL. No call on it may be running, nor follow.
 *
 * The peer receives all that was sent and then -EPIPE. Messages received from
 * the channel stay valid until each is released. Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_channel_close(struct flowipc_channel *channel);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_CHANNEL_H */
