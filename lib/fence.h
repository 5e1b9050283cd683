/* SPDX-License-Identifier: MIT */
/*
 * The fence between "publish" and "is the other side asleep?".
 *
 * A sender stores a message and then reads the sleeper's bell; a sleeper
 * stores its bell and then reads the ring. Both need their store to be seen
 * before their load, or a message and a sleeper miss each other. A full fence
 * in every send would cost more than half of the one-way throughput, so where
 * both processes can, the rare side pays for both: the sleeper makes every
 * running thread of every registered process pass a barrier (membarrier), and
 * the sender only keeps the compiler from reordering.
 */
#ifndef FLOWIPC_LIB_FENCE_H
#define FLOWIPC_LIB_FENCE_H

#include <stdatomic.h>
#include <stdbool.h>

/* Register this process, once. False: use full fences on both sides. */
bool flowipc__fence_can_be_remote(void);

/* ThreadSanitizer has no notion of fences, but of read-modify-write. */
static inline void flowipc__fence_full(void)
{
#ifdef __SANITIZE_THREAD__
	static _Atomic int dummy;

	atomic_fetch_add(&dummy, 1);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* The sender's half; pairs with flowipc__fence_sleeper(). */
static inline void flowipc__fence_sender(bool remote)
{
	if (remote)
		atomic_signal_fence(memory_order_seq_cst);
	else
		flowipc__fence_full();
}

/* The sleeper's half; pairs with flowipc__fence_sender(). */
void flowipc__fence_sleeper(bool remote);

#endif
