// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit process, for compat.c. It needs no 32-bit C library, which is seldom
 * installed: it starts by itself and makes its system calls by itself.
 *
 * Its argument says which part of the interface to use. Exit status 0 is
 * success; what failed is told on stdout.
 */
#include <asm/unistd_32.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>

#include "compat-layout.h"

#define PAGE		4096U
#define SIZE		(16 * PAGE)
#define MESSAGE		FLOWIPC_EVENT_MESSAGE
#define SPACE		FLOWIPC_EVENT_SPACE
#define READ		FLOWIPC_RIGHT_READ
#define WRITE		FLOWIPC_RIGHT_WRITE
#define FOREVER		FLOWIPC_WAIT_FOREVER
#define SIGBUS		7

#define EBADF		9
#define EFAULT		14
#define EINVAL		22
#define ENOTTY		25
#define EPIPE		32
#define ENOENT		2
#define EACCES		13
#define ETIMEDOUT	110

/* The compiler makes calls of these. */
void *memset(void *where, int byte, size_t count);
void *memcpy(void *to, const void *from, size_t count);
int main32(int argc, char **argv);

void *memset(void *where, int byte, size_t count)
{
	volatile char *at = where;

	while (count--)
		*at++ = byte;

	return where;
}

void *memcpy(void *to, const void *from, size_t count)
{
	const volatile char *source = from;
	volatile char *at = to;

	while (count--)
		*at++ = *source++;

	return to;
}

/* The result, or minus the errno. */
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
	long args[] = { number, b, c, d, e, f };
	long result;

	/* All seven registers are arguments, that of the frame too. */
	asm volatile("push %%ebp\n\t"
		     "mov 20(%%eax), %%ebp\n\t"
		     "mov 16(%%eax), %%edi\n\t"
		     "mov 12(%%eax), %%esi\n\t"
		     "mov 8(%%eax), %%edx\n\t"
		     "mov 4(%%eax), %%ecx\n\t"
		     "mov (%%eax), %%eax\n\t"
		     "int $0x80\n\t"
		     "pop %%ebp"
		     : "=a" (result)
		     : "a" (args), "b" (a)
		     : "ecx", "edx", "esi", "edi", "memory");

	return result;
}

static long call3(long number, long a, long b, long c)
{
	return call6(number, a, b, c, 0, 0, 0);
}

static void leave(int status)
{
	for (;;)
		call3(__NR_exit, status, 0, 0);
}

static void print(const char *text)
{
	long length = 0;

	while (text[length])
		length++;
	call3(__NR_write, 1, (long)text, length);
}

static void print_number(long number)
{
	unsigned long rest = number < 0 ? -number : number;
	char text[12], *at = text + sizeof(text) - 1;

	*at = '\0';
	do {
		*--at = '0' + rest % 10;
		rest /= 10;
	} while (rest);
	if (number < 0)
		*--at = '-';
	print(at);
}

static void check(int line, const char *what, int holds, long seen)
{
	if (holds)
		return;
	print("# compat32.c:");
	print_number(line);
	print(": not so: ");
	print(what);
	print(", seen ");
	print_number(seen);
	print("\n");
	leave(1);
}

#define CHECK(condition)	check(__LINE__, #condition, condition, 0)
#define CHECK_EQ(expected, call)					\
	do {								\
		long seen_ = (call);					\
									\
		check(__LINE__, #expected " == " #call,			\
		      seen_ == (expected), seen_);			\
	} while (0)

static int ioctl32(int fd, unsigned int command, void *argument)
{
	return call3(__NR_ioctl, fd, command, (long)argument);
}

static int close32(int fd)
{
	return call3(__NR_close, fd, 0, 0);
}

/* Offsets are counted in pages, and have 32 bits. */
static char *map_pages(int fd, unsigned int pages, int prot, unsigned int page)
{
	return (char *)call6(__NR_mmap2, 0, pages * PAGE, prot, MAP_SHARED, fd, page);
}

static int is_error(const void *address)
{
	return (unsigned long)address > -PAGE;
}

static short poll_now(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(call3(__NR_poll, (long)&poll_fd, 1, 0) >= 0);

	return poll_fd.revents;
}

/* What an access in a child dies of, or 0. */
static int touch(volatile char *address, int write)
{
	int status = 0, child = call3(__NR_fork, 0, 0, 0);

	CHECK(child >= 0);
	if (!child) {
		char byte = *address;

		if (write)
			*address = byte;
		leave(0);
	}
	CHECK_EQ(child, call3(__NR_waitpid, child, (long)&status, 0));

	return status & 127;
}

static int device_open(void)
{
	int device = call3(__NR_open, (long)FLOWIPC_DEVICE_PATH, O_RDWR, 0);

	CHECK(device >= 0);

	return device;
}

static int region_create(unsigned int flags)
{
	struct flowipc_region_create arg = { .size = SIZE, .flags = flags };
	int device = device_open();

	CHECK_EQ(0, ioctl32(device, FLOWIPC_IOC_REGION_CREATE, &arg));
	CHECK(arg.fd >= 0);
	close32(device);

	return arg.fd;
}

static void channel_create(int ends[2])
{
	struct flowipc_channel_create arg = {};
	int device = device_open();

	CHECK_EQ(0, ioctl32(device, FLOWIPC_IOC_CHANNEL_CREATE, &arg));
	ends[0] = arg.fd[0];
	ends[1] = arg.fd[1];
	CHECK(ends[0] >= 0 && ends[1] > ends[0]);
	close32(device);
}

static void use_device(void)
{
	struct flowipc_region_create too_much = { .size = 1ULL << 52 };
	struct flowipc_query query = {};
	int device = device_open();

	CHECK_EQ(0, ioctl32(device, FLOWIPC_IOC_QUERY, &query));
	CHECK(query.page_bytes == PAGE);
	CHECK(query.abi_current == FLOWIPC_ABI_CURRENT);
	CHECK(query.max_region_bytes && query.max_total_bytes);
	query.reserved = 1;
	CHECK_EQ(-EINVAL, ioctl32(device, FLOWIPC_IOC_QUERY, &query));
	CHECK_EQ(-EFAULT, ioctl32(device, FLOWIPC_IOC_QUERY, (void *)-64L));
	CHECK_EQ(-ENOTTY, ioctl32(device, FLOWIPC_IOC_CLAIM, &query));
	/* More than the process could ever address is still only too large. */
	CHECK(ioctl32(device, FLOWIPC_IOC_REGION_CREATE, &too_much) < 0);
}

static void use_region(void)
{
	struct flowipc_region_info info = {};
	int region = region_create(0);
	char *memory = map_pages(region, 16, PROT_READ | PROT_WRITE, 0);
	unsigned int i;

	CHECK(!is_error(memory));
	for (i = 0; i < SIZE; i += PAGE)
		CHECK(!memory[i]);
	memory[SIZE - 1] = 7;
	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_REGION_INFO, &info));
	CHECK(info.size == SIZE && info.grants == 0 && info.id);
	CHECK(!poll_now(region));

	/* Sums of 32 bits that wrap around. */
	CHECK_EQ(-EINVAL, (long)map_pages(region, 17, PROT_READ, 0));
	CHECK_EQ(-EINVAL, (long)map_pages(region, 1, PROT_READ, 16));
	CHECK(is_error(map_pages(region, 1, PROT_READ, ~0U)));
	CHECK(is_error(map_pages(region, 2, PROT_READ, ~0U)));
	CHECK(is_error(map_pages(region, 1, PROT_READ, 1U << 31)));
	CHECK(is_error(map_pages(region, (1U << 20) - 1, PROT_READ, 0)));
}

static void use_grant(void)
{
	struct flowipc_grant grant = {
		.offset = 4 * PAGE, .length = 4 * PAGE, .rights = READ | WRITE,
		.flags = FLOWIPC_GRANT_MANY,
	};
	struct flowipc_grant wrap = {
		.offset = SIZE, .length = -(__u64)SIZE, .rights = READ,
	};
	struct flowipc_grant_next next = {};
	struct flowipc_claim claim = {};
	struct flowipc_revoke revoke = { .flags = FLOWIPC_REVOKE_GRANT, .grant_fd = -1 };
	int region = region_create(0);
	char *owner = map_pages(region, 16, PROT_READ | PROT_WRITE, 0);
	char *peer;

	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_GRANT, &grant));
	CHECK(grant.id && grant.fd >= 0);
	CHECK_EQ(-EINVAL, ioctl32(region, FLOWIPC_IOC_GRANT, &wrap));
	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_GRANT_NEXT, &next));
	CHECK(next.id == grant.id && next.offset == 4 * PAGE);
	CHECK(next.length == 4 * PAGE && next.rights == (READ | WRITE));

	CHECK_EQ(0, ioctl32(grant.fd, FLOWIPC_IOC_CLAIM, &claim));
	CHECK(claim.offset == 4 * PAGE && claim.length == 4 * PAGE);
	CHECK(claim.region_size == SIZE && claim.rights == (READ | WRITE));
	CHECK_EQ(-EINVAL, (long)map_pages(claim.fd, 1, PROT_READ, 3));
	CHECK_EQ(-EINVAL, (long)map_pages(claim.fd, 5, PROT_READ, 4));
	peer = map_pages(claim.fd, 4, PROT_READ | PROT_WRITE, 4);
	CHECK(!is_error(peer));
	peer[0] = 42;
	CHECK(owner[4 * PAGE] == 42);
	CHECK(poll_now(region) & POLLIN);

	revoke.id = grant.id;
	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_REVOKE, &revoke));
	/* In this process, where the mapping is; a child does not have it. */
	CHECK_EQ(-EFAULT, call3(__NR_write, 1, (long)peer, 1));
	CHECK_EQ(-EACCES, (long)map_pages(claim.fd, 1, PROT_READ, 4));
	CHECK_EQ(-EACCES, ioctl32(grant.fd, FLOWIPC_IOC_CLAIM,
				  &(struct flowipc_claim){}));
	revoke.id = ~0ULL;
	CHECK_EQ(-ENOENT, ioctl32(region, FLOWIPC_IOC_REVOKE, &revoke));
}

/* The path is put at an address which is a __u64 there. */
static void check_identity(const struct flowipc_identity *who, const char *path)
{
	int pid = call3(__NR_getpid, 0, 0, 0);

	CHECK_EQ(pid, who->pid);
	CHECK_EQ(call3(__NR_geteuid32, 0, 0, 0), (long)who->uid);
	CHECK_EQ(call3(__NR_getegid32, 0, 0, 0), (long)who->gid);
	CHECK(who->exe_bytes > 8 && who->exe_bytes <= PAGE);
	CHECK(path[0] == '/' && !path[who->exe_bytes - 1]);
	/* .../compat32 */
	CHECK(path[who->exe_bytes - 2] == '2' && path[who->exe_bytes - 3] == '3');
	CHECK(who->exe_inode);
}

static void use_identity(void)
{
	static char path[PAGE];
	struct flowipc_grant grant = { .length = PAGE, .rights = READ };
	struct flowipc_claim claim = {};
	struct flowipc_claim_next next = {
		.who = { .exe = (unsigned long)path, .exe_bytes = sizeof(path) },
	};
	struct flowipc_channel_peer peer = { .who = next.who };
	int region = region_create(0), ends[2];

	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_GRANT, &grant));
	CHECK_EQ(0, ioctl32(grant.fd, FLOWIPC_IOC_CLAIM, &claim));
	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_CLAIM_NEXT, &next));
	CHECK(next.id == claim.id && next.grant_id == grant.id);
	check_identity(&next.who, path);

	/* An address of more than 32 bits is nobody's here. */
	next = (struct flowipc_claim_next){
		.who = { .exe = 1ULL << 62 | 1, .exe_bytes = sizeof(path) },
	};
	CHECK_EQ(-EFAULT, ioctl32(region, FLOWIPC_IOC_CLAIM_NEXT, &next));

	channel_create(ends);
	CHECK_EQ(0, ioctl32(ends[0], FLOWIPC_IOC_CHANNEL_CLAIM,
			    &(struct flowipc_channel_claim){}));
	memset(path, 0, sizeof(path));
	CHECK_EQ(0, ioctl32(ends[1], FLOWIPC_IOC_PEER, &peer));
	check_identity(&peer.who, path);
}

static void use_channel(void)
{
	struct flowipc_kick kick = { .events = MESSAGE };
	struct flowipc_wait wait = {
		.events = MESSAGE | SPACE, .deadline_ns = FOREVER,
	};
	struct flowipc_kick_and_wait both = { .kick = SPACE, .events = MESSAGE };
	int ends[2];

	channel_create(ends);
	CHECK_EQ(0, ioctl32(ends[0], FLOWIPC_IOC_KICK, &kick));
	CHECK(poll_now(ends[1]) == POLLIN);
	CHECK_EQ(0, ioctl32(ends[1], FLOWIPC_IOC_WAIT, &wait));
	CHECK(wait.events == MESSAGE);
	/* A deadline which needs all 64 bits, and is over. */
	wait = (struct flowipc_wait){ .events = MESSAGE, .deadline_ns = 1 };
	CHECK_EQ(-ETIMEDOUT, ioctl32(ends[1], FLOWIPC_IOC_WAIT, &wait));
	CHECK_EQ(-ETIMEDOUT, ioctl32(ends[0], FLOWIPC_IOC_KICK_AND_WAIT, &both));
	CHECK(poll_now(ends[1]) == POLLOUT);
	CHECK_EQ(0, ioctl32(ends[0], FLOWIPC_IOC_SHUTDOWN,
			    &(struct flowipc_shutdown){}));
	CHECK_EQ(-EPIPE, ioctl32(ends[0], FLOWIPC_IOC_KICK, &kick));
	CHECK(poll_now(ends[1]) & POLLOUT);
	CHECK_EQ(0, close32(ends[1]));
	CHECK(poll_now(ends[0]) & POLLHUP);
}

static void use_eventfd(void)
{
	int ends[2], eventfd = call3(__NR_eventfd2, 0, 0, 0);
	struct flowipc_bind_eventfd bind = {
		.eventfd = eventfd, .events = SPACE,
	};
	struct flowipc_kick kick = { .events = SPACE };
	__u64 count = 0;

	CHECK(eventfd >= 0);
	channel_create(ends);
	CHECK_EQ(0, ioctl32(ends[1], FLOWIPC_IOC_BIND_EVENTFD, &bind));
	CHECK_EQ(0, ioctl32(ends[0], FLOWIPC_IOC_KICK, &kick));
	CHECK_EQ(8, call3(__NR_read, eventfd, (long)&count, sizeof(count)));
	CHECK(count == 1);
	bind.eventfd = 1000;
	CHECK_EQ(-EBADF, ioctl32(ends[1], FLOWIPC_IOC_BIND_EVENTFD, &bind));
}

static void use_seal(void)
{
	int region = region_create(FLOWIPC_REGION_SEALABLE), ends[2];
	char *memory = map_pages(region, 16, PROT_READ | PROT_WRITE, 0);
	struct flowipc_seal seal = { .offset = PAGE, .length = PAGE };
	struct flowipc_seal wrap = { .offset = PAGE, .length = -(__u64)PAGE };
	struct flowipc_seal_info info = {};
	struct flowipc_unseal unseal = {};

	channel_create(ends);
	seal.channel_fd = ends[0];
	wrap.channel_fd = ends[0];
	memory[PAGE] = 9;
	CHECK_EQ(0, ioctl32(region, FLOWIPC_IOC_SEAL, &seal));
	CHECK_EQ(-EINVAL, ioctl32(region, FLOWIPC_IOC_SEAL, &wrap));
	CHECK_EQ(SIGBUS, touch(memory + PAGE, 1));
	CHECK_EQ(0, touch(memory + PAGE, 0));
	CHECK_EQ(0, touch(memory + 2 * PAGE, 1));
	info.id = seal.id;
	CHECK_EQ(-ENOENT, ioctl32(ends[0], FLOWIPC_IOC_SEAL_INFO, &info));
	CHECK_EQ(0, ioctl32(ends[1], FLOWIPC_IOC_SEAL_INFO, &info));
	CHECK(info.offset == PAGE && info.length == PAGE);
	unseal.id = seal.id;
	CHECK_EQ(-ENOENT, ioctl32(ends[0], FLOWIPC_IOC_UNSEAL, &unseal));
	CHECK_EQ(0, ioctl32(ends[1], FLOWIPC_IOC_UNSEAL, &unseal));
	CHECK_EQ(0, touch(memory + PAGE, 1));
}

static void use_strict(void)
{
	int region = region_create(FLOWIPC_REGION_STRICT);
	char *memory = map_pages(region, 16, PROT_READ | PROT_WRITE, 0);
	struct { const void *base; unsigned long length; } vector = { memory, PAGE };
	int ends[2];

	CHECK(!is_error(memory));
	memory[0] = 1;
	CHECK_EQ(0, call3(__NR_pipe, (long)ends, 0, 0));
	CHECK_EQ(-EFAULT, call6(__NR_vmsplice, ends[1], (long)&vector, 1, 0, 0, 0));
	CHECK_EQ(1, call3(__NR_write, ends[1], (long)memory, 1));
}

static const struct {
	const char	*name;
	void		(*use)(void);
} parts[] = {
	{ "device", use_device },
	{ "region", use_region },
	{ "grant", use_grant },
	{ "identity", use_identity },
	{ "channel", use_channel },
	{ "eventfd", use_eventfd },
	{ "seal", use_seal },
	{ "strict", use_strict },
};

static int is_equal(const char *left, const char *right)
{
	while (*left && *left == *right) {
		left++;
		right++;
	}

	return *left == *right;
}

int main32(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (argc == 2 && is_equal(argv[1], parts[i].name)) {
			parts[i].use();
			return 0;
		}
	}
	print("Usage: compat32 PART\n");

	return 2;
}

/* argc and argv lie on the stack. */
asm(".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov (%esp), %eax\n\t"
    "lea 4(%esp), %edx\n\t"
    "and $-16, %esp\n\t"
    "sub $8, %esp\n\t"
    "push %edx\n\t"
    "push %eax\n\t"
    "call main32\n\t"
    "mov %eax, %ebx\n\t"
    "mov $1, %eax\n\t"
    "int $0x80\n");
