// SPDX-License-Identifier: MIT
/*
 * map: what it costs a process to map memory that another has filled, and to
 * touch each page of it for the first time. The memory is there already, so
 * this is page faults and nothing else, and what counts is how many: one for
 * 4 KiB, or one for 2 MiB.
 *
 * Where a fault may map 2 MiB depends on the address, so one region, mapped at
 * an address that is a multiple of 2 MiB and at one that is not, shows the one
 * against the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/flowipc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)

#define DEFAULT_SIZE   (UINT64_C(512) << 20)
#define DEFAULT_ROUNDS 5

enum access {
	ACCESS_READ,
	ACCESS_WRITE,
	ACCESSES,
};

static const char *const access_names[ACCESSES] = { "read", "write" };

/* What a peer has measured, in memory it shares with the owner. */
struct outcome {
	uint64_t ns;
	uint64_t huge_bytes;
};

struct memory {
	const char *name;
	/* Of the owner: the descriptor of @size bytes. */
	int (*make)(uint64_t size);
	/* Of the owner, for one peer; NULL: the descriptor itself. */
	int (*share)(int fd, uint64_t size);
	/* Of the peer, from what was shared, what it can map; likewise. */
	int (*receive)(int share);
	bool needs_device;
	bool advise_huge;
	uint32_t feature; /* that the module must have */
	/* How far past a multiple of 2 MiB it is mapped: none, or a page. */
	size_t shift;
};

/* --- kinds of memory ------------------------------------------------------ */

static int device_open(void)
{
	int device = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (device < 0)
		bench_die("cannot open %s: %s", FLOWIPC_DEVICE_PATH,
			  strerror(errno));
	return device;
}

static int make_region_with(uint64_t size, uint32_t flags)
{
	struct flowipc_region_create create = { .size = size, .flags = flags };
	int device = device_open();

	if (ioctl(device, FLOWIPC_IOC_REGION_CREATE, &create))
		bench_die("cannot make a region of %" PRIu64 " bytes: %s",
			  size, strerror(errno));
	close(device);
	return create.fd;
}

static int make_region(uint64_t size)
{
	return make_region_with(size, 0);
}

static int make_strict(uint64_t size)
{
	return make_region_with(size, FLOWIPC_REGION_STRICT);
}

static int share_region(int fd, uint64_t size)
{
	struct flowipc_grant grant = {
		.length = size,
		.rights = FLOWIPC_RIGHT_READ | FLOWIPC_RIGHT_WRITE,
	};

	if (ioctl(fd, FLOWIPC_IOC_GRANT, &grant))
		bench_die("cannot grant a region: %s", strerror(errno));
	return grant.fd;
}

static int receive_region(int share)
{
	struct flowipc_claim claim = { 0 };

	if (ioctl(share, FLOWIPC_IOC_CLAIM, &claim))
		bench_die("cannot claim a region: %s", strerror(errno));
	return claim.fd;
}

static int make_memfd(uint64_t size)
{
	int fd = memfd_create("flowipc-bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		bench_die("cannot make a memfd of %" PRIu64 " bytes: %s", size,
			  strerror(errno));
	return fd;
}

static const struct memory memories[] = {
	{ .name = "memfd", .make = make_memfd },
	{ .name = "memfd-huge", .make = make_memfd, .advise_huge = true },
	{ .name = "region-4k", .make = make_region, .share = share_region,
	  .receive = receive_region, .needs_device = true, .shift = PAGE },
	{ .name = "strict", .make = make_strict, .share = share_region,
	  .receive = receive_region, .needs_device = true,
	  .feature = FLOWIPC_FEATURE_STRICT },
	{ .name = "region", .make = make_region, .share = share_region,
	  .receive = receive_region, .needs_device = true },
};

#define MEMORIES (sizeof(memories) / sizeof(memories[0]))

static uint64_t device_features(void)
{
	struct flowipc_query query = { 0 };
	int device = device_open();

	if (ioctl(device, FLOWIPC_IOC_QUERY, &query))
		bench_die("cannot ask the module what it can do: %s",
			  strerror(errno));
	close(device);
	return query.features;
}

/* Whether a memfd may have huge pages where that is advised. */
static bool memfd_can_be_huge(void)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			   "re");

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	fclose(file);
	return strchr(line, '[') && !strstr(line, "[never]") &&
	       !strstr(line, "[deny]");
}

/* Why it cannot be measured; NULL: it can. */
static const char *problem(const struct bench_config *config,
			   const struct memory *memory)
{
	if (memory->needs_device && *config->no_device)
		return config->no_device;
	if (memory->feature && !(device_features() & memory->feature))
		return "this module cannot do it";
	if (memory->advise_huge && !memfd_can_be_huge())
		return "/sys/kernel/mm/transparent_hugepage/shmem_enabled does not allow it";
	return NULL;
}

/* --- mapping and touching ------------------------------------------------- */

/* An address with room for @size bytes, @shift past a multiple of 2 MiB. */
static char *room_for(uint64_t size, size_t shift)
{
	char *room = mmap(NULL, size + 2 * HUGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		bench_die("no addresses for %" PRIu64 " bytes: %s", size,
			  strerror(errno));
	return room + (HUGE - (uintptr_t)room % HUGE) + shift;
}

static void map_at(const struct memory *memory, void *address, uint64_t size,
		   int fd)
{
	if (mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) == MAP_FAILED)
		bench_die("%s: cannot map it: %s", memory->name,
			  strerror(errno));
	if (memory->advise_huge && madvise(address, size, MADV_HUGEPAGE))
		bench_die("%s: cannot advise huge pages: %s", memory->name,
			  strerror(errno));
}

static void touch(volatile char *bytes, uint64_t size, enum access access)
{
	for (uint64_t at = 0; at < size; at += PAGE) {
		if (access == ACCESS_WRITE)
			bytes[at] = 1;
		else
			(void)bytes[at];
	}
}

/* How much of the mapping at @address is mapped 2 MiB at a time. */
static uint64_t huge_bytes_at(const void *address)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	uint64_t sum = 0, kib;
	uintptr_t first, end;
	bool here = false;
	char line[512];

	if (!file)
		bench_die("cannot read /proc/self/smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &first,
			   &end) == 2)
			here = first == (uintptr_t)address;
		else if (here &&
			 (sscanf(line, "FilePmdMapped: %" SCNu64, &kib) == 1 ||
			  sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib) == 1))
			sum += kib << 10;
	}
	fclose(file);
	return sum;
}

/* In the peer. */
static void measure(const struct memory *memory, int share, uint64_t size,
		    enum access access, struct outcome *outcome)
{
	int fd = memory->receive ? memory->receive(share) : share;
	char *address = room_for(size, memory->shift);
	uint64_t start = bench_now();

	map_at(memory, address, size, fd);
	touch(address, size, access);
	outcome->ns = bench_now() - start;
	outcome->huge_bytes = huge_bytes_at(address);
}

/* A peer of its own for each sample: an address space that knows nothing. */
static void run_peer(const struct bench_config *config,
		     const struct memory *memory, int fd, uint64_t size,
		     enum access access, struct outcome *outcome)
{
	pid_t child, parent = getpid();
	int end[2], share;
	char byte;

	if (pipe2(end, O_CLOEXEC))
		bench_die("cannot make a pipe: %s", strerror(errno));
	share = memory->share ? memory->share(fd, size) : fd;
	child = fork();
	if (child < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (!child) {
		close(end[0]);
		bench_child(config->cpus[1], parent);
		measure(memory, share, size, access, outcome);
		_exit(0);
	}
	close(end[1]);
	/* However long it takes. */
	while (read(end[0], &byte, 1) < 0 && errno == EINTR)
		continue;
	bench_reap(memory->name, child, end[0]);
	if (share != fd)
		close(share);
}

/* The owner writes each page, or some of them would not be there yet. */
static int make_filled(const struct memory *memory, uint64_t size)
{
	int fd = memory->make(size);
	char *address = room_for(size, 0);

	map_at(memory, address, size, fd);
	touch(address, size, ACCESS_WRITE);
	munmap(address, size);
	return fd;
}

/* --- the test ------------------------------------------------------------- */

/* One kind of memory of one size. */
struct samples {
	uint64_t *ns[ACCESSES];
	uint64_t huge_bytes[ACCESSES]; /* the least of all rounds */
};

static void run_round(const struct bench_config *config,
		      const struct memory *memory, uint64_t size,
		      uint64_t round, struct samples *samples,
		      struct outcome *outcome)
{
	int fd;

	bench_progress("round %" PRIu64 ": %s, %" PRIu64 " bytes", round + 1,
		       memory->name, size);
	fd = make_filled(memory, size);
	for (int access = 0; access < ACCESSES; access++) {
		run_peer(config, memory, fd, size, access, outcome);
		samples->ns[access][round] = outcome->ns;
		if (!round || outcome->huge_bytes < samples->huge_bytes[access])
			samples->huge_bytes[access] = outcome->huge_bytes;
	}
	close(fd);
}

static void report_size(struct bench_report *report, uint64_t size,
			uint64_t rounds, struct samples samples[MEMORIES])
{
	const unsigned int first = report->count;

	for (int access = 0; access < ACCESSES; access++) {
		for (size_t i = 0; i < MEMORIES; i++) {
			struct bench_result *result;

			if (!samples[i].ns[access])
				continue;
			result = bench_report_add(report, memories[i].name,
						  access_names[access]);
			result->size = size;
			result->huge_bytes = samples[i].huge_bytes[access];
			bench_stats_of(samples[i].ns[access], rounds,
				       &result->ns);
			munmap(samples[i].ns[access],
			       rounds * sizeof(uint64_t));
		}
	}
	for (unsigned int i = first; i < report->count; i++) {
		struct bench_result *result = &report->results[i];

		result->ratio_to_4k = bench_ratio(
			result, bench_report_find(report, "region-4k",
						  result->mode, size));
		result->ratio_to_memfd = bench_ratio(
			result, bench_report_find(report, "memfd",
						  result->mode, size));
	}
}

static void run_size(const struct bench_config *config,
		     struct bench_report *report, uint64_t size,
		     struct outcome *outcome)
{
	const uint64_t rounds = config->iterations ? config->iterations :
						     DEFAULT_ROUNDS;
	struct samples samples[MEMORIES] = { 0 };

	for (size_t i = 0; i < MEMORIES; i++)
		for (int access = 0; access < ACCESSES; access++)
			if (!problem(config, &memories[i]))
				samples[i].ns[access] = bench_shared_memory(
					rounds * sizeof(uint64_t), MAP_PRIVATE);
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < MEMORIES; i++)
			if (samples[i].ns[0])
				run_round(config, &memories[i], size, round,
					  &samples[i], outcome);
	bench_progress(NULL);
	report_size(report, size, rounds, samples);
}

static void run(const struct bench_config *config, struct bench_report *report)
{
	struct outcome *outcome = bench_shared_memory(sizeof(*outcome),
						      MAP_SHARED);

	for (size_t i = 0; i < MEMORIES; i++) {
		const char *why = problem(config, &memories[i]);

		if (why)
			bench_report_missing(report, memories[i].name, why);
	}
	for (unsigned int i = 0; i < config->size_count; i++)
		run_size(config, report, config->sizes[i], outcome);
	munmap(outcome, sizeof(*outcome));
}

static void print(const struct bench_report *report)
{
	printf("A process maps memory that another has filled and touches each page once, on CPU %d.\n\n",
	       report->config->cpus[1]);
	printf("%-11s %-6s %12s %12s %10s %10s %6s %10s %10s\n", "memory",
	       "access", "bytes", "by 2 MiB", "p50", "max", "count",
	       "/region-4k", "/memfd");
	for (unsigned int i = 0; i < report->count; i++) {
		const struct bench_result *result = &report->results[i];

		printf("%-11s %-6s %12" PRIu64 " %12" PRIu64, result->peer,
		       result->mode, result->size, result->huge_bytes);
		bench_print_time(result->ns.p50);
		bench_print_time(result->ns.max);
		printf(" %6" PRIu64, result->ns.count);
		bench_print_ratio(result->ratio_to_4k);
		bench_print_ratio(result->ratio_to_memfd);
		putchar('\n');
	}
	printf("\nby 2 MiB:   how much was mapped 2 MiB at a time, in the end\n"
	       "/region-4k: p50 over that of a region at an address that rules this out: a fault for each 4 KiB\n"
	       "/memfd:     p50 over that of a memfd; reading one, the kernel maps up to 64 KiB with a fault\n");
	bench_print_missing(report);
}

const struct bench_test bench_map = {
	.name = "map",
	.summary = "what a peer pays to map memory and to touch it for the first time",
	.without = "md",
	.sizes = { 2 << 20, 16 << 20, 64 << 20, DEFAULT_SIZE },
	.default_size = DEFAULT_SIZE,
	.size_unit = PAGE,
	.run = run,
	.print = print,
};
