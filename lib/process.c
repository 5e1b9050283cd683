// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "error.h"
#include "process.h"

static _Atomic uint64_t unknown;
static _Atomic uint64_t last;
static pthread_once_t once = PTHREAD_ONCE_INIT;

_Atomic uint64_t *flowipc__process_word = &unknown;

static void word_clear(void)
{
	atomic_store(flowipc__process_word, 0);
}

static void word_make(void)
{
	void *page = mmap(NULL, sizeof(*flowipc__process_word),
			  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page != MAP_FAILED &&
	    !madvise(page, sizeof(*flowipc__process_word), MADV_WIPEONFORK)) {
		flowipc__process_word = page;
		return;
	}
	/* No memory: good enough for all who call fork() to make a child. */
	pthread_atfork(NULL, NULL, word_clear);
}

uint64_t flowipc__process(void)
{
	uint64_t process = 0, next;

	pthread_once(&once, word_make);
	/* The last number is inherited, so each child goes on from there. */
	next = atomic_fetch_add(&last, 1) + 1;
	if (atomic_compare_exchange_strong(flowipc__process_word, &process,
					   next))
		process = next;
	return process;
}

int flowipc__process_refuse(void)
{
	return flowipc__fail(
		-EPERM,
		"this is of the process that made it, and does not work in a forked child");
}
