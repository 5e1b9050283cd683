/* SPDX-License-Identifier: MIT */
/* Whom to accept, by what the kernel says of the peer. */
#ifndef FLOWIPC_LIB_POLICY_H
#define FLOWIPC_LIB_POLICY_H

#include <flowipc/session.h>

struct executable;

/* A user's policy: the preset, and our copies of the lists. */
struct policy {
	enum flowipc_policy preset;
	uid_t *uids;
	size_t uid_count;
	gid_t *gids;
	size_t gid_count;
	struct executable *executables;
	size_t executable_count;
};

/* @allow may be NULL. -EINVAL; -ENOMEM; an executable cannot be found. */
int flowipc__policy_create(struct policy *policy, enum flowipc_policy preset,
			   const struct flowipc_allow_opts *allow);
void flowipc__policy_clear(struct policy *policy);

/* Who is at the other end of @socket? */
int flowipc__peer_identify(int socket, struct flowipc_peer *peer);

/*
 * 0: the peer at the other end of @socket is welcome. -EACCES: it is not, for
 * *@reason and, in words, the last error.
 */
int flowipc__policy_check(const struct policy *policy, int socket,
			  const struct flowipc_peer *peer,
			  enum flowipc_refusal_reason *reason);

#endif
