/* SPDX-License-Identifier: MIT */
/**
 * @file call.h
 * @brief Request and reply.
 *
 * flowipc_call() sends a message as a request and waits for the reply. With
 * flowipc_call_start() many calls are in flight from one thread, and each can
 * have several replies.
 *
 * The answering side receives a request like any other message;
 * flowipc_message_request() tells its number, and flowipc_reply() sends a reply
 * to that number: at once or later, in any order, when the request has long
 * been released, once or several times.
 *
 * Either side of a channel can call and answer, and send other messages, all at
 * the same time. What arrives while somebody waits for a reply is kept, in
 * order, for flowipc_message_receive(); what arrives while somebody receives is
 * handed to its call. About a thousand messages and replies are kept that way.
 * The rest waits with its sender, and who would have to take more of them gets
 * -ENOBUFS, unless another thread makes room within a second. So two sides that
 * call each other and do not receive do not wait for each other's replies for
 * ever. To send a request they wait for room, as for any message.
 *
 * A reply that comes when its call has ended, that was answered already, or that
 * nobody has asked for, is no failure: it is counted, and released.
 *
 * Threads: calls belong to the receiving thread, and starting one to the sending
 * thread as well; so without FLOWIPC_THREADS_MANY all of it is for one thread.
 * With it, any number of threads can call and receive at the same time, and a
 * call is for one thread at a time. There is no thread of the library's: of those
 * that wait, one receives for all.
 *
 * Event loops: flowipc_channel_fd() is readable when anything arrives. Then
 * receive with timeout 0 until that gives -EAGAIN, which hands replies to their
 * calls as well; then take the calls that have one, with flowipc_call_next(),
 * until there is none; then poll. Whoever has received or waited for a reply
 * after that starts over; and so does who gets -ENOBUFS, when some were taken.
 *
 * With FLOWIPC_FULL_DROP_OLDEST a side can neither call nor reply, because a
 * request or reply that is dropped would be waited for in vain. Requests and
 * replies wake the peer also between flowipc_channel_cork() and
 * flowipc_channel_flush().
 */
#ifndef FLOWIPC_CALL_H
#define FLOWIPC_CALL_H

#include <flowipc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_call;

/**
 * @brief Send a request, and wait for the reply.
 * @param request a message that is to be sent. It is no longer the caller's,
 *        whatever the result.
 * @param timeout_ms limit for both together.
 * @param reply set to the reply, which is to be given back with
 *        flowipc_message_release() like any other message received. If there
 *        are several, it is the first, and the others come too late.
 * @return 0; -ETIMEDOUT, -EAGAIN, -EINTR: a reply that still comes is late;
 * -EPIPE the peer is gone or sends no more; -ENOBUFS see above; -EACCES the reply
 * was in a region that the peer has revoked; -EOPNOTSUPP one of the sides drops
 * messages; and what flowipc_message_send() and flowipc_message_receive()
 * return.
 *
 * No system call while the peer is awake. Since 0.1.
 */
FLOWIPC_API int flowipc_call(struct flowipc_message *request, int timeout_ms,
			     struct flowipc_message **reply);

/**
 * @brief Send a request, and do not wait for the reply.
 * @param request as in flowipc_message_send(): on failure it still is the
 *        caller's.
 * @param user for the caller's own purposes, see flowipc_call_user().
 * @param timeout_ms limit for the receiver to make room.
 * @param call set to the call; end it with flowipc_call_end().
 * @return 0; -EOPNOTSUPP one of the sides drops messages; and what
 * flowipc_message_send() returns.
 *
 * Since 0.1.
 */
FLOWIPC_API int flowipc_call_start(struct flowipc_message *request, void *user,
				   int timeout_ms, struct flowipc_call **call);

/**
 * @brief Wait for the next reply to a call.
 * @param reply set to the reply; give it back with flowipc_message_release().
 * @return 0; -ENODATA the last one was returned before; -EAGAIN, -ETIMEDOUT,
 * -EINTR, -ENOBUFS: the call goes on, and can be waited for again; -EPIPE the
 * peer is gone or sends no more; -EACCES the reply was in a region that the peer
 * has revoked; and what flowipc_message_receive() returns.
 *
 * Since 0.1.
 */
FLOWIPC_API int flowipc_call_wait(struct flowipc_call *call, int timeout_ms,
				  struct flowipc_message **reply);

/**
 * @brief Take a call that has a reply, so that flowipc_call_wait() will not wait.
 * @param call set to the call, which still is to be ended by its owner. If more
 *        than one reply is left after one was taken from it, or another one
 *        comes, it is there again.
 * @return 0; -EAGAIN there is none.
 *
 * Does not look at the channel: see above for when to use it. Never waits.
 * Since 0.1.
 */
FLOWIPC_API int flowipc_call_next(struct flowipc_channel *channel,
				  struct flowipc_call **call);

/** @brief What was given to flowipc_call_start(). Since 0.1. */
FLOWIPC_API void *flowipc_call_user(const struct flowipc_call *call);

/**
 * @brief End a call, which cancels it if it is in flight: a reply that still
 * comes is late. The peer is not told.
 * @param call may be NULL. After flowipc_channel_close() too this must be called,
 *        and is all that can be done with it.
 *
 * Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_call_end(struct flowipc_call *call);

/**
 * @brief The number of a request that was received, to be given to
 * flowipc_reply(); 0 if the message is no request. It is the peer who has chosen
 * it, and may be that of another request of his. Since 0.1.
 */
FLOWIPC_API uint64_t
flowipc_message_request(const struct flowipc_message *message);

/** Flags of flowipc_reply(). */
enum flowipc_reply_flags {
	FLOWIPC_REPLY_MORE = 1, /**< not the last reply to this request */
};

/**
 * @brief Send a reply.
 * @param reply a message that is to be sent, made for the channel that the
 *        request has come from; as in flowipc_message_send(), on failure it still
 *        is the caller's.
 * @param request the number of the request. It stays good when the request is
 *        released. Nobody checks whether it was answered before.
 * @param flags of enum flowipc_reply_flags.
 * @return 0; -EINVAL no request has number 0, or there is no such flag;
 * -EOPNOTSUPP this side drops messages; -EPIPE who has called is gone; and what
 * else flowipc_message_send() returns.
 *
 * Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_reply(struct flowipc_message *reply, uint64_t request,
			      unsigned int flags, int timeout_ms);

/** What flowipc_channel_calls() tells. */
struct flowipc_channel_calls {
	/** Set by the caller: the size of this structure. */
	size_t sz;
	uint64_t in_flight; /**< calls that were not ended yet */
	uint64_t replies; /**< replies received in time */
	/** Replies to calls that had ended or had their last reply. */
	uint64_t late;
	uint64_t unknown; /**< replies to calls there never were */
};

/**
 * @brief Tell how the calls of this side do.
 * @param calls its sz must be set.
 * @return 0; -EINVAL sz.
 *
 * Belongs to the receiving thread. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_channel_calls(struct flowipc_channel *channel,
				      struct flowipc_channel_calls *calls);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_CALL_H */
