// SPDX-License-Identifier: MIT
/*
 * The kernel module: regions, grants and channels are the kernel's own
 * objects, and each is a descriptor. See <linux/flowipc.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/flowipc.h>

#include "backend.h"
#include "clock.h"
#include "error.h"
#include "packet.h"

/* The module's interface that this library is written for. */
#ifndef LIBRARY_ABI
#define LIBRARY_ABI 1
#endif

_Static_assert(FLOWIPC__MESSAGE == FLOWIPC_EVENT_MESSAGE &&
		       FLOWIPC__SPACE == FLOWIPC_EVENT_SPACE &&
		       FLOWIPC__HUP == FLOWIPC_EVENT_HUP,
	       "events are passed through as they are");
_Static_assert(FLOWIPC__NEVER == FLOWIPC_WAIT_FOREVER,
	       "deadlines are passed through as they are");

/* What its own limits mean, which the C library takes for those of disks. */
static const char *device_error(int err)
{
	return err == EDQUOT ?
		       "max_objects_per_user of the module flowipc is reached" :
		       strerror(err);
}

static int device_denied(void)
{
	char buffer[1024];
	struct group group, *found = NULL;
	struct stat stat_buf;

	if (!stat(FLOWIPC_DEVICE_PATH, &stat_buf))
		getgrgid_r(stat_buf.st_gid, &group, buffer, sizeof(buffer),
			   &found);
	if (!found)
		return flowipc__fail(-EACCES,
				     "cannot open %s: permission denied",
				     FLOWIPC_DEVICE_PATH);
	return flowipc__fail(
		-EACCES,
		"cannot open %s: permission denied (mode %04o, group %s: its members may)",
		FLOWIPC_DEVICE_PATH, stat_buf.st_mode & 07777, found->gr_name);
}

static int device_open(void)
{
	int fd = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	int err = -errno;

	if (fd >= 0)
		return fd;
	switch (err) {
	case -EACCES:
	case -EPERM:
		return device_denied();
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return flowipc__fail(
			-ENODEV,
			"cannot open %s: the module flowipc is not loaded",
			FLOWIPC_DEVICE_PATH);
	default:
		return flowipc__fail(err, "cannot open %s: %s",
				     FLOWIPC_DEVICE_PATH, strerror(-err));
	}
}

static int device_probe(void)
{
	struct flowipc_query query = {0};
	int fd = device_open();
	int err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, FLOWIPC_IOC_QUERY, &query))
		err = flowipc__fail(-ENOEXEC,
				    "%s does not answer like flowipc.ko: %s",
				    FLOWIPC_DEVICE_PATH, strerror(errno));
	else if (query.abi_current < LIBRARY_ABI)
		err = flowipc__fail(
			-ENOEXEC,
			"the module flowipc is too old: it has ABI %u, this library needs %u",
			query.abi_current, LIBRARY_ABI);
	else if (query.abi_oldest > LIBRARY_ABI)
		err = flowipc__fail(
			-ENOEXEC,
			"the module flowipc is too new: it serves ABI %u and later, this library has %u",
			query.abi_oldest, LIBRARY_ABI);
	close(fd);
	return err;
}

static int device_region_create(uint64_t size, unsigned int flags, int *fd,
				struct mapping *mapping)
{
	struct flowipc_region_create create = {
		.size = size,
		.flags = flags & FLOWIPC__SEALABLE ? FLOWIPC_REGION_SEALABLE :
						     0,
	};
	int device = device_open();
	void *base;
	int err;

	if (device < 0)
		return device;
	err = ioctl(device, FLOWIPC_IOC_REGION_CREATE, &create) ? -errno : 0;
	close(device);
	if (err == -EFBIG)
		return flowipc__fail(
			err,
			"a region of %llu bytes is larger than max_region_bytes of the module flowipc",
			(unsigned long long)size);
	if (err == -EDQUOT)
		return flowipc__fail(
			err,
			"a region of %llu bytes exceeds the limit of locked memory (ulimit -l) or max_objects_per_user",
			(unsigned long long)size);
	if (err)
		return flowipc__fail(err,
				     "cannot make a region of %llu bytes: %s",
				     (unsigned long long)size, strerror(-err));
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, create.fd,
		    0);
	if (base == MAP_FAILED) {
		err = -errno;
		close(create.fd);
		return flowipc__fail(err,
				     "cannot map a region of %llu bytes: %s",
				     (unsigned long long)size, strerror(-err));
	}
	madvise(base, size, MADV_DONTFORK);
	*fd = create.fd;
	*mapping = flowipc__mapping(base, size);
	return 0;
}

static int device_region_share(int fd, uint64_t size,
			       const struct flowipc_peer *peer, int *share,
			       uint64_t *number)
{
	struct flowipc_grant grant = {
		.length = size,
		.rights = FLOWIPC_RIGHT_READ,
		.flags = FLOWIPC_GRANT_UID,
		.uid = peer->uid,
	};

	if (ioctl(fd, FLOWIPC_IOC_GRANT, &grant))
		return flowipc__fail(-errno,
				     "cannot grant a region to uid %u: %s",
				     peer->uid, device_error(errno));
	*share = grant.fd;
	*number = grant.id;
	return 0;
}

/* Other files have other errors for a command that they do not know. */
static int device_claim_error(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
	case EBUSY:
	case EDQUOT:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return -err;
	default:
		return -EPROTO;
	}
}

static int device_region_import(int share, struct mapping *mapping)
{
	struct flowipc_claim claim = {0};
	void *base;
	int err;

	if (ioctl(share, FLOWIPC_IOC_CLAIM, &claim)) {
		err = errno;
		return flowipc__fail(device_claim_error(err),
				     "cannot claim what the peer shared: %s",
				     device_error(err));
	}
	if (claim.offset || claim.length != claim.region_size) {
		close(claim.fd);
		return flowipc__fail(-EPROTO,
				     "the peer shared a part of a region only");
	}
	/* The mapping holds the claim. */
	base = mmap(NULL, claim.length, PROT_READ, MAP_SHARED, claim.fd, 0);
	err = base == MAP_FAILED ? -errno : 0;
	close(claim.fd);
	if (err)
		return flowipc__fail(
			err, "cannot map %llu bytes shared by the peer: %s",
			(unsigned long long)claim.length, strerror(-err));
	*mapping = flowipc__mapping(base, claim.length);
	mapping->region = claim.region_id;
	return 0;
}

static int device_region_revoke(int fd, uint64_t grant)
{
	struct flowipc_revoke revoke = {
		.flags = grant ? FLOWIPC_REVOKE_GRANT : FLOWIPC_REVOKE_ALL,
		.grant_fd = -1,
		.id = grant,
	};

	/* A grant that nobody has any more needs no revoking. */
	if (ioctl(fd, FLOWIPC_IOC_REVOKE, &revoke) && errno != ENOENT)
		return flowipc__fail(-errno, "cannot revoke a region: %s",
				     strerror(errno));
	return 0;
}

static int device_region_seal(int fd, const struct doorbell *mine,
			      uint64_t offset, uint64_t bytes, uint64_t *seal)
{
	struct flowipc_seal arg = {
		.offset = offset, .length = bytes, .channel_fd = mine->fd};

	if (!ioctl(fd, FLOWIPC_IOC_SEAL, &arg)) {
		*seal = arg.id;
		return 0;
	}
	if (errno == EPIPE)
		return -EPIPE;
	return flowipc__fail(
		-errno, "cannot seal a message of %llu bytes: %s",
		(unsigned long long)bytes,
		errno == EBUSY ? "its memory is still in use for I/O" :
				 device_error(errno));
}

static int device_region_count_seals(int fd, uint32_t *count)
{
	struct flowipc_region_info info = {0};

	if (ioctl(fd, FLOWIPC_IOC_REGION_INFO, &info))
		return flowipc__fail(-errno, "cannot look at a region: %s",
				     strerror(errno));
	*count = info.seals;
	return 0;
}

static bool device_seal_covers(const struct doorbell *mine, uint64_t seal,
			       const struct mapping *mapping, uint64_t offset,
			       uint64_t bytes)
{
	struct flowipc_seal_info info = {.id = seal};

	/* The caller has checked that the range is in the mapping. */
	return !ioctl(mine->fd, FLOWIPC_IOC_SEAL_INFO, &info) &&
	       info.region_id == mapping->region && info.offset <= offset &&
	       offset + bytes <= info.offset + info.length;
}

static void device_seal_break(const struct doorbell *mine, uint64_t seal)
{
	struct flowipc_unseal unseal = {.id = seal};

	ioctl(mine->fd, FLOWIPC_IOC_UNSEAL, &unseal);
}

static int device_doorbell_create(struct doorbell *mine, int *theirs)
{
	struct flowipc_channel_create create = {0};
	int device = device_open();
	int pair[2];
	int err;

	if (device < 0)
		return device;
	err = ioctl(device, FLOWIPC_IOC_CHANNEL_CREATE, &create) ? -errno : 0;
	close(device);
	if (err)
		return flowipc__fail(err, "cannot make a doorbell: %s",
				     device_error(-err));
	err = flowipc__packet_pair(pair);
	if (err) {
		flowipc__close_all(create.fd, 2);
		return err;
	}
	*mine = (struct doorbell){.backend = &flowipc__backend_device,
				  .fd = create.fd[0],
				  .space_fd = -1,
				  .space_poll = -1,
				  .watched = -1,
				  .fds_fd = pair[0]};
	theirs[0] = create.fd[1];
	theirs[1] = pair[1];
	return 0;
}

static int device_doorbell_import(struct doorbell *mine, const int *fds)
{
	struct flowipc_wait wait = {.events = FLOWIPC_EVENT_SPACE};

	/* Nothing is pending yet, so a channel end says just that. */
	if (ioctl(fds[0], FLOWIPC_IOC_WAIT, &wait) && errno != ETIMEDOUT)
		return flowipc__fail(
			-EPROTO,
			"the peer passed a doorbell that is not a channel end of flowipc.ko");
	if (!flowipc__is_unix_socket(fds[1], SOCK_SEQPACKET))
		return flowipc__fail(
			-EPROTO,
			"the peer passed something else than a socket for descriptors");
	*mine = (struct doorbell){.backend = &flowipc__backend_device,
				  .fd = fds[0],
				  .space_fd = -1,
				  .space_poll = -1,
				  .watched = -1,
				  .fds_fd = fds[1]};
	return 0;
}

static void device_doorbell_hang_up(const struct doorbell *mine)
{
	struct flowipc_shutdown arg = {.flags = FLOWIPC_SHUTDOWN_BOTH};

	ioctl(mine->fd, FLOWIPC_IOC_SHUTDOWN, &arg);
	shutdown(mine->fds_fd, SHUT_RDWR);
}

static int device_doorbell_kick(const struct doorbell *mine,
				unsigned int events)
{
	struct flowipc_kick kick = {.events = events};

	return ioctl(mine->fd, FLOWIPC_IOC_KICK, &kick) ? -EPIPE : 0;
}

static int device_doorbell_wait(const struct doorbell *mine,
				unsigned int events, uint64_t deadline)
{
	struct flowipc_wait wait = {.events = events, .deadline_ns = deadline};

	if (!ioctl(mine->fd, FLOWIPC_IOC_WAIT, &wait))
		return (int)wait.events;
	return errno == ETIMEDOUT || errno == EINTR ? -errno : FLOWIPC__HUP;
}

const struct backend flowipc__backend_device = {
	.id = FLOWIPC_BACKEND_DEVICE,
	.features = FLOWIPC_HAS_READ_ONLY | FLOWIPC_HAS_BOUND_GRANTS |
		    FLOWIPC_HAS_REVOKE | FLOWIPC_HAS_RESIDENT |
		    FLOWIPC_HAS_HANGUP | FLOWIPC_HAS_SEAL,
	.doorbell_fds = 2,
	.probe = device_probe,
	.region_create = device_region_create,
	.region_share = device_region_share,
	.region_import = device_region_import,
	.region_revoke = device_region_revoke,
	.region_seal = device_region_seal,
	.region_count_seals = device_region_count_seals,
	.seal_covers = device_seal_covers,
	.seal_break = device_seal_break,
	.doorbell_create = device_doorbell_create,
	.doorbell_import = device_doorbell_import,
	.doorbell_hang_up = device_doorbell_hang_up,
	.doorbell_kick = device_doorbell_kick,
	.doorbell_wait = device_doorbell_wait,
};
