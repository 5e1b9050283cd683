// SPDX-License-Identifier: MIT
/* Messages: every size, every kind, whole, once and in order. */
#include "harness.h"

#define MIB (1024ull * 1024)

/*
 * Sizes around every limit there may be: what travels in a slot, a page, the
 * 64 KiB that the payload area begins with, the 64 MiB that it grows to, and
 * more than that.
 */
static const uint64_t sizes[] = {
	0, 1, 2, 7, 8, 9, 47, 48, 49, 63, 64, 65, 71, 72, 73, 79, 80, 81, 87,
	88, 89, 95, 96, 97, 103, 104, 105, 111, 112, 113, 127, 128, 129, 255,
	256, 257, 4095, 4096, 4097, 65535, 65536, 65537, MIB - 1, MIB,
	MIB + 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 5 * MIB, 60 * MIB,
	64 * MIB, 64 * MIB + 1,
};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void receive_sizes(struct link *far, void *arg)
{
	struct flowipc_message *message;
	const void *data;
	uint64_t i;

	(void)arg;
	for (i = 0; i < SIZES; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_size(message), sizes[i]);
		gives(flowipc_message_type(message), ~i);
		gives(flowipc_message_correlation(message), i << 40 | 1);
		data = flowipc_message_data(message);
		check(data && (uintptr_t)data % 64 == 0);
		check(!flowipc_message_buffer(message));
		gives(flowipc_message_truncate(message, 0), -EINVAL);
		gives(flowipc_message_send(message, 0), -EINVAL);
		pattern_check(data, sizes[i], i);
		flowipc_message_release(message);
	}
	/* the same, sent with copying */
	for (i = 0; i < SIZES; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_size(message), sizes[i]);
		gives(flowipc_message_type(message), 0);
		gives(flowipc_message_correlation(message), 0);
		check(flowipc_message_data(message));
		pattern_check(flowipc_message_data(message), sizes[i], i + 7);
		flowipc_message_release(message);
	}
	gives(flowipc_message_receive(far->channel, &message, test_ms(10000)),
	      -EPIPE);
}

static void all_sizes(void **state)
{
	struct flowipc_message *message;
	struct link link;
	void *data;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, receive_sizes, NULL);
	for (i = 0; i < SIZES; i++) {
		ok(flowipc_message_new(link.channel, sizes[i], test_ms(10000),
				       &message));
		gives(flowipc_message_size(message), sizes[i]);
		gives(flowipc_message_type(message), 0);
		gives(flowipc_message_correlation(message), 0);
		data = flowipc_message_buffer(message);
		check(data && (uintptr_t)data % 64 == 0);
		check(flowipc_message_data(message));
		pattern_fill(data, sizes[i], i);
		flowipc_message_set_type(message, ~i);
		flowipc_message_set_correlation(message, i << 40 | 1);
		gives(flowipc_message_type(message), ~i);
		gives(flowipc_message_correlation(message), i << 40 | 1);
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	data = malloc(64 * MIB + 1);
	check(data);
	for (i = 0; i < SIZES; i++) {
		pattern_fill(data, sizes[i], i + 7);
		ok(flowipc_send(link.channel, data, sizes[i],
				test_ms(10000)));
	}
	free(data);
	link_stop(&link);
}

/* Receive into a buffer that is sometimes too small. */
static void receive_copies(struct link *far, void *arg)
{
	unsigned char *buffer = malloc(MIB + 1);
	uint64_t i, size;

	(void)arg;
	check(buffer);
	for (i = 0; i < 300; i++) {
		size = i * 37 % 1000 * (i % 3 ? 1 : 100);
		memset(buffer, 0xee, MIB + 1);
		if (size) {
			/* it stays the next one, however often */
			gives(flowipc_receive(far->channel, buffer, size - 1,
					      test_ms(10000)), -EMSGSIZE);
			gives(flowipc_receive(far->channel, NULL, 0, 0),
			      -EMSGSIZE);
			gives(buffer[0], 0xee);
		}
		gives(flowipc_receive(far->channel, buffer, size,
				      test_ms(10000)), size);
		pattern_check(buffer, size, i);
		gives(buffer[size], 0xee);
	}
	/* and the two ways of receiving see the same next message */
	gives(flowipc_receive(far->channel, buffer, 3, test_ms(10000)),
	      -EMSGSIZE);
	{
		struct flowipc_message *message;

		ok(flowipc_message_receive(far->channel, &message, 0));
		gives(flowipc_message_size(message), 4);
		flowipc_message_release(message);
	}
	free(buffer);
}

static void copying(void **state)
{
	unsigned char *buffer = malloc(MIB);
	struct link link;
	uint64_t i, size;

	(void)state;
	check(buffer);
	link_start(&link, NULL, NULL, receive_copies, NULL);
	for (i = 0; i < 300; i++) {
		size = i * 37 % 1000 * (i % 3 ? 1 : 100);
		pattern_fill(buffer, size, i);
		ok(flowipc_send(link.channel, buffer, size, test_ms(10000)));
		memset(buffer, 0, size);
	}
	ok(flowipc_send(link.channel, "abc", 4, test_ms(10000)));
	free(buffer);
	link_stop(&link);
}

static void receive_truncated(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_size(message),
		      ((uint64_t[]){ 5000, 20, 0, 6 * MIB })[i]);
		pattern_check(flowipc_message_data(message),
			      flowipc_message_size(message), i);
		flowipc_message_release(message);
	}
}

static void truncated(void **state)
{
	static const struct {
		uint64_t size, shorter;
	} list[] = { { 10000, 5000 }, { 10000, 20 }, { 70, 0 },
		     { 8 * MIB, 6 * MIB } };
	struct flowipc_message *message;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, receive_truncated, NULL);
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_new(link.channel, list[i].size,
				       test_ms(10000), &message));
		/* its first bytes, wherever they are in the end */
		pattern_fill(flowipc_message_buffer(message), list[i].shorter,
			     i);
		gives(flowipc_message_truncate(message, list[i].size + 1),
		      -EINVAL);
		ok(flowipc_message_truncate(message, list[i].size));
		ok(flowipc_message_truncate(message, list[i].shorter));
		gives(flowipc_message_size(message), list[i].shorter);
		gives(flowipc_message_truncate(message, list[i].size),
		      -EINVAL);
		pattern_check(flowipc_message_data(message), list[i].shorter,
			      i);
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	link_stop(&link);
}

static void receive_nothing(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	gives(flowipc_message_receive(far->channel, &message, test_ms(20000)),
	      -EPIPE);
}

static void too_large(void **state)
{
	struct flowipc_message *message = NULL;
	struct flowipc_region *region;
	struct link link;
	char bytes[1001] = "";

	(void)state;
	ok(flowipc_region_create(4096, NULL, &region));
	link_start(&link, FLOWIPC_OPTS(channel, .max_message_bytes = 1000),
		   NULL, receive_nothing, NULL);
	gives(flowipc_message_new(link.channel, 1001, 0, &message), -EMSGSIZE);
	test_last_error_has("1001");
	gives(flowipc_message_new(link.channel, UINT64_MAX, 0, &message),
	      -EMSGSIZE);
	gives(flowipc_send(link.channel, bytes, 1001, 0), -EMSGSIZE);
	gives(flowipc_message_from_region(link.channel, region, 0, 1001, 0,
					  &message), -EMSGSIZE);
	check(!message);
	ok(flowipc_message_new(link.channel, 1000, 0, &message));
	flowipc_message_release(message);
	link_stop(&link);
	flowipc_region_destroy(region);

	/* the default limit */
	link_start(&link, NULL, NULL, receive_nothing, NULL);
	gives(flowipc_message_new(link.channel, (16ull << 30) + 1, 0,
				  &message), -EMSGSIZE);
	gives(flowipc_message_new(link.channel, UINT64_MAX - 4095, 0,
				  &message), -EMSGSIZE);
	link_stop(&link);
	flowipc_message_release(NULL);
}

static void receive_not_enough_memory(struct link *far, void *arg)
{
	(void)arg;
	gives(flowipc_receive(far->channel, &(char){ 0 }, 1, test_ms(20000)),
	      1);
}

static void more_than_there_is(void **state)
{
	struct flowipc_message *message = NULL;
	struct link link;
	int fds, maps;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel,
			.max_message_bytes = 1ull << 60), NULL,
		   receive_not_enough_memory, NULL);
	fds = test_count_fds();
	maps = test_count_shared_maps();
	gives_one_of(flowipc_message_new(link.channel, 1ull << 60, 0,
					 &message), -ENOMEM, -EFBIG);
	gives_one_of(flowipc_message_new(link.channel, 1ull << 45, 0,
					 &message), -ENOMEM, -EFBIG);
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	/* the channel is as good as before */
	ok(flowipc_send(link.channel, "a", 1, 0));
	link_stop(&link);
}

static void receive_ranges(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i, offset, length;

	(void)arg;
	for (i = 0; i < 200; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		offset = i * 8 % 4096;
		length = i * i * 8;
		gives(flowipc_message_size(message), length);
		gives(flowipc_message_type(message), i);
		/* the pattern of the region begins at its start */
		if (length)
			check(!memcmp(flowipc_message_data(message),
				      (char *)arg + offset, length));
		flowipc_message_release(message);
	}
}

static void ranges_of_a_region(void **state)
{
	struct flowipc_message *message = NULL;
	struct flowipc_region *region;
	struct link link;
	uint64_t i, size;
	char *copy = malloc(MIB);

	(void)state;
	check(copy);
	pattern_fill(copy, MIB, 99);
	ok(flowipc_region_create(MIB, NULL, &region));
	size = flowipc_region_size(region);
	memcpy(flowipc_region_data(region), copy, MIB);
	link_start(&link, NULL, NULL, receive_ranges, copy);
	for (i = 0; i < 200; i++) {
		ok(flowipc_message_from_region(link.channel, region,
					       i * 8 % 4096, i * i * 8,
					       test_ms(10000), &message));
		check(!flowipc_message_buffer(message));
		check(flowipc_message_data(message) ==
		      (char *)flowipc_region_data(region) + i * 8 % 4096);
		flowipc_message_set_type(message, i);
		ok(flowipc_message_send(message, test_ms(10000)));
		message = NULL;
	}
	peer_join(&link.peer);
	free(copy);
	gives(size, MIB);
	link_close(&link);
	flowipc_region_destroy(region);
}

static void bad_ranges_of_a_region(void **state)
{
	static const struct {
		uint64_t offset, length;
	} bad[] = {
		{ 0, MIB + 1 }, { 1, MIB }, { MIB, 1 }, { MIB + 1, 0 },
		{ UINT64_MAX, 1 }, { UINT64_MAX, 2 }, { 1, UINT64_MAX },
		{ UINT64_MAX - 4095, 8192 }, { 1ull << 63, 1ull << 63 },
		{ 2, UINT64_MAX - 1 }, { 4096, UINT64_MAX - 4095 },
	};
	struct flowipc_message *message = NULL;
	struct flowipc_region *region;
	struct link link;
	size_t i;

	(void)state;
	ok(flowipc_region_create(MIB, NULL, &region));
	link_start(&link, FLOWIPC_OPTS(channel,
			.max_message_bytes = UINT64_MAX), NULL,
		   receive_nothing, NULL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		gives(flowipc_message_from_region(link.channel, region,
				bad[i].offset, bad[i].length, 0, &message),
		      -EINVAL);
	check(!message);
	/* the end of the region is in it, with nothing after it */
	ok(flowipc_message_from_region(link.channel, region, MIB, 0, 0,
				       &message));
	flowipc_message_release(message);
	gives(flowipc_region_lent(region), 0);
	link_stop(&link);
	flowipc_region_destroy(region);
}

static void region_of_another_back_end(void **state)
{
	enum flowipc_backend other =
		test_backend() == FLOWIPC_BACKEND_MEMFD ?
		FLOWIPC_BACKEND_DEVICE : FLOWIPC_BACKEND_MEMFD;
	struct flowipc_message *message = NULL;
	struct flowipc_region *region;
	struct link link;

	(void)state;
	if (!flowipc_features(other)) {
		/* then there cannot be such a region */
		gives_one_of(flowipc_region_create(1,
				FLOWIPC_OPTS(region, .backend = other),
				&region), -ENODEV, -EACCES, -ENOEXEC);
		return;
	}
	ok(flowipc_region_create(1, FLOWIPC_OPTS(region, .backend = other),
				 &region));
	link_start(&link, NULL, NULL, receive_nothing, NULL);
	gives(flowipc_message_from_region(link.channel, region, 0, 1, 0,
					  &message), -EOPNOTSUPP);
	check(!message);
	link_stop(&link);
	flowipc_region_destroy(region);
}

/* Hold many messages, and give them back in a random order. */
enum { HELD = 200, HELD_BYTES = 3000 };

static void release_at_random(struct link *far, void *arg)
{
	struct flowipc_message *held[HELD], *swap;
	uint64_t random = *(uint64_t *)arg, round, seen = 0;
	size_t i, j;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < HELD; i++) {
			ok(flowipc_message_receive(far->channel, &held[i],
						   test_ms(10000)));
			gives(flowipc_message_type(held[i]), seen++);
		}
		for (i = HELD - 1; i; i--) {
			j = test_random_below(&random, i + 1);
			swap = held[i];
			held[i] = held[j];
			held[j] = swap;
		}
		for (i = 0; i < HELD; i++) {
			pattern_check(flowipc_message_data(held[i]),
				      flowipc_message_size(held[i]),
				      flowipc_message_type(held[i]));
			flowipc_message_release(held[i]);
		}
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void releases_in_any_order(void **state)
{
	uint64_t random = test_seed(), i, size;
	struct flowipc_message *message;
	struct link link;

	(void)state;
	/* room for about one round, so the second needs the releases */
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 16,
			.payload_bytes = HELD * (HELD_BYTES + 256),
			.payload_max_bytes = HELD * (HELD_BYTES + 256)), NULL,
		   release_at_random, &random);
	for (i = 0; i < 5 * HELD; i++) {
		size = test_random_below(&random, HELD_BYTES);
		ok(flowipc_message_new(link.channel, size, test_ms(10000),
				       &message));
		pattern_fill(flowipc_message_buffer(message), size, i);
		flowipc_message_set_type(message, i);
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	sync_get(link.sync);
	gives(flowipc_channel_reclaim(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* Everything at once: loans, copies, regions, small and large, unsent ones. */
static void receive_mixed(struct link *far, void *arg)
{
	struct flowipc_message *message;
	static unsigned char buffer[100000];
	uint64_t i;
	ssize_t size;

	(void)arg;
	for (i = 0; i < 2000; i++) {
		if (i % 4 == 1) {
			size = flowipc_receive(far->channel, buffer,
					       sizeof(buffer), test_ms(10000));
			check_msg(size >= 0, "receive gave %zd", size);
			pattern_check(buffer, (uint64_t)size,
				      i % 3 == 2 ? 5 : i);
			continue;
		}
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		pattern_check(flowipc_message_data(message),
			      flowipc_message_size(message),
			      i % 3 == 2 ? 5 : i);
		flowipc_message_release(message);
	}
}

static void mixed(void **state)
{
	uint64_t random = test_seed(), i, size;
	struct flowipc_message *message, *unsent;
	struct flowipc_region *region;
	static unsigned char buffer[100000];
	struct link link;

	(void)state;
	ok(flowipc_region_create(100000, NULL, &region));
	pattern_fill(flowipc_region_data(region), 100000, 5);
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 8,
			.payload_bytes = 20000,
			.payload_max_bytes = 400000), NULL, receive_mixed,
		   NULL);
	for (i = 0; i < 2000; i++) {
		size = test_random_below(&random, i % 5 ? 200 : 100000);
		switch (i % 3) {
		case 0:
			pattern_fill(buffer, size, i);
			ok(flowipc_send(link.channel, buffer, size,
					test_ms(10000)));
			break;
		case 1:
			ok(flowipc_message_new(link.channel, size,
					       test_ms(10000), &message));
			/* two at a time, one of them given up */
			if (i % 2 && !flowipc_message_new(link.channel, size,
							  0, &unsent))
				flowipc_message_release(unsent);
			pattern_fill(flowipc_message_buffer(message), size, i);
			ok(flowipc_message_send(message, test_ms(10000)));
			break;
		default:
			size &= ~7ull;
			ok(flowipc_message_from_region(link.channel, region,
						       0, size,
						       test_ms(10000),
						       &message));
			ok(flowipc_message_send(message, test_ms(10000)));
		}
	}
	link_stop(&link);
	gives(flowipc_region_lent(region), 0);
	flowipc_region_destroy(region);
}

/* Messages obtained in one order and sent in another arrive as sent. */
static void receive_reordered(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	(void)arg;
	for (i = 0; i < 50; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_type(message), 49 - i);
		pattern_check(flowipc_message_data(message), 1000 + 49 - i,
			      49 - i);
		flowipc_message_release(message);
	}
}

static void sent_in_another_order(void **state)
{
	struct flowipc_message *messages[50];
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, receive_reordered, NULL);
	for (i = 0; i < 50; i++) {
		ok(flowipc_message_new(link.channel, 1000 + i, 0,
				       &messages[i]));
		flowipc_message_set_type(messages[i], i);
		pattern_fill(flowipc_message_buffer(messages[i]), 1000 + i, i);
	}
	for (i = 50; i-- > 0; )
		ok(flowipc_message_send(messages[i], test_ms(10000)));
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(all_sizes),
	TEST(copying),
	TEST(truncated),
	TEST(too_large),
	TEST(more_than_there_is),
	TEST(ranges_of_a_region),
	TEST(bad_ranges_of_a_region),
	TEST(region_of_another_back_end),
	TEST(releases_in_any_order),
	TEST(mixed),
	TEST(sent_in_another_order),
};

TEST_MAIN(tests, NULL)
