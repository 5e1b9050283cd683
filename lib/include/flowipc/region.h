/* SPDX-License-Identifier: MIT */
/**
 * @file region.h
 * @brief Memory that this process owns and writes, and others may read.
 *
 * A region is for data that is sent more than once or built in place: a
 * cache, a frame buffer, a table. Any range of it can be sent as a message
 * (flowipc_message_from_region()) in constant time. Messages that are written
 * once and sent once need no region: flowipc_message_new() lends memory.
 */
#ifndef FLOWIPC_REGION_H
#define FLOWIPC_REGION_H

#include <stdbool.h>

#include <flowipc/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_region;

/** Options of flowipc_region_create(). */
struct flowipc_region_opts {
	size_t sz;
	/** Back end; default FLOWIPC_BACKEND_AUTO. */
	enum flowipc_backend backend;
	/**
	 * Ranges of it can be sealed when they are sent, see
	 * flowipc_message_seal(). The first write to each of its pages, and the
	 * first after a seal is broken, costs one page fault more.
	 */
	bool sealable;
};

/**
 * @brief Allocate memory that can be shared, and map it for writing.
 * @param size bytes, at least 1; rounded up to whole pages.
 * @param region set to the new region; release it with
 *        flowipc_region_destroy().
 * @return 0; -EINVAL; -EFBIG larger than the module's limit; -EDQUOT; -ENOMEM;
 * -EMFILE; -EOPNOTSUPP sealable, on the memfd back end; and what
 * flowipc_backend_find() returns.
 *
 * The memory is zeroed. It is not inherited by a forked child: touching it
 * there raises SIGSEGV.
 *
 * Thread-safe. Takes time in proportion to @p size on the device back end,
 * where every page is there afterwards. Since 0.1.
 */
FLOWIPC_API int flowipc_region_create(uint64_t size,
				      const struct flowipc_region_opts *opts,
				      struct flowipc_region **region);

/**
 * @brief Give a region up.
 * @param region may be NULL. Not to be used afterwards.
 *
 * Messages already sent from it stay readable for their receivers; the memory
 * is returned when the last of them is released or its channel ends. Never
 * waits. Thread-safe for different regions. Since 0.1.
 */
FLOWIPC_API void flowipc_region_destroy(struct flowipc_region *region);

/**
 * @brief Where the region is mapped in this process, readable and writable.
 * Valid until flowipc_region_destroy(). What is written here while a range
 * is lent is seen by its receivers. Thread-safe. Since 0.1.
 */
FLOWIPC_API void *flowipc_region_data(const struct flowipc_region *region);

/** @brief Size in bytes, in whole pages. Thread-safe. Since 0.1. */
FLOWIPC_API uint64_t flowipc_region_size(const struct flowipc_region *region);

/** @brief Its back end, never AUTO. Thread-safe. Since 0.1. */
FLOWIPC_API enum flowipc_backend
flowipc_region_backend(const struct flowipc_region *region);

/**
 * @brief How many messages sent from this region are not released yet.
 *
 * Releases are noticed when the channel they belong to is used for sending
 * or closed, or by flowipc_channel_reclaim(). When 0, no receiver that
 * follows the protocol reads the region. Thread-safe. Since 0.1.
 */
FLOWIPC_API uint64_t flowipc_region_lent(const struct flowipc_region *region);

/**
 * @brief How many seals are on a sealable region, see flowipc_message_seal().
 * @return their number; -EOPNOTSUPP the region is not sealable.
 *
 * A sealed range cannot be written: that raises SIGBUS. When a message is
 * released its receiver breaks the seal, but one that does not follow the
 * protocol need not: who writes again to what was sealed looks here first, not
 * only at flowipc_region_lent(). Thread-safe. Since 0.1.
 */
FLOWIPC_API int64_t flowipc_region_seals(const struct flowipc_region *region);

/**
 * @brief Take the region back from everybody it was sent to, at once.
 * @return 0; -EOPNOTSUPP on the memfd back end.
 *
 * When it returns, no peer can read the region any more: an access raises
 * SIGBUS in the peer. Sending from the region afterwards shares it anew.
 * I/O which a peer's kernel had already begun on the pages is not reached.
 * Thread-safe. Since 0.1.
 */
FLOWIPC_API int flowipc_region_revoke(struct flowipc_region *region);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_REGION_H */
