// SPDX-License-Identifier: MIT
/* Choosing a back end, and the little that is the same for all of them. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"
#include "error.h"
#include "process.h"

static int backend_from_environment(enum flowipc_backend *backend)
{
	const char *name = secure_getenv("FLOWIPC_BACKEND");

	*backend = FLOWIPC_BACKEND_AUTO;
	if (!name || !*name || !strcmp(name, "auto"))
		return 0;
	if (!strcmp(name, "device"))
		*backend = FLOWIPC_BACKEND_DEVICE;
	else if (!strcmp(name, "memfd"))
		*backend = FLOWIPC_BACKEND_MEMFD;
	else
		return flowipc__fail(
			-EINVAL,
			"FLOWIPC_BACKEND is \"%s\", not device, memfd or auto",
			name);
	return 0;
}

bool flowipc__backend_is_forced(void)
{
	enum flowipc_backend backend;

	return !backend_from_environment(&backend) &&
	       backend != FLOWIPC_BACKEND_AUTO;
}

const struct backend *flowipc__backend_get(enum flowipc_backend id)
{
	return id == FLOWIPC_BACKEND_DEVICE ? &flowipc__backend_device :
					      &flowipc__backend_memfd;
}

int flowipc__backend_find(enum flowipc_backend wanted,
			  const struct backend **backend)
{
	struct error_line line;
	int err;

	if (wanted == FLOWIPC_BACKEND_AUTO) {
		err = backend_from_environment(&wanted);
		if (err)
			return err;
	}

	switch (wanted) {
	case FLOWIPC_BACKEND_AUTO:
		flowipc__error_keep(&line);
		if (!flowipc__backend_device.probe()) {
			*backend = &flowipc__backend_device;
			return 0;
		}
		flowipc__error_restore(&line);
		wanted = FLOWIPC_BACKEND_MEMFD;
		break;
	case FLOWIPC_BACKEND_DEVICE:
	case FLOWIPC_BACKEND_MEMFD:
		break;
	default:
		return flowipc__fail(-EINVAL, "there is no back end %d",
				     (int)wanted);
	}
	err = flowipc__backend_get(wanted)->probe();
	if (err)
		return err;
	*backend = flowipc__backend_get(wanted);
	return 0;
}

int flowipc_backend_find(enum flowipc_backend wanted,
			 enum flowipc_backend *backend)
{
	const struct backend *found;
	int err = flowipc__backend_find(wanted, &found);

	if (err)
		return err;
	*backend = found->id;
	return 0;
}

uint64_t flowipc_features(enum flowipc_backend backend)
{
	const struct backend *found;

	return flowipc__backend_find(backend, &found) ? 0 : found->features;
}

const char *flowipc_backend_name(enum flowipc_backend backend)
{
	switch (backend) {
	case FLOWIPC_BACKEND_AUTO:
		return "auto";
	case FLOWIPC_BACKEND_DEVICE:
		return "device";
	case FLOWIPC_BACKEND_MEMFD:
		return "memfd";
	default:
		return "unknown";
	}
}

const struct doorbell flowipc__no_doorbell = {
	.fd = -1, .space_fd = -1, .space_poll = -1, .watched = -1, .fds_fd = -1};

bool flowipc__doorbell_is_hung_up(const struct doorbell *doorbell)
{
	struct pollfd pollfd = {.fd = doorbell->fd};

	return poll(&pollfd, 1, 0) > 0 && pollfd.revents & (POLLHUP | POLLERR);
}

/*
 * A descriptor that serves both bells reports SPACE as writable, so that one
 * poll could not wait for MESSAGE alone; and what is full may be a socket. An
 * epoll instance reports all as readable.
 */
int flowipc__doorbell_space_fd(struct doorbell *doorbell)
{
	bool apart = doorbell->space_fd >= 0;
	struct epoll_event event = {.events = apart ? EPOLLIN : EPOLLOUT};
	int bell = apart ? doorbell->space_fd : doorbell->fd;
	int fd, err;

	if (doorbell->space_poll >= 0)
		return doorbell->space_poll;
	fd = epoll_create1(EPOLL_CLOEXEC);
	err = fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, bell, &event) ? -errno : 0;
	if (err) {
		if (fd >= 0)
			close(fd);
		return flowipc__fail(err, "cannot make a descriptor to poll: %s",
				     strerror(-err));
	}
	doorbell->space_poll = fd;
	return fd;
}

int flowipc__doorbell_watch(struct doorbell *doorbell, int socket)
{
	struct epoll_event event = {.events = EPOLLOUT};

	if (doorbell->watched == socket)
		return 0;
	if (doorbell->watched >= 0)
		epoll_ctl(doorbell->space_poll, EPOLL_CTL_DEL,
			  doorbell->watched, &event);
	doorbell->watched = -1;
	if (socket < 0)
		return 0;
	if (epoll_ctl(doorbell->space_poll, EPOLL_CTL_ADD, socket, &event))
		return flowipc__fail(-errno,
				     "cannot poll for room in a socket: %s",
				     strerror(errno));
	doorbell->watched = socket;
	return 0;
}

void flowipc__doorbell_close(struct doorbell *doorbell)
{
	if (doorbell->fd >= 0)
		close(doorbell->fd);
	if (doorbell->space_fd >= 0)
		close(doorbell->space_fd);
	if (doorbell->space_poll >= 0)
		close(doorbell->space_poll);
	if (doorbell->fds_fd >= 0)
		close(doorbell->fds_fd);
	*doorbell = flowipc__no_doorbell;
}

struct mapping flowipc__mapping(void *base, uint64_t size)
{
	return (struct mapping){
		.base = base, .size = size, .process = flowipc__process()};
}

bool flowipc__mapping_is_ours(const struct mapping *mapping)
{
	return flowipc__process_is(mapping->process);
}

void flowipc__unmap(struct mapping *mapping)
{
	if (mapping->base && flowipc__mapping_is_ours(mapping))
		munmap(mapping->base, mapping->size);
	mapping->base = NULL;
}
