// SPDX-License-Identifier: GPL-2.0-only
/* BIND_EVENTFD: each event counts, none is missed, and nothing is taken. */
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "channel.h"

static int bind_eventfd(int end, int eventfd, uint32_t events)
{
	struct flowipc_bind_eventfd arg = { .eventfd = eventfd, .events = events };

	return ioctl(end, FLOWIPC_IOC_BIND_EVENTFD, &arg);
}

static int unbind_eventfd(int end)
{
	return bind_eventfd(end, -1, 0);
}

static int eventfd_new(uint64_t count)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd != -1 && count && write(fd, &count, sizeof(count)) != sizeof(count))
		return -1;

	return fd;
}

/* What was added since the last time. */
static uint64_t count_of(int eventfd)
{
	uint64_t count;

	return read(eventfd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

TEST_F(channel, wrong_arguments_are_refused)
{
	static const struct flowipc_bind_eventfd wrong[] = {
		{ .flags = 1, .events = MESSAGE },
		{ .flags = 1U << 31, .events = MESSAGE },
		{ .reserved = 1, .events = MESSAGE },
		{ .events = 0 },
		{ .events = 1U << 4 },
		{ .events = MESSAGE | 1U << 31 },
		{ .eventfd = -1, .events = MESSAGE },
		{ .eventfd = -1, .flags = 1 },
	};
	struct flowipc_bind_eventfd arg;
	int fd = eventfd_new(0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		arg = wrong[i];
		if (!arg.eventfd)
			arg.eventfd = fd;
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_BIND_EVENTFD, &arg));
	}
	EXPECT_ERRNO(EINVAL, bind_eventfd(self->here, self->there, MESSAGE));
	EXPECT_ERRNO(EINVAL, bind_eventfd(self->here, self->device, MESSAGE));
	EXPECT_ERRNO(EBADF, bind_eventfd(self->here, 999, MESSAGE));
	EXPECT_ERRNO(EBADF, bind_eventfd(self->here, -2, MESSAGE));
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE | SPACE));
	EXPECT_EQ(0, count_of(fd));
}

TEST_F(channel, each_event_counts)
{
	int fd = eventfd_new(0), i;

	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
	EXPECT_EQ(0, count_of(fd));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(5, count_of(fd));
	/* The other bell, and the other end, are not its business. */
	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
	EXPECT_EQ(0, count_of(fd));
	/* Two bells at once are one ring. */
	ASSERT_EQ(0, bind_eventfd(self->here, fd, MESSAGE | SPACE));
	EXPECT_EQ(1, count_of(fd)); /* MESSAGE, rung above */
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE | SPACE));
	EXPECT_EQ(1, count_of(fd));
	EXPECT_EQ(SPACE, channel_kick_and_wait(self->here, MESSAGE, SPACE, 0));
	EXPECT_EQ(1, count_of(fd));

	/* And all is still there to be taken. */
	EXPECT_EQ(MESSAGE | SPACE, channel_wait(self->there, MESSAGE | SPACE, 0));
	EXPECT_EQ(MESSAGE, channel_wait(self->here, MESSAGE | SPACE, 0));
}

TEST_F(channel, what_is_pending_counts_at_once)
{
	int fd = eventfd_new(0);

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
	EXPECT_EQ(0, count_of(fd));
	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE | SPACE));
	EXPECT_EQ(1, count_of(fd));
	ASSERT_EQ(SPACE, channel_wait(self->there, SPACE, 0));
	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE | SPACE));
	EXPECT_EQ(0, count_of(fd));
}

TEST_F(channel, a_new_binding_replaces_the_old)
{
	int first = eventfd_new(0), second = eventfd_new(0);

	ASSERT_EQ(0, bind_eventfd(self->there, first, MESSAGE));
	ASSERT_EQ(0, bind_eventfd(self->there, second, SPACE));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE | SPACE));
	EXPECT_EQ(0, count_of(first));
	EXPECT_EQ(1, count_of(second));
	ASSERT_EQ(0, unbind_eventfd(self->there));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE | SPACE));
	EXPECT_EQ(0, count_of(first));
	EXPECT_EQ(0, count_of(second));
	EXPECT_EQ(0, unbind_eventfd(self->there));
}

TEST_F(channel, a_closed_eventfd_is_held)
{
	int fd = eventfd_new(0), copy = dup(fd);

	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(1, count_of(copy));
	ASSERT_EQ(0, close(copy));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
	EXPECT_EQ(0, unbind_eventfd(self->there));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
}

TEST_F(channel, hang_up_and_shutdown_count)
{
	int fd = eventfd_new(0), late = eventfd_new(0);

	ASSERT_EQ(0, bind_eventfd(self->there, fd, HUP | RDHUP));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(0, count_of(fd));
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(1, count_of(fd));
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(0, count_of(fd));
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(1, count_of(fd));

	/* They hold, so a later binding finds them. */
	ASSERT_EQ(0, bind_eventfd(self->there, late, RDHUP));
	EXPECT_EQ(1, count_of(late));
	ASSERT_EQ(0, bind_eventfd(self->there, late, HUP));
	EXPECT_EQ(1, count_of(late));
	ASSERT_EQ(0, bind_eventfd(self->there, late, SPACE));
	EXPECT_EQ(0, count_of(late));
}

TEST_F(channel, a_full_eventfd_does_not_block_who_kicks)
{
	int fd = eventfd_new(UINT64_MAX - 1), i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
	EXPECT_EQ(UINT64_MAX, count_of(fd));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(1, count_of(fd));
}

TEST_F(channel, a_closed_end_lets_its_eventfd_go)
{
	int fd = eventfd_new(0);

	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE | HUP));
	ASSERT_EQ(0, close(self->there));
	EXPECT_ERRNO(EPIPE, channel_kick(self->here, MESSAGE));
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(0, count_of(fd));
}

static void *kick_once(void *arg)
{
	struct waiter *kicker = arg;

	sleep_ms(20);
	kicker->result = channel_kick(kicker->end, MESSAGE);

	return NULL;
}

/* The eventfd and the end itself, in one set: both are told. */
TEST_F(channel, it_wakes_an_epoll_set)
{
	struct epoll_event bound = { .events = EPOLLIN, .data.u32 = 1 };
	struct epoll_event end = { .events = EPOLLIN, .data.u32 = 2 };
	struct waiter kicker = { .end = self->here };
	int fd = eventfd_new(0), set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event seen[3];

	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &bound));
	ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
	ASSERT_EQ(0, pthread_create(&kicker.thread, NULL, kick_once, &kicker));
	ASSERT_EQ(1, epoll_wait(set, seen, 3, 30000));
	EXPECT_EQ(1, seen[0].data.u32);
	EXPECT_EQ(0, waiter_result(&kicker));
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, self->there, &end));
	EXPECT_EQ(2, epoll_wait(set, seen, 3, 0));
	EXPECT_EQ(1, count_of(fd));
	EXPECT_EQ(1, epoll_wait(set, seen, 3, 0));
	EXPECT_EQ(2, seen[0].data.u32);
}

static void *kick_many(void *arg)
{
	struct waiter *kicker = arg;

	while (!kicker->done)
		if (channel_kick(kicker->end, MESSAGE))
			break;

	return NULL;
}

/* After a binding has ended, or another replaced it, not one signal comes. */
TEST_F_TIMEOUT(channel, a_race_with_rebinding_is_exact, 120)
{
	struct waiter kicker = { .end = self->here };
	int fds[2], round;

	ASSERT_LE(0, fds[0] = eventfd_new(0));
	ASSERT_LE(0, fds[1] = eventfd_new(0));
	ASSERT_EQ(0, pthread_create(&kicker.thread, NULL, kick_many, &kicker));
	for (round = 0; round < 2000; round++) {
		ASSERT_EQ(0, bind_eventfd(self->there, fds[round % 2], MESSAGE));
		count_of(fds[(round + 1) % 2]);
		sched_yield();
		ASSERT_EQ(0, count_of(fds[(round + 1) % 2]));
	}
	ASSERT_EQ(0, unbind_eventfd(self->there));
	count_of(fds[0]);
	count_of(fds[1]);
	sleep_ms(10);
	EXPECT_EQ(0, count_of(fds[0]));
	EXPECT_EQ(0, count_of(fds[1]));
	kicker.done = 1;
	waiter_result(&kicker);
}

/* A binding that races with a kick: one of them signals, always. */
TEST_F_TIMEOUT(channel, a_race_with_a_kick_misses_none, 120)
{
	int fd = eventfd_new(0), round;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (round = 0; round < 3000; round++) {
			ASSERT_EQ(SPACE, channel_wait(self->here, SPACE, FOREVER));
			ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
		}
		_exit(0);
	}
	for (round = 0; round < 3000; round++) {
		ASSERT_EQ(0, channel_kick(self->there, SPACE));
		ASSERT_EQ(0, bind_eventfd(self->there, fd, MESSAGE));
		ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
		ASSERT_TRUE(EVENTUALLY(count_of(fd)));
		ASSERT_EQ(0, unbind_eventfd(self->there));
		count_of(fd);
	}
	ASSERT_EQ(0, reap(child));
}

HARNESS_MAIN
