// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHUTDOWN: no more messages, but what was rung before arrives, and SPACE; or
 * nothing any more, at both ends.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "channel.h"

TEST_F(channel, unknown_bits_are_refused)
{
	struct flowipc_shutdown arg;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		arg = (struct flowipc_shutdown){ .flags = 1U << bit };
		if (arg.flags != FLOWIPC_SHUTDOWN_BOTH)
			EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_SHUTDOWN, &arg));
		arg = (struct flowipc_shutdown){ .reserved = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_SHUTDOWN, &arg));
	}
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
}

TEST_F(channel, what_was_rung_before_arrives)
{
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(MESSAGE | RDHUP, channel_wait(self->there, MESSAGE, FOREVER));
	/* From then on it never sleeps. */
	EXPECT_EQ(RDHUP, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_EQ(RDHUP, channel_wait(self->there, MESSAGE | SPACE, FOREVER));
}

TEST_F(channel, space_still_works_both_ways)
{
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_ERRNO(EPIPE, channel_kick(self->here, MESSAGE));
	EXPECT_ERRNO(EPIPE, channel_kick(self->here, MESSAGE | SPACE));
	EXPECT_ERRNO(EPIPE, channel_kick_and_wait(self->here, MESSAGE, SPACE, 0));
	/* Nothing of it was rung. */
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, SPACE, 0));

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(SPACE, channel_wait(self->there, SPACE, FOREVER));
	/* The other direction is not shut down. */
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE | SPACE));
	EXPECT_EQ(MESSAGE | SPACE, channel_wait(self->here, MESSAGE | SPACE, FOREVER));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, 0));
}

TEST_F(channel, who_waits_for_space_is_not_disturbed)
{
	struct waiter space;
	uint64_t deadline;

	waiter_start(&space, self->there, SPACE);
	ASSERT_EQ(0, channel_shutdown(self->here));
	sleep_ms(20);
	EXPECT_FALSE(space.done);
	EXPECT_TRUE(EVENTUALLY(sleeps_in_ioctl(getpid(), space.tid)));
	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(SPACE, waiter_result(&space));

	/* Nor does it spin: it sleeps until the deadline. */
	deadline = in_ms(50);
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, SPACE, deadline));
	EXPECT_LE(deadline, now_ns());
}

TEST_F(channel, a_sleeper_is_woken)
{
	struct waiter message, both;

	waiter_start(&message, self->there, MESSAGE);
	waiter_start(&both, self->there, MESSAGE | SPACE);
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(RDHUP, waiter_result(&message));
	EXPECT_EQ(RDHUP, waiter_result(&both));
}

TEST_F(channel, twice_is_no_error_and_no_event)
{
	struct epoll_event edge = { .events = EPOLLRDHUP | EPOLLET };
	int edges = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(edges, EPOLL_CTL_ADD, self->there, &edge));
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(1, epoll_wait(edges, &edge, 1, 0));
	EXPECT_EQ(EPOLLRDHUP, edge.events);
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(0, epoll_wait(edges, &edge, 1, 0));

	ASSERT_EQ(0, close(self->there));
	EXPECT_EQ(0, channel_shutdown(self->here));
}

TEST_F(channel, poll_tells_it_to_who_asks)
{
	ASSERT_EQ(0, channel_shutdown(self->here));
	EXPECT_EQ(0, poll_now(self->there, POLLIN | POLLOUT));
	EXPECT_EQ(POLLRDHUP, poll_now(self->there, POLLIN | POLLRDHUP));
	EXPECT_EQ(0, poll_now(self->here, POLLIN | POLLOUT | POLLRDHUP));
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(POLLHUP | POLLRDHUP, poll_now(self->there, POLLRDHUP));
	EXPECT_EQ(RDHUP | HUP, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_EQ(HUP, channel_wait(self->there, SPACE, FOREVER));
}

static void *ring_until_pipe(void *arg)
{
	struct waiter *ringer = arg;

	while (!channel_kick(ringer->end, MESSAGE))
		ringer->done++;
	ringer->result = errno;

	return NULL;
}

/* After RDHUP was seen there is no message any more, whoever raced. */
TEST_F_TIMEOUT(channel, nothing_comes_after_it, 120)
{
	struct waiter ringer;
	int round, ends[2];

	for (round = 0; round < 300; round++) {
		ASSERT_EQ(0, channel_create(self->device, ends));
		ringer = (struct waiter){ .end = ends[0] };
		ASSERT_EQ(0, pthread_create(&ringer.thread, NULL, ring_until_pipe, &ringer));
		ASSERT_LT(0, channel_wait(ends[1], MESSAGE, FOREVER));
		ASSERT_EQ(0, channel_shutdown(ends[0]));
		ASSERT_TRUE(channel_wait(ends[1], MESSAGE, FOREVER) & RDHUP);
		ASSERT_EQ(RDHUP, channel_wait(ends[1], MESSAGE, FOREVER));
		EXPECT_EQ(EPIPE, waiter_result(&ringer));
		ASSERT_EQ(RDHUP, channel_wait(ends[1], MESSAGE, FOREVER));
		close(ends[0]);
		close(ends[1]);
	}
}

TEST_F(channel, hung_up_is_over_at_both_ends)
{
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	ASSERT_EQ(0, channel_hang_up(self->here));
	/* What was rung before is still found. */
	EXPECT_EQ(MESSAGE | HUP, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_EQ(HUP, channel_wait(self->here, SPACE, FOREVER));
	EXPECT_ERRNO(EPIPE, channel_kick(self->here, MESSAGE));
	EXPECT_ERRNO(EPIPE, channel_kick(self->here, SPACE));
	EXPECT_ERRNO(EPIPE, channel_kick(self->there, SPACE));
	EXPECT_ERRNO(EPIPE, channel_kick_and_wait(self->there, MESSAGE, SPACE, FOREVER));
	EXPECT_EQ(POLLHUP, poll_now(self->here, POLLIN));
	EXPECT_EQ(POLLHUP, poll_now(self->there, POLLIN));

	ASSERT_EQ(0, channel_hang_up(self->here));
	ASSERT_EQ(0, channel_hang_up(self->there));
	ASSERT_EQ(0, channel_shutdown(self->there));
	ASSERT_EQ(0, close(self->there));
	EXPECT_EQ(0, channel_hang_up(self->here));
	EXPECT_EQ(HUP, channel_wait(self->here, SPACE, FOREVER));
}

TEST_F(channel, hanging_up_wakes_sleepers_at_both_ends)
{
	struct waiter waiters[4];
	int i;

	waiter_start(&waiters[0], self->here, MESSAGE);
	waiter_start(&waiters[1], self->here, SPACE);
	waiter_start(&waiters[2], self->there, MESSAGE);
	waiter_start(&waiters[3], self->there, SPACE);
	ASSERT_EQ(0, channel_hang_up(self->here));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(HUP, waiter_result(&waiters[i]));
}

TEST_F(channel, hung_up_signals_eventfds)
{
	struct flowipc_bind_eventfd arg = { .events = HUP };
	int ends[2] = { self->here, self->there }, i;
	uint64_t count;

	for (i = 0; i < 2; i++) {
		arg.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_EQ(0, ioctl(ends[i], FLOWIPC_IOC_BIND_EVENTFD, &arg));
		ends[i] = arg.eventfd;
	}
	ASSERT_EQ(0, channel_hang_up(self->there));
	ASSERT_EQ(0, channel_hang_up(self->there));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(sizeof(count), read(ends[i], &count, sizeof(count)));
		EXPECT_EQ(1, count);
	}
}

/* Seals outlast it: whoever reads what they cover still can. */
TEST_F(channel, hung_up_keeps_seals_and_takes_no_more)
{
	int region = region_create_as(self->device, PAGE, FLOWIPC_REGION_SEALABLE);
	char *memory = map(region, PAGE, PROT_READ | PROT_WRITE);
	struct flowipc_seal seal = { .length = PAGE, .channel_fd = self->here };
	struct flowipc_unseal unseal;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	ASSERT_EQ(0, channel_hang_up(self->here));
	EXPECT_EQ(SIGBUS, touch_write(memory));
	unseal = (struct flowipc_unseal){ .id = seal.id };
	EXPECT_ERRNO(EPIPE, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	EXPECT_EQ(0, ioctl(self->there, FLOWIPC_IOC_UNSEAL, &unseal));
	EXPECT_EQ(0, touch_write(memory));
}

HARNESS_MAIN
