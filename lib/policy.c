// SPDX-License-Identifier: MIT
/*
 * The preset and every list that is given must be satisfied.
 *
 * An executable is known by its inode, which stays open as long as the policy
 * lives: so the number cannot become that of another file. The process that
 * has to run it is known by a pidfd, so that a pid which was given to another
 * process meanwhile does not speak for the peer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "options.h"
#include "policy.h"

/* Since Linux 6.5. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Supplementary groups of a peer that are looked at. */
#define GROUPS_MAX 1024

struct executable {
	int fd;
	dev_t device;
	ino_t inode;
};

static int executable_open(struct executable *executable, const char *path)
{
	struct stat stat;

	executable->fd = open(path, O_PATH | O_CLOEXEC);
	if (executable->fd < 0 || fstat(executable->fd, &stat))
		return flowipc__fail(-errno,
				     "allow options: no executable %s: %s",
				     path, strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return flowipc__fail(-EINVAL, "allow options: %s is not a file",
				     path);
	executable->device = stat.st_dev;
	executable->inode = stat.st_ino;
	return 0;
}

static int executables_open(struct policy *policy, const char *const *paths,
			    size_t count)
{
	size_t i;
	int err = 0;

	policy->executables =
		calloc(count ? count : 1, sizeof(*policy->executables));
	if (!policy->executables)
		return flowipc__fail(-ENOMEM, "out of memory");
	for (i = 0; i < count && !err; i++) {
		policy->executable_count++;
		err = executable_open(&policy->executables[i], paths[i]);
	}
	return err;
}

/* A copy of a list of the user's, of one element at least. */
static void *list_copy(const void *list, size_t count, size_t size)
{
	void *copy = calloc(count ? count : 1, size);

	if (copy && count)
		memcpy(copy, list, count * size);
	return copy;
}

static int policy_fill(struct policy *policy,
		       const struct flowipc_allow_opts *allow)
{
	if ((allow->uid_count && !allow->uids) ||
	    (allow->gid_count && !allow->gids) ||
	    (allow->executable_count && !allow->executables))
		return flowipc__fail(
			-EINVAL,
			"allow options: a list has a count, and is NULL");
	policy->uid_count = allow->uid_count;
	policy->gid_count = allow->gid_count;
	policy->uids =
		list_copy(allow->uids, allow->uid_count, sizeof(*allow->uids));
	policy->gids =
		list_copy(allow->gids, allow->gid_count, sizeof(*allow->gids));
	if (!policy->uids || !policy->gids)
		return flowipc__fail(-ENOMEM, "out of memory");
	return executables_open(policy, allow->executables,
				allow->executable_count);
}

int flowipc__policy_create(struct policy *policy, enum flowipc_policy preset,
			   const struct flowipc_allow_opts *allow)
{
	struct flowipc_allow_opts known;
	int err;

	*policy = (struct policy){.preset = preset};
	if (preset < FLOWIPC_POLICY_SAME_USER || preset > FLOWIPC_POLICY_ANYONE)
		return flowipc__fail(-EINVAL, "there is no policy %d",
				     (int)preset);
	err = flowipc__options_read(&known, sizeof(known), allow, "allow");
	if (!err)
		err = policy_fill(policy, &known);
	if (err)
		flowipc__policy_clear(policy);
	return err;
}

void flowipc__policy_clear(struct policy *policy)
{
	size_t i;

	for (i = 0; i < policy->executable_count; i++) {
		if (policy->executables[i].fd >= 0)
			close(policy->executables[i].fd);
	}
	free(policy->executables);
	free(policy->uids);
	free(policy->gids);
	*policy = (struct policy){.preset = policy->preset};
}

int flowipc__peer_identify(int socket, struct flowipc_peer *peer)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return flowipc__fail(-errno, "cannot tell who the peer is: %s",
				     strerror(errno));
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	return 0;
}

static bool peer_is_in_group(int socket, const struct flowipc_peer *peer,
			     const gid_t *wanted, size_t count)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);
	size_t i, j;

	/* Without the others, or with too many of them, there is still one. */
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		size = 0;
	for (i = 0; i < count; i++) {
		if (peer->gid == wanted[i])
			return true;
		for (j = 0; j < size / sizeof(*groups); j++) {
			if (groups[j] == wanted[i])
				return true;
		}
	}
	return false;
}

static bool preset_allows(enum flowipc_policy preset, int socket,
			  const struct flowipc_peer *peer)
{
	gid_t ours = getegid();

	if (peer->uid == geteuid() || !peer->uid)
		return true;
	switch (preset) {
	case FLOWIPC_POLICY_ANYONE:
		return true;
	case FLOWIPC_POLICY_SAME_GROUP:
		return peer_is_in_group(socket, peer, &ours, 1);
	default:
		return false;
	}
}

static bool uid_is_listed(const struct policy *policy, uid_t uid)
{
	size_t i;

	for (i = 0; i < policy->uid_count; i++) {
		if (policy->uids[i] == uid)
			return true;
	}
	return !policy->uid_count;
}

/*
 * A descriptor of the process that the socket names. Kernels before 6.5 cannot
 * be asked for it; what they give is a descriptor of whoever has the pid now.
 */
static int peer_pidfd(int socket, const struct flowipc_peer *peer)
{
	socklen_t size = sizeof(int);
	int pidfd;

	if (!getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size))
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

static int peer_executable(int socket, const struct flowipc_peer *peer,
			   struct stat *stat_buf)
{
	struct pollfd pollfd = {.events = POLLIN};
	char path[32];
	int err = 0;

	if (peer->pid <= 0)
		return -ESRCH;
	pollfd.fd = peer_pidfd(socket, peer);
	if (pollfd.fd < 0)
		return pollfd.fd;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)peer->pid);
	if (stat(path, stat_buf))
		err = -errno;
	/* Not ended until now: so what was read was of this very process. */
	else if (poll(&pollfd, 1, 0))
		err = -ESRCH;
	close(pollfd.fd);
	return err;
}

static int executable_check(const struct policy *policy, int socket,
			    const struct flowipc_peer *peer)
{
	struct stat stat;
	size_t i;
	int err;

	if (!policy->executable_count)
		return 0;
	err = peer_executable(socket, peer, &stat);
	if (err)
		return flowipc__fail(
			-EACCES, "cannot tell the executable of process %d: %s",
			(int)peer->pid, strerror(-err));
	for (i = 0; i < policy->executable_count; i++) {
		if (policy->executables[i].device == stat.st_dev &&
		    policy->executables[i].inode == stat.st_ino)
			return 0;
	}
	return flowipc__fail(
		-EACCES,
		"process %d runs an executable that is not on the list",
		(int)peer->pid);
}

int flowipc__policy_check(const struct policy *policy, int socket,
			  const struct flowipc_peer *peer,
			  enum flowipc_refusal_reason *reason)
{
	*reason = FLOWIPC_REFUSED_POLICY;
	if (!preset_allows(policy->preset, socket, peer))
		return flowipc__fail(-EACCES,
				     "the policy does not allow uid %u, gid %u",
				     peer->uid, peer->gid);
	*reason = FLOWIPC_REFUSED_UID;
	if (!uid_is_listed(policy, peer->uid))
		return flowipc__fail(-EACCES, "uid %u is not on the list",
				     peer->uid);
	*reason = FLOWIPC_REFUSED_GID;
	if (policy->gid_count &&
	    !peer_is_in_group(socket, peer, policy->gids, policy->gid_count))
		return flowipc__fail(
			-EACCES,
			"uid %u, gid %u is in none of the groups on the list",
			peer->uid, peer->gid);
	*reason = FLOWIPC_REFUSED_EXECUTABLE;
	return executable_check(policy, socket, peer);
}
