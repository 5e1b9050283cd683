// SPDX-License-Identifier: MIT
/* Regions: making them, lending them, and taking them back. */
#include "harness.h"

#include <signal.h>
#include <sys/resource.h>

#define MIB (1024u * 1024u)

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void sizes(void **state)
{
	static const uint64_t list[] = {
		1, 4095, 4096, 4097, 2 * MIB, 2 * MIB + 1, 64 * MIB,
	};
	struct flowipc_region *region;
	unsigned char *data;
	uint64_t i, at, size;

	(void)state;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		ok(flowipc_region_create(list[i], NULL, &region));
		size = flowipc_region_size(region);
		check(size >= list[i] && size < list[i] + page_bytes());
		check(size % page_bytes() == 0);
		gives(flowipc_region_backend(region), test_backend());
		gives(flowipc_region_lent(region), 0);
		data = flowipc_region_data(region);
		check(data && (uintptr_t)data % page_bytes() == 0);
		for (at = 0; at < size; at++)
			check_msg(!data[at], "byte %" PRIu64 " is not 0", at);
		pattern_fill(data, size, i);
		pattern_check(data, size, i);
		flowipc_region_destroy(region);
	}
}

static void bad_sizes(void **state)
{
	static const uint64_t huge[] = {
		UINT64_MAX, UINT64_MAX - 4095, UINT64_MAX - 4096, 1ull << 63,
		1ull << 62, 1ull << 50,
	};
	struct flowipc_region *region = NULL;
	size_t i;

	(void)state;
	gives(flowipc_region_create(0, NULL, &region), -EINVAL);
	check(*flowipc_last_error());
	for (i = 0; i < sizeof(huge) / sizeof(huge[0]); i++)
		gives_one_of(flowipc_region_create(huge[i], NULL, &region),
			     -EINVAL, -EFBIG, -ENOMEM);
	check(!region);
	flowipc_region_destroy(NULL);
}

static void without_descriptors(int sync, void *arg)
{
	struct flowipc_region *region = NULL;
	int fds = test_count_fds();

	(void)sync;
	(void)arg;
	test_deny_fds(true);
	gives(flowipc_region_create(1, NULL, &region), -EMFILE);
	check(!region);
	test_deny_fds(false);
	gives(test_count_fds(), fds);
	ok(flowipc_region_create(1, NULL, &region));
	flowipc_region_destroy(region);
}

static void no_descriptors(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, without_descriptors, NULL);
	peer_join(&peer);
}

static void without_memory(int sync, void *arg)
{
	struct rlimit limit = { 128 * MIB, 128 * MIB };
	struct flowipc_region *region = NULL;

	(void)sync;
	(void)arg;
	sys(setrlimit(RLIMIT_AS, &limit));
	gives(flowipc_region_create(256 * MIB, NULL, &region), -ENOMEM);
	check(!region);
	ok(flowipc_region_create(1, NULL, &region));
	flowipc_region_destroy(region);
}

static void no_memory(void **state)
{
	struct peer peer;

	(void)state;
	if (TEST_WITH_ASAN || TEST_WITH_TSAN) {
		print_message("a sanitizer's own map exceeds the limit\n");
		skip();
	}
	peer_start(&peer, without_memory, NULL);
	peer_join(&peer);
}

static void touch_inherited(int sync, void *arg)
{
	(void)sync;
	gives(test_read_raises(flowipc_region_data(arg)), SIGSEGV);
}

static void not_inherited(void **state)
{
	struct flowipc_region *region;
	struct peer peer;

	(void)state;
	ok(flowipc_region_create(MIB, NULL, &region));
	memset(flowipc_region_data(region), 7, MIB);
	peer_start(&peer, touch_inherited, region);
	peer_join(&peer);
	gives(*(char *)flowipc_region_data(region), 7);
	flowipc_region_destroy(region);
}

static void send_range(struct flowipc_channel *channel,
		       struct flowipc_region *region, uint64_t offset,
		       uint64_t length)
{
	struct flowipc_message *message;

	ok(flowipc_message_from_region(channel, region, offset, length,
				       test_ms(5000), &message));
	ok(flowipc_message_send(message, test_ms(5000)));
}

enum { LENT = 5 };

/* Take LENT messages, check them, give them back one by one when told. */
static void hold_messages(struct link *far, void *arg)
{
	struct flowipc_message *messages[LENT];
	int i;

	(void)arg;
	for (i = 0; i < LENT; i++) {
		ok(flowipc_message_receive(far->channel, &messages[i],
					   test_ms(10000)));
		gives(flowipc_message_size(messages[i]), 100000);
		check(!flowipc_message_buffer(messages[i]));
	}
	sync_put(far->sync, 0);
	for (i = 0; i < LENT; i++) {
		sync_get(far->sync);
		pattern_check(flowipc_message_data(messages[i]), 100000, 3);
		flowipc_message_release(messages[i]);
		sync_put(far->sync, 0);
	}
	sync_get(far->sync);
}

static void lent_is_counted(void **state)
{
	struct flowipc_region *region;
	struct link link;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, hold_messages, NULL);
	ok(flowipc_region_create(MIB, NULL, &region));
	pattern_fill((char *)flowipc_region_data(region) + 64, 100000, 3);
	for (i = 0; i < LENT; i++) {
		send_range(link.channel, region, 64, 100000);
		gives(flowipc_region_lent(region), i + 1);
	}
	sync_get(link.sync);
	for (i = 0; i < LENT; i++) {
		sync_put(link.sync, 0);
		sync_get(link.sync);
		gives(flowipc_channel_reclaim(link.channel), LENT - i - 1);
		gives(flowipc_region_lent(region), LENT - i - 1);
	}
	sync_put(link.sync, 0);
	flowipc_region_destroy(region);
	link_stop(&link);
}

static void given_up_is_not_lent(void **state)
{
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, hold_messages, NULL);
	ok(flowipc_region_create(MIB, NULL, &region));
	pattern_fill(flowipc_region_data(region), 100000, 3);
	for (i = 0; i < 1000; i++) {
		ok(flowipc_message_from_region(link.channel, region, 0,
					       100000, 0, &message));
		flowipc_message_release(message);
	}
	gives(flowipc_region_lent(region), 0);
	for (i = 0; i < LENT; i++)
		send_range(link.channel, region, 0, 100000);
	sync_get(link.sync);
	for (i = 0; i < LENT; i++) {
		sync_put(link.sync, 0);
		sync_get(link.sync);
	}
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	/* the end of the channel ends its loans */
	link_close(&link);
	gives(flowipc_region_lent(region), 0);
	flowipc_region_destroy(region);
}

static void destroyed_while_lent(void **state)
{
	uint64_t device = test_device_bytes();
	struct flowipc_region *region;
	struct link link;
	int maps, i;

	(void)state;
	link_start(&link, NULL, NULL, hold_messages, NULL);
	maps = test_count_shared_maps();
	ok(flowipc_region_create(MIB, NULL, &region));
	pattern_fill(flowipc_region_data(region), 100000, 3);
	for (i = 0; i < LENT; i++)
		send_range(link.channel, region, 0, 100000);
	sync_get(link.sync);
	flowipc_region_destroy(region);
	/* the receiver still reads what it was lent */
	for (i = 0; i < LENT; i++) {
		sync_put(link.sync, 0);
		sync_get(link.sync);
	}
	gives(flowipc_channel_reclaim(link.channel), 0);
	gives(test_count_shared_maps(), maps);
	sync_put(link.sync, 0);
	link_stop(&link);
	test_device_bytes_return_to(device);
}

static void lent_to_one_that_dies(void **state)
{
	struct flowipc_region *region;
	struct link link;
	int i;

	(void)state;
	ok(flowipc_region_create(MIB, NULL, &region));
	pattern_fill(flowipc_region_data(region), 100000, 3);
	link_start(&link, NULL, NULL, hold_messages, NULL);
	for (i = 0; i < LENT; i++)
		send_range(link.channel, region, 0, 100000);
	sync_get(link.sync);
	peer_kill(&link.peer);
	gives_one_of(flowipc_channel_reclaim(link.channel), 0, LENT);
	link_close(&link);
	gives(flowipc_region_lent(region), 0);
	flowipc_region_destroy(region);
}

/* Two regions; one is taken back while both are being read. */
static void read_while_revoked(struct link *far, void *arg)
{
	struct flowipc_message *taken, *kept, *again;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &taken, test_ms(10000)));
	ok(flowipc_message_receive(far->channel, &kept, test_ms(10000)));
	pattern_check(flowipc_message_data(taken), MIB, 1);
	pattern_check(flowipc_message_data(kept), MIB, 2);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	gives(test_read_raises(flowipc_message_data(taken)), SIGBUS);
	gives(test_read_raises((const char *)flowipc_message_data(taken) +
			  MIB - 1), SIGBUS);
	pattern_check(flowipc_message_data(kept), MIB, 2);
	sync_put(far->sync, 0);
	/* sent again it is shared anew */
	ok(flowipc_message_receive(far->channel, &again, test_ms(10000)));
	pattern_check(flowipc_message_data(again), MIB, 1);
	flowipc_message_release(again);
	flowipc_message_release(kept);
	flowipc_message_release(taken);
}

static void only_end(struct link *far, void *arg)
{
	(void)arg;
	sync_get(far->sync);
}

static void taken_back(void **state)
{
	struct flowipc_region *taken, *kept;
	struct link link;

	(void)state;
	ok(flowipc_region_create(MIB, NULL, &taken));
	ok(flowipc_region_create(MIB, NULL, &kept));
	pattern_fill(flowipc_region_data(taken), MIB, 1);
	pattern_fill(flowipc_region_data(kept), MIB, 2);
	if (!test_has(FLOWIPC_HAS_REVOKE)) {
		link_start(&link, NULL, NULL, only_end, NULL);
		gives(flowipc_region_revoke(taken), -EOPNOTSUPP);
		send_range(link.channel, taken, 0, MIB);
		gives(flowipc_region_revoke(taken), -EOPNOTSUPP);
	} else {
		ok(flowipc_region_revoke(taken)); /* from nobody */
		link_start(&link, NULL, NULL, read_while_revoked, NULL);
		send_range(link.channel, taken, 0, MIB);
		send_range(link.channel, kept, 0, MIB);
		sync_get(link.sync);
		ok(flowipc_region_revoke(taken));
		ok(flowipc_region_revoke(taken));
		pattern_check(flowipc_region_data(taken), MIB, 1);
		sync_put(link.sync, 0);
		sync_get(link.sync);
		send_range(link.channel, taken, 0, MIB);
		peer_join(&link.peer);
	}
	if (link.peer.pid) {
		sync_put(link.sync, 0);
		peer_join(&link.peer);
	}
	link_close(&link);
	flowipc_region_destroy(taken);
	flowipc_region_destroy(kept);
}

/* Two channels: on one of them it waits while the other one ends. */
static void read_after_the_end(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *ends, *stays;
	struct flowipc_message *message, *held;
	int i;

	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &ends));
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &stays));
	ok(flowipc_message_receive(stays, &held, test_ms(5000)));
	sync_get(sync);
	gives(flowipc_message_receive(stays, &message, 50), -ETIMEDOUT);
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_receive(ends, &message, test_ms(5000)));
		pattern_check(flowipc_message_data(message),
			      flowipc_message_size(message), 4);
		flowipc_message_release(message);
	}
	gives(flowipc_message_receive(ends, &message, test_ms(5000)), -EPIPE);
	flowipc_message_release(held);
	flowipc_channel_close(ends);
	flowipc_channel_close(stays);
	flowipc_session_close(session);
}

static void sent_before_the_end(void **state)
{
	struct flowipc_channel *ends, *stays;
	struct flowipc_message *message;
	struct flowipc_region *region, *other;
	struct link link;

	(void)state;
	test_session_start(&link, read_after_the_end, NULL);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000), &ends));
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &stays));
	ok(flowipc_region_create(MIB, NULL, &region));
	ok(flowipc_region_create(1, NULL, &other));
	send_range(stays, other, 0, 1);
	pattern_fill(flowipc_region_data(region), MIB, 4);
	send_range(ends, region, 0, MIB);
	/* and one that has a region of its own */
	ok(flowipc_message_new(ends, 5 * MIB, 0, &message));
	pattern_fill(flowipc_message_buffer(message), 5 * MIB, 4);
	ok(flowipc_message_send(message, test_ms(5000)));
	flowipc_region_destroy(region);
	flowipc_channel_close(ends);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	flowipc_channel_close(stays);
	flowipc_region_destroy(other);
	link_close(&link);
}

static void create_and_destroy(void *arg)
{
	struct flowipc_region *region;
	uint64_t i, size;

	for (i = 0; i < (uint64_t)test_loops(300); i++) {
		size = 1 + i * 1777 % 200000;
		ok(flowipc_region_create(size, NULL, &region));
		pattern_fill(flowipc_region_data(region), size,
			     (uintptr_t)arg + i);
		pattern_check(flowipc_region_data(region), size,
			      (uintptr_t)arg + i);
		flowipc_region_destroy(region);
	}
}

static void from_many_threads(void **state)
{
	uint64_t device = test_device_bytes();
	struct thread threads[4];
	uintptr_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		thread_start(&threads[i], create_and_destroy,
			     (void *)(i * 1000));
	for (i = 0; i < 4; i++)
		thread_join(&threads[i]);
	test_device_bytes_return_to(device);
}

static const struct CMUnitTest tests[] = {
	TEST(sizes),
	TEST(bad_sizes),
	TEST(no_descriptors),
	TEST(no_memory),
	TEST(not_inherited),
	TEST(lent_is_counted),
	TEST(given_up_is_not_lent),
	TEST(destroyed_while_lent),
	TEST(lent_to_one_that_dies),
	TEST(taken_back),
	TEST(sent_before_the_end),
	TEST(from_many_threads),
};

TEST_MAIN(tests, NULL)
