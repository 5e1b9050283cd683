/* SPDX-License-Identifier: MIT */
/*
 * The interface between the library and what it stands on. A back end makes
 * memory that one process writes and others read, and doorbells; everything
 * else (rings, messages, sessions) is the same on all of them.
 */
#ifndef FLOWIPC_LIB_BACKEND_H
#define FLOWIPC_LIB_BACKEND_H

#include <stdbool.h>

#include <flowipc/backend.h>
#include <flowipc/session.h>

/* Two independent bells, one for each direction a channel end can wait for. */
enum {
	FLOWIPC__MESSAGE = 1 << 0, /* a message may be there */
	FLOWIPC__SPACE = 1 << 1, /* the peer may have made room */
	FLOWIPC__HUP = 1 << 2, /* the peer is gone; only ever reported */
};

/* Most descriptors that one end of a doorbell consists of. */
#define FLOWIPC__DOORBELL_FDS 3

/* One end. fd is the pollable one: readable on MESSAGE, hung up on HUP. */
struct doorbell {
	const struct backend *backend;
	int fd;
	int space_fd; /* readable on SPACE and HUP; -1 where fd does */
	int space_poll; /* an epoll instance, once somebody asks; else -1 */
	int watched; /* a socket that is in it, or -1 */
	int fds_fd; /* what is left at the door: descriptors of messages */
};

/*
 * Memory mapped into a process: what it owns, or what a peer lent it. It is
 * not inherited over fork, and what lies at the same place in the child is not
 * ours to unmap.
 */
struct mapping {
	void *base;
	uint64_t size;
	uint64_t process; /* see process.h */
	uint64_t region; /* what the kernel calls it, where there are seals */
};

/* What a region is to be good for. */
enum {
	FLOWIPC__SEALABLE = 1 << 0,
};

struct backend {
	enum flowipc_backend id;
	uint64_t features;
	unsigned int doorbell_fds;

	/* 0 if it can be used by this process, else why not. */
	int (*probe)(void);

	/* Zeroed memory of whole pages. *fd is kept by the owner. */
	int (*region_create)(uint64_t size, unsigned int flags, int *fd,
			     struct mapping *mapping);
	/*
	 * *share is a descriptor to pass to @peer. The caller closes it if it
	 * is another one than @fd. *grant is its number for region_revoke().
	 */
	int (*region_share)(int fd, uint64_t size,
			    const struct flowipc_peer *peer, int *share,
			    uint64_t *grant);
	/* Map, for reading, what a peer has passed. Does not keep @share. */
	int (*region_import)(int share, struct mapping *mapping);
	/* Take back what was shared as @grant, or with 0 from everybody. */
	int (*region_revoke)(int fd, uint64_t grant);

	/*
	 * NULL, all four, unless there are seals: let nobody write a range of
	 * whole pages, until the peer at @mine breaks the seal.
	 */
	int (*region_seal)(int fd, const struct doorbell *mine, uint64_t offset,
			   uint64_t bytes, uint64_t *seal);
	/* How many there are in a region of ours. */
	int (*region_count_seals)(int fd, uint32_t *count);
	/* Is the range of what we have mapped under a seal that we can break? */
	bool (*seal_covers)(const struct doorbell *mine, uint64_t seal,
			    const struct mapping *mapping, uint64_t offset,
			    uint64_t bytes);
	void (*seal_break)(const struct doorbell *mine, uint64_t seal);

	/* @theirs gets doorbell_fds descriptors to pass to the peer. */
	int (*doorbell_create)(struct doorbell *mine, int *theirs);
	/* Check descriptors that a peer has passed, and take them over. */
	int (*doorbell_import)(struct doorbell *mine, const int *fds);
	/* Hang up at both ends, waking who sleeps there. */
	void (*doorbell_hang_up)(const struct doorbell *mine);
	/* Never blocks. -EPIPE: the peer is gone. */
	int (*doorbell_kick)(const struct doorbell *mine, unsigned int events);
	/*
	 * Take pending events out of @events, sleeping until @deadline if
	 * there is none. Returns those, with HUP if the peer is gone;
	 * -ETIMEDOUT; -EINTR.
	 */
	int (*doorbell_wait)(const struct doorbell *mine, unsigned int events,
			     uint64_t deadline);
};

extern const struct backend flowipc__backend_device;
extern const struct backend flowipc__backend_memfd;

/* The back end that @wanted stands for, after checking that it works. */
int flowipc__backend_find(enum flowipc_backend wanted,
			  const struct backend **backend);

/* Does the environment leave no choice? */
bool flowipc__backend_is_forced(void);

/* That of id DEVICE or MEMFD, without any check. */
const struct backend *flowipc__backend_get(enum flowipc_backend id);

/* The same for every back end. */
extern const struct doorbell flowipc__no_doorbell;
bool flowipc__doorbell_is_hung_up(const struct doorbell *doorbell);
/* A descriptor that is readable on SPACE and on HUP, kept by the doorbell. */
int flowipc__doorbell_space_fd(struct doorbell *doorbell);
/* It is also readable as long as @socket can be written; -1: no socket. */
int flowipc__doorbell_watch(struct doorbell *doorbell, int socket);
void flowipc__doorbell_close(struct doorbell *doorbell);
struct mapping flowipc__mapping(void *base, uint64_t size);
/* False in a child of the process that it was made in. */
bool flowipc__mapping_is_ours(const struct mapping *mapping);
void flowipc__unmap(struct mapping *mapping);

#endif
