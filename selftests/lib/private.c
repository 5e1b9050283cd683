// SPDX-License-Identifier: MIT
/* Received messages that nobody but the receiver can change any more. */
#include "harness.h"

#include <sys/resource.h>

#define MIB (1024ull * 1024)

enum { RANGE = 100000 };

/* The sender changes what it has sent, before and after a copy was made. */
static void receive_and_copy(struct link *far, void *arg)
{
	struct flowipc_message *copied, *shared;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &copied, test_ms(5000)));
	ok(flowipc_message_receive(far->channel, &shared, test_ms(5000)));
	check(!flowipc_message_is_private(copied));
	ok(flowipc_message_make_private(copied));
	check(flowipc_message_is_private(copied));
	check((uintptr_t)flowipc_message_data(copied) % 64 == 0);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	/* by now the one has changed, and the other has not */
	gives(flowipc_message_size(copied), RANGE);
	gives(flowipc_message_type(copied), 11);
	pattern_check(flowipc_message_data(copied), RANGE, 1);
	pattern_check(flowipc_message_data(shared), RANGE, 2);
	/* once more changes nothing */
	ok(flowipc_message_make_private(copied));
	flowipc_message_release(copied);
	flowipc_message_release(shared);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void not_changed_by_the_sender(void **state)
{
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;
	int i;

	(void)state;
	ok(flowipc_region_create(RANGE, NULL, &region));
	pattern_fill(flowipc_region_data(region), RANGE, 1);
	link_start(&link, NULL, NULL, receive_and_copy, NULL);
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_from_region(link.channel, region, 0, RANGE,
					       test_ms(5000), &message));
		check(!flowipc_message_is_private(message));
		gives(flowipc_message_make_private(message), -EINVAL);
		flowipc_message_set_type(message, 11);
		ok(flowipc_message_send(message, test_ms(5000)));
	}
	sync_get(link.sync);
	/* the copied one was given back when it was copied */
	gives(flowipc_channel_reclaim(link.channel), 1);
	gives(flowipc_region_lent(region), 1);
	pattern_fill(flowipc_region_data(region), RANGE, 2);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	/* and not once more when it was released */
	gives(flowipc_channel_reclaim(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
	flowipc_region_destroy(region);
}

static const uint64_t sizes[] = { 0, 80, 81, 64, 5000, 0, 128, 3 * MIB };

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void receive_pieces(struct link *far, void *arg)
{
	struct flowipc_message *message;
	const void *data;
	uint64_t size, i;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	gives(flowipc_message_piece_count(message), SIZES);
	ok(flowipc_message_make_private(message));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	/* also when the channel is gone, and its memory with it */
	flowipc_channel_close(far->channel);
	far->channel = NULL;
	for (i = 0; i < SIZES; i++) {
		ok(flowipc_message_piece(message, (unsigned int)i, &data,
					 &size));
		gives(size, sizes[i]);
		pattern_check(data, size, i);
	}
	flowipc_message_release(message);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void of_several_pieces(void **state)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	struct flowipc_message *message = NULL, *piece;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, receive_pieces, NULL);
	for (i = 0; i < SIZES; i++) {
		ok(flowipc_message_new(link.channel, sizes[i], 0, &piece));
		pattern_fill(flowipc_message_buffer(piece), sizes[i], i);
		if (message)
			ok(flowipc_message_append(message, piece));
		else
			message = piece;
	}
	ok(flowipc_message_send(message, 0));
	sync_get(link.sync);
	ok(flowipc_channel_memory(link.channel, &memory));
	gives(memory.lent_messages, 0);
	gives(memory.used, 0);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void receive_without_memory(struct link *far, void *arg)
{
	struct rlimit limit = { 256 * MIB, 256 * MIB };
	struct flowipc_message *message;

	(void)arg;
	/* small ones are private from the start */
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	check(flowipc_message_is_private(message));
	ok(flowipc_message_make_private(message));
	flowipc_message_release(message);
	ok(flowipc_message_receive(far->channel, &message, test_ms(10000)));
	sys(setrlimit(RLIMIT_AS, &limit));
	gives(flowipc_message_make_private(message), -ENOMEM);
	/* and nothing has changed */
	check(!flowipc_message_is_private(message));
	gives(*(const char *)flowipc_message_data(message), 'x');
	flowipc_message_release(message);
}

static void no_memory_for_it(void **state)
{
	struct flowipc_message *message;
	struct link link;

	(void)state;
	if (TEST_WITH_ASAN || TEST_WITH_TSAN) {
		print_message("a sanitizer's own map exceeds the limit\n");
		skip();
	}
	link_start(&link, NULL, NULL, receive_without_memory, NULL);
	ok(flowipc_send(link.channel, "y", 1, 0));
	ok(flowipc_message_new(link.channel, 200 * MIB, test_ms(5000),
			       &message));
	*(char *)flowipc_message_buffer(message) = 'x';
	ok(flowipc_message_send(message, test_ms(5000)));
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(not_changed_by_the_sender),
	TEST(of_several_pieces),
	TEST(no_memory_for_it),
};

TEST_MAIN(tests, NULL)
