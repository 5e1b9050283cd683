// SPDX-License-Identifier: GPL-2.0-only
/* CHANNEL_CLAIM and PEER: the first to claim an end, as the kernel knows it. */
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "channel.h"

TEST_F(channel, unknown_bits_are_refused)
{
	struct flowipc_channel_claim claim;
	struct flowipc_channel_peer peer;
	int bit;

	ASSERT_EQ(0, channel_claim(self->there));
	for (bit = 0; bit < 32; bit++) {
		claim = (struct flowipc_channel_claim){ .flags = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_CHANNEL_CLAIM, &claim));
		claim = (struct flowipc_channel_claim){ .reserved = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_CHANNEL_CLAIM, &claim));
		peer = (struct flowipc_channel_peer){ .flags = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_PEER, &peer));
		peer = (struct flowipc_channel_peer){ .reserved = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_PEER, &peer));
	}
	EXPECT_ERRNO(EFAULT, ioctl(self->here, FLOWIPC_IOC_CHANNEL_CLAIM, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->here, FLOWIPC_IOC_PEER, NULL));
	/* None of it has claimed. */
	EXPECT_ERRNO(ENOTCONN, channel_peer(self->there, &peer.who, NULL, 0));
}

TEST_F(channel, the_claimer_is_told_to_the_other_end)
{
	char exe[PAGE], expected[PAGE] = "";
	struct flowipc_identity who;
	struct stat stat_buf;

	EXPECT_ERRNO(ENOTCONN, channel_peer(self->there, &who, NULL, 0));
	ASSERT_EQ(0, channel_claim(self->here));
	EXPECT_ERRNO(ENOTCONN, channel_peer(self->here, &who, NULL, 0));

	ASSERT_EQ(0, channel_peer(self->there, &who, exe, sizeof(exe)));
	EXPECT_EQ(getpid(), who.pid);
	EXPECT_EQ(geteuid(), who.uid);
	EXPECT_EQ(getegid(), who.gid);
	ASSERT_LT(0, readlink("/proc/self/exe", expected, sizeof(expected) - 1));
	EXPECT_EQ(strlen(expected) + 1, who.exe_bytes);
	EXPECT_EQ(0, strcmp(expected, exe));
	ASSERT_EQ(0, stat("/proc/self/exe", &stat_buf));
	EXPECT_EQ(stat_buf.st_dev, who.exe_device);
	EXPECT_EQ(stat_buf.st_ino, who.exe_inode);
}

TEST_F(channel, a_path_without_room_is_not_copied)
{
	struct flowipc_identity who;
	char exe[PAGE];
	uint32_t bytes;

	ASSERT_EQ(0, channel_claim(self->here));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	bytes = who.exe_bytes;
	ASSERT_LT(1, bytes);
	memset(exe, 'x', sizeof(exe));
	ASSERT_EQ(0, channel_peer(self->there, &who, exe, bytes - 1));
	EXPECT_EQ(bytes, who.exe_bytes);
	EXPECT_EQ('x', exe[0]);
	ASSERT_EQ(0, channel_peer(self->there, &who, exe, bytes));
	EXPECT_EQ(bytes - 1, strnlen(exe, sizeof(exe)));
	EXPECT_EQ('x', exe[bytes]);
	EXPECT_ERRNO(EFAULT, channel_peer(self->there, &who, (char *)1, PAGE));
}

TEST_F(channel, the_first_is_it_for_ever)
{
	struct flowipc_identity who;
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		ASSERT_EQ(0, channel_claim(self->here));
		ASSERT_EQ(0, channel_claim(self->here));
		tell(sockets[1]);
		hear(sockets[1]);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	EXPECT_ERRNO(EBUSY, channel_claim(self->here));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(child, who.pid);
	EXPECT_EQ(USER, who.uid);
	EXPECT_EQ(USER, who.gid);
	/* The end is of use to all who hold it. */
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));

	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
	EXPECT_ERRNO(EBUSY, channel_claim(self->here));
	/* Dead, and after the end is closed: still known. */
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(-1, who.pid);
	EXPECT_EQ(USER, who.uid);
	ASSERT_EQ(0, close(self->here));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(-1, who.pid);
	EXPECT_LT(1, who.exe_bytes);
}

TEST_F(channel, threads_are_one_process_and_exec_keeps_it)
{
	struct flowipc_identity who;
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_EQ(0, channel_claim(self->here));
		tell(sockets[1]);
		execl("/bin/busybox", "sleep", "100", NULL);
		_exit(1);
	}
	ASSERT_TRUE(hear(sockets[0]));
	close(sockets[1]);
	/* Closed by the exec. */
	ASSERT_FALSE(hear(sockets[0]));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(child, who.pid);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(-1, who.pid);
}

/* Runs the rest of the test in a child, in namespaces of its own. */
static bool enter(int namespaces)
{
	pid_t child;
	int status;

	if (unshare(namespaces)) {
		SKIP(return false, "no namespaces");
	}
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		return true;
	status = reap(child);
	ASSERT_EQ(0, status);

	return false;
}

TEST_F(channel, a_process_outside_has_no_number_inside)
{
	struct flowipc_identity who;

	ASSERT_EQ(0, channel_claim(self->here));
	if (!enter(CLONE_NEWPID))
		return;
	EXPECT_EQ(1, getpid());
	EXPECT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(0, who.pid);
	EXPECT_EQ(0, channel_claim(self->there));
	EXPECT_EQ(0, channel_peer(self->here, &who, NULL, 0));
	EXPECT_EQ(1, who.pid);
	_exit(0);
}

TEST_F(channel, a_process_inside_has_a_number_outside)
{
	struct flowipc_identity who;
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (!enter(CLONE_NEWPID))
			_exit(0);
		ASSERT_EQ(0, channel_claim(self->here));
		tell(sockets[1]);
		hear(sockets[1]);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_LT(1, who.pid);
	EXPECT_NE(child, who.pid);
	EXPECT_EQ(0, kill(who.pid, 0));
	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
}

TEST_F(channel, ids_are_those_of_the_readers_user_namespace)
{
	struct flowipc_identity who;

	ASSERT_EQ(0, channel_claim(self->here));
	/* Nobody is mapped in it. */
	if (!enter(CLONE_NEWUSER))
		return;
	EXPECT_EQ(0, channel_peer(self->there, &who, NULL, 0));
	EXPECT_EQ(65534, who.uid);
	EXPECT_EQ(65534, who.gid);
	_exit(0);
}

TEST_F(channel, of_many_one_claims_it)
{
	enum { PROCESSES = 8, ROUNDS = 50 };
	int round, i, ends[2], winners, status;
	struct flowipc_identity who;
	pid_t child[PROCESSES];

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, channel_create(self->device, ends));
		for (i = 0; i < PROCESSES; i++) {
			child[i] = fork();
			ASSERT_LE(0, child[i]);
			if (!child[i]) {
				channel_wait(ends[0], MESSAGE, in_ms(5));
				_exit(channel_claim(ends[0]) ? errno != EBUSY : 42);
			}
		}
		winners = 0;
		for (i = 0; i < PROCESSES; i++) {
			status = reap(child[i]);
			EXPECT_TRUE(status == 0 || status == 42);
			winners += status == 42;
		}
		EXPECT_EQ(1, winners);
		EXPECT_EQ(0, channel_peer(ends[1], &who, NULL, 0));
		EXPECT_EQ(-1, who.pid);
		close(ends[0]);
		close(ends[1]);
	}
}

HARNESS_MAIN
