// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that are slow: what REVOKE and SEAL promise holds also for a fault
 * that has passed its check when they come.
 *
 * Needs a module that was built for debugging. Its fault_delay_ms stretches
 * three places: in ->fault, under the folio's lock; between ->fault and
 * ->page_mkwrite, without the lock; and in ->page_mkwrite, under it again. A
 * victim starts one fault at time 0; what is tested comes in the middle of the
 * first, the second or the third delay.
 */
#include "harness.h"
#include "objects.h"

#define PARAMETER	"/sys/module/flowipc/parameters/fault_delay_ms"
#define DELAY_MS	400
/* How long it is looked for consequences. */
#define AFTER_MS	(3 * DELAY_MS)

#define SIZE		(4 * PAGE)
#define STRICT		FLOWIPC_REGION_STRICT
#define SEALABLE	FLOWIPC_REGION_SEALABLE

static bool delay_set(bool on)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", on ? DELAY_MS : 0);

	return write_text(PARAMETER, text);
}

TEST(only_builds_for_debugging_have_it)
{
	if (getenv("FLOWIPC_DEBUG_MODULE"))
		EXPECT_EQ(0, access(PARAMETER, W_OK));
	else
		EXPECT_ERRNO(ENOENT, access(PARAMETER, F_OK));
}

/* Two processes see it. */
struct shared {
	volatile bool promised;
	volatile bool over;
	volatile unsigned int accesses;
	volatile unsigned int refusals;
};

FIXTURE(slow) {
	int device;
	struct shared *shared;
	int ends[2];
	int sockets[2];
};

FIXTURE_SETUP(slow)
{
	if (access(PARAMETER, W_OK))
		SKIP(return, "the module was not built for debugging");
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, channel_create(self->device, self->ends));
	ASSERT_TRUE(socket_pair(self->sockets));
}

FIXTURE_TEARDOWN(slow)
{
	delay_set(false);
}

/*
 * Writes 9, or reads, as long as the test lasts. Nothing may succeed after the
 * promise; a 2 is what the other side writes after it, and must not be seen.
 */
static void victim(struct slow *self, char *memory, bool writes)
{
	struct shared *shared = self->shared;

	while (!shared->over) {
		bool promised = shared->promised;

		if (sigsetjmp(touch_end, 1)) {
			shared->refusals++;
			sleep_ms(1);
			continue;
		}
		if (writes)
			*(volatile char *)memory = 9;
		else
			EXPECT_NE(2, *(volatile char *)memory);
		EXPECT_FALSE(promised);
		shared->accesses++;
	}
}

static pid_t victim_start(struct slow *self, int grant, char *inherited,
			  bool writes, bool mapped)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		char *memory = inherited ? inherited :
			       map(grant_claim(grant), SIZE, writes ?
				   PROT_READ | PROT_WRITE : PROT_READ);

		ASSERT_NE(MAP_FAILED, memory);
		if (mapped)
			ASSERT_EQ(0, touch_read(memory));
		signal(SIGBUS, touch_handler);
		ASSERT_TRUE(tell(self->sockets[1]));
		ASSERT_TRUE(hear(self->sockets[1]));
		victim(self, memory, writes);
		_exit(0);
	}
	ASSERT_TRUE(hear(self->sockets[0]));

	return child;
}

/* The victim is on its way, and sleeps in the @which-th delay. */
static void fault_begins(struct slow *self, int which)
{
	ASSERT_TRUE(delay_set(true));
	ASSERT_TRUE(tell(self->sockets[0]));
	sleep_ms(DELAY_MS * which - DELAY_MS / 2);
}

static void revoke_in_delay(struct slow *self, uint32_t flags, bool writes,
			    bool mapped, int which, bool all)
{
	int region = region_create_as(self->device, SIZE, flags), grant;
	char *owner = map(region, SIZE, PROT_READ | PROT_WRITE);
	pid_t child;

	memset(self->shared, 0, sizeof(*self->shared));
	ASSERT_NE(MAP_FAILED, owner);
	memset(owner, 1, SIZE);
	grant = grant_create(region, 0, SIZE, READ | WRITE);
	child = victim_start(self, grant, NULL, writes, mapped);
	fault_begins(self, which);
	if (all)
		ASSERT_EQ(0, grant_revoke_all(region));
	else
		ASSERT_EQ(0, grant_revoke(region, grant));
	ASSERT_TRUE(delay_set(false));
	memset(owner, 2, SIZE);
	self->shared->promised = true;
	sleep_ms(AFTER_MS);
	self->shared->over = true;
	EXPECT_EQ(2, owner[0]);
	EXPECT_EQ(0, reap(child));
	EXPECT_LT(0, self->shared->refusals);
}

TEST_F(slow, read_and_revoke)
{
	revoke_in_delay(self, 0, false, false, 1, false);
	revoke_in_delay(self, 0, false, false, 1, true);
}

TEST_F(slow, write_and_revoke)
{
	revoke_in_delay(self, 0, true, false, 1, false);
}

TEST_F(slow, strict_and_revoke)
{
	revoke_in_delay(self, STRICT, false, false, 1, false);
	revoke_in_delay(self, STRICT, true, false, 1, true);
}

TEST_F(slow, sealable_and_revoke)
{
	int which;

	revoke_in_delay(self, SEALABLE, false, false, 1, false);
	for (which = 1; which <= 3; which++)
		revoke_in_delay(self, SEALABLE, true, false, which, false);
	/* Mapped for reading, it begins with the second delay. */
	for (which = 1; which <= 2; which++)
		revoke_in_delay(self, SEALABLE, true, true, which, false);
}

TEST_F(slow, expiry)
{
	int region = region_create(self->device, SIZE), grant;
	char *owner = map(region, SIZE, PROT_READ | PROT_WRITE), *watcher;
	pid_t child;

	ASSERT_NE(MAP_FAILED, owner);
	memset(owner, 1, SIZE);
	/* Who sees afterwards, without being the owner. */
	watcher = map(grant_claim(grant_create(region, 0, SIZE, READ | WRITE)),
		      SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, watcher);
	grant = grant_create_for(region, 0, SIZE, READ | WRITE,
				 FLOWIPC_GRANT_EXPIRE, 0, 0);
	ASSERT_LE(0, grant);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		char *memory;

		munmap(owner, SIZE);
		close(region);
		memory = map(grant_claim(grant), SIZE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, memory);
		signal(SIGBUS, touch_handler);
		ASSERT_TRUE(tell(self->sockets[1]));
		ASSERT_TRUE(hear(self->sockets[1]));
		victim(self, memory, true);
		_exit(0);
	}
	ASSERT_TRUE(hear(self->sockets[0]));
	fault_begins(self, 1);
	/* The last of the owner goes, and the grant with it. */
	ASSERT_EQ(0, munmap(owner, SIZE));
	ASSERT_EQ(0, close(region));
	ASSERT_TRUE(delay_set(false));
	memset(watcher, 2, SIZE);
	self->shared->promised = true;
	sleep_ms(AFTER_MS);
	self->shared->over = true;
	EXPECT_EQ(2, watcher[0]);
	EXPECT_EQ(0, reap(child));
	EXPECT_LT(0, self->shared->refusals);
}

static int seal_all(int region, int channel)
{
	struct flowipc_seal arg = { .length = SIZE, .channel_fd = channel };
	int result;

	/* The fault has the page, and may have it for long now. */
	do
		result = ioctl(region, FLOWIPC_IOC_SEAL, &arg);
	while (result && errno == EBUSY);

	return result;
}

static void seal_in_delay(struct slow *self, bool mapped, int which)
{
	int region = region_create_as(self->device, SIZE, SEALABLE);
	char *owner = map(region, SIZE, PROT_READ | PROT_WRITE), seen;
	pid_t child;

	memset(self->shared, 0, sizeof(*self->shared));
	ASSERT_NE(MAP_FAILED, owner);
	memset(owner, 1, SIZE);
	madvise(owner, SIZE, MADV_DONTNEED);
	/* The owner's own writes are no better. */
	child = victim_start(self, -1, owner, true, mapped);
	fault_begins(self, which);
	ASSERT_EQ(0, seal_all(region, self->ends[0]));
	ASSERT_TRUE(delay_set(false));
	seen = owner[0];
	self->shared->promised = true;
	sleep_ms(AFTER_MS);
	self->shared->over = true;
	EXPECT_EQ(seen, owner[0]);
	EXPECT_EQ(0, reap(child));
	EXPECT_LT(0, self->shared->refusals);
}

TEST_F(slow, write_and_seal)
{
	int which;

	for (which = 1; which <= 3; which++)
		seal_in_delay(self, false, which);
	for (which = 1; which <= 2; which++)
		seal_in_delay(self, true, which);
}

/* SEAL waits for the fault when it is killed. */
TEST_F(slow, sealer_is_killed)
{
	int region = region_create_as(self->device, SIZE, SEALABLE);
	char *owner = map(region, SIZE, PROT_READ | PROT_WRITE);
	struct flowipc_region_info info;
	pid_t child, sealer;

	ASSERT_NE(MAP_FAILED, owner);
	child = victim_start(self, -1, owner, true, false);
	fault_begins(self, 1);
	sealer = fork();
	ASSERT_LE(0, sealer);
	if (!sealer) {
		seal_all(region, self->ends[0]);
		_exit(0);
	}
	ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(sealer, sealer)));
	ASSERT_EQ(0, kill(sealer, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(sealer));
	ASSERT_TRUE(delay_set(false));
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(0, info.seals);
	EXPECT_EQ(0, touch_write(owner));
	sleep_ms(AFTER_MS);
	self->shared->over = true;
	EXPECT_EQ(0, reap(child));
	EXPECT_EQ(0, self->shared->refusals);
	EXPECT_LT(0, self->shared->accesses);
}

HARNESS_MAIN
