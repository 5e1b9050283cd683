/* SPDX-License-Identifier: MIT */
/**
 * @file backend.h
 * @brief What shared memory and wake-ups are made of: the kernel module, or
 * an embedded default where it is not loaded.
 */
#ifndef FLOWIPC_BACKEND_H
#define FLOWIPC_BACKEND_H

#include <flowipc/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which back end. */
enum flowipc_backend {
	/**
	 * What the environment variable FLOWIPC_BACKEND says, "device" or
	 * "memfd"; if it is unset or "auto": the device where it can be used,
	 * else memfd.
	 */
	FLOWIPC_BACKEND_AUTO = 0,
	/** The kernel module through /dev/flowipc. */
	FLOWIPC_BACKEND_DEVICE = 1,
	/** Sealed memfd and Unix sockets: any Linux since 5.1, no privilege. */
	FLOWIPC_BACKEND_MEMFD = 2,
};

/** Guarantees, as bits of flowipc_features(). */
enum {
	/** A peer cannot write what it was lent, nor make itself a writer. */
	FLOWIPC_HAS_READ_ONLY = 1 << 0,
	/** Who may use memory is bound to one process and uid, by the kernel. */
	FLOWIPC_HAS_BOUND_GRANTS = 1 << 1,
	/** Memory can be taken back: flowipc_region_revoke(). */
	FLOWIPC_HAS_REVOKE = 1 << 2,
	/** Memory is resident from creation and never swapped. */
	FLOWIPC_HAS_RESIDENT = 1 << 3,
	/** The death of the peer is known at once, without a heartbeat. */
	FLOWIPC_HAS_HANGUP = 1 << 4,
	/**
	 * A message can be sent so that nobody can change it any more:
	 * flowipc_message_new_sealed().
	 */
	FLOWIPC_HAS_SEAL = 1 << 5,
};

/**
 * @brief Decide which back end @p wanted stands for, and check that it works.
 * @param wanted a back end, or FLOWIPC_BACKEND_AUTO for what new objects get
 *        by default.
 * @param backend set to DEVICE or MEMFD.
 * @return 0; -EINVAL unknown value here or in FLOWIPC_BACKEND; -ENODEV the
 * module is not loaded; -EACCES /dev/flowipc may not be opened by this
 * process; -ENOEXEC the module is too old or too new for this library;
 * -ENOSYS the kernel lacks memfd.
 *
 * Thread-safe. Does not block. Since 0.1.
 */
FLOWIPC_API int flowipc_backend_find(enum flowipc_backend wanted,
				     enum flowipc_backend *backend);

/**
 * @brief "device", "memfd" or "auto".
 * @return a constant string; "unknown" for another value.
 *
 * Thread-safe, async-signal-safe. Since 0.1.
 */
FLOWIPC_API const char *flowipc_backend_name(enum flowipc_backend backend);

/**
 * @brief Which guarantees a back end gives.
 * @param backend DEVICE, MEMFD, or AUTO for what new objects get by default.
 * @return FLOWIPC_HAS_* bits; 0 if that back end cannot be used here.
 *
 * Thread-safe. Since 0.1.
 */
FLOWIPC_API uint64_t flowipc_features(enum flowipc_backend backend);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_BACKEND_H */
