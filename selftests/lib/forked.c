// SPDX-License-Identifier: MIT
/* What a forked child does with objects it inherited concerns nobody else. */
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

enum { REGION_BYTES = 1 << 20, MAPS = 64 };

struct inherited {
	struct link *link;
	struct flowipc_region *region;
	struct map maps[MAPS];
	int count;
};

/*
 * Put pages of our own wherever the parent's mappings are in the parent. Those
 * that cannot be had were inherited, and are the harness' own.
 */
static int occupy(const struct map *maps, int count, volatile char **pages)
{
	int i, occupied = 0;

	for (i = 0; i < count; i++) {
		size_t size = maps[i].end - maps[i].start;
		void *place = (void *)maps[i].start;

		if (mmap(place, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			 MAP_NORESERVE, -1, 0) != place)
			continue;
		pages[occupied] = place;
		*pages[occupied++] = 1;
	}
	return occupied;
}

static void close_everything(int sync, void *arg)
{
	struct inherited *inherited = arg;
	struct link *link = inherited->link;
	volatile char *pages[MAPS];
	int i, occupied;

	(void)sync;
	occupied = occupy(inherited->maps, inherited->count, pages);
	/* ThreadSanitizer has a say in what goes where. */
	check(occupied || !inherited->count || TEST_WITH_TSAN);
	flowipc_region_destroy(inherited->region);
	flowipc_channel_close(link->channel);
	flowipc_session_close(link->session);
	flowipc_server_close(link->server);
	/* The library did not unmap what is not its own. */
	for (i = 0; i < occupied; i++)
		check(*pages[i] == 1);
}

static void read_regions(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(20000)));
		pattern_check(flowipc_message_data(message), REGION_BYTES, 5);
		flowipc_message_release(message);
		test_put(far->channel, 6);
	}
}

static void send_region(struct link *link, struct flowipc_region *region)
{
	struct flowipc_message *message;

	ok(flowipc_message_from_region(link->channel, region, 0, REGION_BYTES,
				       0, &message));
	ok(flowipc_message_send(message, test_ms(10000)));
	gives(test_take(link->channel), 6);
}

static void closing_in_a_child(void **state)
{
	struct inherited inherited;
	struct peer child;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, read_regions, NULL);
	ok(flowipc_region_create(REGION_BYTES, NULL, &inherited.region));
	pattern_fill(flowipc_region_data(inherited.region), REGION_BYTES, 5);
	send_region(&link, inherited.region);

	inherited.link = &link;
	inherited.count = test_shared_maps("r", inherited.maps, MAPS);
	peer_start(&child, close_everything, &inherited);
	peer_join(&child);

	/* The peer was told nothing, and the name is still there. */
	send_region(&link, inherited.region);
	flowipc_region_destroy(inherited.region);
	link_stop(&link);
}

static void the_name_stays(void **state)
{
	struct flowipc_server *server;
	struct peer child, client;
	struct link link = { 0 };
	struct inherited inherited = { .link = &link };

	(void)state;
	ok(flowipc_listen("forked", NULL, &server));
	link.server = server;
	peer_start(&child, close_everything, &inherited);
	peer_join(&child);
	peer_start(&client, test_say_to, "forked");
	test_serve_one(server, 42);
	peer_join(&client);
	flowipc_server_close(server);
}

static const struct CMUnitTest tests[] = {
	TEST(closing_in_a_child),
	TEST(the_name_stays),
};

TEST_MAIN(tests, NULL)
