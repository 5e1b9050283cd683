// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attacks by what is handed to the kernel: arguments that change while they are
 * read, sums that wrap around, words that are shared with an attacker.
 */
#include <sys/eventfd.h>
#include <sys/time.h>

#include "attack-input.h"

/*
 * Class 11, double fetch. The argument lies across two pages, and the second is
 * a trap: the kernel is held in the middle of reading it, when the first @cut
 * bytes have been read, and these change before it goes on. What it checked is
 * what it must use; the new bytes count for nothing.
 */
struct flip {
	int		fd;
	unsigned int	command;
	const void	*good;
	const void	*evil;
	size_t		cut;
};

/* The ioctl's result, with its errno; the argument as it came back in @out. */
static int flip_during(const struct flip *flip, void *out)
{
	const size_t size = _IOC_SIZE(flip->command);
	char *pages = pages_alloc(2);
	char *argument = pages + PAGE - flip->cut;
	static struct trap trap;
	struct call call;
	int result, error;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_LT(flip->cut, size);
	ASSERT_TRUE(trap_open(&trap, UFFDIO_REGISTER_MODE_MISSING));
	memcpy(argument, flip->good, size);
	ASSERT_TRUE(trap_set(&trap, pages + PAGE));
	ASSERT_TRUE(call_start(&call, flip->fd, flip->command, argument));
	ASSERT_TRUE(trap_caught(&trap));
	memcpy(argument, flip->evil, flip->cut);
	ASSERT_TRUE(trap_release(&trap));
	result = call_join(&call);
	error = errno;
	memcpy(out, argument, size);
	close(trap.fd);
	munmap(pages, 2 * PAGE);
	errno = error;

	return result;
}

static void need_traps(void)
{
	struct trap trap;

	if (trap_open(&trap, UFFDIO_REGISTER_MODE_MISSING)) {
		close(trap.fd);
		return;
	}
	harness_skip("no userfaultfd: %s", strerror(errno));
	siglongjmp(harness_end, 1);
}

TEST_F(attack, flip_the_size_while_a_region_is_created)
{
	const struct flowipc_region_create good = { .size = PAGE };
	const struct flowipc_region_create evil = {
		.size = 3 * PAGE + 1, .flags = ~0U, .fd = -1,
	};
	struct flip flip = {
		.fd = self->device, .command = FLOWIPC_IOC_REGION_CREATE,
		.good = &good, .evil = &evil,
	};
	uint64_t used = used_total_bytes(self->device);
	struct flowipc_region_info info;
	struct flowipc_region_create out;

	need_traps();
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		ASSERT_EQ(0, flip_during(&flip, &out));
		ASSERT_EQ(0, region_info(out.fd, &info));
		EXPECT_EQ(PAGE, info.size);
		EXPECT_EQ(0, info.region_flags);
		EXPECT_EQ(used + PAGE, used_total_bytes(self->device));
		EXPECT_NE(MAP_FAILED, map(out.fd, PAGE, PROT_READ));
		EXPECT_ERRNO(EINVAL, map(out.fd, 2 * PAGE, PROT_READ));
		ASSERT_EQ(0, munmap(map(out.fd, PAGE, PROT_READ), PAGE));
		ASSERT_EQ(0, close(out.fd));
		used = used_total_bytes(self->device);
	}
}

TEST_F(attack, flip_the_window_while_a_grant_is_made)
{
	const struct flowipc_grant good = {
		.offset = PAGE, .length = 2 * PAGE, .rights = READ,
		.flags = FLOWIPC_GRANT_UID, .uid = USER,
	};
	const struct flowipc_grant evil = {
		.offset = SIZE, .length = 1ULL << 40, .rights = READ | WRITE | 64,
		.flags = FLOWIPC_GRANT_MANY | ~63U, .uid = 0, .gid = GROUP,
	};
	struct flip flip = {
		.fd = self->region, .command = FLOWIPC_IOC_GRANT,
		.good = &good, .evil = &evil,
	};
	struct flowipc_grant out;

	need_traps();
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		struct flowipc_grant_next next = {};

		ASSERT_EQ(0, flip_during(&flip, &out));
		next.id = out.id - 1;
		ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT_NEXT, &next));
		EXPECT_EQ(out.id, next.id);
		EXPECT_EQ(good.offset, next.offset);
		EXPECT_EQ(good.length, next.length);
		EXPECT_EQ(good.rights, next.rights);
		EXPECT_EQ(good.flags, next.grant_flags);
		EXPECT_EQ(good.uid, next.uid);
		EXPECT_EQ(0, next.gid);
		/* The condition is the one that was checked, too. */
		EXPECT_ERRNO(EPERM, grant_claim(out.fd));
	}
}

TEST_F(attack, flip_what_is_revoked)
{
	int other = grant_create(self->region, 0, PAGE, READ);
	struct flowipc_grant_next first = {};
	struct flowipc_revoke good, out;
	const struct flowipc_revoke evil = {
		.flags = FLOWIPC_REVOKE_ALL, .grant_fd = -1,
	};
	struct flip flip = {
		.fd = self->region, .command = FLOWIPC_IOC_REVOKE,
		.good = &good, .evil = &evil, .cut = 8,
	};

	need_traps();
	ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT_NEXT, &first));
	good = (struct flowipc_revoke){
		.flags = FLOWIPC_REVOKE_GRANT, .grant_fd = -1, .id = first.id,
	};
	ASSERT_EQ(0, flip_during(&flip, &out));
	EXPECT_ERRNO(EACCES, grant_claim(self->grant));
	EXPECT_LE(0, grant_claim(other));
}

TEST_F(attack, flip_the_flags_of_a_claim)
{
	const struct flowipc_claim good = {};
	struct flowipc_claim evil, out;
	struct flip flip = {
		.fd = self->grant, .command = FLOWIPC_IOC_CLAIM,
		.good = &good, .evil = &evil,
	};

	need_traps();
	memset(&evil, 0xff, sizeof(evil));
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		ASSERT_EQ(0, flip_during(&flip, &out));
		EXPECT_EQ(READ, out.rights);
		EXPECT_EQ(2 * PAGE, out.offset);
		EXPECT_EQ(PAGE, out.length);
		ASSERT_EQ(0, close(out.fd));
	}
}

static int poll_bells(int end)
{
	int events;

	do {
		events = poll_now(end, POLLIN | POLLOUT | POLLRDHUP);
	} while (events == -1 && errno == EINTR);

	return events;
}

TEST_F(attack, flip_the_bells_of_a_kick)
{
	const struct flowipc_kick good = { .events = SPACE };
	const struct flowipc_kick evil = { .flags = ~0U, .events = ~SPACE };
	struct flip flip = {
		.fd = self->ends[0], .command = FLOWIPC_IOC_KICK,
		.good = &good, .evil = &evil, .cut = 8,
	};
	struct flowipc_kick out;

	need_traps();
	ASSERT_EQ(0, flip_during(&flip, &out));
	EXPECT_EQ(POLLOUT, poll_bells(self->ends[1]));
	EXPECT_EQ(SPACE, channel_wait(self->ends[1], MESSAGE | SPACE, 0));
}

TEST_F(attack, flip_what_is_waited_for)
{
	const struct flowipc_wait good = { .events = SPACE, .deadline_ns = 0 };
	const struct flowipc_wait evil = {
		.flags = ~0U, .events = ~SPACE, .deadline_ns = FOREVER,
	};
	struct flip flip = {
		.fd = self->ends[1], .command = FLOWIPC_IOC_WAIT,
		.good = &good, .evil = &evil,
	};
	struct flowipc_wait out;

	need_traps();
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		/* With the evil deadline it would sleep, with the bells take one. */
		ASSERT_EQ(0, channel_kick(self->ends[0], MESSAGE));
		EXPECT_ERRNO(ETIMEDOUT, flip_during(&flip, &out));
		ASSERT_EQ(0, channel_kick(self->ends[0], SPACE));
		EXPECT_EQ(0, flip_during(&flip, &out));
		EXPECT_EQ(SPACE, out.events);
		EXPECT_EQ(MESSAGE, channel_wait(self->ends[1], MESSAGE | SPACE, 0));
	}
}

TEST_F(attack, flip_a_kick_and_its_wait)
{
	const struct flowipc_kick_and_wait good = {
		.kick = SPACE, .events = MESSAGE, .deadline_ns = 0,
	};
	const struct flowipc_kick_and_wait evil = {
		.flags = ~0U, .kick = ~SPACE, .events = ~MESSAGE,
		.reserved = ~0U, .deadline_ns = FOREVER,
	};
	struct flip flip = {
		.fd = self->ends[0], .command = FLOWIPC_IOC_KICK_AND_WAIT,
		.good = &good, .evil = &evil,
	};
	struct flowipc_kick_and_wait out;

	need_traps();
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		EXPECT_ERRNO(ETIMEDOUT, flip_during(&flip, &out));
		EXPECT_EQ(SPACE, channel_wait(self->ends[1], MESSAGE | SPACE, 0));
	}
}

TEST_F(attack, flip_which_eventfd_is_bound)
{
	int bound = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);
	const struct flowipc_bind_eventfd good = {
		.eventfd = bound, .events = MESSAGE,
	};
	const struct flowipc_bind_eventfd evil = {
		.flags = ~0U, .eventfd = other, .events = ~0U,
	};
	struct flip flip = {
		.fd = self->ends[1], .command = FLOWIPC_IOC_BIND_EVENTFD,
		.good = &good, .evil = &evil, .cut = 8,
	};
	struct flowipc_bind_eventfd out;
	uint64_t count;

	need_traps();
	ASSERT_EQ(0, flip_during(&flip, &out));
	ASSERT_EQ(0, channel_kick(self->ends[0], MESSAGE | SPACE));
	EXPECT_ERRNO(EAGAIN, read(other, &count, sizeof(count)));
	ASSERT_EQ(sizeof(count), read(bound, &count, sizeof(count)));
	EXPECT_EQ(1, count);
}

TEST_F(attack, flip_the_range_of_a_seal)
{
	int region = region_create_as(self->device, SIZE, FLOWIPC_REGION_SEALABLE);
	const struct flowipc_seal good = {
		.offset = PAGE, .length = PAGE, .channel_fd = self->ends[0],
	};
	const struct flowipc_seal evil = {
		.offset = 3 * PAGE, .length = -PAGE, .flags = ~0U, .channel_fd = -1,
	};
	struct flip flip = {
		.fd = region, .command = FLOWIPC_IOC_SEAL,
		.good = &good, .evil = &evil,
	};
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);
	struct flowipc_seal out;
	int page;

	need_traps();
	ASSERT_NE(MAP_FAILED, memory);
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		struct flowipc_unseal unseal;

		ASSERT_EQ(0, flip_during(&flip, &out));
		for (page = 0; page < 16; page++)
			EXPECT_EQ(page == 1 ? SIGBUS : 0,
				  touch_write(memory + page * PAGE));
		unseal = (struct flowipc_unseal){ .id = out.id };
		ASSERT_EQ(0, ioctl(self->ends[1], FLOWIPC_IOC_UNSEAL, &unseal));
		EXPECT_EQ(0, touch_write(memory + PAGE));
	}
}

/* The path goes where the argument said first, and no further. */
TEST_F(attack, flip_where_the_path_is_put)
{
	char *path = pages_alloc(1), *canary = pages_alloc(1);
	const struct flowipc_claim_next good = {
		.who = { .exe_bytes = PAGE, .exe = (uintptr_t)path },
	};
	const struct flowipc_claim_next evil = {
		.flags = ~0U,
		.who = { .exe_bytes = ~0U, .exe = (uintptr_t)canary },
	};
	struct flip flip = {
		.fd = self->region, .command = FLOWIPC_IOC_CLAIM_NEXT,
		.good = &good, .evil = &evil,
	};
	struct flowipc_claim_next out;
	int i;

	need_traps();
	ASSERT_LE(0, grant_claim(self->grant));
	/* The number before is an input: a new one is a different question. */
	for (flip.cut = 8; flip.cut < sizeof(good); flip.cut += 8) {
		memset(path, 0, PAGE);
		ASSERT_EQ(0, flip_during(&flip, &out));
		EXPECT_EQ(getpid(), out.who.pid);
		EXPECT_EQ(strlen(path) + 1, out.who.exe_bytes);
		EXPECT_EQ('/', path[0]);
		for (i = 0; i < (int)PAGE; i++)
			ASSERT_EQ(0, canary[i]);
	}
}

/*
 * The same without traps, where only chance decides: two threads change every
 * word of the arguments all the time. Whatever is accepted must be sane.
 */
struct scribble {
	volatile uint32_t *words;
	size_t		  count;
};

static void scribble_over(void *argument)
{
	static const uint32_t evil[] = {
		0, 1, 2, 4, 8, PAGE, 3 * PAGE, PAGE + 1, 1U << 31, ~0U,
	};
	static _Thread_local uint32_t seed = 12345;
	struct scribble *scribble = argument;

	seed = seed * 1103515245 + 12345;
	scribble->words[(seed >> 8) % scribble->count] =
		evil[(seed >> 16) % ARRAY_SIZE(evil)];
}

static void interrupt(int signal)
{
	(void)signal;
}

TEST_F_TIMEOUT(attack, flip_all_arguments_at_random, 300)
{
	/* A deadline may become one that is far away. */
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } };
	const struct sigaction action = { .sa_handler = interrupt };
	char *argument = pages_alloc(1);
	struct scribble scribble = { (uint32_t *)argument, 12 };
	uint64_t used = used_total_bytes(self->device);
	struct flowipc_region_info info;
	struct flowipc_grant_next next = {};
	struct storm storm;
	int before, round, fd;

	ASSERT_NE(MAP_FAILED, argument);
	before = count_fds();
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	ASSERT_TRUE(storm_start(&storm, scribble_over, &scribble));
	for (round = 0; harness_once_more(round, 5000); round++) {
		/* Most of the time it is close to what is accepted. */
		if (round % 2)
			memset(argument, 0, 48);
		fd = next_fd();
		*(volatile uint64_t *)argument = PAGE;
		if (!ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, argument)) {
			ASSERT_EQ(0, region_info(fd, &info));
			ASSERT_EQ(0, info.size % PAGE);
			ASSERT_EQ(used + info.size, used_total_bytes(self->device));
			ASSERT_ERRNO(EINVAL, map(fd, info.size + PAGE, PROT_READ));
			ASSERT_EQ(0, close(fd));
		}
		*(volatile uint64_t *)(argument + 8) = PAGE;
		if (!ioctl(self->region, FLOWIPC_IOC_GRANT, argument)) {
			while (!ioctl(self->region, FLOWIPC_IOC_GRANT_NEXT, &next)) {
				ASSERT_EQ(0, (next.offset | next.length) % PAGE);
				ASSERT_LE(next.offset + next.length, SIZE);
				ASSERT_LE(1, next.length / PAGE);
				ASSERT_TRUE(next.rights & READ);
				ASSERT_EQ(0, next.rights & ~(READ | WRITE));
			}
			ASSERT_EQ(0, close(fd));
			next.id = 0;
		}
		ioctl(self->ends[0], FLOWIPC_IOC_KICK, argument);
		((volatile uint64_t *)argument)[1] = 0;
		ioctl(self->ends[1], FLOWIPC_IOC_WAIT, argument);
		ASSERT_EQ(0, poll_bells(self->ends[1]) & ~(POLLIN | POLLOUT));
		ASSERT_EQ(0, poll_bells(self->ends[0]) & ~(POLLIN | POLLOUT));
	}
	storm_end(&storm);
	EXPECT_EQ(before, count_fds());
	EXPECT_EQ(used, used_total_bytes(self->device));
}

/*
 * Class 12, trusting words that an attacker can write. There are none but the
 * arguments: these lie in a region here, and its peer writes over them while
 * their owner sleeps. What counts is what they were when the call began.
 */
static void scribbler(int grant, int kicker, pid_t sleeper, int socket)
{
	int claim = grant_claim(grant);
	struct flowipc_wait *words = map_at(claim, PAGE, PROT_READ | PROT_WRITE,
					    5 * PAGE);

	ASSERT_NE(MAP_FAILED, words);
	ASSERT_TRUE(tell(socket));
	ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(sleeper, sleeper)));
	words->flags = ~0U;
	words->events = SPACE | HUP;
	words->deadline_ns = 0;
	words->reserved = ~0ULL;
	/* Not what is waited for. */
	ASSERT_EQ(0, channel_kick(kicker, SPACE));
	sleep_ms(50);
	ASSERT_TRUE(sleeps_in_ioctl(sleeper, sleeper));
	ASSERT_EQ(0, channel_kick(kicker, MESSAGE));
}

TEST_F(attack, scribble_over_the_argument_of_a_sleeper)
{
	int grant = grant_create(self->region, 5 * PAGE, PAGE, READ | WRITE);
	struct flowipc_wait *words = map_at(self->region, PAGE,
					    PROT_READ | PROT_WRITE, 5 * PAGE);
	int sockets[2];
	pid_t child;

	ASSERT_NE(MAP_FAILED, words);
	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		scribbler(grant, self->ends[0], getppid(), sockets[1]);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	*words = (struct flowipc_wait){
		.events = MESSAGE, .deadline_ns = FOREVER,
	};
	ASSERT_EQ(0, ioctl(self->ends[1], FLOWIPC_IOC_WAIT, words));
	EXPECT_EQ(MESSAGE, words->events);
	ASSERT_EQ(0, reap(child));
	/* The other one is still there, and was never taken. */
	EXPECT_EQ(SPACE, channel_wait(self->ends[1], MESSAGE | SPACE, 0));
}

TEST_F_TIMEOUT(attack, scribble_over_shared_words_during_kick_and_poll, 300)
{
	char *memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	struct scribble scribble = { (uint32_t *)memory, SIZE / 4 };
	struct storm storm;
	int round;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_TRUE(storm_start(&storm, scribble_over, &scribble));
	/* Whatever ring the memory holds: readiness comes from kicks alone. */
	for (round = 0; harness_once_more(round, 5000); round++) {
		uint32_t bell = round % 2 ? MESSAGE : SPACE;

		ASSERT_EQ(0, poll_bells(self->ends[1]));
		ASSERT_EQ(0, channel_kick(self->ends[0], bell));
		ASSERT_EQ(bell == MESSAGE ? POLLIN : POLLOUT, poll_bells(self->ends[1]));
		ASSERT_EQ(bell, channel_wait(self->ends[1], MESSAGE | SPACE, FOREVER));
		ASSERT_EQ(0, poll_bells(self->ends[0]));
	}
	storm_end(&storm);
}

/*
 * Class 5, sums that wrap around. Every pair of an offset and a length which
 * lie close to a limit of any type on the way; the model counts with 128 bits.
 */
static const uint64_t limits[] = {
	0, PAGE, 8 * PAGE, SIZE - PAGE, SIZE, SIZE + PAGE, 1ULL << 31, 1ULL << 32,
	1ULL << 43, 1ULL << 44, 1ULL << 47, 1ULL << 52, 1ULL << 63,
};

/* Limit number @i / 5, or one page or one byte to either side. */
static bool limit_near(unsigned int i, uint64_t *value)
{
	static const uint64_t by[] = { 0, PAGE, -PAGE, 1, -1 };

	if (i >= 5 * ARRAY_SIZE(limits))
		return false;
	*value = limits[i / 5] + by[i % 5];

	return true;
}

static bool range_is_good(uint64_t offset, uint64_t length)
{
	return length && !((offset | length) % PAGE) &&
	       (unsigned __int128)offset + length <= SIZE;
}

TEST_F_TIMEOUT(attack, wrap_the_sum_of_offset_and_length, 300)
{
	int region = region_create_as(self->device, SIZE, FLOWIPC_REGION_SEALABLE);
	struct flowipc_region_info info;
	uint64_t offset, length;
	unsigned int i, k;

	ASSERT_LE(0, region);
	for (i = 0; limit_near(i, &offset); i++) {
		for (k = 0; limit_near(k, &length); k++) {
			struct flowipc_seal seal = {
				.offset = offset, .length = length,
				.channel_fd = self->ends[0],
			};
			int grant;

			if (range_is_good(offset, length)) {
				grant = grant_create(region, offset, length, READ);
				EXPECT_LE(0, grant);
				ASSERT_EQ(0, close(grant));
				EXPECT_EQ(0, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
			} else {
				EXPECT_ERRNO(EINVAL, grant_create(region, offset, length, READ));
				EXPECT_ERRNO(EINVAL, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
			}
		}
	}
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(0, info.grants);
}

TEST_F(attack, wrap_the_size_of_a_region)
{
	uint64_t used = used_total_bytes(self->device), size;
	unsigned int i;

	for (i = 0; limit_near(i, &size); i++) {
		int region;

		if (size % PAGE || !size) {
			EXPECT_ERRNO(EINVAL, region_create(self->device, size));
			continue;
		}
		if (size > 1ULL << 32) {
			EXPECT_ERRNO(EFBIG, region_create(self->device, size));
			continue;
		}
		region = region_create(self->device, size);
		if (region >= 0)
			ASSERT_EQ(0, close(region));
	}
	EXPECT_EQ(used, used_total_bytes(self->device));
}

HARNESS_MAIN
