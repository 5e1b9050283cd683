// SPDX-License-Identifier: MIT
/* Messages that nobody can change from send to release. */
#include "harness.h"

#include <signal.h>

#include "outbox.h"

#define MIB (1024ull * 1024)

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void need_seals(void)
{
	if (test_has(FLOWIPC_HAS_SEAL))
		return;
	print_message("the back end has no seals\n");
	skip();
}

static struct flowipc_region *sealable_region(uint64_t size)
{
	struct flowipc_region *region;

	ok(flowipc_region_create(size,
				 FLOWIPC_OPTS(region, .sealable = true),
				 &region));
	return region;
}

static void receive_one(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	flowipc_message_release(message);
}

/* Where there are none, that is told, and private copies are there. */
static void not_on_every_back_end(void **state)
{
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;

	(void)state;
	if (test_has(FLOWIPC_HAS_SEAL)) {
		print_message("the back end has seals\n");
		skip();
	}
	link_start(&link, NULL, NULL, receive_one, NULL);
	gives(flowipc_message_new_sealed(link.channel, 100000, 0, &message),
	      -EOPNOTSUPP);
	test_last_error_has("memfd");
	gives(flowipc_message_new_sealed(link.channel, 1, 0, &message),
	      -EOPNOTSUPP);
	gives(flowipc_region_create(100000,
				    FLOWIPC_OPTS(region, .sealable = true),
				    &region), -EOPNOTSUPP);
	ok(flowipc_region_create(100000, NULL, &region));
	gives(flowipc_region_seals(region), -EOPNOTSUPP);
	ok(flowipc_message_from_region(link.channel, region, 0, 4096, 0,
				       &message));
	gives(flowipc_message_seal(message), -EOPNOTSUPP);
	/* it is a message as before */
	ok(flowipc_message_send(message, test_ms(5000)));
	link_stop(&link);
	flowipc_region_destroy(region);
}

enum { ROUNDS = 20 };

static uint64_t round_bytes(uint64_t round)
{
	static const uint64_t sizes[] = { 81, 4096, 4097, 100000, 3 * MIB };

	return sizes[round % (sizeof(sizes) / sizeof(sizes[0]))];
}

static void receive_in_place(struct link *far, void *arg)
{
	struct flowipc_message *message;
	const void *data;
	uint64_t i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(5000)));
		gives(flowipc_message_size(message), round_bytes(i));
		check(flowipc_message_is_private(message));
		/* nothing is to be copied */
		data = flowipc_message_data(message);
		ok(flowipc_message_make_private(message));
		check(flowipc_message_data(message) == data);
		sync_put(far->sync, 0);
		sync_get(far->sync);
		pattern_check(data, round_bytes(i), i);
		flowipc_message_release(message);
		sync_put(far->sync, 0);
	}
}

static void nobody_changes_it(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t i, size;
	char *buffer;

	(void)state;
	need_seals();
	link_start(&link, NULL, NULL, receive_in_place, NULL);
	for (i = 0; i < ROUNDS; i++) {
		size = round_bytes(i);
		ok(flowipc_message_new_sealed(link.channel, size, 0, &message));
		buffer = flowipc_message_buffer(message);
		/* also where a message before was sealed */
		pattern_fill(buffer, size, i);
		ok(flowipc_message_seal(message));
		ok(flowipc_message_send(message, test_ms(5000)));
		gives(test_write_raises(buffer), SIGBUS);
		gives(test_write_raises(buffer + size - 1), SIGBUS);
		sync_get(link.sync);
		gives(test_write_raises(buffer), SIGBUS);
		sync_put(link.sync, 0);
		sync_get(link.sync);
		gives(flowipc_channel_reclaim(link.channel), 0);
	}
	link_stop(&link);
}

/* Small ones travel in their slot, as always. */
static void small_ones_are_private_anyway(void **state)
{
	struct flowipc_message *message;
	struct link link;

	(void)state;
	need_seals();
	link_start(&link, NULL, NULL, receive_one, NULL);
	ok(flowipc_message_new_sealed(link.channel, 80, 0, &message));
	ok(flowipc_message_send(message, test_ms(5000)));
	gives(flowipc_channel_reclaim(link.channel), 0);
	link_stop(&link);
}

static void receive_two(struct link *far, void *arg)
{
	struct flowipc_message *messages[2];
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_receive(far->channel, &messages[i],
					   test_ms(5000)));
		check(flowipc_message_is_private(messages[i]) == !i);
	}
	for (i = 0; i < 2; i++) {
		sync_put(far->sync, 0);
		sync_get(far->sync);
		flowipc_message_release(messages[i]);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void of_a_region(void **state)
{
	uint64_t page = page_bytes();
	struct flowipc_region *region, *plain;
	struct flowipc_message *message;
	struct link link;
	char *data;

	(void)state;
	need_seals();
	ok(flowipc_region_create(4 * page, NULL, &plain));
	region = sealable_region(4 * page);
	data = flowipc_region_data(region);
	gives(flowipc_region_seals(region), 0);
	gives(flowipc_region_seals(plain), -EOPNOTSUPP);
	link_start(&link, NULL, NULL, receive_two, NULL);

	ok(flowipc_message_from_region(link.channel, plain, 0, page, 0,
				       &message));
	gives(flowipc_message_seal(message), -EINVAL);
	test_last_error_has("sealable");
	flowipc_message_release(message);
	ok(flowipc_message_new(link.channel, 100000, 0, &message));
	gives(flowipc_message_seal(message), -EINVAL);
	flowipc_message_release(message);
	ok(flowipc_message_from_region(link.channel, region, 64, page, 0,
				       &message));
	gives(flowipc_message_seal(message), -EINVAL);
	test_last_error_has("whole pages");
	flowipc_message_release(message);
	ok(flowipc_message_from_region(link.channel, region, 0, page - 1, 0,
				       &message));
	gives(flowipc_message_seal(message), -EINVAL);
	flowipc_message_release(message);

	ok(flowipc_message_from_region(link.channel, region, page, 2 * page, 0,
				       &message));
	ok(flowipc_message_seal(message));
	/* one that was given up is not sealed */
	flowipc_message_release(message);
	gives(flowipc_region_seals(region), 0);
	ok(flowipc_message_from_region(link.channel, region, page, 2 * page, 0,
				       &message));
	ok(flowipc_message_seal(message));
	gives(test_write_raises(data + page), 0);
	ok(flowipc_message_send(message, test_ms(5000)));
	ok(flowipc_message_from_region(link.channel, region, 0, page, 0,
				       &message));
	ok(flowipc_message_send(message, test_ms(5000)));
	sync_get(link.sync);
	gives(flowipc_region_seals(region), 1);
	gives(test_write_raises(data + page), SIGBUS);
	gives(test_write_raises(data + 3 * page - 1), SIGBUS);
	/* only that range is sealed */
	gives(test_write_raises(data + page - 1), 0);
	gives(test_write_raises(data + 3 * page), 0);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	gives(flowipc_region_seals(region), 0);
	gives(test_write_raises(data + page), 0);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	sync_put(link.sync, 0);
	link_stop(&link);
	flowipc_region_destroy(region);
	flowipc_region_destroy(plain);
}

static void receive_mixed(struct link *far, void *arg)
{
	struct flowipc_message *message;
	const void *data;
	uint64_t size;
	unsigned int i;

	(void)arg;
	/* of an inline one and of two that are sealed */
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	gives(flowipc_message_piece_count(message), 3);
	check(flowipc_message_is_private(message));
	for (i = 0; i < 3; i++) {
		ok(flowipc_message_piece(message, i, &data, &size));
		pattern_check(data, size, i);
	}
	flowipc_message_release(message);
	/* one piece is not */
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	check(!flowipc_message_is_private(message));
	ok(flowipc_message_make_private(message));
	check(flowipc_message_is_private(message));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_piece(message, i, &data, &size));
		pattern_check(data, size, i);
	}
	flowipc_message_release(message);
}

static struct flowipc_message *piece_make(struct link *link, uint64_t size,
					  bool sealed, uint64_t seed)
{
	struct flowipc_message *piece;

	ok(sealed ? flowipc_message_new_sealed(link->channel, size, 0, &piece) :
		    flowipc_message_new(link->channel, size, 0, &piece));
	pattern_fill(flowipc_message_buffer(piece), size, seed);
	return piece;
}

static void of_several_pieces(void **state)
{
	struct flowipc_message *message;
	struct link link;

	(void)state;
	need_seals();
	link_start(&link, NULL, NULL, receive_mixed, NULL);
	message = piece_make(&link, 10, false, 0);
	ok(flowipc_message_append(message, piece_make(&link, 5000, true, 1)));
	ok(flowipc_message_append(message, piece_make(&link, MIB, true, 2)));
	ok(flowipc_message_send(message, test_ms(5000)));
	message = piece_make(&link, 5000, true, 0);
	ok(flowipc_message_append(message, piece_make(&link, 5000, false, 1)));
	ok(flowipc_message_send(message, test_ms(5000)));
	sync_get(link.sync);
	/* what was copied is given back, with its seal */
	gives(flowipc_channel_reclaim(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void hold_one(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	check(flowipc_message_is_private(message));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	flowipc_channel_close(far->channel);
	far->channel = NULL;
	check(!flowipc_message_is_private(message));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	flowipc_message_release(message);
}

static struct flowipc_region *region_send_sealed(struct link *link)
{
	struct flowipc_region *region = sealable_region(page_bytes());
	struct flowipc_message *message;

	ok(flowipc_message_from_region(link->channel, region, 0, page_bytes(),
				       0, &message));
	ok(flowipc_message_seal(message));
	ok(flowipc_message_send(message, test_ms(5000)));
	return region;
}

/* It ends with the receiver's end of the channel, however that ends. */
static void until_the_receiver_is_gone(void **state)
{
	struct flowipc_region *region;
	struct link link;
	int killed;

	(void)state;
	need_seals();
	for (killed = 0; killed < 2; killed++) {
		link_start(&link, NULL, NULL, hold_one, NULL);
		region = region_send_sealed(&link);
		sync_get(link.sync);
		gives(flowipc_region_seals(region), 1);
		if (killed) {
			peer_kill(&link.peer);
			gives(flowipc_region_seals(region), 0);
			link_close(&link);
		} else {
			sync_put(link.sync, 0);
			sync_get(link.sync);
			gives(flowipc_region_seals(region), 0);
			sync_put(link.sync, 0);
			link_stop(&link);
		}
		gives(test_write_raises(flowipc_region_data(region)), 0);
		flowipc_region_destroy(region);
	}
}

static void receive_the_first(struct link *far, void *arg)
{
	receive_one(far, arg);
	sync_get(far->sync);
}

/* Nor is it kept by one that was never received. */
static void until_it_is_discarded(void **state)
{
	struct flowipc_region *region;
	struct link link;

	(void)state;
	need_seals();
	link_start(&link, NULL, NULL, receive_the_first, NULL);
	region = region_send_sealed(&link);
	flowipc_region_destroy(region);
	region = region_send_sealed(&link);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	gives(flowipc_region_seals(region), 0);
	link_close(&link);
	flowipc_region_destroy(region);
}

static void not_where_messages_are_dropped(void **state)
{
	struct flowipc_message *message;
	struct link link;

	(void)state;
	need_seals();
	link_start(&link,
		   FLOWIPC_OPTS(channel, .when_full = FLOWIPC_FULL_DROP_OLDEST),
		   NULL, receive_one, NULL);
	gives(flowipc_message_new_sealed(link.channel, 5000, 0, &message),
	      -EINVAL);
	test_last_error_has("dropped");
	ok(flowipc_send(link.channel, "x", 1, 0));
	link_stop(&link);
}

/* The outbox of this process: the only one that it may write. */
static unsigned char *own_outbox(void)
{
	const struct outbox_header *header;
	struct map maps[64];
	int count, i;

	count = test_shared_maps("rw", maps, 64);
	check(count <= 64);
	for (i = 0; i < count; i++) {
		header = (const void *)maps[i].start;
		if (strstr(maps[i].name, "flowipc") &&
		    header->slots_offset < maps[i].end - maps[i].start &&
		    header->releases == FLOWIPC__LOANS)
			return (void *)maps[i].start;
	}
	check_msg(false, "there is no outbox");
	return NULL;
}

static struct slot *own_slot(uint64_t position)
{
	unsigned char *outbox = own_outbox();
	const struct outbox_header *header = (const void *)outbox;
	struct slot *slots = (void *)(outbox + header->slots_offset);

	return &slots[position % header->slots];
}

/* What the second of two sealed messages bears; the first is held, or released. */
enum lie {
	SEALS_SWAPPED_BETWEEN_REGIONS,
	SEALS_SWAPPED_IN_A_REGION,
	NO_SUCH_SEAL,
	SEAL_OF_THE_FIRST,
	SEAL_OF_THE_FIRST_RELEASED,
	LIES
};

static void receive_lies(struct link *far, void *arg)
{
	struct flowipc_message *message;
	enum lie lie = *(enum lie *)arg;

	sync_get(far->sync);
	if (lie > SEALS_SWAPPED_IN_A_REGION)
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(5000)));
	if (lie == SEAL_OF_THE_FIRST_RELEASED)
		flowipc_message_release(message);
	gives(flowipc_message_receive(far->channel, &message, test_ms(5000)),
	      -EPROTO);
	test_last_error_has("sealed");
}

static void region_send_range(struct link *link, struct flowipc_region *region,
			      uint64_t offset)
{
	struct flowipc_message *message;

	ok(flowipc_message_from_region(link->channel, region, offset,
				       page_bytes(), 0, &message));
	ok(flowipc_message_seal(message));
	ok(flowipc_message_send(message, test_ms(5000)));
}

static void no_lie_is_believed(void **state)
{
	struct flowipc_region *region, *other;
	uint64_t seals[2];
	struct link link;
	enum lie lie;

	(void)state;
	need_seals();
	for (lie = 0; lie < LIES; lie++) {
		region = sealable_region(2 * page_bytes());
		other = sealable_region(page_bytes());
		link_start(&link, NULL, NULL, receive_lies, &lie);
		region_send_range(&link, region, 0);
		if (lie == SEALS_SWAPPED_IN_A_REGION)
			region_send_range(&link, region, page_bytes());
		else
			region_send_range(&link, other, 0);
		seals[0] = own_slot(0)->seal;
		seals[1] = own_slot(1)->seal;
		check(seals[0] && seals[1] && seals[0] != seals[1]);
		own_slot(1)->seal = lie == NO_SUCH_SEAL ? 1000 : seals[0];
		if (lie <= SEALS_SWAPPED_IN_A_REGION)
			own_slot(0)->seal = seals[1];
		sync_put(link.sync, 0);
		link_stop(&link);
		flowipc_region_destroy(region);
		flowipc_region_destroy(other);
	}
}

static void release_without_unsealing(struct link *far, void *arg)
{
	unsigned char *outbox = own_outbox();
	const struct outbox_header *header = (const void *)outbox;
	struct outbox_cursor *cursor = (void *)(outbox + FLOWIPC__LINE_PAIR);
	_Atomic uint32_t *releases = (void *)(outbox + header->releases_offset);
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	/* the first loan of a channel is number 0 */
	atomic_store(&releases[0], 0);
	atomic_store(&cursor->released, 1);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	_exit(0);
}

/* A receiver that releases and keeps the seal does not get the sender killed. */
static void the_sender_believes_no_release(void **state)
{
	struct flowipc_message *message;
	struct link link;
	char *buffer;

	(void)state;
	need_seals();
	link_start(&link, NULL, NULL, release_without_unsealing, NULL);
	message = piece_make(&link, 5000, true, 1);
	ok(flowipc_message_send(message, test_ms(5000)));
	sync_get(link.sync);
	gives(flowipc_channel_reclaim(link.channel), 0);
	ok(flowipc_message_new_sealed(link.channel, 5000, 0, &message));
	buffer = flowipc_message_buffer(message);
	gives(test_write_raises(buffer), 0);
	flowipc_message_release(message);
	sync_put(link.sync, 0);
	peer_wait(&link.peer);
	link_close(&link);
}

/* Each seal is an object of its user's; the last release leaves none. */
static void nothing_is_left(void **state)
{
	uint64_t bytes = test_device_bytes();
	struct flowipc_region *region;
	struct link link;
	int i;

	(void)state;
	need_seals();
	for (i = 0; i < 10; i++) {
		link_start(&link, NULL, NULL, hold_one, NULL);
		region = region_send_sealed(&link);
		flowipc_region_destroy(region);
		sync_get(link.sync);
		peer_kill(&link.peer);
		link_close(&link);
	}
	test_device_bytes_return_to(bytes);
}

static const struct CMUnitTest tests[] = {
	TEST(not_on_every_back_end),
	TEST(nobody_changes_it),
	TEST(small_ones_are_private_anyway),
	TEST(of_a_region),
	TEST(of_several_pieces),
	TEST(until_the_receiver_is_gone),
	TEST(until_it_is_discarded),
	TEST(not_where_messages_are_dropped),
	TEST(no_lie_is_believed),
	TEST(the_sender_believes_no_release),
	TEST(nothing_is_left),
};

TEST_MAIN(tests, NULL)
