// SPDX-License-Identifier: MIT
/*
 * The embedded default: sealed memfds and Unix sockets, on any Linux since
 * 5.1, without privilege.
 *
 * A memfd is passed to the peer itself, so what keeps the peer from writing
 * are seals, set before it is passed: F_SEAL_FUTURE_WRITE leaves the owner's
 * mapping as the only writable one there can ever be. The other way round,
 * F_SEAL_SHRINK is required of every memfd that comes in, because memory cut
 * off under a reader would raise SIGBUS in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "error.h"
#include "packet.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Asking for more than this, it is worth a look whether there is so much. */
#define MEMORY_CHECK_BYTES (64ULL << 20)

static int memfd_open(void)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("flowipc", flags | MFD_NOEXEC_SEAL);

	/* Kernels before 6.3 do not know how to leave exec out. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("flowipc", flags);
	return fd < 0 ? -errno : fd;
}

static int memfd_probe(void)
{
	int fd = memfd_open();

	if (fd == -EMFILE || fd == -ENFILE)
		return flowipc__fail(fd,
				     "no descriptor left to create a memfd");
	if (fd < 0)
		return flowipc__fail(-ENOSYS, "cannot create a memfd: %s",
				     strerror(-fd));
	close(fd);
	return 0;
}

/*
 * The kernel promises memfd memory without having it, and kills somebody when
 * the promise is called in. Refuse at least what is hopeless from the start.
 */
static int memory_check(uint64_t size)
{
	unsigned long long available_kib;
	char line[128];
	FILE *file;
	int err = 0;

	if (size < MEMORY_CHECK_BYTES)
		return 0;
	file = fopen("/proc/meminfo", "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %llu kB", &available_kib) != 1)
			continue;
		if (size / 1024 > available_kib)
			err = flowipc__fail(
				-ENOMEM,
				"out of memory: a region of %llu MiB was asked for, %llu MiB are available",
				(unsigned long long)size >> 20,
				available_kib >> 10);
		break;
	}
	fclose(file);
	return err;
}

static int memfd_region_create(uint64_t size, unsigned int flags, int *fd,
			       struct mapping *mapping)
{
	void *base;
	int err;

	if (flags & FLOWIPC__SEALABLE)
		return flowipc__fail(-EOPNOTSUPP,
				     "the memfd back end cannot seal memory");
	err = memory_check(size);
	if (err)
		return err;
	*fd = memfd_open();
	if (*fd < 0)
		return flowipc__fail(*fd, "cannot create a memfd: %s",
				     strerror(-*fd));
	if (ftruncate(*fd, (off_t)size) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
		err = -errno;
		goto fail;
	}
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (base == MAP_FAILED) {
		err = -errno;
		goto fail;
	}
	madvise(base, size, MADV_DONTFORK);
	*mapping = flowipc__mapping(base, size);
	return 0;
fail:
	close(*fd);
	return flowipc__fail(err, "cannot make a region of %llu bytes: %s",
			     (unsigned long long)size, strerror(-err));
}

static int memfd_region_share(int fd, uint64_t size,
			      const struct flowipc_peer *peer, int *share,
			      uint64_t *grant)
{
	(void)size;
	(void)peer;
	*grant = 0;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)) {
		int seals = fcntl(fd, F_GET_SEALS);

		if (seals < 0 || !(seals & F_SEAL_FUTURE_WRITE))
			return flowipc__fail(
				-EOPNOTSUPP,
				"this kernel cannot seal a memfd against future writers");
	}
	*share = fd;
	return 0;
}

static int memfd_region_import(int share, struct mapping *mapping)
{
	/* Fails on all but memfds, before anything a peer's fd could stall. */
	int seals = fcntl(share, F_GET_SEALS);
	struct statfs statfs;
	struct stat stat;
	void *base;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return flowipc__fail(
			-EPROTO,
			"the peer shared something that is not a memfd sealed against shrinking");
	/* A hole in a huge page raises SIGBUS when there is none to fill it. */
	if (fstatfs(share, &statfs) || statfs.f_type != TMPFS_MAGIC)
		return flowipc__fail(-EPROTO,
				     "the peer shared a memfd of huge pages");
	if (fstat(share, &stat) || stat.st_size <= 0)
		return flowipc__fail(-EPROTO, "the peer shared an empty memfd");
	base = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, share,
		    0);
	if (base == MAP_FAILED)
		return flowipc__fail(
			-errno, "cannot map %lld bytes shared by the peer: %s",
			(long long)stat.st_size, strerror(errno));
	madvise(base, (size_t)stat.st_size, MADV_DONTFORK);
	*mapping = flowipc__mapping(base, (uint64_t)stat.st_size);
	return 0;
}

static int memfd_region_revoke(int fd, uint64_t grant)
{
	(void)fd;
	(void)grant;
	return flowipc__fail(-EOPNOTSUPP,
			     "the memfd back end cannot revoke memory");
}

/* A socket pair for each bell: a pending event is a byte that waits. */
static int bell_pair(int pair[2])
{
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	return flowipc__fail(-errno, "cannot make a doorbell: %s",
			     strerror(errno));
}

static int memfd_doorbell_create(struct doorbell *mine, int *theirs)
{
	int pairs[3][2];
	unsigned int i, j;
	int err;

	for (i = 0; i < 3; i++) {
		if (i == 2)
			err = flowipc__packet_pair(pairs[i]);
		else
			err = bell_pair(pairs[i]);
		if (err) {
			for (j = 0; j < i; j++)
				flowipc__close_all(pairs[j], 2);
			return err;
		}
		theirs[i] = pairs[i][1];
	}
	*mine = (struct doorbell){.backend = &flowipc__backend_memfd,
				  .fd = pairs[0][0],
				  .space_fd = pairs[1][0],
				  .space_poll = -1,
				  .watched = -1,
				  .fds_fd = pairs[2][0]};
	return 0;
}

static int memfd_doorbell_import(struct doorbell *mine, const int *fds)
{
	if (!flowipc__is_unix_socket(fds[0], SOCK_STREAM) ||
	    !flowipc__is_unix_socket(fds[1], SOCK_STREAM) ||
	    !flowipc__is_unix_socket(fds[2], SOCK_SEQPACKET))
		return flowipc__fail(
			-EPROTO,
			"the peer passed a doorbell that is not made of Unix sockets");
	*mine = (struct doorbell){.backend = &flowipc__backend_memfd,
				  .fd = fds[0],
				  .space_fd = fds[1],
				  .space_poll = -1,
				  .watched = -1,
				  .fds_fd = fds[2]};
	return 0;
}

static void memfd_doorbell_hang_up(const struct doorbell *mine)
{
	shutdown(mine->fd, SHUT_RDWR);
	shutdown(mine->space_fd, SHUT_RDWR);
	shutdown(mine->fds_fd, SHUT_RDWR);
}

static int bell_ring(int fd)
{
	if (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		return 0;
	/* A full buffer is an event that is pending already. */
	return errno == EAGAIN ? 0 : -EPIPE;
}

static int memfd_doorbell_kick(const struct doorbell *mine, unsigned int events)
{
	int err = 0;

	if (events & FLOWIPC__MESSAGE)
		err = bell_ring(mine->fd);
	if (!err && events & FLOWIPC__SPACE)
		err = bell_ring(mine->space_fd);
	return err;
}

static int memfd_doorbell_wait(const struct doorbell *mine, unsigned int events,
			       uint64_t deadline)
{
	int fd = events & FLOWIPC__SPACE ? mine->space_fd : mine->fd;
	const struct timespec *left;
	struct timespec storage;
	char pending[256];
	ssize_t got;

	for (;;) {
		bool last = !flowipc__left(deadline, &storage, &left);

		/* Without a limit the read itself can sleep: one call less. */
		if (left && !last &&
		    ppoll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, left,
			  NULL) < 0)
			return errno == EINTR ? -EINTR : FLOWIPC__HUP;
		got = recv(fd, pending, sizeof(pending),
			   left ? MSG_DONTWAIT : 0);
		if (got > 0)
			return (int)events;
		if (!got)
			return FLOWIPC__HUP;
		if (errno == EINTR)
			return -EINTR;
		if (errno != EAGAIN)
			return FLOWIPC__HUP;
		if (last)
			return -ETIMEDOUT;
		/* The peer can make the socket one that never sleeps. */
		if (!left)
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1,
			     -1);
	}
}

const struct backend flowipc__backend_memfd = {
	.id = FLOWIPC_BACKEND_MEMFD,
	.features = FLOWIPC_HAS_READ_ONLY | FLOWIPC_HAS_HANGUP,
	.doorbell_fds = 3,
	.probe = memfd_probe,
	.region_create = memfd_region_create,
	.region_share = memfd_region_share,
	.region_import = memfd_region_import,
	.region_revoke = memfd_region_revoke,
	.doorbell_create = memfd_doorbell_create,
	.doorbell_import = memfd_doorbell_import,
	.doorbell_hang_up = memfd_doorbell_hang_up,
	.doorbell_kick = memfd_doorbell_kick,
	.doorbell_wait = memfd_doorbell_wait,
};
