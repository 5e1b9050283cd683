/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the storm's parts
 *
 * storm.c        options, lanes, the verdict
 * storm-roles.c  what victims do until they die, and what their peers then see
 *
 * A lane is a long-lived process with a region and a partner, which has claimed
 * it. It makes one victim after another; there are several lanes, so several
 * victims die at a time.
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>

#include "dice.h"
#include "totals.h"

#define LANES_MAX	16

/* What a victim is doing when it dies. */
enum place {
	PLACE_BETWEEN,
	PLACE_CREATE,
	PLACE_GRANT,
	PLACE_CLAIM,
	PLACE_MMAP,
	PLACE_FAULT,
	PLACE_MUNMAP,
	PLACE_REVOKE,
	PLACE_SEAL,
	PLACE_UNSEAL,
	PLACE_WAIT,
	PLACE_KICK_AND_WAIT,
	PLACE_POLL,
	PLACE_CHANNEL,
	PLACE_CLOSE,
	PLACES,
};

struct lane {
	int		number;
	int		device;
	int		region;		/* of SIZE bytes, sealable */
	char		*memory;	/* all of it, mapped */
	int		huge;		/* a region of HUGE_SIZE bytes */
	int		partner;	/* end of the channel with the partner */
	int		sockets[2];	/* the lane's and the victim's */
	struct dice	dice;		/* for this victim */
	/* Of this victim's role. */
	int		fd[4];
	char		*map[2];
	struct flowipc_region_info info;
};

#define SIZE		(64 * PAGE)
#define HUGE_SIZE	(HUGE + 16 * PAGE)

/*
 * All return false when something is not as it must be; victim() runs until it
 * is killed. meet() is in the lane when the victim has said that it is there.
 */
struct role {
	const char	*name;
	bool		(*prepare)(struct lane *lane);
	bool		(*victim)(struct lane *lane);
	bool		(*meet)(struct lane *lane);
	bool		(*mourn)(struct lane *lane, bool met);
	enum place	place;		/* where it must be hit at times */
};

extern const struct role roles[];
extern const unsigned int roles_count;

/* Seen by all processes. */
struct shared {
	atomic_uint	next;		/* number of the next victim */
	atomic_uint	failures;
	atomic_uint	killed[16];	/* by role */
	atomic_uint	died[PLACES];
	atomic_uint	place[LANES_MAX];
};

extern struct shared *shared;

void storm_fail(const struct lane *lane, const char *file, int line,
		const char *what);

/* In a victim: marks what it is doing. */
#define IN(lane, place_, call)						\
	({								\
		__auto_type at_ = &shared->place[(lane)->number];	\
		__typeof__(call) result_;				\
									\
		atomic_store(at_, place_);				\
		result_ = (call);					\
		atomic_store(at_, PLACE_BETWEEN);			\
		result_;						\
	})

/* Ends the function if what must be is not. */
#define MUST(lane, what)						\
	do {								\
		if (!(what)) {						\
			storm_fail(lane, __FILE__, __LINE__, #what);	\
			return false;					\
		}							\
	} while (0)

#endif /* STORM_H */
