// SPDX-License-Identifier: MIT
/*
 * The name is locked by a file beside the socket, which the kernel unlocks
 * when the server dies: whoever gets the lock knows that the socket is a dead
 * one's and may replace it.
 *
 * A service manager that starts servers when clients knock binds the socket
 * itself and passes it on (sd_listen_fds(3)). The name is the manager's then:
 * it is neither locked nor removed by us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "listener.h"
#include "name.h"
#include "packet.h"
#include "process.h"

/* The first descriptor that a service manager passes. */
#define PASSED_FIRST 3

/* Lock the name. The file may vanish between open and lock: then once more. */
static int listener_lock(struct listener *listener)
{
	struct stat by_fd, by_path;
	int err;

	for (;;) {
		listener->lock =
			open(listener->lock_path,
			     O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (listener->lock < 0)
			return flowipc__fail(-errno, "cannot make %s: %s",
					     listener->lock_path,
					     strerror(errno));
		if (flock(listener->lock, LOCK_EX | LOCK_NB)) {
			err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
			return flowipc__fail(err, "%s belongs to a live server",
					     listener->address.sun_path);
		}
		if (!fstat(listener->lock, &by_fd) &&
		    !stat(listener->lock_path, &by_path) &&
		    by_fd.st_ino == by_path.st_ino &&
		    by_fd.st_dev == by_path.st_dev)
			return 0;
		close(listener->lock);
	}
}

static int listener_bind(struct listener *listener, enum flowipc_policy preset,
			 int backlog)
{
	const char *path = listener->address.sun_path;
	struct stat stat;

	if (!lstat(path, &stat) && !S_ISSOCK(stat.st_mode))
		return flowipc__fail(-EADDRINUSE,
				     "%s is in the way and is not a socket",
				     path);
	unlink(path);
	listener->fd = socket(AF_UNIX,
			      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return flowipc__fail(-errno, "cannot make a socket: %s",
				     strerror(errno));
	if (bind(listener->fd, (struct sockaddr *)&listener->address,
		 sizeof(listener->address)))
		return flowipc__fail(-errno, "cannot bind %s: %s", path,
				     strerror(errno));
	/* Others may knock where the policy may let them in. */
	if (chmod(path, preset == FLOWIPC_POLICY_ANYONE	    ? 0666 :
			preset == FLOWIPC_POLICY_SAME_GROUP ? 0660 :
							      0600) ||
	    listen(listener->fd, backlog))
		return flowipc__fail(-errno, "cannot listen at %s: %s", path,
				     strerror(errno));
	return 0;
}

/* How many descriptors a service manager has passed to this very process. */
static int passed_count(void)
{
	const char *pid = secure_getenv("LISTEN_PID");
	const char *count = secure_getenv("LISTEN_FDS");

	if (!pid || !count || strtol(pid, NULL, 10) != getpid())
		return 0;
	return atoi(count);
}

static bool socket_is_at(int fd, const char *path)
{
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address);

	return !getsockname(fd, (struct sockaddr *)&address, &size) &&
	       address.sun_family == AF_UNIX && size <= sizeof(address) &&
	       !strncmp(address.sun_path, path, sizeof(address.sun_path));
}

/* 1: the service manager has bound the socket for us. 0: it has not. */
static int listener_adopt(struct listener *listener)
{
	const char *path = listener->address.sun_path;
	int end = PASSED_FIRST + passed_count();
	socklen_t size = sizeof(int);
	int fd, listens;

	for (fd = PASSED_FIRST; fd < end && !socket_is_at(fd, path); fd++)
		;
	if (fd >= end)
		return 0;
	if (!flowipc__is_unix_socket(fd, SOCK_SEQPACKET) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ||
	    !listens)
		return flowipc__fail(
			-EADDRINUSE,
			"the socket at %s that was passed to this process is not a listening one of type SOCK_SEQPACKET (ListenSequentialPacket=)",
			path);
	/* What was passed stays, for one who listens again later. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listener->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (listener->fd < 0)
		return flowipc__fail(-errno, "cannot take %s over: %s", path,
				     strerror(errno));
	return 1;
}

int flowipc__listener_open(struct listener *listener, const char *name,
			   enum flowipc_policy preset, int backlog)
{
	int err;

	*listener = (struct listener){
		.fd = -1, .lock = -1, .process = flowipc__process()};
	err = flowipc__name_resolve(name, preset, true, &listener->address);
	if (err)
		return err;
	err = listener_adopt(listener);
	if (err)
		return err < 0 ? err : 0;
	strcpy(listener->lock_path, listener->address.sun_path);
	strcat(listener->lock_path, ".lock");
	err = listener_lock(listener);
	return err ? err : listener_bind(listener, preset, backlog);
}

void flowipc__listener_close(struct listener *listener)
{
	bool ours = listener->lock >= 0 && listener->fd >= 0;

	/*
	 * Whoever made the socket holds the lock. A forked child holds it, too,
	 * but the name is not the child's to take away.
	 */
	if (ours && flowipc__process_is(listener->process)) {
		unlink(listener->address.sun_path);
		unlink(listener->lock_path);
	}
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->lock >= 0)
		close(listener->lock);
}
