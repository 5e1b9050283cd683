/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the fuzzer's parts
 *
 * fuzz.c           options, the supervisor, the verdict
 * fuzz-worker.c    a process and its threads, which make one step after another
 * fuzz-ioctls.c    the module's own calls, right ones and wrong ones
 * fuzz-memory.c    mappings, and what touches them
 * fuzz-files.c     descriptors: close, dup, pass on, poll, read
 * fuzz-coverage.c  how much of the module was reached
 *
 * What a thread works on is shared by the threads of its process, without a
 * lock on purpose: a descriptor that is closed while another thread uses it, or
 * a mapping that is gone, is what this is about.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dice.h"

#define PROCESSES_MAX	8
#define THREADS		2
#define CALLS_MAX	80
#define ERRNO_MAX	134
#define FDS_MAX		192
#define PAGE_BYTES	4096UL
#define PLACES		(64 << 10)

/* A few pages, and now and then so many that they are mapped as huge ones. */
#define SMALL_PAGES	16
#define LARGE_PAGES	1024

/* Open in all processes, under these numbers, also after exec. */
enum {
	FD_SHARED = 3,
	FD_DEVICE,
	FD_DISK,
	FD_INBOX,	/* two for each worker: to receive, and to send */
	FD_FIRST_FREE = FD_INBOX + 2 * PROCESSES_MAX,
};

enum kind {
	KIND_NONE,
	KIND_DEVICE,
	KIND_REGION,
	KIND_GRANT,
	KIND_CLAIM,
	KIND_CHANNEL,
	KIND_EVENTFD,
	KIND_EPOLL,
	KIND_OTHER,
};

/* A descriptor, and the range in pages which it can map. */
struct slot {
	enum kind	kind;
	int		fd;
	unsigned int	first;
	unsigned int	pages;
};

struct range {
	char		*address;
	size_t		bytes;
};

/* One step of one thread. */
struct act {
	struct dice	dice;
	unsigned int	worker;
	unsigned int	depth;		/* forks since the worker */
	int		error;		/* errno of an ioctl */
	bool		proper;		/* and it was called as it should be */
};

struct call {
	const char	*name;
	unsigned int	weight;
	bool		(*make)(struct act *act);
	bool		is_ioctl;
	const int	*errors;	/* what it may fail with, 0 at the end */
};

struct call_count {
	atomic_ullong	made;
	atomic_ullong	succeeded;
};

struct thread_state {
	atomic_ullong	step;		/* the one that comes next */
	atomic_uint	call;		/* that is being made */
};

struct worker_state {
	atomic_int		pid;
	atomic_uint		lives;
	struct thread_state	thread[THREADS];
};

/* Seen by all processes. */
struct shared {
	uint64_t		seed;
	uint64_t		steps;
	unsigned int		processes;
	bool			coverage;
	atomic_bool		stop;
	struct worker_state	worker[PROCESSES_MAX];
	struct call_count	count[CALLS_MAX];
	/* Calls that failed with what they do not document. */
	atomic_ullong		surprise[CALLS_MAX][ERRNO_MAX];
	/* Addresses in the module that were passed, a hash table. */
	atomic_uint		places_count;
	atomic_ullong		places[PLACES];
};

extern struct shared *shared;

/* fuzz-worker.c */
extern const struct call *call_at(unsigned int number);
unsigned int calls_count(void);
void worker_run(unsigned int worker) __attribute__((noreturn));
bool slots_find(struct act *act, enum kind kind, struct slot *slot);
void slots_put(struct act *act, enum kind kind, int fd, unsigned int first,
	       unsigned int pages);
bool slots_take(struct act *act, struct slot *slot);

/* Runs the statement, and is false if that raised SIGSEGV or SIGBUS. */
extern __thread sigjmp_buf guard;
extern __thread volatile bool guarded;

#define GUARDED(statement)						\
	({								\
		volatile bool done_ = false;				\
									\
		if (!sigsetjmp(guard, 0)) {				\
			guarded = true;					\
			statement;					\
			done_ = true;					\
		}							\
		guarded = false;					\
		done_;							\
	})

bool copy_guarded(void *to, const void *from, size_t bytes);

/* fuzz-ioctls.c, fuzz-memory.c, fuzz-files.c */
extern const struct call ioctl_calls[], memory_calls[], file_calls[];
extern const unsigned int ioctl_calls_count, memory_calls_count,
	file_calls_count;
void ioctls_setup(void);
bool memory_pick(struct act *act, struct range *range);
void memory_setup(void);
void files_setup(void);

/* fuzz-coverage.c */
void coverage_setup(void);
void coverage_start(void);
void coverage_end(void);
void coverage_collect(void);
void coverage_report(void);

#endif /* FUZZ_H */
