/* SPDX-License-Identifier: MIT */
/*
 * The process that an object belongs to. A forked child has a copy of the
 * object, but neither the memory behind it nor anything to say to its peer.
 *
 * To notice that takes no system call: the kernel clears one word of this
 * process in each child.
 */
#ifndef FLOWIPC_LIB_PROCESS_H
#define FLOWIPC_LIB_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint64_t *flowipc__process_word;

/* A number for this process, which no parent or child of it has. */
uint64_t flowipc__process(void);

static inline bool flowipc__process_is(uint64_t process)
{
	return atomic_load_explicit(flowipc__process_word,
				    memory_order_relaxed) == process;
}

/* Words for what is not of this process. Gives -EPERM. */
int flowipc__process_refuse(void);

#endif
