/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the objects of the module, for the tests
 *
 * Thin: every function is one system call, returns what it returned and leaves
 * errno. Those with more to them are after "and other helpers".
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/flowipc.h>

#define PAGE		4096ULL
#define HUGE		(2ULL << 20)

#define READ		FLOWIPC_RIGHT_READ
#define WRITE		FLOWIPC_RIGHT_WRITE
#define MESSAGE		FLOWIPC_EVENT_MESSAGE
#define SPACE		FLOWIPC_EVENT_SPACE
#define HUP		FLOWIPC_EVENT_HUP
#define RDHUP		FLOWIPC_EVENT_RDHUP
#define FOREVER		FLOWIPC_WAIT_FOREVER

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* An unprivileged user, and a group nobody is in. */
#define USER		12345
#define GROUP		23456

static inline int device_open(void)
{
	return open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);
}

static inline int region_create_as(int device, uint64_t size, uint32_t flags)
{
	struct flowipc_region_create arg = { .size = size, .flags = flags };

	return ioctl(device, FLOWIPC_IOC_REGION_CREATE, &arg) ? -1 : arg.fd;
}

static inline int region_create(int device, uint64_t size)
{
	return region_create_as(device, size, 0);
}

static inline int region_info(int region, struct flowipc_region_info *info)
{
	memset(info, 0, sizeof(*info));

	return ioctl(region, FLOWIPC_IOC_REGION_INFO, info);
}

/* The next grant after the one with number @id. */
static inline int grant_next(int region, uint64_t id,
			     struct flowipc_grant_next *next)
{
	*next = (struct flowipc_grant_next){ .id = id };

	return ioctl(region, FLOWIPC_IOC_GRANT_NEXT, next);
}

/* The next claim after the one with number @id, and the path if it fits. */
static inline int claim_next(int region, uint64_t id,
			     struct flowipc_claim_next *next, char *exe,
			     uint32_t exe_bytes)
{
	*next = (struct flowipc_claim_next){
		.id = id,
		.who = { .exe = (uintptr_t)exe, .exe_bytes = exe_bytes },
	};

	return ioctl(region, FLOWIPC_IOC_CLAIM_NEXT, next);
}

static inline int grant_create_for(int region, uint64_t offset, uint64_t length,
				   uint32_t rights, uint32_t flags,
				   uint32_t uid, uint32_t gid)
{
	struct flowipc_grant arg = {
		.offset = offset, .length = length, .rights = rights,
		.flags = flags, .uid = uid, .gid = gid,
	};

	return ioctl(region, FLOWIPC_IOC_GRANT, &arg) ? -1 : arg.fd;
}

static inline int grant_create(int region, uint64_t offset, uint64_t length,
			       uint32_t rights)
{
	return grant_create_for(region, offset, length, rights, 0, 0, 0);
}

/* The claim, which can be mapped. */
static inline int grant_claim(int grant)
{
	struct flowipc_claim arg = {};

	return ioctl(grant, FLOWIPC_IOC_CLAIM, &arg) ? -1 : arg.fd;
}

static inline int grant_revoke(int region, int grant)
{
	struct flowipc_revoke arg = { .grant_fd = grant };

	return ioctl(region, FLOWIPC_IOC_REVOKE, &arg);
}

static inline int grant_revoke_all(int region)
{
	struct flowipc_revoke arg = {
		.flags = FLOWIPC_REVOKE_ALL, .grant_fd = -1,
	};

	return ioctl(region, FLOWIPC_IOC_REVOKE, &arg);
}

/* By number, with FLOWIPC_REVOKE_GRANT or FLOWIPC_REVOKE_CLAIM. */
static inline int revoke_number(int region, uint32_t flags, uint64_t id)
{
	struct flowipc_revoke arg = {
		.flags = flags, .grant_fd = -1, .id = id,
	};

	return ioctl(region, FLOWIPC_IOC_REVOKE, &arg);
}

static inline int channel_create(int device, int ends[2])
{
	struct flowipc_channel_create arg = {};

	if (ioctl(device, FLOWIPC_IOC_CHANNEL_CREATE, &arg))
		return -1;
	memcpy(ends, arg.fd, sizeof(arg.fd));

	return 0;
}

static inline int channel_kick(int end, uint32_t events)
{
	struct flowipc_kick arg = { .events = events };

	return ioctl(end, FLOWIPC_IOC_KICK, &arg);
}

/* The events taken, or -1. */
static inline int channel_wait(int end, uint32_t events, uint64_t deadline_ns)
{
	struct flowipc_wait arg = {
		.events = events, .deadline_ns = deadline_ns,
	};

	return ioctl(end, FLOWIPC_IOC_WAIT, &arg) ? -1 : (int)arg.events;
}

/* The events taken, or -1. */
static inline int channel_kick_and_wait(int end, uint32_t kick, uint32_t events,
					uint64_t deadline_ns)
{
	struct flowipc_kick_and_wait arg = {
		.kick = kick, .events = events, .deadline_ns = deadline_ns,
	};

	return ioctl(end, FLOWIPC_IOC_KICK_AND_WAIT, &arg) ? -1 : (int)arg.events;
}

static inline int channel_shutdown(int end)
{
	struct flowipc_shutdown arg = {};

	return ioctl(end, FLOWIPC_IOC_SHUTDOWN, &arg);
}

/* At both ends, as if they were closed. */
static inline int channel_hang_up(int end)
{
	struct flowipc_shutdown arg = { .flags = FLOWIPC_SHUTDOWN_BOTH };

	return ioctl(end, FLOWIPC_IOC_SHUTDOWN, &arg);
}

static inline int channel_claim(int end)
{
	struct flowipc_channel_claim arg = {};

	return ioctl(end, FLOWIPC_IOC_CHANNEL_CLAIM, &arg);
}

/* The path of the executable goes to @exe, when it has room. */
static inline int channel_peer(int end, struct flowipc_identity *who,
			       char *exe, size_t room)
{
	struct flowipc_channel_peer arg = {
		.who = { .exe = (uintptr_t)exe, .exe_bytes = room },
	};
	int err = ioctl(end, FLOWIPC_IOC_PEER, &arg);

	*who = arg.who;

	return err;
}

static inline void *map_at(int fd, uint64_t size, int prot, uint64_t offset)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, offset);
}

static inline void *map(int fd, uint64_t size, int prot)
{
	return map_at(fd, size, prot, 0);
}

static inline uint64_t used_total_bytes(int device)
{
	struct flowipc_query query = {};

	return ioctl(device, FLOWIPC_IOC_QUERY, &query) ?
	       UINT64_MAX : query.used_total_bytes;
}

/* ... and other helpers */

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);

	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static inline uint64_t in_ms(uint64_t ms)
{
	return now_ns() + ms * 1000000;
}

static inline void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* Tries again until @condition holds; false after a time only a hang takes. */
#define EVENTUALLY(condition)						\
	({								\
		uint64_t until_ = in_ms(20000);				\
		bool holds_;						\
									\
		while (!(holds_ = (condition)) && now_ns() < until_)	\
			sleep_ms(1);					\
		holds_;							\
	})

/* Exit status, or 256 and the signal. */
static inline int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return -1;

	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);

	return count;
}

static inline int open_fd_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	return open(path, flags);
}

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written;

	if (fd == -1)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);

	return written;
}

/* Empty when it cannot be read. */
static inline void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	while (fd != -1 && used + 1 < size) {
		got = read(fd, text + used, size - 1 - used);
		if (got <= 0)
			break;
		used += got;
	}
	text[used] = '\0';
	if (fd != -1)
		close(fd);
}

/* The number of kB after @key in the smaps entry of the mapping at @address. */
static inline long smaps_kb(const void *address, const char *key)
{
	unsigned long start, end;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool inside = false;
	char line[256];
	long kb = -1;

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start == (unsigned long)address;
		else if (inside && !strncmp(line, key, strlen(key)))
			kb = atol(line + strlen(key));
	}
	if (smaps)
		fclose(smaps);

	return kb;
}

static sigjmp_buf touch_end;

static inline void touch_handler(int signal)
{
	siglongjmp(touch_end, signal);
}

/* What poll says at once of a descriptor, asked for @events. */
static inline int poll_now(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, 0) == -1 ? -1 : poll_fd.revents;
}

/* 0, or the signal which an access to *@address raises. */
static inline int touch(volatile char *address, bool write)
{
	struct sigaction action = { .sa_handler = touch_handler };
	struct sigaction bus, segv;
	int signal;

	sigaction(SIGBUS, &action, &bus);
	sigaction(SIGSEGV, &action, &segv);
	signal = sigsetjmp(touch_end, 1);
	if (!signal) {
		if (write)
			*address = *address;
		else
			(void)*address;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);

	return signal;
}

static inline int touch_read(const void *address)
{
	return touch((char *)(uintptr_t)address, false);
}

static inline int touch_write(void *address)
{
	return touch(address, true);
}

/* Gives up root; the device is opened before. */
static inline bool become(uid_t uid, gid_t gid, size_t groups,
			  const gid_t *group)
{
	if (setgroups(groups, group) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid))
		return false;

	/* Or /proc/self belongs to root. */
	return !prctl(PR_SET_DUMPABLE, 1);
}

static inline bool become_user(void)
{
	return become(USER, USER, 0, NULL);
}

/* Whether a thread sleeps in ioctl(), as WAIT does. */
static inline bool sleeps_in_ioctl(pid_t pid, pid_t tid)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	read_text(path, text, sizeof(text));

	return isdigit((unsigned char)text[0]) && atoi(text) == SYS_ioctl;
}

static inline bool send_fd(int socket, int fd)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));

	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static inline int recv_fd(int socket)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));

	return fd;
}

/* Two processes in step: tell() in one lets hear() in the other return. */
static inline bool tell(int socket)
{
	return send(socket, "", 1, MSG_NOSIGNAL) == 1;
}

static inline bool hear(int socket)
{
	char byte;

	return recv(socket, &byte, 1, 0) == 1;
}

static inline bool socket_pair(int sockets[2])
{
	return !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets);
}

#endif /* OBJECTS_H */
