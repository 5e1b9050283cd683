// SPDX-License-Identifier: MIT
/*
 * Full load for as long as one likes: both ways on one channel, messages of all
 * kinds and regions that come and go, while other channels are opened and
 * closed. What either process holds stays what it was.
 *
 * FLOWIPC_TEST_SOAK: how many seconds, instead of a few.
 */
#include "harness.h"

#include <stdatomic.h>

static const uint64_t MIB = 1024 * 1024;

enum { END = 1, SAMPLES_A_SECOND = 5, SAMPLES_LEAST = 4 };

static int soak_ms(void)
{
	const char *value = getenv("FLOWIPC_TEST_SOAK");

	return 1000 * (value ? atoi(value) : 2);
}

/* One direction of the channel. */
struct flow {
	struct flowipc_channel *channel;
	struct thread thread;
	uint64_t seed;
	uint64_t messages;
	_Atomic uint64_t bytes;
	_Atomic bool over;
};

static uint64_t size_of(uint64_t seed, uint64_t number)
{
	uint64_t state = seed + number;
	uint64_t kind = test_random_below(&state, 10000);

	if (kind < 8000)
		return test_random_below(&state, 200);
	if (kind < 9990)
		return test_random_below(&state, 30000);
	/* more than there is room for, so it gets a region of its own */
	return kind < 9999 ? 200000 + test_random_below(&state, 100000) :
			     4 * MIB;
}

/* Looking at all of it would be most of the load. */
static void ends_fill(void *data, uint64_t size, uint64_t seed)
{
	pattern_fill(data, size < 64 ? size : 64, seed);
	if (size >= 128)
		pattern_fill((char *)data + size - 64, 64, ~seed);
}

static void ends_check(const void *data, uint64_t size, uint64_t seed)
{
	pattern_check(data, size < 64 ? size : 64, seed);
	if (size >= 128)
		pattern_check((const char *)data + size - 64, 64, ~seed);
}

static struct flowipc_message *message_make(struct flow *flow, uint64_t size,
					    uint64_t seed)
{
	struct flowipc_message *message;
	struct flowipc_region *region;

	if (seed % 1000 || !size) {
		ok(flowipc_message_new(flow->channel, size, test_ms(20000),
				       &message));
		ends_fill(flowipc_message_buffer(message), size, seed);
		return message;
	}
	ok(flowipc_region_create(size, NULL, &region));
	ends_fill(flowipc_region_data(region), size, seed);
	ok(flowipc_message_from_region(flow->channel, region, 0, size,
				       test_ms(20000), &message));
	flowipc_region_destroy(region);
	return message;
}

static void send_on(void *arg)
{
	struct flow *flow = arg;
	struct flowipc_message *message;
	uint64_t size;
	bool last;

	do {
		last = atomic_load(&flow->over);
		size = size_of(flow->seed, flow->messages);
		message = message_make(flow, size, flow->seed + flow->messages);
		flowipc_message_set_type(message, last ? END : 0);
		ok(flowipc_message_send(message, test_ms(20000)));
		flow->messages++;
		atomic_fetch_add(&flow->bytes, size);
	} while (!last);
}

static void receive_on(void *arg)
{
	struct flow *flow = arg;
	struct flowipc_message *message;
	uint64_t size, type;

	do {
		ok(flowipc_message_receive(flow->channel, &message,
					   test_ms(20000)));
		size = flowipc_message_size(message);
		type = flowipc_message_type(message);
		gives(size, size_of(flow->seed, flow->messages));
		ends_check(flowipc_message_data(message), size,
			   flow->seed + flow->messages);
		flowipc_message_release(message);
		flow->messages++;
		atomic_fetch_add(&flow->bytes, size);
	} while (type != END);
}

/*
 * What a process holds. Of its own memory the most counts; how much is under
 * way at a time is a matter of luck, so of that the least.
 */
struct holdings {
	uint64_t own_kib;
	uint64_t shared_kib;
	int fds;
	int maps;
	int samples;
};

static uint64_t status_kib(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	check(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kib = strtoul(line + strlen(key), NULL, 10);
	fclose(file);
	check_msg(kib, "no %s in /proc/self/status", key);
	return kib;
}

#define KEEP(least, now) ((least) = !(least) || (now) < (least) ? (now) : (least))

static void holdings_sample(struct holdings *holdings)
{
	uint64_t own = status_kib("RssAnon:"), shared = status_kib("RssShmem:");
	int fds = test_count_fds(), maps = test_count_shared_maps();

	holdings->own_kib = own > holdings->own_kib ? own : holdings->own_kib;
	KEEP(holdings->shared_kib, shared);
	KEEP(holdings->fds, fds);
	KEEP(holdings->maps, maps);
	holdings->samples++;
}

static void holdings_compare(const char *who, const struct holdings *early,
			     const struct holdings *late)
{
	print_message("%s: %" PRIu64 " KiB of its own, %" PRIu64
		      " KiB shared, %d descriptors, %d maps; later %" PRIu64
		      ", %" PRIu64 ", %d, %d\n", who, early->own_kib,
		      early->shared_kib, early->fds, early->maps,
		      late->own_kib, late->shared_kib, late->fds, late->maps);
	/*
	 * Sanitizers keep what was freed for a while; and what is touched for
	 * the first time may be so late where all is slow.
	 */
	check_msg(TEST_WITH_ASAN || TEST_WITH_TSAN ||
		  late->own_kib <= early->own_kib + 1024, "the %s has grown",
		  who);
	check_msg(late->shared_kib <= early->shared_kib + 16 * 1024,
		  "the %s keeps what is shared", who);
	check_msg(late->fds <= early->fds + 16, "the %s lost descriptors", who);
	check_msg(late->maps <= early->maps + 16, "the %s lost mappings", who);
}

/* A channel that comes and goes meanwhile; both sides do so in step. */
static void channel_come_and_go(struct link *side, bool opens, uint64_t number)
{
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.payload_bytes = 65536);
	struct flowipc_channel *channel;

	if (opens)
		ok(flowipc_channel_open(side->session, opts, test_ms(20000),
					&channel));
	else
		ok(flowipc_channel_accept(side->session, opts, test_ms(20000),
					  &channel));
	test_put(channel, number);
	gives(test_take(channel), number);
	flowipc_channel_close(channel);
}

/* The near side says with its number whether there is another round. */
static bool again(struct link *side, bool near, bool more)
{
	if (!near)
		return sync_get(side->sync);
	sync_put(side->sync, more);
	return more;
}

static void soak(struct link *side, bool near)
{
	uint64_t start = test_now_ns(), length = (uint64_t)soak_ms() * 1000000u;
	struct flow out = { side->channel, .seed = near ? 1 : 1000000 };
	struct flow in = { side->channel, .seed = near ? 1000000 : 1 };
	struct holdings early = { 0 }, late = { 0 };
	bool longer = true;
	const char *who = near ? "near side" : "far side";
	uint64_t round = 0, now = start;

	thread_start(&out.thread, send_on, &out);
	thread_start(&in.thread, receive_on, &in);
	while (again(side, near, longer)) {
		test_arm_alarm();
		channel_come_and_go(side, round % 2 == near, round);
		/* the beginning is not like the rest */
		if (now - start > length / 2 && early.samples >= SAMPLES_LEAST)
			holdings_sample(&late);
		else if (now - start > length / 6)
			holdings_sample(&early);
		test_sleep_ms(1000 / SAMPLES_A_SECOND);
		now = test_now_ns();
		round++;
		longer = now - start < length ||
			late.samples < SAMPLES_LEAST;
	}
	atomic_store(&out.over, true);
	thread_join(&out.thread);
	thread_join(&in.thread);
	print_message("%s: %" PRIu64 " messages and %" PRIu64
		      " MiB sent in %d s, %" PRIu64 " channels\n", who,
		      out.messages, atomic_load(&out.bytes) / MIB,
		      soak_ms() / 1000, round);
	holdings_compare(who, &early, &late);
}

static void far_soak(struct link *far, void *arg)
{
	(void)arg;
	soak(far, false);
}

static void full_load(void **state)
{
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.payload_bytes = 1 << 17,
			/* up to the default, it would grow for minutes */
			.payload_max_bytes = 1 << 20);
	uint64_t device = test_device_bytes();
	struct link link;

	(void)state;
	link_start(&link, opts, opts, far_soak, NULL);
	soak(&link, true);
	link_stop(&link);
	test_device_bytes_return_to(device);
}

static const struct CMUnitTest tests[] = {
	TEST(full_load),
};

TEST_MAIN(tests, NULL)
