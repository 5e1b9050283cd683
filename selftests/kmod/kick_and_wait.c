// SPDX-License-Identifier: GPL-2.0-only
/* KICK_AND_WAIT: a request rung once and only once, and its reply. */
#include <sched.h>

#include "channel.h"

/* What has become pending at @end, which is taken. */
static int rung(int end)
{
	int taken = channel_wait(end, MESSAGE | SPACE, 0);

	return taken == -1 && errno == ETIMEDOUT ? 0 : taken;
}

TEST_F(channel, wrong_arguments_ring_nothing)
{
	static const struct flowipc_kick_and_wait wrong[] = {
		{ .flags = 1, .kick = MESSAGE, .events = MESSAGE },
		{ .flags = 1U << 31, .kick = MESSAGE, .events = MESSAGE },
		{ .reserved = 1, .kick = MESSAGE, .events = MESSAGE },
		{ .kick = 0, .events = MESSAGE },
		{ .kick = MESSAGE, .events = 0 },
		{ .kick = MESSAGE | HUP, .events = MESSAGE },
		{ .kick = MESSAGE, .events = MESSAGE | HUP },
		{ .kick = MESSAGE, .events = FLOWIPC_EVENT_RDHUP },
		{ .kick = 1U << 31, .events = MESSAGE },
		{ .kick = MESSAGE, .events = 1U << 31 },
	};
	struct flowipc_kick_and_wait arg;
	size_t i;

	/* So that none of them sleeps. */
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE | SPACE));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		arg = wrong[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->here, FLOWIPC_IOC_KICK_AND_WAIT, &arg));
		EXPECT_EQ(0, rung(self->there));
	}
	EXPECT_ERRNO(EFAULT, ioctl(self->here, FLOWIPC_IOC_KICK_AND_WAIT, NULL));
	EXPECT_EQ(0, rung(self->there));
	EXPECT_EQ(MESSAGE | SPACE, rung(self->here));
}

TEST_F(channel, what_is_pending_comes_at_once)
{
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE | SPACE));
	EXPECT_EQ(SPACE, channel_kick_and_wait(self->here, MESSAGE, SPACE, FOREVER));
	EXPECT_EQ(MESSAGE, rung(self->there));
	EXPECT_EQ(MESSAGE, channel_kick_and_wait(self->here, SPACE, MESSAGE | SPACE, 0));
	EXPECT_EQ(SPACE, rung(self->there));
}

TEST_F(channel, no_reply_in_time_leaves_the_kick_done)
{
	uint64_t deadline = in_ms(50);

	EXPECT_ERRNO(ETIMEDOUT, channel_kick_and_wait(self->here, MESSAGE, MESSAGE, 0));
	EXPECT_EQ(MESSAGE, rung(self->there));
	EXPECT_ERRNO(ETIMEDOUT,
		     channel_kick_and_wait(self->here, SPACE, MESSAGE | SPACE, deadline));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(SPACE, rung(self->there));
}

TEST_F(channel, a_closed_end_cannot_be_asked)
{
	ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
	ASSERT_EQ(0, close(self->there));
	EXPECT_ERRNO(EPIPE, channel_kick_and_wait(self->here, MESSAGE, MESSAGE, FOREVER));
	EXPECT_EQ(MESSAGE | HUP, channel_wait(self->here, MESSAGE, FOREVER));
}

TEST_F(channel, a_refused_pointer_leaves_the_kick_done_and_takes_nothing)
{
	struct flowipc_kick_and_wait *arg =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, arg);
	*arg = (struct flowipc_kick_and_wait){ .kick = SPACE, .events = MESSAGE };
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));

	ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
	EXPECT_ERRNO(EFAULT, ioctl(self->here, FLOWIPC_IOC_KICK_AND_WAIT, arg));
	EXPECT_EQ(SPACE, rung(self->there));
	EXPECT_EQ(MESSAGE, rung(self->here));
}

TEST_F(channel, the_reply_wakes_who_asked)
{
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
		ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(getppid(), getppid())));
		/* Not what it waits for. */
		ASSERT_EQ(0, channel_kick(self->there, MESSAGE));
		sleep_ms(10);
		ASSERT_EQ(0, channel_kick(self->there, SPACE));
		_exit(0);
	}
	EXPECT_EQ(SPACE, channel_kick_and_wait(self->here, MESSAGE, SPACE, FOREVER));
	EXPECT_EQ(MESSAGE, rung(self->here));
	ASSERT_EQ(0, reap(child));
}

TEST_F(channel, a_hang_up_ends_the_wait)
{
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->here);
		ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
		ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(getppid(), getppid())));
		_exit(0);
	}
	ASSERT_EQ(0, close(self->there));
	EXPECT_EQ(HUP, channel_kick_and_wait(self->here, MESSAGE, SPACE, FOREVER));
	ASSERT_EQ(0, reap(child));
}

/* Even when the handler asks for a restart: that would ring again. */
TEST_F(channel, a_signal_never_rings_twice)
{
	static const int flags[] = { 0, SA_RESTART };
	pid_t child;
	int i;

	for (i = 0; i < 2; i++) {
		signal_when_asleep(flags[i], &child);
		if (!child) {
			/* Back in user space, or it slept again. */
			sleep_ms(20);
			_exit(0);
		}
		EXPECT_ERRNO(EINTR,
			     channel_kick_and_wait(self->here, MESSAGE, MESSAGE, in_ms(5000)));
		EXPECT_EQ(MESSAGE, rung(self->there));
		ASSERT_EQ(0, reap(child));
		EXPECT_EQ(0, rung(self->there));
	}
}

/* A stopped process is interrupted too, and must not ring again when it goes on. */
TEST_F(channel, a_stop_never_rings_twice)
{
	pid_t child;
	int status;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int result = channel_kick_and_wait(self->here, MESSAGE, SPACE, FOREVER);

		_exit(result == SPACE ? 1 : errno == EINTR ? 0 : 2);
	}
	ASSERT_EQ(MESSAGE, channel_wait(self->there, MESSAGE, FOREVER));
	ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(child, child)));
	ASSERT_EQ(0, kill(child, SIGSTOP));
	ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
	ASSERT_EQ(0, kill(child, SIGCONT));
	EXPECT_EQ(0, reap(child));
	EXPECT_EQ(0, rung(self->there));
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
}

static void ping_pong(int here, int there, int rounds, int here_cpu, int there_cpu)
{
	pid_t child;
	int i;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(here);
		run_on(there_cpu);
		ASSERT_EQ(MESSAGE, channel_wait(there, MESSAGE, FOREVER));
		for (i = 1; i < rounds; i++)
			ASSERT_EQ(MESSAGE, channel_kick_and_wait(there, SPACE, MESSAGE, FOREVER));
		ASSERT_EQ(0, channel_kick(there, SPACE));
		_exit(0);
	}
	run_on(here_cpu);
	for (i = 0; i < rounds; i++)
		ASSERT_EQ(SPACE, channel_kick_and_wait(here, MESSAGE, SPACE, FOREVER));
	ASSERT_EQ(0, reap(child));
}

TEST_F_TIMEOUT(channel, ping_pong_on_one_processor_loses_nothing, 120)
{
	ping_pong(self->here, self->there, 20000, 0, 0);
}

TEST_F_TIMEOUT(channel, ping_pong_on_two_processors_loses_nothing, 120)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one processor");
	ping_pong(self->here, self->there, 20000, 0, 1);
}

HARNESS_MAIN
