/* SPDX-License-Identifier: MIT */
/**
 * @file message.h
 * @brief Sending and receiving.
 *
 * Without copying: flowipc_message_new() lends memory that the peer will see,
 * the sender writes into it, flowipc_message_send() hands it over. The
 * receiver reads it in place and gives it back with
 * flowipc_message_release(). flowipc_message_from_region() sends bytes that
 * already lie in a region.
 *
 * With copying: flowipc_send() and flowipc_receive() on plain buffers.
 *
 * Both kinds can be mixed on one channel. Messages arrive in order, whole and
 * once, but for those that the sender has dropped because it was told to (enum
 * flowipc_when_full). For who may call what at the same time see channel.h.
 *
 * A received message lies in memory that the sender owns. A sender that breaks
 * the rules can change it while it is being read, unless it was sent sealed:
 * flowipc_message_is_private() tells. Whoever does not trust the sender copies
 * a value first and checks the copy, or has the whole message copied, with
 * flowipc_message_make_private().
 */
#ifndef FLOWIPC_MESSAGE_H
#define FLOWIPC_MESSAGE_H

#include <flowipc/channel.h>
#include <flowipc/region.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_message;

/**
 * @brief Obtain memory for a message to be sent on @p channel.
 * @param size bytes; 0 is allowed.
 * @param timeout_ms limit for the receiver to release messages, should all
 *        payload space be lent.
 * @param message set to the message: hand it to flowipc_message_send(), or
 *        give it up with flowipc_message_release().
 * @return 0; -EMSGSIZE larger than max_message_bytes; -EAGAIN, -ETIMEDOUT no
 * space; -ECONNABORTED see enum flowipc_when_full; -EPIPE; -EPROTO; -ENOMEM;
 * -EDQUOT; -EMFILE; -EINTR.
 *
 * The contents are undefined. Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_new(struct flowipc_channel *channel,
				    uint64_t size, int timeout_ms,
				    struct flowipc_message **message);

/**
 * @brief Make a message of @p length bytes at @p offset of a region, without
 * copying them.
 * @param region a region of the session's back end. It may be sent any number
 *        of times, on any channels.
 * @param timeout_ms as in flowipc_message_new().
 * @return 0; -EINVAL the range is not in the region; -EOPNOTSUPP the region's
 * back end is not the session's; -EMSGSIZE; -EAGAIN, -ETIMEDOUT; -EPIPE;
 * -EPROTO; -ENOSPC too many regions shared in this session; -ENOMEM; -EINTR.
 *
 * Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_from_region(struct flowipc_channel *channel,
					    struct flowipc_region *region,
					    uint64_t offset, uint64_t length,
					    int timeout_ms,
					    struct flowipc_message **message);

/**
 * @brief Obtain memory for a message that is sealed when it is sent: from then
 * on until the receiver releases it nobody can change it, this process included,
 * so that the receiver can check it in place and then rely on it.
 * @return what flowipc_message_new() does; -EOPNOTSUPP the back end has no
 * seals, see FLOWIPC_HAS_SEAL; -EINVAL the channel drops messages.
 *
 * Of more than 80 bytes it has whole pages of its own, and is charged as such.
 * A write to it after flowipc_message_send() raises SIGBUS, or gives -EFAULT in
 * a system call. Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_new_sealed(struct flowipc_channel *channel,
					   uint64_t size, int timeout_ms,
					   struct flowipc_message **message);

/**
 * @brief Have a message from a sealable region sealed when it is sent, as one of
 * flowipc_message_new_sealed().
 * @return 0, also if it will be anyway; -EINVAL it is not from a sealable
 * region, or not of whole pages there, or was received, or the channel drops
 * messages; -EOPNOTSUPP the back end has no seals.
 *
 * Before the range is written again see flowipc_region_seals(). A message that
 * was sealed, but could not be sent after all and is given up, leaves its range
 * sealed until the channel is closed. Of several pieces each is sealed, or not,
 * for itself. Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_seal(struct flowipc_message *message);

/**
 * @brief Where to write a message that is to be sent.
 * @return writable memory of flowipc_message_size() bytes, aligned to 64
 * bytes, valid until the message is sent or released; NULL for a received
 * message and for one from a region.
 */
FLOWIPC_API void *flowipc_message_buffer(struct flowipc_message *message);

/**
 * @brief Where to read a message. Never NULL, also for 0 bytes; valid until
 * the message is sent or released. A loaned or received payload begins at a
 * multiple of 64 bytes, one from a region where the sender put it.
 */
FLOWIPC_API const void *
flowipc_message_data(const struct flowipc_message *message);

/**
 * @brief Size in bytes; of the first piece alone, if there are several, because
 * that is what lies at flowipc_message_data().
 */
FLOWIPC_API uint64_t flowipc_message_size(const struct flowipc_message *message);

/**
 * @brief Make a message that is to be sent shorter; its first piece, if there
 * are several.
 * @return 0; -EINVAL @p size is more than its size now, or it was received.
 */
FLOWIPC_API int flowipc_message_truncate(struct flowipc_message *message,
					 uint64_t size);

/** @brief A number for the users' own purposes; 0 unless set. */
FLOWIPC_API uint64_t flowipc_message_type(const struct flowipc_message *message);

/** @brief Set the type of a message that is to be sent. */
FLOWIPC_API void flowipc_message_set_type(struct flowipc_message *message,
					  uint64_t type);

/** @brief Another number for the users' own purposes; 0 unless set. */
FLOWIPC_API uint64_t
flowipc_message_correlation(const struct flowipc_message *message);

/** @brief Set the correlation of a message that is to be sent. */
FLOWIPC_API void
flowipc_message_set_correlation(struct flowipc_message *message,
				uint64_t correlation);

/** Most pieces of one message; a channel with fewer slots allows as many. */
#define FLOWIPC_MESSAGE_PIECES 64

/**
 * @brief Append another message, so that both are sent as one message of
 * several pieces, without copying either.
 * @param message one that is to be sent. It keeps its type and correlation.
 * @param added another one of the same channel, made in whichever way, also of
 *        several pieces and with descriptors. On success it is part of
 *        @p message and not to be used any more, except that its buffer can
 *        still be written; its type and correlation are lost.
 * @return 0; -EINVAL one was received, or they are not two of one channel;
 * -E2BIG too many pieces or descriptors; -EMSGSIZE larger than
 * max_message_bytes together.
 *
 * The pieces arrive together or not at all, and one release gives all of them
 * back. Each takes up a slot. Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_append(struct flowipc_message *message,
				       struct flowipc_message *added);

/** @brief Of how many pieces a message is; 1 unless appended to. Since 0.1. */
FLOWIPC_API unsigned int
flowipc_message_piece_count(const struct flowipc_message *message);

/**
 * @brief Where one piece of a message is.
 * @param index from 0. Piece 0 is what flowipc_message_data() and
 *        flowipc_message_size() speak of.
 * @param data set to its beginning, as in flowipc_message_data().
 * @param size set to its size in bytes.
 * @return 0; -EINVAL there is no such piece. Since 0.1.
 */
FLOWIPC_API int flowipc_message_piece(const struct flowipc_message *message,
				      unsigned int index, const void **data,
				      uint64_t *size);

/** @brief Size of all pieces together, in bytes. Since 0.1. */
FLOWIPC_API uint64_t
flowipc_message_total(const struct flowipc_message *message);

/** Most descriptors that go with one message. */
#define FLOWIPC_MESSAGE_FDS 16

/**
 * @brief Let a descriptor go with a message that is to be sent.
 * @param fd any open descriptor. The message gets a duplicate: the caller's own
 *        can be closed at once, and the message's is when it has been sent or
 *        is released.
 * @return 0; -EINVAL the message was received; -EBADF @p fd is not open;
 * -E2BIG it has FLOWIPC_MESSAGE_FDS already; -EMFILE.
 *
 * Does not block. Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_attach_fd(struct flowipc_message *message,
					  int fd);

/** @brief How many descriptors go with a message. Since 0.1. */
FLOWIPC_API unsigned int
flowipc_message_fd_count(const struct flowipc_message *message);

/**
 * @brief Take a descriptor out of a received message.
 * @param index from 0, in the order in which they were attached.
 * @return the descriptor, which is the caller's to close, and has FD_CLOEXEC
 * set; -EINVAL there is no such one; -EBADF it was taken already; -EMFILE this
 * process had no room for the message's descriptors when it was received, so
 * they are lost.
 *
 * Those that are not taken are closed when the message is released. It is the
 * sender who chose what they are: look before use. Belongs to the receiving
 * thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_take_fd(struct flowipc_message *message,
					unsigned int index);

/**
 * @brief Hand a message over to the peer.
 * @param message from flowipc_message_new() or flowipc_message_from_region();
 *        on success it is no longer the caller's. On failure it still is: try
 *        again, or flowipc_message_release() it.
 * @param timeout_ms limit for the receiver to make room, should all slots be
 *        under way.
 * @return 0; -EAGAIN, -ETIMEDOUT; -ECONNABORTED see enum flowipc_when_full;
 * -EPIPE; -EPROTO; -EINVAL it was received; -EINTR; for the first message from
 * a region: -EMFILE, -EDQUOT, -ENOMEM; with descriptors: -EMFILE as many are
 * under way as this user may have open; to be sealed: -EBUSY somebody, us or the
 * peer, still uses its memory for I/O, which may end, -EDQUOT, -ENOMEM; -EACCES
 * after flowipc_session_revoke().
 *
 * One system call at most, and only if the peer sleeps; for one that is sealed
 * another two, and two of the receiver. Since 0.1.
 */
FLOWIPC_API int flowipc_message_send(struct flowipc_message *message,
				     int timeout_ms);

/**
 * @brief Hand over several messages of one channel, in order, and wake the peer
 * once at most.
 * @param messages the messages; those that were sent are no longer the
 *        caller's, the ones behind them still are.
 * @param count how many; INT_MAX at most are sent.
 * @param timeout_ms limit for all of them together.
 * @return number sent, less than @p count if something came in between; if
 * that was none, what flowipc_message_send() returns; -EINVAL, and none was
 * sent, if they are not all of one channel.
 *
 * Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int
flowipc_message_send_batch(struct flowipc_message *const *messages,
			   size_t count, int timeout_ms);

/**
 * @brief Receive the next message, without copying it.
 * @param message set to the message; give it back with
 *        flowipc_message_release() as soon as it is not needed any more,
 *        because it takes up the sender's memory.
 * @return 0; -EAGAIN, -ETIMEDOUT; -EPIPE; -EPROTO; -ENOMEM; -EINTR; where calls
 * are in flight also -ENOBUFS, see call.h.
 *
 * Belongs to the receiving thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_receive(struct flowipc_channel *channel,
					struct flowipc_message **message,
					int timeout_ms);

/**
 * @brief Receive as many messages as there are, up to @p count; wait for the
 * first one only. Their slots return to the sender together.
 * @param messages set to the messages, in order; give each back with
 *        flowipc_message_release().
 * @return number received; 0 if @p count is; if there was none, what
 * flowipc_message_receive() returns. What fails behind the first message is
 * returned by the next call.
 *
 * Belongs to the receiving thread. Since 0.1.
 */
FLOWIPC_API int
flowipc_message_receive_batch(struct flowipc_channel *channel,
			      struct flowipc_message **messages, size_t count,
			      int timeout_ms);

/**
 * @brief Copy a received message, all pieces of it, into memory that its sender
 * does not have, and give the sender's back. Where the message is read is
 * another place afterwards; the descriptors with it stay what they are.
 * @return 0, also if it is private already, and then nothing is copied; -EINVAL
 * it was not received; -ENOMEM nothing has changed.
 *
 * How much memory that takes is up to the sender: see flowipc_message_total().
 * Belongs to the receiving thread. Since 0.1.
 */
FLOWIPC_API int flowipc_message_make_private(struct flowipc_message *message);

/**
 * @brief Can nobody else change what the message consists of? So it is with one
 * of up to 80 bytes, with one that was sent sealed, as long as its channel is
 * not closed, and after flowipc_message_make_private(). Since 0.1.
 */
FLOWIPC_API bool
flowipc_message_is_private(const struct flowipc_message *message);

/**
 * @brief Give back a received message, or give up one that was not sent.
 * @param message may be NULL. Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_message_release(struct flowipc_message *message);

/**
 * @brief Send a copy of @p size bytes at @p data.
 * @return 0, and what flowipc_message_new() and flowipc_message_send() return.
 *
 * Belongs to the sending thread. Since 0.1.
 */
FLOWIPC_API int flowipc_send(struct flowipc_channel *channel, const void *data,
			     uint64_t size, int timeout_ms);

/**
 * @brief Receive the next message into a buffer, all its pieces one behind the
 * other. Descriptors that came with it are closed.
 * @param buffer room for @p capacity bytes.
 * @return size of the message; -EMSGSIZE it is larger than @p capacity, and
 * is still the next one; and what flowipc_message_receive() returns.
 *
 * Belongs to the receiving thread. Since 0.1.
 */
FLOWIPC_API ssize_t flowipc_receive(struct flowipc_channel *channel,
				    void *buffer, uint64_t capacity,
				    int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_MESSAGE_H */
