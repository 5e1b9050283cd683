// SPDX-License-Identifier: MIT
/* Messages of several pieces. */
#include "harness.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../../lib/outbox.h"

#define MIB (1024ull * 1024)

enum { ROUNDS = 400, REGION_BYTES = 300000 };

/* What both sides know of the piece of that number. */
static uint64_t piece_size(uint64_t seed, uint64_t number)
{
	uint64_t random = seed + number;

	switch (test_random_below(&random, 16)) {
	case 0:
		return 0;
	case 1:
		return test_random_below(&random, 200000);
	case 2:
		return 80 + test_random_below(&random, 2);
	case 3:
	case 4:
	case 5:
	case 6:
		return test_random_below(&random, 81);
	default:
		return test_random_below(&random, 3000);
	}
}

static unsigned int piece_count(uint64_t seed, uint64_t round)
{
	uint64_t random = seed ^ round * 77;

	return 1 + (unsigned int)test_random_below(&random, round % 10 ? 8 :
						   FLOWIPC_MESSAGE_PIECES);
}

static void receive_rounds(struct link *far, void *arg)
{
	static unsigned char buffer[FLOWIPC_MESSAGE_PIECES * 200000];
	uint64_t seed = *(uint64_t *)arg, number = 0, round, total, size;
	struct flowipc_message *message;
	const void *data;
	unsigned int i, count;
	ssize_t got;

	for (round = 0; round < ROUNDS; round++) {
		count = piece_count(seed, round);
		if (round % 3 == 2) {
			got = flowipc_receive(far->channel, buffer,
					      sizeof(buffer), test_ms(10000));
			for (total = 0, i = 0; i < count; i++, number++) {
				size = piece_size(seed, number);
				pattern_check(buffer + total, size, number);
				total += size;
			}
			gives(got, total);
			continue;
		}
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_type(message), round);
		gives(flowipc_message_correlation(message), ~round);
		gives(flowipc_message_piece_count(message), count);
		for (total = 0, i = 0; i < count; i++, number++) {
			ok(flowipc_message_piece(message, i, &data, &size));
			gives(size, piece_size(seed, number));
			pattern_check(data, size, number);
			total += size;
			if (i)
				continue;
			check(data == flowipc_message_data(message));
			gives(flowipc_message_size(message), size);
		}
		gives(flowipc_message_total(message), total);
		gives(flowipc_message_piece(message, count, &data, &size),
		      -EINVAL);
		flowipc_message_release(message);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

/* Small ones, large ones, from payload memory and from a region, mixed. */
static struct flowipc_message *piece_new(struct link *link,
					 struct flowipc_region *region,
					 uint64_t size, uint64_t number)
{
	struct flowipc_message *piece;
	char *data = flowipc_region_data(region);
	uint64_t offset = number % 4 * 64;

	if (number % 5 || flowipc_region_lent(region)) {
		ok(flowipc_message_new(link->channel, size, test_ms(10000),
				       &piece));
		pattern_fill(flowipc_message_buffer(piece), size, number);
		return piece;
	}
	ok(flowipc_message_from_region(link->channel, region, offset, size,
				       test_ms(10000), &piece));
	/* not twice in one message, which is not lent until it is sent */
	pattern_fill(data + offset, size, number);
	return piece;
}

static void pieces_of_all_kinds(void **state)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	uint64_t seed = test_seed(), number = 0, round;
	struct flowipc_message *message, *piece;
	struct flowipc_region *region, *none;
	unsigned int i, count;
	bool from_region;
	struct link link;

	(void)state;
	ok(flowipc_region_create(REGION_BYTES, NULL, &region));
	ok(flowipc_region_create(1, NULL, &none));
	link_start(&link, NULL, NULL, receive_rounds, &seed);
	for (round = 0; round < ROUNDS; round++) {
		count = piece_count(seed, round);
		message = NULL;
		from_region = false;
		for (i = 0; i < count; i++, number++) {
			uint64_t size = piece_size(seed, number);

			/* one of each message at most is from the region */
			if (from_region && number % 5 == 0) {
				ok(flowipc_message_new(link.channel, size,
						       test_ms(10000), &piece));
				pattern_fill(flowipc_message_buffer(piece),
					     size, number);
			} else {
				piece = piece_new(&link, region, size, number);
				from_region |= !flowipc_message_buffer(piece);
			}
			flowipc_message_set_type(piece, i ? 5 : round);
			flowipc_message_set_correlation(piece, i ? 5 : ~round);
			if (i)
				ok(flowipc_message_append(message, piece));
			else
				message = piece;
			gives(flowipc_message_piece_count(message), i + 1);
		}
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	sync_get(link.sync);
	/* one release has given back all of it */
	ok(flowipc_channel_memory(link.channel, &memory));
	gives(memory.lent_messages, 0);
	gives(memory.used, 0);
	gives(flowipc_region_lent(region), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
	flowipc_region_destroy(region);
	flowipc_region_destroy(none);
}

static void receive_one_of_four(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_piece_count(message), i ? 4 : 1);
		gives(flowipc_message_append(message, message), -EINVAL);
		flowipc_message_release(message);
		sync_put(far->sync, 0);
		sync_get(far->sync);
	}
}

static struct flowipc_message *sized(struct flowipc_channel *channel,
				     uint64_t size)
{
	struct flowipc_message *message;

	ok(flowipc_message_new(channel, size, 0, &message));
	return message;
}

/* As many slots as there are pieces, or it waits. */
static void takes_up_slots(void **state)
{
	struct flowipc_message *message, *last;
	struct link link;
	int i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4), NULL,
		   receive_one_of_four, NULL);
	ok(flowipc_send(link.channel, "a", 1, 0));
	message = sized(link.channel, 10);
	for (i = 1; i < 4; i++)
		ok(flowipc_message_append(message, sized(link.channel, 1000)));
	last = sized(link.channel, 10);
	gives(flowipc_message_append(message, last), -E2BIG);
	test_last_error_has("4 pieces");
	flowipc_message_release(last);
	sync_get(link.sync);
	/* the one that was sent is taken by now */
	ok(flowipc_send(link.channel, "b", 1, 0));
	gives(flowipc_message_send(message, 0), -EAGAIN);
	gives(flowipc_message_send(message, 20), -ETIMEDOUT);
	gives(flowipc_message_piece_count(message), 4);
	flowipc_message_release(message);
	peer_kill(&link.peer);
	link_close(&link);

	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4), NULL,
		   receive_one_of_four, NULL);
	ok(flowipc_send(link.channel, "a", 1, 0));
	message = sized(link.channel, 10);
	for (i = 1; i < 4; i++)
		ok(flowipc_message_append(message, sized(link.channel, 1000)));
	ok(flowipc_message_send(message, test_ms(5000)));
	for (i = 0; i < 2; i++) {
		sync_get(link.sync);
		sync_put(link.sync, 0);
	}
	link_stop(&link);
}

static void end_when_told(struct link *far, void *arg)
{
	(void)arg;
	sync_get(far->sync);
}

static void open_another(struct link *far, void *arg)
{
	struct flowipc_channel *another;

	(void)arg;
	ok(flowipc_channel_open(far->session, NULL, test_ms(10000), &another));
	sync_get(far->sync);
	flowipc_channel_close(another);
}

static void bad_pieces(void **state)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	struct flowipc_message *message, *piece, *third, *none;
	struct flowipc_channel *another;
	struct link link;
	const void *data;
	uint64_t size;
	int i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .max_message_bytes = 100000),
		   NULL, end_when_told, NULL);
	message = sized(link.channel, 1000);
	gives(flowipc_message_append(message, message), -EINVAL);
	gives(flowipc_message_piece(message, 1, &data, &size), -EINVAL);
	gives(flowipc_message_total(message), 1000);
	piece = sized(link.channel, 100000);
	gives(flowipc_message_append(message, piece), -EMSGSIZE);
	ok(flowipc_message_truncate(piece, 99000));
	ok(flowipc_message_append(message, piece));
	piece = sized(link.channel, 1);
	gives(flowipc_message_append(message, piece), -EMSGSIZE);
	flowipc_message_release(message);
	flowipc_message_release(piece);

	/* as many as there may be, one by one and in heaps */
	message = sized(link.channel, 0);
	for (i = 1; i < FLOWIPC_MESSAGE_PIECES - 1; i++)
		ok(flowipc_message_append(message, sized(link.channel, 100)));
	piece = sized(link.channel, 100);
	ok(flowipc_message_append(piece, sized(link.channel, 7)));
	gives(flowipc_message_append(message, piece), -E2BIG);
	third = sized(link.channel, 3);
	ok(flowipc_message_append(message, third));
	none = sized(link.channel, 0);
	gives(flowipc_message_append(message, none), -E2BIG);
	flowipc_message_release(none);
	flowipc_message_release(message);
	message = sized(link.channel, 1);
	ok(flowipc_message_append(message, piece));
	gives(flowipc_message_piece_count(message), 3);
	gives(flowipc_message_total(message), 108);
	ok(flowipc_message_piece(message, 2, &data, &size));
	gives(size, 7);

	/* descriptors come along */
	for (i = 0; i < FLOWIPC_MESSAGE_FDS; i++) {
		piece = sized(link.channel, 1);
		ok(flowipc_message_attach_fd(piece, 0));
		ok(flowipc_message_append(message, piece));
		gives(flowipc_message_fd_count(message), i + 1);
	}
	piece = sized(link.channel, 1);
	ok(flowipc_message_attach_fd(piece, 0));
	gives(flowipc_message_append(message, piece), -E2BIG);
	flowipc_message_release(piece);
	flowipc_message_release(message);

	ok(flowipc_channel_memory(link.channel, &memory));
	gives(memory.used, 0);
	sync_put(link.sync, 0);
	link_stop(&link);

	link_start(&link, NULL, NULL, open_another, NULL);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &another));
	message = sized(link.channel, 1);
	piece = sized(another, 1);
	gives(flowipc_message_append(message, piece), -EINVAL);
	flowipc_message_release(message);
	flowipc_message_release(piece);
	flowipc_channel_close(another);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void receive_with_descriptors(struct link *far, void *arg)
{
	struct flowipc_message *message;
	char byte;
	int i, fd;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	gives(flowipc_message_piece_count(message), 3);
	gives(flowipc_message_fd_count(message), 3);
	for (i = 0; i < 3; i++) {
		fd = flowipc_message_take_fd(message, (unsigned int)i);
		gives(pread(fd, &byte, 1, 0), 1);
		gives(byte, 'a' + i);
		close(fd);
	}
	flowipc_message_release(message);
}

static void with_descriptors(void **state)
{
	struct flowipc_message *message = NULL, *piece;
	struct link link;
	int i, fd;

	(void)state;
	link_start(&link, NULL, NULL, receive_with_descriptors, NULL);
	for (i = 0; i < 3; i++) {
		piece = sized(link.channel, i ? 10 : 1000);
		fd = (int)sys(memfd_create("letter", MFD_CLOEXEC));
		gives(pwrite(fd, &(char){ (char)('a' + i) }, 1, 0), 1);
		ok(flowipc_message_attach_fd(piece, fd));
		close(fd);
		if (message)
			ok(flowipc_message_append(message, piece));
		else
			message = piece;
	}
	ok(flowipc_message_send(message, 0));
	link_stop(&link);
}

/* Of a message that is dropped, all pieces are; and it is counted once. */
static void receive_what_is_left(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t seen = 0, size, round = 0;
	unsigned int count, i;
	const void *data;
	int err;

	(void)arg;
	while (!(err = flowipc_message_receive(far->channel, &message,
					       test_ms(10000)))) {
		check(flowipc_message_type(message) >= round);
		round = flowipc_message_type(message) + 1;
		count = flowipc_message_piece_count(message);
		gives(count, 1 + (round - 1) % 5);
		for (i = 0; i < count; i++) {
			ok(flowipc_message_piece(message, i, &data, &size));
			gives(size, 8 + (round + i) % 3 * 60);
			pattern_check(data, size, round * 8 + i);
		}
		seen++;
		/* of those before, all that are not here */
		gives(flowipc_channel_missed(far->channel), round - seen);
		flowipc_message_release(message);
	}
	gives(err, -EPIPE);
	sync_put(far->sync, seen);
	sync_put(far->sync, flowipc_channel_missed(far->channel));
	sync_get(far->sync);
}

static void dropped_as_a_whole(void **state)
{
	uint64_t rounds = (uint64_t)test_loops(30000), round, seen;
	struct flowipc_message *message, *piece;
	unsigned int count, i;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 8,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   receive_what_is_left, NULL);
	for (round = 1; round <= rounds; round++) {
		count = 1 + (unsigned int)((round - 1) % 5);
		message = NULL;
		for (i = 0; i < count; i++) {
			uint64_t size = 8 + (round + i) % 3 * 60;

			ok(flowipc_message_new(link.channel, size,
					       test_ms(5000), &piece));
			pattern_fill(flowipc_message_buffer(piece), size,
				     round * 8 + i);
			flowipc_message_set_type(piece, round - 1);
			if (message)
				ok(flowipc_message_append(message, piece));
			else
				message = piece;
		}
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	ok(flowipc_channel_shutdown(link.channel));
	seen = sync_get(link.sync);
	/* what is not there was dropped, and nothing else was */
	gives(sync_get(link.sync), rounds - seen);
	check(flowipc_channel_reclaim(link.channel) >= 0);
	gives(flowipc_channel_dropped(link.channel), rounds - seen);
	print_message("%" PRIu64 " of %" PRIu64 " messages were dropped\n",
		      rounds - seen, rounds);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* Slots that do not belong together. */
enum forgery { TOO_MANY, MORE_THAN_SLOTS, MISSING, SECOND_IS_BAD,
	       THIRD_IS_OUTSIDE, FORGERIES };

static void forge(struct link *far, void *arg)
{
	enum forgery forgery = *(enum forgery *)arg;
	const struct outbox_header *header;
	struct slot *slots;
	struct map map;
	int i;

	gives(test_shared_maps("rw", &map, 1), 1);
	header = (const void *)map.start;
	slots = (void *)(map.start + header->slots_offset);
	for (i = 0; i < 4; i++) {
		slots[i].kind = SLOT_PAYLOAD;
		slots[i].size = 1000;
		slots[i].offset = (uint64_t)i * 4096;
	}
	slots[0].further = 2;
	switch (forgery) {
	case TOO_MANY:
		slots[0].further = FLOWIPC_MESSAGE_PIECES;
		break;
	case MORE_THAN_SLOTS:
		slots[0].further = 4;
		break;
	case MISSING:
		slots[0].further = 3;
		break;
	case SECOND_IS_BAD:
		slots[1].kind = 9;
		break;
	default:
		slots[2].offset = header->payload_bytes - 999;
	}
	for (i = 2; i >= 0; i--)
		atomic_store(&slots[i].sequence, (uint64_t)i + 1);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	_exit(0);
}

static void forged(void **state)
{
	struct flowipc_message *message;
	enum forgery forgery;
	struct link link;
	int maps;

	(void)state;
	for (forgery = 0; forgery < FORGERIES; forgery++) {
		maps = test_count_shared_maps();
		link_start(&link, NULL, FLOWIPC_OPTS(channel, .slots = 4),
			   forge, &forgery);
		sync_get(link.sync);
		gives(flowipc_message_receive(link.channel, &message,
					      test_ms(5000)), -EPROTO);
		check(*flowipc_last_error());
		sync_put(link.sync, 0);
		link_drop(&link);
		gives(test_count_shared_maps(), maps);
	}
}

static const struct CMUnitTest tests[] = {
	TEST(pieces_of_all_kinds),
	TEST(takes_up_slots),
	TEST(bad_pieces),
	TEST(with_descriptors),
	TEST(dropped_as_a_whole),
	TEST(forged),
};

TEST_MAIN(tests, NULL)
