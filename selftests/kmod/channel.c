// SPDX-License-Identifier: GPL-2.0-only
/* Channels: what was kicked arrives once, and nobody sleeps through it. */
#include <linux/time_types.h>
#include <sched.h>
#include <sys/epoll.h>

#include "channel.h"

TEST_F(channel, bad_events_are_refused)
{
	int bit;

	EXPECT_ERRNO(EINVAL, channel_kick(self->here, 0));
	EXPECT_ERRNO(EINVAL, channel_wait(self->here, 0, 0));
	for (bit = 2; bit < 32; bit++) {
		EXPECT_ERRNO(EINVAL, channel_kick(self->here, 1U << bit));
		EXPECT_ERRNO(EINVAL, channel_kick(self->here, MESSAGE | 1U << bit));
		EXPECT_ERRNO(EINVAL, channel_wait(self->here, 1U << bit, 0));
		EXPECT_ERRNO(EINVAL, channel_wait(self->here, SPACE | 1U << bit, 0));
	}
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE | SPACE, 0));
}

TEST_F(channel, a_kick_arrives_at_the_other_end)
{
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE | SPACE, 0));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE | SPACE, FOREVER));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE | SPACE, 0));

	ASSERT_EQ(0, channel_kick(self->there, SPACE));
	EXPECT_EQ(SPACE, channel_wait(self->here, MESSAGE | SPACE, FOREVER));
}

TEST_F(channel, only_what_was_asked_for_is_taken)
{
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE | SPACE));
	EXPECT_EQ(SPACE, channel_wait(self->there, SPACE, FOREVER));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, SPACE, 0));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));

	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(MESSAGE | SPACE, channel_wait(self->there, MESSAGE | SPACE, FOREVER));
}

TEST_F(channel, kicks_add_up_to_one_event)
{
	int i;

	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
}

TEST_F(channel, a_deadline_in_the_past_does_not_sleep)
{
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, 0));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, 1));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, now_ns()));
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->here, MESSAGE, 0));
}

TEST_F(channel, a_deadline_is_kept)
{
	uint64_t deadline = in_ms(50);

	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE | SPACE, deadline));
	EXPECT_LE(deadline, now_ns());
}

TEST_F(channel, a_refused_pointer_takes_nothing)
{
	struct flowipc_wait *arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, arg);
	*arg = (struct flowipc_wait){ .events = MESSAGE | SPACE };
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));

	ASSERT_EQ(0, channel_kick(self->here, MESSAGE | SPACE));
	EXPECT_ERRNO(EFAULT, ioctl(self->there, FLOWIPC_IOC_WAIT, arg));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->there, POLLIN | POLLOUT));
	EXPECT_EQ(MESSAGE | SPACE, channel_wait(self->there, MESSAGE | SPACE, 0));
}

TEST_F(channel, a_kick_wakes_a_sleeper)
{
	static const uint32_t events[] = { MESSAGE, SPACE, MESSAGE | SPACE };
	struct waiter waiter;
	int i;

	for (i = 0; i < 3; i++) {
		waiter_start(&waiter, self->there, MESSAGE | SPACE);
		ASSERT_EQ(0, channel_kick(self->here, events[i]));
		EXPECT_EQ(events[i], waiter_result(&waiter));
	}
}

TEST_F(channel, two_bells_wake_two_threads)
{
	struct waiter message, space;

	waiter_start(&message, self->there, MESSAGE);
	waiter_start(&space, self->there, SPACE);

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(SPACE, waiter_result(&space));
	EXPECT_FALSE(message.done);
	EXPECT_TRUE(EVENTUALLY(sleeps_in_ioctl(getpid(), message.tid)));

	waiter_start(&space, self->there, SPACE);
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, waiter_result(&message));
	EXPECT_FALSE(space.done);

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(SPACE, waiter_result(&space));
}

TEST_F(channel, one_kick_is_taken_by_one_of_two)
{
	struct waiter first, second;

	waiter_start(&first, self->there, MESSAGE);
	waiter_start(&second, self->there, MESSAGE);
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	ASSERT_TRUE(EVENTUALLY(first.done || second.done));
	/* The other one looked, and went back to sleep. */
	ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(getpid(), first.done ? second.tid : first.tid)));
	EXPECT_EQ(1, first.done + second.done);

	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(MESSAGE, waiter_result(&first));
	EXPECT_EQ(MESSAGE, waiter_result(&second));
}

TEST_F(channel, poll_tells_levels_and_takes_nothing)
{
	EXPECT_EQ(0, poll_now(self->there, POLLIN | POLLOUT));
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(POLLIN, poll_now(self->there, POLLIN | POLLOUT));
	EXPECT_EQ(POLLIN, poll_now(self->there, POLLIN | POLLOUT));
	EXPECT_EQ(0, poll_now(self->there, POLLOUT));
	EXPECT_EQ(0, poll_now(self->here, POLLIN | POLLOUT));

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->there, POLLIN | POLLOUT));
	ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
	EXPECT_EQ(POLLOUT, poll_now(self->there, POLLIN | POLLOUT));
	ASSERT_EQ(SPACE, channel_wait(self->there, SPACE, 0));
	EXPECT_EQ(0, poll_now(self->there, POLLIN | POLLOUT));

	ASSERT_EQ(0, channel_kick(self->here, SPACE));
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(POLLHUP | POLLOUT, poll_now(self->there, POLLIN | POLLOUT));
	EXPECT_EQ(POLLHUP, poll_now(self->there, 0));
}

static void *poll_run(void *arg)
{
	struct waiter *waiter = arg;
	struct pollfd poll_end = { .fd = waiter->end, .events = waiter->events };

	waiter->tid = syscall(SYS_gettid);
	waiter->result = poll(&poll_end, 1, 30000) == 1 ? poll_end.revents : -1;

	return NULL;
}

TEST_F(channel, poll_is_woken)
{
	static const struct { uint32_t kick; int wanted, seen; } round[] = {
		{ MESSAGE, POLLIN, POLLIN },
		{ SPACE, POLLOUT, POLLOUT },
		{ 0, 0, POLLHUP },
	};
	struct waiter waiter = { .end = self->there };
	int i;

	for (i = 0; i < 3; i++) {
		waiter.events = round[i].wanted;
		waiter.tid = 0;
		ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, poll_run, &waiter));
		ASSERT_TRUE(EVENTUALLY(waiter.tid));
		/* Asleep by now, most likely; it must hold if not, too. */
		sleep_ms(20);
		if (round[i].kick)
			ASSERT_EQ(0, channel_kick(self->here, round[i].kick));
		else
			ASSERT_EQ(0, close(self->here));
		EXPECT_EQ(round[i].seen, waiter_result(&waiter));
		if (round[i].kick)
			ASSERT_EQ((int)round[i].kick, channel_wait(self->there, round[i].kick, 0));
	}
}

TEST_F(channel, epoll_tells_levels_and_edges)
{
	struct epoll_event level = { .events = EPOLLIN | EPOLLOUT };
	struct epoll_event edge = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct epoll_event seen;
	int levels = epoll_create1(EPOLL_CLOEXEC);
	int edges = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(levels, EPOLL_CTL_ADD, self->there, &level));
	ASSERT_EQ(0, epoll_ctl(edges, EPOLL_CTL_ADD, self->there, &edge));
	EXPECT_EQ(0, epoll_wait(levels, &seen, 1, 0));
	EXPECT_EQ(0, epoll_wait(edges, &seen, 1, 0));

	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(1, epoll_wait(levels, &seen, 1, 0));
	EXPECT_EQ(EPOLLIN, seen.events);
	EXPECT_EQ(1, epoll_wait(levels, &seen, 1, 0));
	EXPECT_EQ(1, epoll_wait(edges, &seen, 1, 0));
	EXPECT_EQ(0, epoll_wait(edges, &seen, 1, 0));
	/* Each kick is an edge, also when the last one was not taken. */
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	EXPECT_EQ(1, epoll_wait(edges, &seen, 1, 0));

	ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
	EXPECT_EQ(0, epoll_wait(levels, &seen, 1, 0));
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(1, epoll_wait(levels, &seen, 1, 0));
	EXPECT_EQ(EPOLLHUP, seen.events);
	EXPECT_EQ(1, epoll_wait(edges, &seen, 1, 0));
}

TEST_F(channel, hang_up_is_reported)
{
	ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
	ASSERT_EQ(0, close(self->here));

	EXPECT_ERRNO(EPIPE, channel_kick(self->there, MESSAGE));
	/* What was kicked before comes with it, and it never sleeps again. */
	EXPECT_EQ(HUP, channel_wait(self->there, SPACE, FOREVER));
	EXPECT_EQ(MESSAGE | HUP, channel_wait(self->there, MESSAGE | SPACE, FOREVER));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE | SPACE, FOREVER));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE, 0));
}

TEST_F(channel, hang_up_wakes_all_sleepers)
{
	struct waiter message, space;

	waiter_start(&message, self->there, MESSAGE);
	waiter_start(&space, self->there, SPACE);
	ASSERT_EQ(0, close(self->here));
	EXPECT_EQ(HUP, waiter_result(&message));
	EXPECT_EQ(HUP, waiter_result(&space));
}

TEST_F(channel, hang_up_comes_with_the_last_descriptor)
{
	int copy = dup(self->here);
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		hear(sockets[1]);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->here));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
	ASSERT_EQ(0, close(copy));
	/* The child has both as well. */
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE));

	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE, FOREVER));
}

/* A descriptor on its way through a socket is one more. */
TEST_F(channel, hang_up_waits_for_a_descriptor_in_flight)
{
	int sockets[2], received;

	ASSERT_TRUE(socket_pair(sockets));
	ASSERT_TRUE(send_fd(sockets[0], self->here));
	ASSERT_EQ(0, close(self->here));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
	received = recv_fd(sockets[1]);
	ASSERT_LE(0, received);
	ASSERT_EQ(0, channel_kick(received, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));

	ASSERT_TRUE(send_fd(sockets[0], received));
	ASSERT_EQ(0, close(received));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
	/* Never received, and gone with its socket. */
	ASSERT_EQ(0, close(sockets[0]));
	ASSERT_EQ(0, close(sockets[1]));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE, FOREVER));
}

TEST_F(channel, hang_up_comes_with_kill_9)
{
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->there);
		tell(sockets[1]);
		/* Asleep in WAIT, which must not keep its end open. */
		channel_wait(self->here, MESSAGE, FOREVER);
		_exit(1);
	}
	ASSERT_EQ(0, close(self->here));
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(child, child)));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->there, MESSAGE, 0));
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(HUP, channel_wait(self->there, MESSAGE, FOREVER));
	ASSERT_EQ(256 + SIGKILL, reap(child));
}

TEST_F(channel, a_signal_interrupts)
{
	pid_t child;

	signal_when_asleep(0, &child);
	if (!child)
		_exit(0);
	EXPECT_ERRNO(EINTR, channel_wait(self->here, MESSAGE, FOREVER));
	ASSERT_EQ(0, reap(child));
}

TEST_F(channel, a_signal_restarts_when_asked)
{
	uint64_t deadline = in_ms(400);
	pid_t child;

	signal_when_asleep(SA_RESTART, &child);
	if (!child)
		_exit(0);
	/* The deadline is absolute, so the restart does not move it. */
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, deadline));
	EXPECT_LE(deadline, now_ns());
	ASSERT_EQ(0, reap(child));

	signal_when_asleep(SA_RESTART, &child);
	if (!child) {
		ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(getppid(), getppid())));
		ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
		_exit(0);
	}
	EXPECT_EQ(MESSAGE, channel_wait(self->here, MESSAGE, FOREVER));
	ASSERT_EQ(0, reap(child));
}

/* CLOCK_MONOTONIC is another one in a time namespace with an offset. */
TEST_F(channel, deadlines_are_those_of_the_time_namespace)
{
	static const char * const offset[] = { "monotonic 1000000 0\n", "monotonic -1 0\n" };
	pid_t child;
	int i;

	for (i = 0; i < 2; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			if (unshare(0x80 /* CLONE_NEWTIME */))
				_exit(4);
			ASSERT_TRUE(write_text("/proc/self/timens_offsets", offset[i]));
			/* Only children are in it. */
			child = fork();
			ASSERT_LE(0, child);
			if (!child) {
				uint64_t deadline = in_ms(100);

				EXPECT_ERRNO(ETIMEDOUT,
					     channel_wait(self->here, MESSAGE, deadline));
				EXPECT_LE(deadline, now_ns());
				EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->here, MESSAGE, 0));
				_exit(0);
			}
			_exit(reap(child));
		}
		if (reap(child) == 4)
			SKIP(return, "no time namespaces");
	}
}

/* Two processes which do nothing but wake each other: no wake-up may be lost. */
TEST_F_TIMEOUT(channel, ping_pong_loses_nothing, 120)
{
	const int rounds = 20000;
	pid_t child;
	int i;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->here);
		for (i = 0; i < rounds; i++) {
			ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
			ASSERT_EQ(0, channel_kick(self->there, SPACE));
		}
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
		ASSERT_EQ(SPACE, channel_wait(self->here, SPACE, FOREVER));
	}
	ASSERT_EQ(0, reap(child));
}

/* The same through poll(), which looks in another way. */
TEST_F_TIMEOUT(channel, ping_pong_by_poll_loses_nothing, 120)
{
	struct pollfd poll_end = { .fd = self->there, .events = POLLIN };
	const int rounds = 10000;
	pid_t child;
	int i;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->here);
		for (i = 0; i < rounds; i++) {
			ASSERT_EQ(1, poll(&poll_end, 1, 30000));
			ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
			ASSERT_EQ(0, channel_kick(self->there, SPACE));
		}
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
		ASSERT_EQ(SPACE, channel_wait(self->here, SPACE, FOREVER));
	}
	ASSERT_EQ(0, reap(child));
}

/* And by edges, where a kick that makes none would be waited for in vain. */
TEST_F_TIMEOUT(channel, ping_pong_by_edges_loses_nothing, 120)
{
	struct epoll_event edge = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	int edges = epoll_create1(EPOLL_CLOEXEC);
	const int rounds = 10000;
	pid_t child;
	int i;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->here);
		ASSERT_EQ(0, epoll_ctl(edges, EPOLL_CTL_ADD, self->there, &edge));
		for (i = 0; i < rounds; i++) {
			ASSERT_EQ(1, epoll_wait(edges, &edge, 1, 30000));
			ASSERT_EQ(EPOLLIN, edge.events);
			ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, 0));
			ASSERT_EQ(0, channel_kick(self->there, SPACE));
		}
		ASSERT_EQ(1, epoll_wait(edges, &edge, 1, 30000));
		ASSERT_EQ(EPOLLRDHUP, edge.events & EPOLLRDHUP);
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
		ASSERT_EQ(SPACE, channel_wait(self->here, SPACE, FOREVER));
	}
	ASSERT_EQ(0, channel_shutdown(self->here));
	ASSERT_EQ(0, reap(child));
}

/* Two takers of one bell never both get the same kick, nor does one get lost. */
static void *taker_run(void *arg)
{
	struct waiter *waiter = arg;
	int taken;

	while ((taken = channel_wait(waiter->end, MESSAGE, FOREVER)) != -1) {
		if (taken & MESSAGE) {
			__atomic_add_fetch(&waiter->done, 1, __ATOMIC_SEQ_CST);
			/* The kicker waits for this before its next kick. */
			channel_kick(waiter->end, SPACE);
		}
		if (taken & HUP)
			break;
	}

	return NULL;
}

TEST_F_TIMEOUT(channel, each_kick_is_taken_exactly_once, 120)
{
	struct waiter takers[2] = {
		{ .end = self->there }, { .end = self->there },
	};
	const int rounds = 5000;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&takers[i].thread, NULL, taker_run, &takers[i]));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, channel_kick(self->here, MESSAGE));
		ASSERT_EQ(SPACE, channel_wait(self->here, SPACE, FOREVER));
	}
	ASSERT_EQ(0, close(self->here));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(takers[i].thread, NULL));
	EXPECT_EQ(rounds, takers[0].done + takers[1].done);
}

HARNESS_MAIN
