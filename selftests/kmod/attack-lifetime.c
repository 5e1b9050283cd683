// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attacks on lifetimes: descriptors closed before they were told, mappings that
 * outlive everything, last references dropped by strangers.
 */
#include <sys/resource.h>
#include <sys/uio.h>

#include "attack-lifetime.h"

/*
 * Class 1, a descriptor that others see before it is finished. The argument is
 * a trap for writers, so the kernel is held when it writes the number back: all
 * that can fail is still to come, and the number must mean nothing to anybody.
 */
static void close_early(int fd, unsigned int command, char *argument, int count)
{
	static struct trap trap;
	const int next = next_fd();
	struct call call;
	int i;

	ASSERT_TRUE(trap_open(&trap, UFFDIO_REGISTER_MODE_WP));
	ASSERT_TRUE(trap_set(&trap, argument));
	/* The userfaultfd took the number that was next. */
	ASSERT_EQ(next, trap.fd);
	ASSERT_TRUE(call_start(&call, fd, command, argument));
	ASSERT_TRUE(trap_caught(&trap));
	for (i = next + 1; i < next + 8; i++) {
		EXPECT_ERRNO(EBADF, fcntl(i, F_GETFD));
		EXPECT_ERRNO(EBADF, dup(i));
		EXPECT_ERRNO(EBADF, close(i));
	}
	ASSERT_TRUE(trap_release(&trap));
	ASSERT_EQ(0, call_join(&call));
	for (i = 0; i < count; i++)
		EXPECT_EQ(0, close(next + 1 + i));
	ASSERT_EQ(0, close(trap.fd));
}

TEST_F(attack, close_the_next_descriptor_during_create)
{
	int grant = grant_create(self->region, 0, PAGE, READ);
	const struct flowipc_region_create region = { .size = PAGE };
	const struct flowipc_grant make = { .length = PAGE, .rights = READ };
	char *argument = pages_alloc(1);
	struct flowipc_region_info info;
	struct trap trap;

	ASSERT_NE(MAP_FAILED, argument);
	if (!trap_open(&trap, UFFDIO_REGISTER_MODE_WP))
		SKIP(return, "no userfaultfd that holds writers: %s", strerror(errno));
	ASSERT_EQ(0, close(trap.fd));

	close_early(self->device, FLOWIPC_IOC_CHANNEL_CREATE, argument, 2);
	memcpy(argument, &region, sizeof(region));
	close_early(self->device, FLOWIPC_IOC_REGION_CREATE, argument, 1);
	memset(argument, 0, PAGE);
	memcpy(argument, &make, sizeof(make));
	close_early(self->region, FLOWIPC_IOC_GRANT, argument, 1);
	memset(argument, 0, PAGE);
	close_early(grant, FLOWIPC_IOC_CLAIM, argument, 1);

	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.grants);
	EXPECT_EQ(0, info.claims);
	EXPECT_TRUE(only_the_region_is_left(self));
}

/* The same by guessing, as fast as two threads can. */
static void close_guessed(void *argument)
{
	const int *next = argument;
	int i;

	for (i = 0; i < 3; i++) {
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, next[0] + i, 0);
		close(next[0] + i);
	}
}

TEST_F_TIMEOUT(attack, close_guessed_descriptors_all_the_time, 300)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_region_info info;
	struct storm storm;
	int next, round, ends[2];
	pid_t child;

	ASSERT_LE(0, grant);
	/* A process of its own: its descriptors are gone for certain after it. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		next = next_fd();
		ASSERT_TRUE(storm_start(&storm, close_guessed, &next));
		for (round = 0; harness_once_more(round, 2000); round++) {
			region_create(self->device, PAGE);
			channel_create(self->device, ends);
			grant_create(self->region, 0, PAGE, READ);
			grant_claim(grant);
		}
		storm_end(&storm);
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_TRUE(only_the_region_is_left(self));
	EXPECT_TRUE(EVENTUALLY(!region_info(self->region, &info) && !info.claims));
	EXPECT_EQ(1, info.grants);
}

/*
 * Class 2, pages freed while they are mapped. The region loses every descriptor
 * and its owner; then the memory is asked for by everybody else. Nobody may see
 * the pages of another.
 */
static void fill(char *memory, uint64_t size, char byte)
{
	memset(memory, byte, size);
}

static bool is_filled(const char *memory, uint64_t size, char byte)
{
	uint64_t i;

	for (i = 0; i < size; i++)
		if (memory[i] != byte)
			return false;

	return true;
}

static void use_freed_pages(struct attack *self, uint32_t flags)
{
	const uint64_t size = 4 * HUGE;
	int region = region_create_as(self->device, size, flags);
	int grant = grant_create(region, HUGE, 2 * HUGE, READ | WRITE);
	int claim = grant_claim(grant), other[4];
	char *memory = map_at(claim, 2 * HUGE, PROT_READ | PROT_WRITE, HUGE);
	char *mapped[4], *anonymous;
	int i;

	ASSERT_NE(MAP_FAILED, memory);
	fill(memory, 2 * HUGE, 'a');
	ASSERT_EQ(0, close(claim));
	ASSERT_EQ(0, close(grant));
	ASSERT_EQ(0, close(region));

	/* What had been freed would be among these. */
	for (i = 0; i < 4; i++) {
		other[i] = region_create_as(self->device, size, flags);
		ASSERT_LE(0, other[i]);
		mapped[i] = map(other[i], size, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, mapped[i]);
		EXPECT_TRUE(is_filled(mapped[i], size, 0));
		fill(mapped[i], size, 'b');
	}
	anonymous = mmap(NULL, 32 * HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, anonymous);
	fill(anonymous, 32 * HUGE, 'c');

	EXPECT_TRUE(is_filled(memory, 2 * HUGE, 'a'));
	fill(memory, 2 * HUGE, 'd');
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(is_filled(mapped[i], size, 'b'));
		ASSERT_EQ(0, munmap(mapped[i], size));
		ASSERT_EQ(0, close(other[i]));
	}
	EXPECT_TRUE(is_filled(anonymous, 32 * HUGE, 'c'));
	ASSERT_EQ(0, munmap(anonymous, 32 * HUGE));
	ASSERT_EQ(0, munmap(memory, 2 * HUGE));
	EXPECT_TRUE(only_the_region_is_left(self));
}

TEST_F_TIMEOUT(attack, use_pages_of_a_region_without_descriptors, 300)
{
	use_freed_pages(self, 0);
}

TEST_F_TIMEOUT(attack, use_pages_of_a_strict_region_without_descriptors, 300)
{
	use_freed_pages(self, FLOWIPC_REGION_STRICT);
}

TEST_F_TIMEOUT(attack, use_pages_of_a_sealable_region_without_descriptors, 300)
{
	use_freed_pages(self, FLOWIPC_REGION_SEALABLE);
}

/* A pipe holds a page by itself; what comes after must not be read from it. */
TEST_F(attack, read_freed_pages_from_a_pipe)
{
	int region = region_create(self->device, SIZE), other, ends[2];
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);
	struct iovec vector = { memory, SIZE };
	static char read_back[SIZE];

	ASSERT_NE(MAP_FAILED, memory);
	fill(memory, SIZE, 'a');
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(SIZE, vmsplice(ends[1], &vector, 1, 0));
	ASSERT_EQ(0, munmap(memory, SIZE));
	ASSERT_EQ(0, close(region));
	/* The region is given back; the pages are the pipe's alone. */
	EXPECT_TRUE(only_the_region_is_left(self));
	other = region_create(self->device, 64 * HUGE);
	memory = map(other, 64 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	fill(memory, 64 * HUGE, 'b');
	ASSERT_EQ(SIZE, read(ends[0], read_back, SIZE));
	EXPECT_TRUE(is_filled(read_back, SIZE, 'a'));
}

/*
 * Class 3, mappings that are split, moved, copied and unmapped in parts, which
 * opens and closes them in ways nobody thought of. The claim and the memory are
 * there until the last page is unmapped, and then they are not.
 */
#define PIECES	8

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1103515245 + 12345;

	return (seed >> 8) % below;
}

/* Splits, merges and moves the mapping, which stays PIECES pages in total. */
static void maul(char *piece[PIECES])
{
	int i, round;
	char *moved;

	for (round = 0; round < 40; round++) {
		i = any(PIECES);
		switch (any(4)) {
		case 0:
			ASSERT_EQ(0, mprotect(piece[i], PAGE, any(2) ? PROT_READ : PROT_NONE));
			break;
		case 1:
			moved = mremap(piece[i], PAGE, PAGE,
				       MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
			/* It may be refused; if not there is one more. */
			if (moved != MAP_FAILED) {
				ASSERT_EQ(0, munmap(piece[i], PAGE));
				piece[i] = moved;
			}
			break;
		case 2:
			moved = mmap(NULL, PAGE, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			ASSERT_NE(MAP_FAILED, moved);
			ASSERT_EQ(moved, mremap(piece[i], PAGE, PAGE,
						MREMAP_MAYMOVE | MREMAP_FIXED, moved));
			piece[i] = moved;
			break;
		default:
			madvise(piece[i], PAGE, any(2) ? MADV_DONTNEED : MADV_DOFORK);
		}
	}
}

static void fork_and_exit(void)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child)
		_exit(0);
	ASSERT_EQ(0, reap(child));
}

TEST_F_TIMEOUT(attack, split_a_mapping_in_every_way, 300)
{
	struct flowipc_region_info info;
	uint64_t round, i, k;

	for (round = 0; harness_once_more(round, 100); round++) {
		int grant = grant_create(self->region, 0, PIECES * PAGE, READ);
		int claim = grant_claim(grant);
		char *memory = map(claim, PIECES * PAGE, PROT_READ);
		char *piece[PIECES], *last;

		ASSERT_NE(MAP_FAILED, memory);
		seed = round + 1;
		for (i = 0; i < PIECES; i++)
			piece[i] = memory + i * PAGE;
		ASSERT_EQ(0, close(claim));
		ASSERT_EQ(0, close(grant));
		maul(piece);
		if (round % 4 == 0)
			fork_and_exit();

		/* In any order. */
		for (i = PIECES; i > 1; i--) {
			k = any(i);
			ASSERT_EQ(0, munmap(piece[k], PAGE));
			piece[k] = piece[i - 1];
			ASSERT_EQ(0, region_info(self->region, &info));
			ASSERT_EQ(1, info.claims);
			ASSERT_EQ(round, info.dropped);
		}
		last = piece[0];
		ASSERT_EQ(0, mprotect(last, PAGE, PROT_READ));
		ASSERT_EQ(0, touch_read(last));
		ASSERT_EQ(0, munmap(last, PAGE));
		ASSERT_TRUE(EVENTUALLY(!region_info(self->region, &info) && !info.claims));
		ASSERT_EQ(round + 1, info.dropped);
		ASSERT_EQ(round + 1, info.claimed);
	}
}

/* The owner's mapping, with nothing else of the region left. */
TEST_F_TIMEOUT(attack, split_the_last_mapping_of_a_region, 300)
{
	uint64_t round, i, k;

	for (round = 0; harness_once_more(round, 100); round++) {
		int region = region_create(self->device, PIECES * PAGE);
		char *memory = map(region, PIECES * PAGE, PROT_READ | PROT_WRITE);
		char *piece[PIECES];

		ASSERT_NE(MAP_FAILED, memory);
		seed = round + 1;
		for (i = 0; i < PIECES; i++)
			piece[i] = memory + i * PAGE;
		ASSERT_EQ(0, close(region));
		maul(piece);
		if (round % 4 == 0)
			fork_and_exit();
		for (i = PIECES; i; i--) {
			ASSERT_EQ(self->used + SIZE + PIECES * PAGE,
				  used_total_bytes(self->device));
			k = any(i);
			ASSERT_EQ(0, munmap(piece[k], PAGE));
			piece[k] = piece[i - 1];
		}
		ASSERT_TRUE(only_the_region_is_left(self));
	}
}

/*
 * Class 17, the last reference dropped by somebody else. What is given back is
 * given to whom it was taken from, whoever does it and however.
 */
static void limit_memlock(uint64_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* Has as much memory as the limit allows, and lets another hold it. */
static void locker(int device, int socket)
{
	int region;

	limit_memlock(SIZE);
	ASSERT_TRUE(become_user());
	region = region_create(device, SIZE);
	ASSERT_LE(0, region);
	ASSERT_ERRNO(EDQUOT, region_create(device, PAGE));
	ASSERT_TRUE(send_fd(socket, region));
	ASSERT_EQ(0, close(region));
	ASSERT_TRUE(hear(socket));
	/* Sent, received, mapped: it is still his. */
	ASSERT_ERRNO(EDQUOT, region_create(device, PAGE));
	ASSERT_TRUE(tell(socket));
	ASSERT_TRUE(hear(socket));
	ASSERT_TRUE(EVENTUALLY((region = region_create(device, SIZE)) >= 0));
	ASSERT_ERRNO(EDQUOT, region_create(device, PAGE));
}

/* Another user, who has a limit of his own and as much memory already. */
static void closer(int device, int socket)
{
	int region, own;
	char *memory;

	limit_memlock(SIZE);
	ASSERT_TRUE(become(USER + 1, USER + 1, 0, NULL));
	own = region_create(device, SIZE);
	ASSERT_LE(0, own);
	region = recv_fd(socket);
	ASSERT_LE(0, region);
	memory = map(region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, close(region));
	ASSERT_TRUE(tell(socket));
	ASSERT_TRUE(hear(socket));
	ASSERT_EQ(0, munmap(memory, SIZE));
	/* What he gave back was not his. */
	ASSERT_ERRNO(EDQUOT, region_create(device, PAGE));
	ASSERT_TRUE(tell(socket));
}

TEST_F(attack, let_another_user_close_it_last)
{
	int sockets[2];
	pid_t first, second;

	ASSERT_TRUE(socket_pair(sockets));
	first = fork();
	ASSERT_LE(0, first);
	if (!first) {
		locker(self->device, sockets[0]);
		_exit(0);
	}
	second = fork();
	ASSERT_LE(0, second);
	if (!second) {
		closer(self->device, sockets[1]);
		_exit(0);
	}
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(0, reap(first));
	EXPECT_EQ(0, reap(second));
	EXPECT_TRUE(only_the_region_is_left(self));
}

/*
 * A claimer is killed while another process reads its memory: its address space
 * lives on, and is taken apart by the reader, who has one of his own.
 */
static void victim(int grant, int socket, char *where)
{
	int claim = grant_claim(grant);

	ASSERT_LE(0, claim);
	ASSERT_EQ(where, mmap(where, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, claim, 0));
	ASSERT_EQ(0, touch_read(where));
	ASSERT_TRUE(tell(socket));
	pause();
}

struct reading {
	pid_t	pid;
	char	*from;
	char	*to;
	ssize_t	got;
};

static void *read_the_victim(void *arg)
{
	struct reading *reading = arg;
	struct iovec local = { reading->to, 16 }, remote = { reading->from, 16 };

	reading->got = process_vm_readv(reading->pid, &local, 1, &remote, 1, 0);

	return NULL;
}

TEST_F(attack, let_a_reader_take_the_address_space_apart)
{
	int grant = grant_create(self->region, 0, PAGE, READ);
	char *owner = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	struct reading reading = { .to = pages_alloc(1), .from = pages_alloc(1) };
	struct flowipc_region_info info;
	static struct trap trap;
	pthread_t thread;
	int sockets[2];

	if (!trap_open(&trap, UFFDIO_REGISTER_MODE_MISSING))
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_NE(MAP_FAILED, owner);
	owner[0] = 'x';
	ASSERT_TRUE(socket_pair(sockets));
	reading.pid = fork();
	ASSERT_LE(0, reading.pid);
	if (!reading.pid) {
		victim(grant, sockets[1], reading.from);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, close(grant));
	/* The reader is held when it has the victim's page, and its mm. */
	ASSERT_TRUE(trap_set(&trap, reading.to));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_the_victim, &reading));
	ASSERT_TRUE(trap_caught(&trap));
	ASSERT_EQ(0, kill(reading.pid, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(reading.pid));
	/* Dead, but the mapping is there, and it is the only thing that is. */
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.claims);
	ASSERT_TRUE(trap_release(&trap));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(16, reading.got);
	EXPECT_EQ('x', reading.to[0]);
	EXPECT_TRUE(EVENTUALLY(!region_info(self->region, &info) && !info.claims));
	EXPECT_EQ(1, info.dropped);
}

/* What fuser and lsof do: they look at descriptors that are just closed. */
static void look_at(void *argument)
{
	const pid_t *pid = argument;
	static _Thread_local char text[4096];
	char path[64];
	int fd, pidfd = syscall(SYS_pidfd_open, *pid, 0);

	for (fd = 3; fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", *pid, fd);
		read_text(path, text, sizeof(text));
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", *pid, fd);
		if (readlink(path, text, sizeof(text)) == -1)
			continue;
		close(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", *pid);
	read_text(path, text, sizeof(text));
	close(pidfd);
}

TEST_F(attack, look_at_descriptors_while_they_are_closed)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_region_info info;
	struct storm storm;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (;;) {
			int region = region_create(self->device, PAGE), ends[2];
			int claim = grant_claim(grant);
			void *memory = map(claim, PAGE, PROT_READ);

			ASSERT_EQ(0, channel_create(self->device, ends));
			ASSERT_NE(MAP_FAILED, memory);
			close(claim);
			close(region);
			close(ends[0]);
			close(ends[1]);
			munmap(memory, PAGE);
		}
	}
	ASSERT_TRUE(storm_start(&storm, look_at, &child));
	sleep_ms(4000);
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, reap(child));
	storm_end(&storm);
	EXPECT_TRUE(only_the_region_is_left(self));
	EXPECT_TRUE(EVENTUALLY(!region_info(self->region, &info) && !info.claims));
}

HARNESS_MAIN
