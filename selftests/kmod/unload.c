// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bug class 14, a module that goes while somebody uses it. Unloading is refused
 * as long as anything is left of anybody, and works as soon as nothing is,
 * however its holders ended.
 */
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(2 * HUGE)

static int unload(void)
{
	return syscall(SYS_delete_module, "flowipc", O_NONBLOCK);
}

static bool is_refused(void)
{
	/* The kernel says EAGAIN for what rmmod reports as busy. */
	return unload() == -1 && (errno == EAGAIN || errno == EBUSY);
}

static bool load(void)
{
	int fd = open(getenv("FLOWIPC_KO"), O_RDONLY | O_CLOEXEC);
	bool loaded;

	if (fd == -1)
		return false;
	loaded = !syscall(SYS_finit_module, fd, "", 0);
	close(fd);

	return loaded && EVENTUALLY(!access(FLOWIPC_DEVICE_PATH, F_OK));
}

/*
 * Holders. Each one leaves the process with nothing of ours but what its name
 * says, and false when this kernel cannot do it.
 */
static bool hold_the_device(void)
{
	return device_open() >= 0;
}

static int lone_region(void)
{
	int device = device_open();
	int region = region_create(device, SIZE);

	close(device);

	return region;
}

static bool hold_a_region(void)
{
	return lone_region() >= 0;
}

static int lone_grant(void)
{
	int region = lone_region();
	int grant = grant_create(region, 0, SIZE, READ);

	close(region);

	return grant;
}

static bool hold_a_grant(void)
{
	return lone_grant() >= 0;
}

static int lone_claim(void)
{
	int grant = lone_grant();
	int claim = grant_claim(grant);

	close(grant);

	return claim;
}

static bool hold_a_claim(void)
{
	return lone_claim() >= 0;
}

static bool hold_a_mapping(void)
{
	int region = lone_region();
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);

	close(region);

	return memory != MAP_FAILED && !touch_write(memory);
}

static bool hold_a_mapping_of_a_claim(void)
{
	int claim = lone_claim();
	char *memory = map(claim, SIZE, PROT_READ);

	close(claim);

	return memory != MAP_FAILED && !touch_read(memory);
}

static bool hold_a_part_of_a_strict_mapping(void)
{
	int device = device_open();
	int region = region_create_as(device, SIZE, FLOWIPC_REGION_STRICT);
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);

	close(device);
	close(region);

	return memory != MAP_FAILED && !munmap(memory, HUGE + PAGE) &&
	       !touch_write(memory + SIZE - 1);
}

/* One end, the other being closed. */
static int lone_end(void)
{
	int device = device_open(), ends[2];

	if (channel_create(device, ends))
		return -1;
	close(ends[1]);
	close(device);

	return ends[0];
}

static bool hold_an_end(void)
{
	return lone_end() >= 0;
}

static bool hold_a_seal(void)
{
	int device = device_open(), ends[2];
	int region = region_create_as(device, SIZE, FLOWIPC_REGION_SEALABLE);
	struct flowipc_seal seal = { .length = SIZE };
	bool held;

	if (channel_create(device, ends))
		return false;
	seal.channel_fd = ends[0];
	held = !ioctl(region, FLOWIPC_IOC_SEAL, &seal);
	close(device);
	close(region);
	close(ends[0]);

	return held;
}

/* A call that sleeps, on a descriptor that is closed meanwhile. */
struct sleeper {
	int		end;
	volatile pid_t	tid;
	bool		polls;
};

static void *sleep_there(void *arg)
{
	struct sleeper *sleeper = arg;
	struct pollfd poll_end = { .fd = sleeper->end, .events = POLLIN };

	sleeper->tid = syscall(SYS_gettid);
	if (sleeper->polls)
		poll(&poll_end, 1, -1);
	else
		channel_wait(sleeper->end, MESSAGE, FOREVER);

	return NULL;
}

static bool sleeps_in(pid_t tid, int number)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	read_text(path, text, sizeof(text));

	return isdigit((unsigned char)text[0]) && atoi(text) == number;
}

static bool hold_a_sleeper(bool polls)
{
	static struct sleeper sleeper;
	int device = device_open(), ends[2], far[2];
	pthread_t thread;

	if (channel_create(device, ends) || !socket_pair(far))
		return false;
	sleeper.end = ends[0];
	sleeper.polls = polls;
	pthread_create(&thread, NULL, sleep_there, &sleeper);
	if (!EVENTUALLY(sleeper.tid && sleeps_in(sleeper.tid, polls ? SYS_poll : SYS_ioctl)))
		return false;
	close(device);
	/* The other end would hang up, and wake it: it is on its way for ever. */
	if (!send_fd(far[0], ends[1]))
		return false;
	close(ends[1]);
	close(ends[0]);

	return true;
}

static bool hold_a_waiter(void)
{
	return hold_a_sleeper(false);
}

static bool hold_a_poll(void)
{
	return hold_a_sleeper(true);
}

static bool hold_an_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC), end = lone_end();

	return !epoll_ctl(epoll, EPOLL_CTL_ADD, end, &event);
}

static bool hold_a_bound_eventfd(void)
{
	struct flowipc_bind_eventfd bind = {
		.eventfd = eventfd(0, 0), .events = MESSAGE | HUP,
	};

	return !ioctl(lone_end(), FLOWIPC_IOC_BIND_EVENTFD, &bind) &&
	       !close(bind.eventfd);
}

static bool hold_one_in_flight(void)
{
	int sockets[2], claim = lone_claim();

	return socket_pair(sockets) && send_fd(sockets[0], claim) && !close(claim);
}

/* In flight in a socket that is in flight in itself: only its collector knows. */
static bool hold_one_in_a_cycle(void)
{
	int sockets[2], claim = lone_claim();

	return socket_pair(sockets) && send_fd(sockets[0], claim) &&
	       send_fd(sockets[0], sockets[1]) && !close(claim) &&
	       !close(sockets[1]);
}

static bool hold_a_registered_file(void)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 4, &params), end = lone_end();

	return ring >= 0 && !syscall(SYS_io_uring_register, ring,
				     IORING_REGISTER_FILES, &end, 1) &&
	       !close(end);
}

static bool hold_all_of_it(void)
{
	return hold_the_device() && hold_a_region() && hold_a_grant() &&
	       hold_a_claim() && hold_a_mapping() && hold_a_mapping_of_a_claim() &&
	       hold_a_part_of_a_strict_mapping() && hold_a_seal() && hold_an_end() &&
	       hold_a_waiter() && hold_an_epoll() && hold_a_bound_eventfd() &&
	       hold_one_in_flight() && hold_one_in_a_cycle();
}

static const struct {
	const char	*name;
	bool		(*hold)(void);
} holders[] = {
	{ "the device", hold_the_device },
	{ "a region", hold_a_region },
	{ "a grant", hold_a_grant },
	{ "a claim", hold_a_claim },
	{ "a mapping", hold_a_mapping },
	{ "a mapping of a claim", hold_a_mapping_of_a_claim },
	{ "a part of a strict mapping", hold_a_part_of_a_strict_mapping },
	{ "a seal", hold_a_seal },
	{ "an end", hold_an_end },
	{ "a waiter", hold_a_waiter },
	{ "a poll", hold_a_poll },
	{ "an epoll", hold_an_epoll },
	{ "a bound eventfd", hold_a_bound_eventfd },
	{ "one in flight", hold_one_in_flight },
	{ "one in a cycle", hold_one_in_a_cycle },
	{ "a registered file", hold_a_registered_file },
	{ "all of it", hold_all_of_it },
};

#define HOLDERS	ARRAY_SIZE(holders)

/* One holder, which ends by itself or is killed; then the module goes. */
static void cycle(unsigned int number, bool kill_it)
{
	int sockets[2], before;
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	before = count_fds();
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(sockets[0]);
		if (!holders[number].hold()) {
			printf("# cannot hold %s: %s\n", holders[number].name,
			       strerror(errno));
			fflush(stdout);
			_exit(1);
		}
		ASSERT_TRUE(tell(sockets[1]));
		hear(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	ASSERT_TRUE(hear(sockets[0]));
	/* Not once but as often as anybody tries. */
	for (int try = 0; try < 20; try++)
		if (!is_refused()) {
			printf("# held by %s, and unloaded\n", holders[number].name);
			ASSERT_TRUE(false);
		}
	ASSERT_EQ(0, access(FLOWIPC_DEVICE_PATH, F_OK));
	if (kill_it)
		ASSERT_EQ(0, kill(child, SIGKILL));
	close(sockets[0]);
	ASSERT_EQ(kill_it ? 256 + SIGKILL : 0, reap(child));
	ASSERT_EQ(before - 2, count_fds());
	if (!EVENTUALLY(!unload())) {
		printf("# was held by %s, and still is\n", holders[number].name);
		ASSERT_TRUE(false);
	}
	ASSERT_ERRNO(ENOENT, access(FLOWIPC_DEVICE_PATH, F_OK));
	ASSERT_TRUE(load());
}

static uint64_t vmstat(const char *key)
{
	char text[16384], *found;

	read_text("/proc/vmstat", text, sizeof(text));
	found = strstr(text, key);

	return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

TEST_TIMEOUT(unload_is_refused_to_every_holder_and_then_works, 600)
{
	uint64_t unevictable;
	unsigned int round;

	if (!getenv("FLOWIPC_KO"))
		SKIP(return, "FLOWIPC_KO does not say which file to load again");

	cycle(0, true);
	unevictable = vmstat("\nnr_unevictable ");
	for (round = 0; round < 50; round++)
		cycle(round % HOLDERS, round / HOLDERS % 2);
	/* Each one had 4 MiB; not even two of them are left. */
	EXPECT_LE(vmstat("\nnr_unevictable "), unevictable + 2 * SIZE / PAGE);
}

/* A page of ours that is in a pipe is nobody's, and harms nobody. */
TEST(unload_does_not_wait_for_a_page_in_a_pipe)
{
	struct iovec vector;
	char text[16] = {};
	int region, ends[2];

	if (!getenv("FLOWIPC_KO"))
		SKIP(return, "FLOWIPC_KO does not say which file to load again");

	region = lone_region();
	vector.iov_base = map(region, SIZE, PROT_READ | PROT_WRITE);
	vector.iov_len = sizeof(text);
	ASSERT_NE(MAP_FAILED, vector.iov_base);
	strcpy(vector.iov_base, "still there");
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(sizeof(text), vmsplice(ends[1], &vector, 1, 0));
	ASSERT_EQ(0, close(region));
	ASSERT_TRUE(is_refused());
	ASSERT_EQ(0, munmap(vector.iov_base, SIZE));
	ASSERT_TRUE(EVENTUALLY(!unload()));
	EXPECT_EQ(sizeof(text), read(ends[0], text, sizeof(text)));
	EXPECT_STREQ("still there", text);
	close(ends[0]);
	close(ends[1]);
	ASSERT_TRUE(load());
}

/* Nor for an eventfd, or an epoll, that knew one. */
TEST(unload_does_not_wait_for_an_eventfd_that_was_bound)
{
	struct flowipc_bind_eventfd bind = { .events = MESSAGE | HUP };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), end;

	if (!getenv("FLOWIPC_KO"))
		SKIP(return, "FLOWIPC_KO does not say which file to load again");

	end = lone_end();
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, end, &event));
	bind.eventfd = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(0, ioctl(end, FLOWIPC_IOC_BIND_EVENTFD, &bind));
	ASSERT_TRUE(is_refused());
	ASSERT_EQ(0, close(end));
	ASSERT_TRUE(EVENTUALLY(!unload()));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	close(bind.eventfd);
	close(epoll);
	ASSERT_TRUE(load());
}

/* Twice as long without the module as with it: there is to be a moment. */
static void open_and_close_for_ever(void)
{
	for (;;) {
		uint64_t began = now_ns();
		int region = lone_region();

		if (region != -1) {
			close(grant_create(region, 0, PAGE, READ));
			close(region);
		}
		sleep_ms(1 + 2 * (now_ns() - began) / 1000000);
	}
}

/* The moment between the last close and the next open. */
TEST_TIMEOUT(unload_while_others_open_it_all_the_time, 120)
{
	int round, refused = 0;
	pid_t child[2];

	if (!getenv("FLOWIPC_KO"))
		SKIP(return, "FLOWIPC_KO does not say which file to load again");

	for (round = 0; round < 2; round++) {
		child[round] = fork();
		ASSERT_LE(0, child[round]);
		if (!child[round])
			open_and_close_for_ever();
	}
	for (round = 0; round < 10; round++) {
		while (unload()) {
			ASSERT_TRUE(errno == EAGAIN || errno == EBUSY);
			refused++;
		}
		ASSERT_TRUE(load());
	}
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, kill(child[round], SIGKILL));
		ASSERT_EQ(256 + SIGKILL, reap(child[round]));
	}
	printf("# refused %d times, then done\n", refused);
	ASSERT_TRUE(EVENTUALLY(!unload()));
	ASSERT_TRUE(load());
}

HARNESS_MAIN
