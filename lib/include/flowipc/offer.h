/* SPDX-License-Identifier: MIT */
/**
 * @file offer.h
 * @brief Channels that the peer offers: look first, then accept or refuse.
 *
 * flowipc_channel_accept() accepts whatever comes. With offers a program sees
 * the metadata first, and chooses its options, or refuses.
 */
#ifndef FLOWIPC_OFFER_H
#define FLOWIPC_OFFER_H

#include <flowipc/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_offer;

/**
 * @brief Wait for the next channel that the peer wants to open.
 * @param offer set to the offer, which is used up by flowipc_offer_accept() or
 *        flowipc_offer_refuse().
 * @return 0; -EAGAIN; -ETIMEDOUT; -EINTR; -EMFILE, -ENOMEM: this side had no
 * room for it, and the peer's open has failed with -ECONNREFUSED; -EPIPE,
 * -EPROTO the session has ended, see flowipc_session_end().
 *
 * An offer that the peer has given up by then is left out.
 *
 * Thread-safe. Blocks up to @p timeout_ms. Since 0.1.
 */
FLOWIPC_API int flowipc_session_next_offer(struct flowipc_session *session,
					   int timeout_ms,
					   struct flowipc_offer **offer);

/**
 * @brief What the peer says about the channel, see flowipc_channel_opts.
 * @param size set to its size in bytes; may be NULL.
 * @return the bytes, which live as long as the offer; NULL if there are none.
 *
 * They come from the peer: check them. Since 0.1.
 */
FLOWIPC_API const void *
flowipc_offer_metadata(const struct flowipc_offer *offer, size_t *size);

/**
 * @brief Accept an offer. It is used up, whatever this returns.
 * @param channel set to the channel; release it with flowipc_channel_close().
 * @return 0; -EINVAL; -EPROTO; -ENOMEM; -EDQUOT; -EMFILE. If it fails, the
 * peer's open fails with -ECONNREFUSED.
 *
 * What the peer had sent before it went, if it is gone by now, can be received
 * nevertheless.
 *
 * Different offers are independent. Never waits. Since 0.1.
 */
FLOWIPC_API int flowipc_offer_accept(struct flowipc_offer *offer,
				     const struct flowipc_channel_opts *opts,
				     struct flowipc_channel **channel);

/**
 * @brief Refuse an offer: the peer's open fails with -ECONNREFUSED, at once.
 * @param offer may be NULL; it is used up.
 *
 * Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_offer_refuse(struct flowipc_offer *offer);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_OFFER_H */
