// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: inject
 *
 * Everything that can fail inside of a call fails once, in turn: the first
 * allocation or copy, the second and so on, until the call ends without a
 * fault. The kernel does that for one thread (/proc/thread-self/fail-nth) if it
 * has CONFIG_FAULT_INJECTION. Each time the call must
 *
 * - fail with ENOMEM or EFAULT, or succeed nevertheless,
 * - when it failed, leave no descriptor and nothing that the module counts, and
 * - succeed when it is made again.
 *
 * The same for what no injection reaches, on every kernel: an answer that
 * cannot be written, and no descriptor to be had.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "../kmod/harness.h"
#include "totals.h"

#define SIZE		(4 * PAGE)
#define SLOW		600
#define FDS		64

/* What the calls work on; -1 or NULL is none. */
static struct {
	int	device;
	int	region;
	int	grant;
	int	claim;
	int	ends[2];
	int	eventfd;
	int	epoll;
	int	sockets[2];
	char	*memory;
	int	made[2];	/* by the call */
	void	*mapped;
} with;

/*
 * @setup makes what @call needs; @call returns 0, or -1 with errno; @failed
 * looks at what must not have changed then; @undo takes back what the call did,
 * but not what @setup did, and is NULL when that cannot be.
 */
struct injected {
	void	(*setup)(void);
	int	(*call)(void);
	void	(*failed)(void);
	void	(*undo)(void);
};

static int fail_nth = -1;

/* Also those which sleep, and for memory of users; and no word in the log. */
static bool injection_setup(void)
{
	static const char * const all[] = {
		"failslab/ignore-gfp-wait", "fail_page_alloc/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-highmem",
	};
	static const char * const quiet[] = {
		"failslab/verbose", "fail_page_alloc/verbose",
		"fail_usercopy/verbose",
	};
	char path[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", all[i]);
		if (!write_text(path, "N"))
			return false;
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", quiet[i]);
		if (!write_text(path, "0"))
			return false;
	}
	/* By default, allocations of single pages do not fail. */
	if (!write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0"))
		return false;
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	return fail_nth >= 0;
}

static void injection_arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	ASSERT_EQ(length, write(fail_nth, text, length));
}

/* Whether a fault has been injected since. */
static bool injection_disarm(void)
{
	char text[16] = "1";
	bool done;

	/* When it is one of these copies that fails, it has not been. */
	done = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && *text == '0';
	if (write(fail_nth, "0", 1) != 1)
		ASSERT_EQ(1, write(fail_nth, "0", 1));

	return done;
}

enum descriptor { FREE, OPEN, RESERVED };

struct descriptors {
	enum descriptor is[FDS];
};

/* One that was reserved and never installed cannot be had by dup2. */
static enum descriptor descriptor_now(int fd)
{
	if (fcntl(fd, F_GETFD) != -1)
		return OPEN;
	if (dup2(with.device, fd) == -1)
		return RESERVED;
	close(fd);

	return FREE;
}

static struct descriptors descriptors_now(void)
{
	struct descriptors now;
	int fd;

	for (fd = 0; fd < FDS; fd++)
		now.is[fd] = descriptor_now(fd);

	return now;
}

static void expect_untouched(const struct descriptors *descriptors,
			     const struct totals *totals)
{
	struct descriptors now = descriptors_now();
	int fd;

	for (fd = 0; fd < FDS; fd++)
		EXPECT_EQ(descriptors->is[fd], now.is[fd]);
	EXPECT_TRUE(totals_equal(with.device, totals));
	totals_print(with.device, totals);
}

static void clean(void)
{
	int *fds[] = {
		&with.region, &with.grant, &with.claim, &with.ends[0],
		&with.ends[1], &with.eventfd, &with.epoll, &with.sockets[0],
		&with.sockets[1],
	};
	size_t i;

	if (with.memory)
		munmap(with.memory, SIZE);
	with.memory = NULL;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void begin(void)
{
	memset(&with, -1, sizeof(with));
	with.memory = NULL;
	with.device = device_open();
	ASSERT_LE(0, with.device);
}

static void inject(const struct injected *what)
{
	unsigned int nth, failed = 0;
	struct descriptors descriptors;
	struct totals totals, nothing;
	bool injected;
	int result;

	if (access("/proc/thread-self/fail-nth", W_OK)) {
		harness_skip("the kernel has no fault injection");
		return;
	}
	begin();
	ASSERT_TRUE(injection_setup());
	nothing = totals_now(with.device);

	for (nth = 1; ; nth++) {
		if (what->setup)
			what->setup();
		descriptors = descriptors_now();
		totals = totals_now(with.device);

		injection_arm(nth);
		result = what->call();
		if (result)
			result = errno;
		injected = injection_disarm();

		if (result) {
			ASSERT_TRUE(injected);
			failed++;
			EXPECT_TRUE(result == ENOMEM || result == EFAULT);
			if (result != ENOMEM && result != EFAULT)
				printf("# fault %u: %s\n", nth, strerror(result));
			expect_untouched(&descriptors, &totals);
			if (what->failed)
				what->failed();
			ASSERT_EQ(0, what->call());
		}
		if (what->undo) {
			what->undo();
			expect_untouched(&descriptors, &totals);
		}
		clean();
		if (!injected)
			break;
	}
	EXPECT_TRUE(totals_equal(with.device, &nothing));
	printf("# %s: %u faults, for %u of which it failed\n", harness_name,
	       nth - 1, failed);
	/* At least the copy of its argument, or a page table. */
	EXPECT_LT(1, nth);
}

#define INJECT(name, ...)						\
	TEST_TIMEOUT(inject_##name, SLOW)				\
	{								\
		static const struct injected what = { __VA_ARGS__ };	\
									\
		inject(&what);						\
	}

static void nothing_to_undo(void)
{
}

static void forget_made(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (with.made[i] >= 0)
			close(with.made[i]);
		with.made[i] = -1;
	}
}

/* The device. */

static int open_call(void)
{
	with.made[0] = device_open();

	return with.made[0] < 0 ? -1 : 0;
}

INJECT(open, .call = open_call, .undo = forget_made)

static int query_call(void)
{
	struct flowipc_query arg = {};

	return ioctl(with.device, FLOWIPC_IOC_QUERY, &arg);
}

INJECT(query, .call = query_call, .undo = nothing_to_undo)

static int create(uint64_t size, uint32_t flags)
{
	struct flowipc_region_create arg = { .size = size, .flags = flags };
	int result = ioctl(with.device, FLOWIPC_IOC_REGION_CREATE, &arg);

	if (!result)
		with.made[0] = arg.fd;

	return result;
}

static int create_small_call(void)
{
	return create(3 * PAGE, 0);
}

static int create_huge_call(void)
{
	return create(HUGE + PAGE, 0);
}

static int create_strict_call(void)
{
	return create(3 * PAGE, FLOWIPC_REGION_STRICT);
}

static int create_sealable_call(void)
{
	return create(3 * PAGE, FLOWIPC_REGION_SEALABLE);
}

/* Alone, it has to mount the file system, too. */
INJECT(region_create_first, .call = create_small_call, .undo = forget_made)

static void region_setup(void)
{
	with.region = region_create(with.device, SIZE);
	ASSERT_LE(0, with.region);
}

INJECT(region_create, .setup = region_setup, .call = create_small_call,
       .undo = forget_made)
INJECT(region_create_huge, .setup = region_setup, .call = create_huge_call,
       .undo = forget_made)
INJECT(region_create_strict, .setup = region_setup, .call = create_strict_call,
       .undo = forget_made)
INJECT(region_create_sealable, .setup = region_setup,
       .call = create_sealable_call, .undo = forget_made)

static int channel_create_call(void)
{
	int ends[2], result = channel_create(with.device, ends);

	if (!result)
		memcpy(with.made, ends, sizeof(ends));

	return result;
}

INJECT(channel_create, .call = channel_create_call, .undo = forget_made)

/* A region. */

static int grant_call(void)
{
	with.made[0] = grant_create_for(with.region, PAGE, 2 * PAGE,
					READ | WRITE, FLOWIPC_GRANT_MANY |
					FLOWIPC_GRANT_UID | FLOWIPC_GRANT_EXPIRE,
					getuid(), 0);

	return with.made[0] < 0 ? -1 : 0;
}

INJECT(grant, .setup = region_setup, .call = grant_call, .undo = forget_made)

static void grant_setup(void)
{
	region_setup();
	with.grant = grant_create_for(with.region, 0, SIZE, READ | WRITE,
				      FLOWIPC_GRANT_MANY, 0, 0);
	ASSERT_LE(0, with.grant);
}

static int claim_call(void)
{
	struct flowipc_claim arg = {};
	int result = ioctl(with.grant, FLOWIPC_IOC_CLAIM, &arg);

	if (!result)
		with.made[0] = arg.fd;

	return result;
}

INJECT(claim, .setup = grant_setup, .call = claim_call, .undo = forget_made)

static void claim_setup(void)
{
	grant_setup();
	ASSERT_EQ(0, claim_call());
	with.claim = with.made[0];
	with.made[0] = -1;
}

static int revoke_call(void)
{
	return grant_revoke(with.region, with.grant);
}

static int revoke_all_call(void)
{
	return grant_revoke_all(with.region);
}

static void memory_setup(void)
{
	claim_setup();
	with.memory = map(with.claim, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, with.memory);
	memset(with.memory, 1, SIZE);
}

INJECT(revoke, .setup = memory_setup, .call = revoke_call)
INJECT(revoke_all, .setup = memory_setup, .call = revoke_all_call)

static int info_call(void)
{
	struct flowipc_region_info info;

	return region_info(with.region, &info);
}

INJECT(region_info, .setup = claim_setup, .call = info_call,
       .undo = nothing_to_undo)

static int grant_next_call(void)
{
	struct flowipc_grant_next arg = {};

	return ioctl(with.region, FLOWIPC_IOC_GRANT_NEXT, &arg);
}

INJECT(grant_next, .setup = claim_setup, .call = grant_next_call,
       .undo = nothing_to_undo)

static int claim_next_call(void)
{
	char exe[4096];
	struct flowipc_claim_next arg = {
		.who.exe = (uintptr_t)exe, .who.exe_bytes = sizeof(exe),
	};

	return ioctl(with.region, FLOWIPC_IOC_CLAIM_NEXT, &arg);
}

INJECT(claim_next, .setup = claim_setup, .call = claim_next_call,
       .undo = nothing_to_undo)

/* A seal, and that there is none when it failed. */

static uint64_t seal_id;

static void sealable_setup(void)
{
	struct flowipc_region_create arg = {
		.size = SIZE, .flags = FLOWIPC_REGION_SEALABLE,
	};

	ASSERT_EQ(0, ioctl(with.device, FLOWIPC_IOC_REGION_CREATE, &arg));
	with.region = arg.fd;
	ASSERT_EQ(0, channel_create(with.device, with.ends));
	with.memory = map(with.region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, with.memory);
	memset(with.memory, 1, SIZE);
}

static int seal_call(void)
{
	struct flowipc_seal arg = {
		.length = SIZE, .channel_fd = with.ends[0],
	};
	int result = ioctl(with.region, FLOWIPC_IOC_SEAL, &arg);

	seal_id = arg.id;

	return result;
}

static void expect_writable(void)
{
	uint64_t at;

	for (at = 0; at < SIZE; at += PAGE)
		EXPECT_EQ(0, touch_write(with.memory + at));
}

static int seal_info_call(void)
{
	struct flowipc_seal_info arg = { .id = seal_id };

	return ioctl(with.ends[1], FLOWIPC_IOC_SEAL_INFO, &arg);
}

static int unseal_call(void)
{
	struct flowipc_unseal arg = { .id = seal_id };

	return ioctl(with.ends[1], FLOWIPC_IOC_UNSEAL, &arg);
}

static void unseal_undo(void)
{
	ASSERT_EQ(0, unseal_call());
	expect_writable();
}

INJECT(seal, .setup = sealable_setup, .call = seal_call,
       .failed = expect_writable, .undo = unseal_undo)

static void sealed_setup(void)
{
	sealable_setup();
	ASSERT_EQ(0, seal_call());
}

static void expect_sealed(void)
{
	EXPECT_EQ(SIGBUS, touch_write(with.memory));
}

INJECT(seal_info, .setup = sealed_setup, .call = seal_info_call,
       .undo = nothing_to_undo)

INJECT(unseal, .setup = sealed_setup, .call = unseal_call,
       .failed = expect_sealed)

/* A channel. */

static void channel_setup(void)
{
	ASSERT_EQ(0, channel_create(with.device, with.ends));
	with.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, channel_kick(with.ends[0], MESSAGE));
}

static int kick_call(void)
{
	return channel_kick(with.ends[1], MESSAGE);
}

INJECT(kick, .setup = channel_setup, .call = kick_call, .undo = nothing_to_undo)

static int wait_call(void)
{
	int events = channel_wait(with.ends[1], MESSAGE, 0);

	return events == MESSAGE ? 0 : -1;
}

/* Made again it would find nothing, if a failure had taken the event. */
INJECT(wait, .setup = channel_setup, .call = wait_call, .undo = nothing_to_undo)

static int kick_and_wait_call(void)
{
	struct flowipc_kick_and_wait arg = { .kick = SPACE, .events = MESSAGE };

	return ioctl(with.ends[1], FLOWIPC_IOC_KICK_AND_WAIT, &arg);
}

INJECT(kick_and_wait, .setup = channel_setup, .call = kick_and_wait_call,
       .undo = nothing_to_undo)

static int shutdown_call(void)
{
	struct flowipc_shutdown arg = {};

	return ioctl(with.ends[0], FLOWIPC_IOC_SHUTDOWN, &arg);
}

INJECT(shutdown, .setup = channel_setup, .call = shutdown_call,
       .undo = nothing_to_undo)

static int bind_eventfd_call(void)
{
	struct flowipc_bind_eventfd arg = {
		.eventfd = with.eventfd, .events = MESSAGE | HUP,
	};

	return ioctl(with.ends[1], FLOWIPC_IOC_BIND_EVENTFD, &arg);
}

INJECT(bind_eventfd, .setup = channel_setup, .call = bind_eventfd_call,
       .undo = nothing_to_undo)

static int channel_claim_call(void)
{
	struct flowipc_channel_claim arg = {};

	return ioctl(with.ends[0], FLOWIPC_IOC_CHANNEL_CLAIM, &arg);
}

INJECT(channel_claim, .setup = channel_setup, .call = channel_claim_call,
       .undo = nothing_to_undo)

static void channel_claimed_setup(void)
{
	channel_setup();
	ASSERT_EQ(0, channel_claim_call());
}

static int peer_call(void)
{
	char exe[4096];
	struct flowipc_channel_peer arg = {
		.who.exe = (uintptr_t)exe, .who.exe_bytes = sizeof(exe),
	};

	return ioctl(with.ends[1], FLOWIPC_IOC_PEER, &arg);
}

INJECT(peer, .setup = channel_claimed_setup, .call = peer_call,
       .undo = nothing_to_undo)

/* Mappings, and the first access to each. */

/* Far from everything else, so that a mapping needs page tables of its own. */
#define FAR	((void *)(1ULL << 40))

static int mmap_call(void)
{
	with.mapped = mmap(FAR, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   with.claim >= 0 ? with.claim : with.region, 0);

	return with.mapped == MAP_FAILED ? -1 : 0;
}

static void mmap_undo(void)
{
	ASSERT_EQ(0, munmap(with.mapped, SIZE));
}

INJECT(mmap_region, .setup = region_setup, .call = mmap_call, .undo = mmap_undo)
INJECT(mmap_claim, .setup = claim_setup, .call = mmap_call, .undo = mmap_undo)

/* Plain accesses: a signal would end the test, and that would be right. */
static int touch_call(void)
{
	volatile char *memory = with.mapped;
	uint64_t at;

	for (at = 0; at < SIZE; at += PAGE)
		(void)memory[at];
	for (at = 0; at < SIZE; at += PAGE)
		memory[at] = 2;

	return 0;
}

static void fault_region_setup(void)
{
	region_setup();
	ASSERT_EQ(0, mmap_call());
}

static void fault_claim_setup(void)
{
	claim_setup();
	ASSERT_EQ(0, mmap_call());
}

static void fault_strict_setup(void)
{
	ASSERT_EQ(0, create(SIZE, FLOWIPC_REGION_STRICT));
	with.region = with.made[0];
	with.made[0] = -1;
	ASSERT_EQ(0, mmap_call());
}

static void fault_sealable_setup(void)
{
	sealable_setup();
	ASSERT_EQ(0, mmap_call());
}

INJECT(fault_region, .setup = fault_region_setup, .call = touch_call,
       .undo = mmap_undo)
INJECT(fault_claim, .setup = fault_claim_setup, .call = touch_call,
       .undo = mmap_undo)
INJECT(fault_strict, .setup = fault_strict_setup, .call = touch_call,
       .undo = mmap_undo)
INJECT(fault_sealable, .setup = fault_sealable_setup, .call = touch_call,
       .undo = mmap_undo)

/* Splits the mapping, which opens it once more. */
static int split_call(void)
{
	return mprotect((char *)with.mapped + PAGE, PAGE, PROT_READ);
}

INJECT(split, .setup = fault_claim_setup, .call = split_call, .undo = mmap_undo)

/* What the kernel does with descriptors. */

static int poll_call(void)
{
	struct pollfd polled[] = {
		{ .fd = with.ends[0], .events = POLLIN },
		{ .fd = with.ends[1], .events = POLLIN },
	};

	return poll(polled, 2, 0) < 0 ? -1 : 0;
}

INJECT(poll, .setup = channel_setup, .call = poll_call, .undo = nothing_to_undo)

static void epoll_setup(void)
{
	channel_setup();
	with.epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, with.epoll);
}

static int epoll_call(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(with.epoll, EPOLL_CTL_ADD, with.ends[1], &event);
}

static void epoll_undo(void)
{
	struct epoll_event event;

	EXPECT_EQ(1, epoll_wait(with.epoll, &event, 1, 0));
	EXPECT_EQ(0, epoll_ctl(with.epoll, EPOLL_CTL_DEL, with.ends[1], NULL));
}

INJECT(epoll, .setup = epoll_setup, .call = epoll_call, .undo = epoll_undo)

static void passing_setup(void)
{
	grant_setup();
	ASSERT_TRUE(socket_pair(with.sockets));
}

static int send_call(void)
{
	if (send_fd(with.sockets[0], with.grant))
		return 0;
	/* A socket's answer to a lack of memory. */
	if (errno == ENOBUFS)
		errno = ENOMEM;

	return -1;
}

static void send_undo(void)
{
	close(recv_fd(with.sockets[1]));
}

INJECT(send, .setup = passing_setup, .call = send_call, .undo = send_undo)

static int fdinfo_call(void)
{
	char path[64], text[4096];
	int fd, error;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", with.region);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text));
	error = errno;
	close(fd);
	errno = error;

	return got > 0 ? 0 : -1;
}

INJECT(fdinfo, .setup = claim_setup, .call = fdinfo_call,
       .undo = nothing_to_undo)

/* The end of an object cannot fail, so nothing in it may need what can. */
static int release_call(void)
{
	/* munmap needs memory of the core's own; once it fails, at most. */
	int result = munmap(with.mapped, SIZE) && munmap(with.mapped, SIZE);

	result |= close(with.claim);
	result |= close(with.grant);
	result |= close(with.region);
	with.claim = -1;
	with.grant = -1;
	with.region = -1;

	return result;
}

TEST_TIMEOUT(inject_release, SLOW)
{
	struct totals nothing;
	unsigned int nth;
	bool injected;

	if (access("/proc/thread-self/fail-nth", W_OK))
		SKIP(return, "the kernel has no fault injection");
	begin();
	ASSERT_TRUE(injection_setup());
	nothing = totals_now(with.device);
	for (nth = 1, injected = true; injected; nth++) {
		fault_claim_setup();
		ASSERT_EQ(0, touch_call());
		injection_arm(nth);
		ASSERT_EQ(0, release_call());
		injected = injection_disarm();
		EXPECT_TRUE(totals_equal(with.device, &nothing));
	}
}

/* What no injection reaches. */

static void *argument_page;

/* The same argument, where the answer cannot be written. */
static int ioctl_unwritable(int fd, unsigned long number, const void *arg)
{
	if (argument_page)
		munmap(argument_page, PAGE);
	argument_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(argument_page, arg, _IOC_SIZE(number));
	mprotect(argument_page, PAGE, PROT_READ);

	return ioctl(fd, number, argument_page);
}

TEST(an_answer_that_cannot_be_written)
{
	struct flowipc_query query = {};
	struct flowipc_region_create create_arg = { .size = SIZE };
	struct flowipc_channel_create channel = {};
	struct flowipc_grant grant = { .length = SIZE, .rights = READ };
	struct flowipc_region_info info = {};
	struct flowipc_grant_next grant_next = {};
	struct flowipc_claim_next claim_next = {};
	struct flowipc_claim claim = {};
	struct flowipc_wait wait_arg = { .events = MESSAGE };
	struct flowipc_kick_and_wait both = { .kick = SPACE, .events = MESSAGE };
	struct flowipc_channel_peer peer = {};
	struct descriptors descriptors;
	struct totals totals;
	size_t i;
	struct {
		int		*fd;
		unsigned long	number;
		const void	*arg;
	} calls[] = {
		{ &with.device, FLOWIPC_IOC_QUERY, &query },
		{ &with.device, FLOWIPC_IOC_REGION_CREATE, &create_arg },
		{ &with.device, FLOWIPC_IOC_CHANNEL_CREATE, &channel },
		{ &with.region, FLOWIPC_IOC_GRANT, &grant },
		{ &with.region, FLOWIPC_IOC_REGION_INFO, &info },
		{ &with.region, FLOWIPC_IOC_GRANT_NEXT, &grant_next },
		{ &with.region, FLOWIPC_IOC_CLAIM_NEXT, &claim_next },
		{ &with.grant, FLOWIPC_IOC_CLAIM, &claim },
		{ &with.ends[1], FLOWIPC_IOC_WAIT, &wait_arg },
		{ &with.ends[1], FLOWIPC_IOC_KICK_AND_WAIT, &both },
		{ &with.ends[1], FLOWIPC_IOC_PEER, &peer },
	};

	begin();
	claim_setup();
	channel_claimed_setup();
	descriptors = descriptors_now();
	totals = totals_now(with.device);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_ERRNO(EFAULT, ioctl_unwritable(*calls[i].fd,
						      calls[i].number,
						      calls[i].arg));
		expect_untouched(&descriptors, &totals);
	}
	/* Not taken by the two that failed. */
	EXPECT_EQ(MESSAGE, channel_wait(with.ends[1], MESSAGE, 0));
}

TEST(a_seal_whose_number_cannot_be_told)
{
	struct flowipc_seal arg = { .length = SIZE };
	struct descriptors descriptors;
	struct totals totals;

	begin();
	sealable_setup();
	arg.channel_fd = with.ends[0];
	descriptors = descriptors_now();
	totals = totals_now(with.device);
	EXPECT_ERRNO(EFAULT, ioctl_unwritable(with.region, FLOWIPC_IOC_SEAL,
					      &arg));
	expect_untouched(&descriptors, &totals);
	expect_writable();
}

TEST(no_descriptor_to_be_had)
{
	struct descriptors descriptors;
	struct totals totals;
	struct rlimit limit;
	int first;

	begin();
	claim_setup();
	descriptors = descriptors_now();
	totals = totals_now(with.device);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	first = dup(0);
	close(first);
	limit.rlim_cur = first;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_ERRNO(EMFILE, create_small_call());
	EXPECT_ERRNO(EMFILE, channel_create_call());
	EXPECT_ERRNO(EMFILE, grant_call());
	EXPECT_ERRNO(EMFILE, claim_call());
	/* One is not enough for two ends. */
	limit.rlim_cur = first + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_ERRNO(EMFILE, channel_create_call());
	limit.rlim_cur = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	expect_untouched(&descriptors, &totals);
	EXPECT_EQ(0, channel_create_call());
}

HARNESS_MAIN
