/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: tools of the attacks
 *
 * A trap is a page whose next access blocks until it is released: it holds a
 * system call where it reads or writes its argument, so that a race of two
 * instructions lasts as long as the attacker likes. A storm is threads which do
 * one thing all the time while the test does another.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <linux/userfaultfd.h>
#include <pthread.h>

#include "objects.h"

/**
 * struct trap - a page which blocks who reads, or writes, it
 * @page: the page; what was in it stays in it
 * @kept: what comes back into a page that blocks readers
 * @fd:   the userfaultfd
 * @mode: UFFDIO_REGISTER_MODE_MISSING or UFFDIO_REGISTER_MODE_WP
 */
struct trap {
	char	*page;
	char	kept[PAGE];
	int	fd;
	uint64_t mode;
};

/* False when the kernel has no userfaultfd. */
static inline bool trap_open(struct trap *trap, uint64_t mode)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = mode == UFFDIO_REGISTER_MODE_WP ?
			    UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0,
	};

	trap->mode = mode;
	trap->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	return trap->fd != -1 && !ioctl(trap->fd, UFFDIO_API, &api);
}

static inline void trap_range(const struct trap *trap, struct uffdio_range *range)
{
	range->start = (uintptr_t)trap->page;
	range->len = PAGE;
}

/* From now on, @page blocks. It is private anonymous memory. */
static inline bool trap_set(struct trap *trap, char *page)
{
	struct uffdio_register registration = { .mode = trap->mode };
	struct uffdio_writeprotect protection = {
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	trap->page = page;
	trap_range(trap, &registration.range);
	if (ioctl(trap->fd, UFFDIO_REGISTER, &registration))
		return false;

	memcpy(trap->kept, page, PAGE);
	if (trap->mode == UFFDIO_REGISTER_MODE_MISSING)
		return !madvise(page, PAGE, MADV_DONTNEED);

	/* Only a page that is there can be protected. */
	*(volatile char *)page = *page;
	trap_range(trap, &protection.range);

	return !ioctl(trap->fd, UFFDIO_WRITEPROTECT, &protection);
}

/* True when somebody is held; false when nobody came in a long time. */
static inline bool trap_caught(const struct trap *trap)
{
	struct pollfd poll_trap = { .fd = trap->fd, .events = POLLIN };
	struct uffd_msg message;

	return poll(&poll_trap, 1, 20000) == 1 &&
	       read(trap->fd, &message, sizeof(message)) == sizeof(message) &&
	       message.event == UFFD_EVENT_PAGEFAULT;
}

/* Lets who is held go on, and nobody is held any more. */
static inline bool trap_release(struct trap *trap)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)trap->page, .src = (uintptr_t)trap->kept,
		.len = PAGE,
	};
	struct uffdio_writeprotect protection = {};
	struct uffdio_range range;
	bool released;

	if (trap->mode == UFFDIO_REGISTER_MODE_MISSING) {
		released = !ioctl(trap->fd, UFFDIO_COPY, &copy) ||
			   errno == EEXIST;
	} else {
		trap_range(trap, &protection.range);
		released = !ioctl(trap->fd, UFFDIO_WRITEPROTECT, &protection);
	}
	trap_range(trap, &range);

	return !ioctl(trap->fd, UFFDIO_UNREGISTER, &range) && released;
}

/* Private anonymous memory, all of it there. */
static inline char *pages_alloc(int count)
{
	return mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

/* An ioctl in a thread of its own. */
struct call {
	int		fd;
	unsigned int	command;
	void		*argument;
	int		result;
	int		error;
	pthread_t	thread;
};

static inline void *call_run(void *arg)
{
	struct call *call = arg;

	call->result = ioctl(call->fd, call->command, call->argument);
	call->error = errno;

	return NULL;
}

static inline bool call_start(struct call *call, int fd, unsigned int command,
			      void *argument)
{
	call->fd = fd;
	call->command = command;
	call->argument = argument;

	return !pthread_create(&call->thread, NULL, call_run, call);
}

/* The ioctl's result, with its errno. */
static inline int call_join(struct call *call)
{
	pthread_join(call->thread, NULL);
	errno = call->error;

	return call->result;
}

/*
 * Threads which call @work with @argument again and again. They keep errno and
 * all else to themselves.
 */
#define STORM_THREADS	2

struct storm {
	void		(*work)(void *argument);
	void		*argument;
	volatile bool	over;
	pthread_t	thread[STORM_THREADS];
};

static inline void *storm_run(void *arg)
{
	struct storm *storm = arg;

	while (!storm->over)
		storm->work(storm->argument);

	return NULL;
}

static inline bool storm_start(struct storm *storm, void (*work)(void *argument),
			       void *argument)
{
	int i;

	storm->work = work;
	storm->argument = argument;
	storm->over = false;
	for (i = 0; i < STORM_THREADS; i++)
		if (pthread_create(&storm->thread[i], NULL, storm_run, storm))
			return false;

	return true;
}

static inline void storm_end(struct storm *storm)
{
	int i;

	storm->over = true;
	for (i = 0; i < STORM_THREADS; i++)
		pthread_join(storm->thread[i], NULL);
}

/* The lowest descriptor that is free, so the next one given out. */
static inline int next_fd(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);

	return fd;
}

#endif /* ATTACK_H */
