// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors: made, doubled, passed on, waited for, looked at and closed, and
 * used as if they were files.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/flowipc.h>

#include "fuzz.h"

static aio_context_t aio;

void files_setup(void)
{
	aio = 0;
	syscall(SYS_io_setup, 64, &aio);
}

static bool close_make(struct act *act)
{
	struct slot slot;

	return slots_take(act, &slot) && !close(slot.fd);
}

/* Also what was lost, when an argument could not be read back. */
static bool close_range_make(struct act *act)
{
	unsigned int first = FD_FIRST_FREE + roll(&act->dice, FDS_MAX);

	return !close_range(first, first + roll(&act->dice, 16), 0);
}

static bool dup_make(struct act *act)
{
	struct slot slot, onto;
	int fd;

	if (!slots_find(act, KIND_NONE, &slot))
		return false;
	if (one_in(&act->dice, 2) && slots_find(act, KIND_NONE, &onto) &&
	    onto.fd >= FD_FIRST_FREE)
		return dup3(slot.fd, onto.fd, O_CLOEXEC) >= 0;
	fd = fcntl(slot.fd, F_DUPFD_CLOEXEC, FD_FIRST_FREE);
	if (fd == -1)
		return false;
	slots_put(act, slot.kind, fd, slot.first, slot.pages);

	return true;
}

/* Kept over exec, or not. */
static bool cloexec_make(struct act *act)
{
	struct slot slot;

	return slots_find(act, KIND_NONE, &slot) &&
	       !fcntl(slot.fd, F_SETFD, roll(&act->dice, 2));
}

static bool reopen_make(struct act *act)
{
	struct slot slot;
	char path[32];
	int fd;

	if (one_in(&act->dice, 2)) {
		fd = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);
		if (fd == -1)
			return false;
		slots_put(act, KIND_DEVICE, fd, 0, 0);
		return true;
	}
	if (!slots_find(act, KIND_NONE, &slot))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slot.fd);
	fd = open(path, one_in(&act->dice, 4) ? O_PATH : O_RDWR);
	if (fd == -1)
		return false;
	slots_put(act, slot.kind, fd, slot.first, slot.pages);

	return true;
}

static bool send_make(struct act *act)
{
	unsigned int worker = roll(&act->dice, shared->processes);
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct slot slot;
	struct iovec vector = { &slot, sizeof(slot) };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (!slots_find(act, KIND_NONE, &slot))
		return false;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &slot.fd, sizeof(int));

	return sendmsg(FD_INBOX + 2 * worker + 1, &message,
		       MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool receive_make(struct act *act)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct slot slot;
	struct iovec vector = { &slot, sizeof(slot) };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(FD_INBOX + 2 * act->worker, &message,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(slot))
		return false;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return false;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	slots_put(act, slot.kind, fd, slot.first, slot.pages);

	return true;
}

static bool poll_make(struct act *act)
{
	unsigned int count = 1 + roll(&act->dice, 4), i;
	struct pollfd polled[4];
	struct slot slot;

	for (i = 0; i < count; i++) {
		polled[i].fd = slots_find(act, KIND_NONE, &slot) ? slot.fd : -1;
		polled[i].events = roll(&act->dice, 0x4000);
	}

	return poll(polled, count, roll(&act->dice, 4)) > 0;
}

static bool eventfd_make(struct act *act)
{
	int fd = eventfd(roll(&act->dice, 2), EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd == -1)
		return false;
	slots_put(act, KIND_EVENTFD, fd, 0, 0);

	return true;
}

static bool epoll_create_make(struct act *act)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd == -1)
		return false;
	slots_put(act, KIND_EPOLL, fd, 0, 0);

	return true;
}

static bool epoll_ctl_make(struct act *act)
{
	static const uint32_t modes[] = {
		0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE,
	};
	static const int operations[] = {
		EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL,
	};
	int operation = operations[roll(&act->dice, 4)];
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
			  modes[roll(&act->dice, 4)],
	};
	struct slot epoll, slot;

	return slots_find(act, KIND_EPOLL, &epoll) &&
	       slots_find(act, KIND_NONE, &slot) &&
	       !epoll_ctl(epoll.fd, operation, slot.fd, &event);
}

static bool epoll_wait_make(struct act *act)
{
	struct epoll_event events[8];
	struct slot epoll;

	return slots_find(act, KIND_EPOLL, &epoll) &&
	       epoll_wait(epoll.fd, events, 8, roll(&act->dice, 3)) > 0;
}

/* A poll that waits in the kernel, with nobody inside a system call. */
static bool aio_poll_make(struct act *act)
{
	struct iocb block = { .aio_lio_opcode = IOCB_CMD_POLL }, *blocks = &block;
	struct timespec now = {};
	struct io_event events[8];
	struct slot slot;

	if (one_in(&act->dice, 2))
		return syscall(SYS_io_getevents, aio, 0, 8, events, &now) > 0;
	if (!slots_find(act, KIND_NONE, &slot))
		return false;
	block.aio_fildes = slot.fd;
	block.aio_buf = roll(&act->dice, 0x4000);

	return syscall(SYS_io_submit, aio, 1, &blocks) == 1;
}

/* What is not made for these files: refused, and without harm. */
static bool odd_make(struct act *act)
{
	struct slot slot;
	char byte = 0;

	if (!slots_find(act, KIND_NONE, &slot))
		return false;
	/* An eventfd could block, and the device's mode is everybody's. */
	if (slot.kind == KIND_EVENTFD || slot.kind == KIND_EPOLL ||
	    slot.kind == KIND_OTHER || slot.kind == KIND_DEVICE)
		return false;
	switch (roll(&act->dice, 12)) {
	case 0:
		return read(slot.fd, &byte, 1) == 1;
	case 1:
		return write(slot.fd, &byte, 1) == 1;
	case 2:
		return pread(slot.fd, &byte, 1, 0) == 1;
	case 3:
		return !ftruncate(slot.fd, roll(&act->dice, 1 << 20));
	case 4:
		return !fallocate(slot.fd, FALLOC_FL_PUNCH_HOLE |
				  FALLOC_FL_KEEP_SIZE, 0, PAGE_BYTES);
	case 5:
		return !fsync(slot.fd);
	case 6:
		return lseek(slot.fd, roll(&act->dice, 1 << 20), SEEK_SET) >= 0;
	case 7:
		return !posix_fadvise(slot.fd, 0, 0, POSIX_FADV_DONTNEED);
	case 8:
		return !flock(slot.fd, LOCK_EX | LOCK_NB);
	case 9:
		return sendfile(FD_INBOX, slot.fd, NULL, PAGE_BYTES) > 0;
	case 10:
		return !fchmod(slot.fd, 0777);
	default:
		return !fcntl(slot.fd, F_SETFL,
			      (one_in(&act->dice, 2) ? O_NONBLOCK : 0) |
			      (one_in(&act->dice, 4) ? O_DIRECT : 0) |
			      (one_in(&act->dice, 4) ? O_APPEND : 0));
	}
}

/* What the module tells of its objects, read while they change. */
static bool look_make(struct act *act)
{
	static const char * const paths[] = {
		"/proc/self/smaps", "/proc/self/maps", "/proc/self/numa_maps",
		"/sys/kernel/debug/flowipc/regions",
		"/sys/kernel/debug/flowipc/region_bytes",
		"/sys/kernel/debug/flowipc/claims",
	};
	char path[64], text[4096];
	struct slot slot;
	bool seen = false;
	int fd;

	if (one_in(&act->dice, 4)) {
		snprintf(path, sizeof(path), "%s", paths[roll(&act->dice, 6)]);
	} else {
		if (!slots_find(act, KIND_NONE, &slot))
			return false;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", slot.fd);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	while (read(fd, text, sizeof(text)) > 0)
		seen = true;
	close(fd);

	return seen;
}

#define CALL(name_, weight_, make_) \
	{ .name = name_, .weight = weight_, .make = make_##_make }

const struct call file_calls[] = {
	CALL("close", 12, close),
	CALL("close_range", 1, close_range),
	CALL("dup", 6, dup),
	CALL("cloexec", 2, cloexec),
	CALL("reopen", 2, reopen),
	CALL("send-fd", 12, send),
	CALL("receive-fd", 16, receive),
	CALL("poll", 10, poll),
	CALL("eventfd", 4, eventfd),
	CALL("epoll_create", 3, epoll_create),
	CALL("epoll_ctl", 8, epoll_ctl),
	CALL("epoll_wait", 6, epoll_wait),
	CALL("aio-poll", 4, aio_poll),
	CALL("odd", 4, odd),
	CALL("look", 4, look),
};

const unsigned int file_calls_count =
	sizeof(file_calls) / sizeof(file_calls[0]);
