// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attacks on mappings: beyond the end, beyond the rights, around the page
 * tables, and after the revocation.
 */
#include <linux/tcp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "harness.h"
#include "attack.h"
#include "pin.h"

#define SIZE	(16 * PAGE)

/* Of the region, pages 4 to 7 are claimed: for reading, and for writing. */
#define FIRST	(4 * PAGE)
#define WINDOW	(4 * PAGE)

FIXTURE(attack) {
	int device;
	int region;
	char *owner;
	int grant;
	int ro;
	int rw;
};

FIXTURE_SETUP(attack)
{
	int grant;

	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->owner = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->owner);
	memset(self->owner, 1, SIZE);
	self->grant = grant_create(self->region, FIRST, WINDOW, READ);
	self->ro = grant_claim(self->grant);
	ASSERT_LE(0, self->ro);
	grant = grant_create(self->region, FIRST, WINDOW, READ | WRITE);
	self->rw = grant_claim(grant);
	ASSERT_LE(0, self->rw);
}

FIXTURE_TEARDOWN(attack)
{
}

static char *map_ro(const struct attack *self)
{
	char *memory = map_at(self->ro, WINDOW, PROT_READ, FIRST);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, touch_read(memory));

	return memory;
}

/* No byte of the region is another one than at the beginning. */
static void expect_untouched(const struct attack *self)
{
	uint64_t i;

	for (i = 0; i < SIZE; i++)
		ASSERT_EQ(1, self->owner[i]);
}

/*
 * Class 4, a read-only mapping becomes writable. What mmap and mprotect refuse
 * is tried by every other call that can write to memory, ours and others'.
 */
static void tracer(pid_t pid, char *memory)
{
	errno = 0;
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	/* It may look, as whoever may trace can do anything in the process. */
	ASSERT_EQ(0x0101010101010101, ptrace(PTRACE_PEEKDATA, pid, memory, NULL));
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, memory, 0x6666));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
}

TEST_F(attack, write_to_a_read_only_claim_as_a_debugger)
{
	char *memory = map_ro(self);
	int sockets[2];
	pid_t victim, child;

	ASSERT_TRUE(socket_pair(sockets));
	/* A child does not have the claim: it makes its own. */
	victim = fork();
	ASSERT_LE(0, victim);
	if (!victim) {
		int grant = grant_create(self->region, FIRST, WINDOW, READ);

		memory = mmap(memory, WINDOW, PROT_READ, MAP_SHARED | MAP_FIXED,
			      grant_claim(grant), FIRST);
		ASSERT_NE(MAP_FAILED, memory);
		ASSERT_EQ(0, touch_read(memory));
		ASSERT_TRUE(tell(sockets[1]));
		for (;;)
			pause();
	}
	ASSERT_TRUE(hear(sockets[0]));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		tracer(victim, memory);
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	ASSERT_EQ(0, kill(victim, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, reap(victim));
	expect_untouched(self);
}

TEST_F(attack, write_to_a_read_only_claim_by_advice_and_moving)
{
	char *memory = map_ro(self), *moved;
	char *hole = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(-1, madvise(memory, WINDOW, MADV_POPULATE_WRITE));
	EXPECT_EQ(-1, madvise(memory, WINDOW, MADV_REMOVE));
	/* A moved mapping, in the place of one that was writable. */
	moved = mremap(memory, WINDOW, WINDOW, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
	ASSERT_EQ(hole, moved);
	EXPECT_EQ(SIGSEGV, touch_write(moved));
	EXPECT_ERRNO(EACCES, mprotect(moved, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, syscall(SYS_pkey_mprotect, moved, PAGE,
			      PROT_READ | PROT_WRITE, -1));
	EXPECT_EQ(-1, mprotect(moved, PAGE, PROT_WRITE | PROT_GROWSDOWN));
	expect_untouched(self);
}

/* The descriptor taken out of the process by who may, and opened again. */
TEST_F(attack, write_to_a_read_only_claim_by_another_descriptor)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	int got = syscall(SYS_pidfd_getfd, pidfd, self->ro, 0);
	int sockets[2], copies[3], i;

	ASSERT_TRUE(socket_pair(sockets));
	ASSERT_TRUE(send_fd(sockets[0], self->ro));
	copies[0] = got;
	copies[1] = recv_fd(sockets[1]);
	copies[2] = fcntl(self->ro, F_DUPFD, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_LE(0, copies[i]);
		EXPECT_EQ(O_RDONLY, fcntl(copies[i], F_GETFL) & O_ACCMODE);
		EXPECT_ERRNO(EACCES, map_at(copies[i], PAGE, PROT_READ | PROT_WRITE, FIRST));
		EXPECT_EQ(-1, open_fd_again(copies[i], O_RDWR));
		EXPECT_EQ(-1, open_fd_again(copies[i], O_RDONLY));
	}
	expect_untouched(self);
}

/* And the grant itself is nothing that can be mapped, with or without rights. */
TEST_F(attack, map_the_grant_instead_of_the_claim)
{
	EXPECT_EQ(MAP_FAILED, map_at(self->grant, PAGE, PROT_READ, FIRST));
	EXPECT_EQ(MAP_FAILED, map_at(self->grant, PAGE, PROT_READ | PROT_WRITE, FIRST));
	EXPECT_EQ(MAP_FAILED, map_at(self->grant, PAGE, PROT_NONE, FIRST));
}

/*
 * Class 5, the page offset near its limits, and class 6, a fault beyond the end:
 * whatever can be mapped can be touched, and is the page it should be.
 */
static bool window_has(const struct attack *self, int fd, uint64_t offset,
		       uint64_t length)
{
	const uint64_t first = fd == self->region ? 0 : FIRST;
	const uint64_t end = fd == self->region ? SIZE : FIRST + WINDOW;

	return offset >= first && (unsigned __int128)offset + length <= end;
}

TEST_F_TIMEOUT(attack, map_near_the_largest_offset, 300)
{
	static const uint64_t near[] = {
		0, FIRST, FIRST + WINDOW, SIZE, 1ULL << 31, 1ULL << 32, 1ULL << 43,
		1ULL << 44, 1ULL << 52, 1ULL << 62, 1ULL << 63,
	};
	const int fds[] = { self->region, self->ro, self->rw };
	unsigned int i, k;
	int64_t pages;
	uint64_t length;

	for (k = 0; k < ARRAY_SIZE(fds); k++) {
		for (i = 0; i < ARRAY_SIZE(near); i++) {
			for (pages = -4; pages <= 4; pages++) {
				uint64_t offset = near[i] + pages * PAGE;

				for (length = PAGE; length <= SIZE + PAGE; length *= 2) {
					char *memory = map_at(fds[k], length, PROT_READ, offset);

					if (!window_has(self, fds[k], offset, length)) {
						EXPECT_EQ(MAP_FAILED, memory);
						continue;
					}
					ASSERT_NE(MAP_FAILED, memory);
					EXPECT_EQ(1, memory[length - 1]);
					ASSERT_EQ(0, munmap(memory, length));
				}
			}
		}
	}
}

static void grow(char *memory, uint64_t size)
{
	char *hole = mmap(NULL, 2 * SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(MAP_FAILED, mremap(memory, size, size + PAGE, 0));
	EXPECT_EQ(MAP_FAILED, mremap(memory, size, size + PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(memory, size, 2 * SIZE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, hole));
	EXPECT_EQ(MAP_FAILED, mremap(memory + size - PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(memory, PAGE, 1ULL << 40, MREMAP_MAYMOVE));
	/* A size of 0 makes a second mapping, which could be longer. */
	EXPECT_EQ(MAP_FAILED, mremap(memory, 0, size + PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(memory + size - PAGE, 0, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(0, touch_read(memory + size - 1));
	ASSERT_EQ(0, munmap(hole, 2 * SIZE));
}

TEST_F(attack, grow_a_mapping_beyond_the_end)
{
	int strict = region_create_as(self->device, SIZE, FLOWIPC_REGION_STRICT);
	int sealable = region_create_as(self->device, SIZE, FLOWIPC_REGION_SEALABLE);

	grow(self->owner, SIZE);
	grow(map_at(self->ro, WINDOW, PROT_READ, FIRST), WINDOW);
	grow(map_at(self->rw, WINDOW, PROT_READ | PROT_WRITE, FIRST), WINDOW);
	grow(map(strict, SIZE, PROT_READ | PROT_WRITE), SIZE);
	grow(map(sealable, SIZE, PROT_READ | PROT_WRITE), SIZE);
}

/*
 * Class 7, writing through pages that were taken for reading: by the kernel on
 * behalf of a device, a pipe, a futex.
 */
static void expect_not_written(char *memory)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pin_attempts); i++) {
		if (!pin_attempts[i].writes)
			continue;
		if (!pin_attempts[i].attempt(memory)) {
			printf("# done: %s\n", pin_attempts[i].name);
			EXPECT_TRUE(false);
		}
	}
}

TEST_F(attack, write_through_pages_taken_for_reading)
{
	char *memory = map_ro(self);
	struct iovec vector = { memory, 16 };
	uint32_t word = 0;
	int ends[2];

	expect_not_written(memory);

	/* A page in a pipe, to which more is written: "dirty pipe". */
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(16, vmsplice(ends[1], &vector, 1, 0));
	ASSERT_EQ(4, write(ends[1], "evil", 4));
	/* Given away, and still not the pipe's to change. */
	ASSERT_EQ(16, vmsplice(ends[1], &vector, 1, SPLICE_F_GIFT));
	ASSERT_EQ(4, write(ends[1], "evil", 4));

	/* A futex operation that changes its second word. */
	EXPECT_ERRNO(EFAULT, syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, memory,
				     FUTEX_OP(FUTEX_OP_SET, 66, FUTEX_OP_CMP_EQ, 0)));
	EXPECT_ERRNO(EFAULT, syscall(SYS_getrandom, memory, 16, 0));
	expect_untouched(self);
}

/*
 * Class 8, other uses of pages that nothing counts: every way to take a page of
 * a STRICT region for longer than the call fails, for its owner, too. Nor is it
 * kept from before the revocation.
 */
static void expect_not_pinned(char *memory)
{
	unsigned int i;

	ASSERT_EQ(0, touch_read(memory));
	for (i = 0; i < ARRAY_SIZE(pin_attempts); i++) {
		if (!pin_attempts[i].attempt(memory)) {
			printf("# done: %s\n", pin_attempts[i].name);
			EXPECT_TRUE(false);
		}
	}
}

TEST_F(attack, pin_a_page_of_a_strict_region)
{
	/* So large that 2 MiB mappings, which 6.1 pins unasked, were possible. */
	int region = region_create_as(self->device, 2 * HUGE, FLOWIPC_REGION_STRICT);
	char *owner = map(region, 2 * HUGE, PROT_READ | PROT_WRITE);
	int grant = grant_create(region, 0, 2 * HUGE, READ | WRITE);
	char *peer = map(grant_claim(grant), 2 * HUGE, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, owner);
	ASSERT_NE(MAP_FAILED, peer);
	expect_not_pinned(owner);
	memset(peer, 3, 2 * HUGE);
	expect_not_pinned(peer);
	expect_not_pinned(peer + HUGE);
	ASSERT_EQ(0, grant_revoke(region, grant));
	EXPECT_EQ(SIGBUS, touch_read(peer));
}

/*
 * Class 9, pages in a mapping that is not theirs. Revocation finds mappings by
 * the file of the page, so each must be one of this file; and nobody else's
 * file may map the page, as a TCP socket does with what it receives.
 */
static ino_t inode_at(const char *address, unsigned int *device)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, inode = 0;
	unsigned int major, minor;
	char line[256];

	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long number;

		if (sscanf(line, "%lx-%*x %*s %*x %x:%x %lu", &start, &major,
			   &minor, &number) == 4 &&
		    start == (unsigned long)address) {
			inode = number;
			*device = makedev(major, minor);
		}
	}
	if (maps)
		fclose(maps);

	return inode;
}

TEST_F(attack, map_pages_by_another_file)
{
	unsigned int owner_device, peer_device;
	ino_t owner = inode_at(self->owner, &owner_device);
	ino_t peer = inode_at(map_ro(self), &peer_device);
	struct stat region, claim;

	ASSERT_EQ(0, fstat(self->region, &region));
	ASSERT_EQ(0, fstat(self->ro, &claim));
	EXPECT_NE(0, owner);
	EXPECT_EQ(owner, peer);
	EXPECT_EQ(owner_device, peer_device);
	EXPECT_EQ(region.st_ino, claim.st_ino);
	EXPECT_EQ(region.st_dev, claim.st_dev);
}

static bool tcp_pair(int pair[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected;

	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	connected = !bind(listener, (struct sockaddr *)&address, length) &&
		    !listen(listener, 1) &&
		    !getsockname(listener, (struct sockaddr *)&address, &length) &&
		    !connect(pair[0], (struct sockaddr *)&address, length);
	if (connected)
		pair[1] = accept(listener, NULL, NULL);
	close(listener);

	return connected && pair[1] >= 0;
}

TEST_F(attack, map_pages_by_a_tcp_socket)
{
	char *memory = map_ro(self), *window;
	struct iovec vector = { memory, WINDOW };
	struct tcp_zerocopy_receive receive = {};
	socklen_t length = sizeof(receive);
	int pair[2], ends[2];

	if (!tcp_pair(pair))
		SKIP(return, "no TCP: %s", strerror(errno));
	window = mmap(NULL, WINDOW, PROT_READ, MAP_SHARED, pair[1], 0);
	if (window == MAP_FAILED)
		SKIP(return, "TCP maps nothing: %s", strerror(errno));
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(WINDOW, vmsplice(ends[1], &vector, 1, 0));
	ASSERT_EQ(WINDOW, splice(ends[0], NULL, pair[0], NULL, WINDOW, 0));
	ASSERT_TRUE(EVENTUALLY(poll(&(struct pollfd){ .fd = pair[1], .events = POLLIN },
				    1, 0) == 1));
	receive.address = (uintptr_t)window;
	receive.length = WINDOW;
	/* It must say that all of it is to be copied. */
	if (!getsockopt(pair[1], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &length))
		EXPECT_EQ(0, receive.length);
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	memset(self->owner, 2, SIZE);
	EXPECT_NE(2, touch_read(window) ? 0 : window[0]);
}

/*
 * Class 10, faults against revocations. Three claimers fault the same pages all
 * the time, with two threads each; their claims are revoked one after the
 * other. When revocation number n has returned, the owner writes n + 2: claimer
 * n may have seen n + 1, never more, and ends with SIGBUS.
 */
#define CLAIMERS	3

struct claimer {
	volatile char	*memory;
	uint64_t	size;
	char		newest;
	volatile int	started;
};

static void end_of_claimer(int signal)
{
	(void)signal;
	_exit(0);
}

static void *fault_and_look(void *arg)
{
	struct claimer *claimer = arg;
	uint64_t at;

	for (;;) {
		for (at = 0; at < claimer->size; at += PAGE)
			if (claimer->memory[at] > claimer->newest)
				_exit(1);
		claimer->started = 1;
		madvise((void *)claimer->memory, claimer->size, MADV_DONTNEED);
	}

	return NULL;
}

static void claimer_run(int grant, uint64_t size, int number, int socket)
{
	struct claimer claimer = { .size = size, .newest = number + 1 };
	struct flowipc_claim claim = {};
	pthread_t thread[2];
	int i;

	signal(SIGBUS, end_of_claimer);
	ASSERT_EQ(0, ioctl(grant, FLOWIPC_IOC_CLAIM, &claim));
	claimer.memory = map(claim.fd, size, PROT_READ);
	ASSERT_NE(MAP_FAILED, claimer.memory);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, fault_and_look, &claimer));
	while (!claimer.started)
		sched_yield();
	ASSERT_EQ(sizeof(claim.id), write(socket, &claim.id, sizeof(claim.id)));
	pthread_join(thread[0], NULL);
}

static void fault_storm(struct attack *self, uint64_t size, uint32_t flags)
{
	int region = region_create_as(self->device, size, flags);
	char *owner = map(region, size, PROT_READ | PROT_WRITE);
	int round, i;

	ASSERT_NE(MAP_FAILED, owner);
	for (round = 0; harness_once_more(round, 25); round++) {
		int grant = grant_create_for(region, 0, size, READ,
					     FLOWIPC_GRANT_MANY, 0, 0);
		uint64_t id[CLAIMERS];
		pid_t child[CLAIMERS];
		int ends[2];

		memset(owner, 1, size);
		ASSERT_EQ(0, pipe(ends));
		for (i = 0; i < CLAIMERS; i++) {
			child[i] = fork();
			ASSERT_LE(0, child[i]);
			if (!child[i]) {
				claimer_run(grant, size, i, ends[1]);
				_exit(2);
			}
			ASSERT_EQ(sizeof(id[i]), read(ends[0], &id[i], sizeof(id[i])));
		}
		for (i = 0; i < CLAIMERS; i++) {
			/* The last one goes by its grant. */
			if (i == CLAIMERS - 1)
				ASSERT_EQ(0, grant_revoke(region, grant));
			else
				ASSERT_EQ(0, revoke_number(region, FLOWIPC_REVOKE_CLAIM, id[i]));
			memset(owner, i + 2, size);
			ASSERT_EQ(0, reap(child[i]));
		}
		close(ends[0]);
		close(ends[1]);
		close(grant);
	}
}

TEST_F_TIMEOUT(attack, fault_while_revoked, 300)
{
	fault_storm(self, 8 * PAGE, 0);
}

TEST_F_TIMEOUT(attack, fault_2_mib_while_revoked, 300)
{
	fault_storm(self, HUGE, 0);
}

TEST_F_TIMEOUT(attack, fault_strict_pages_while_revoked, 300)
{
	fault_storm(self, 8 * PAGE, FLOWIPC_REGION_STRICT);
}

TEST_F_TIMEOUT(attack, fault_sealable_pages_while_revoked, 300)
{
	fault_storm(self, 8 * PAGE, FLOWIPC_REGION_SEALABLE);
}

HARNESS_MAIN
