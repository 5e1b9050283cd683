// SPDX-License-Identifier: GPL-2.0-only
/* Attacks on what the kernel hands out: bytes that nobody filled in. */
#include <linux/perf_event.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "attack-input.h"

/*
 * Class 13, bytes that nobody filled in. The kernel's stack is filled with a
 * pattern first, by calls that copy the caller's bytes to it; and every byte
 * that comes back must be the one that belongs there, with any pattern. Nothing
 * is written beyond the structure.
 */
static void poison_stack(int pattern)
{
	struct perf_event_attr event;
	struct pollfd fds[30];
	char bytes[512];
	fd_set sets[3];
	size_t i;

	memset(bytes, pattern, sizeof(bytes));
	memset(sets, pattern, sizeof(sets));
	memset(fds, pattern, sizeof(fds));
	memset(&event, pattern, sizeof(event));
	event.size = sizeof(event);
	/* Negative: none of them is looked at. */
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i].fd = (int)(0x80000000U | (uint32_t)fds[i].fd);

	/* Each has its copy at another depth; what they answer is all the same. */
	poll(fds, ARRAY_SIZE(fds), 0);
	ppoll(fds, ARRAY_SIZE(fds), &(struct timespec){}, NULL);
	select(320, &sets[0], &sets[1], &sets[2], &(struct timeval){});
	sendto(STDOUT_FILENO, NULL, 0, 0, (struct sockaddr *)bytes, 128);
	syscall(SYS_rt_sigqueueinfo, getpid(), 0, bytes);
	syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
	syscall(SYS_bpf, -1, bytes, 64);
	prctl(PR_SET_NAME, bytes);
}

#define LEAK_ROOM	256

/* What @command made of @in, with @pattern on the stack and behind @in. */
static void leak_call(int fd, unsigned int command, const void *in,
		      int pattern, char out[LEAK_ROOM])
{
	const size_t size = _IOC_SIZE(command);
	size_t i;

	memset(out, pattern, LEAK_ROOM);
	memcpy(out, in, size);
	poison_stack(pattern);
	ASSERT_EQ(0, ioctl(fd, command, out));
	for (i = size; i < LEAK_ROOM; i++)
		ASSERT_EQ((char)pattern, out[i]);
}

/* Some kernels put each call at another place of the stack. */
#define LEAK_ROUNDS	16

/* Takes the number at @offset out of @out. */
static uint64_t leak_number(char *out, size_t offset)
{
	uint64_t number;

	memcpy(&number, out + offset, sizeof(number));
	memset(out + offset, 0, sizeof(number));

	return number;
}

/*
 * @want is what must come back, every byte of it; descriptors and numbers are
 * 0 there. @number is the offset of a number that is one more each time, or -1;
 * @fds is the offset of @fd_count descriptors.
 */
static void leak_check(int fd, unsigned int command, const void *in,
		       const void *want, int number, int fds, int fd_count)
{
	uint64_t now, last = 0;
	char out[LEAK_ROOM];
	int round, i, made;

	for (round = 0; round < LEAK_ROUNDS; round++) {
		leak_call(fd, command, in, round % 2 ? 0x5a : 0xa5, out);
		if (number >= 0) {
			now = leak_number(out, number);
			if (round)
				EXPECT_EQ(last + 1, now);
			last = now;
		}
		for (i = 0; i < fd_count; i++) {
			memcpy(&made, out + fds + 4 * i, sizeof(made));
			ASSERT_EQ(0, close(made));
			memset(out + fds + 4 * i, 0, sizeof(made));
		}
		for (i = 0; i < (int)_IOC_SIZE(command); i++) {
			if (((const char *)want)[i] == out[i])
				continue;
			printf("# command %#x, byte %d\n", _IOC_NR(command), i);
			ASSERT_EQ(((const char *)want)[i], out[i]);
		}
	}
}

TEST_F(attack, read_what_the_kernel_left_on_its_stack_while_making)
{
	const struct flowipc_region_create region = { .size = PAGE };
	const struct flowipc_channel_create channel = {};
	const struct flowipc_grant grant = { .length = PAGE, .rights = READ };
	const struct flowipc_claim claim = {};
	struct flowipc_claim claimed = {
		.rights = READ, .offset = 2 * PAGE, .length = PAGE,
		.region_size = SIZE,
	};
	struct flowipc_region_info info;
	struct flowipc_query query = {};

	/* The limits are whatever they are, and the same the next time. */
	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_EQ(0, query.features >> 16);
	EXPECT_EQ(0, query.max_total_bytes >> 52);
	EXPECT_EQ(0, query.used_total_bytes >> 52);
	leak_check(self->device, FLOWIPC_IOC_QUERY, &(struct flowipc_query){},
		   &query, -1, 0, 0);
	leak_check(self->device, FLOWIPC_IOC_REGION_CREATE, &region, &region, -1,
		   offsetof(struct flowipc_region_create, fd), 1);
	leak_check(self->device, FLOWIPC_IOC_CHANNEL_CREATE, &channel, &channel, -1,
		   offsetof(struct flowipc_channel_create, fd), 2);
	leak_check(self->region, FLOWIPC_IOC_GRANT, &grant, &grant,
		   offsetof(struct flowipc_grant, id),
		   offsetof(struct flowipc_grant, fd), 1);
	ASSERT_EQ(0, region_info(self->region, &info));
	claimed.region_id = info.id;
	leak_check(self->grant, FLOWIPC_IOC_CLAIM, &claim, &claimed,
		   offsetof(struct flowipc_claim, id),
		   offsetof(struct flowipc_claim, fd), 1);
}

static struct flowipc_identity own_identity(void)
{
	struct flowipc_identity who = {
		.pid = getpid(), .uid = geteuid(), .gid = getegid(),
	};
	struct stat status;
	char path[PAGE];

	ASSERT_EQ(0, stat("/proc/self/exe", &status));
	who.exe_bytes = readlink("/proc/self/exe", path, sizeof(path)) + 1;
	who.exe_device = status.st_dev;
	who.exe_inode = status.st_ino;

	return who;
}

TEST_F(attack, read_what_the_kernel_left_on_its_stack_while_asking)
{
	struct flowipc_region_info info = { .grants = 1, .size = SIZE };
	struct flowipc_grant_next grant = {
		.id = 1, .offset = 2 * PAGE, .length = PAGE, .rights = READ,
	};
	struct flowipc_claim_next claim = {
		.id = 2, .grant_id = 1, .who = own_identity(),
	};
	const struct flowipc_channel_peer peer = { .who = claim.who };
	const struct flowipc_wait wait = { .events = MESSAGE };
	const struct flowipc_wait waited = { .events = RDHUP };
	const struct flowipc_kick_and_wait both = {
		.kick = SPACE, .events = MESSAGE,
	};
	const struct flowipc_kick_and_wait both_done = {
		.kick = SPACE, .events = RDHUP,
	};
	struct flowipc_region_info now;

	ASSERT_EQ(0, region_info(self->region, &now));
	EXPECT_LE(now.max_order, 4);
	EXPECT_EQ(0, now.id >> 32);
	info.max_order = now.max_order;
	info.id = now.id;
	leak_check(self->region, FLOWIPC_IOC_REGION_INFO,
		   &(struct flowipc_region_info){}, &info, -1, 0, 0);
	leak_check(self->region, FLOWIPC_IOC_GRANT_NEXT,
		   &(struct flowipc_grant_next){}, &grant, -1, 0, 0);
	ASSERT_LE(0, grant_claim(self->grant));
	leak_check(self->region, FLOWIPC_IOC_CLAIM_NEXT,
		   &(struct flowipc_claim_next){}, &claim, -1, 0, 0);

	ASSERT_EQ(0, channel_claim(self->ends[0]));
	leak_check(self->ends[1], FLOWIPC_IOC_PEER,
		   &(struct flowipc_channel_peer){}, &peer, -1, 0, 0);
	/* A half-close lasts, and makes all calls alike. */
	ASSERT_EQ(0, channel_shutdown(self->ends[0]));
	leak_check(self->ends[1], FLOWIPC_IOC_WAIT, &wait, &waited, -1, 0, 0);
	leak_check(self->ends[1], FLOWIPC_IOC_KICK_AND_WAIT, &both, &both_done, -1, 0, 0);
}

/* Nor in the room for the path, beyond the path or when there is too little. */
TEST_F(attack, read_what_lies_behind_the_path)
{
	struct flowipc_claim_next next = {};
	char room[PAGE], path[PAGE];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
	uint32_t bytes;
	size_t i;

	ASSERT_LE(1, length);
	ASSERT_LE(0, grant_claim(self->grant));
	for (bytes = 0; bytes <= length + 8; bytes++) {
		next = (struct flowipc_claim_next){
			.who = { .exe_bytes = bytes, .exe = (uintptr_t)room },
		};
		memset(room, 0x77, sizeof(room));
		ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_CLAIM_NEXT, &next));
		EXPECT_EQ(length + 1, next.who.exe_bytes);
		i = 0;
		if (bytes > length) {
			EXPECT_EQ(0, memcmp(room, path, length));
			EXPECT_EQ(0, room[length]);
			i = length + 1;
		}
		for (; i < sizeof(room); i++)
			ASSERT_EQ(0x77, room[i]);
	}
}

HARNESS_MAIN
