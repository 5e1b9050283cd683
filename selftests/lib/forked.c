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

static void accept_in_a_child(int sync, void *arg)
{
	struct flowipc_session *session;

	(void)sync;
	gives(flowipc_accept(arg, -1, &session), -EPERM);
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
	peer_start(&child, accept_in_a_child, server);
	peer_join(&child);
	peer_start(&child, close_everything, &inherited);
	peer_join(&child);
	peer_start(&client, test_say_to, "forked");
	test_serve_one(server, 42);
	peer_join(&client);
	flowipc_server_close(server);
}

/* What its parent had in hand when it was forked. */
struct estate {
	struct link *link;
	struct flowipc_message *made;
	struct flowipc_message *received;
	struct flowipc_offer *offer;
	struct flowipc_region *region;
};

/* Nothing works, and nothing that is tried reaches the peer. */
static void try_everything(int sync, void *arg)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct estate *estate = arg;
	struct flowipc_session *session = estate->link->session;
	struct flowipc_channel *channel = estate->link->channel, *other;
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	struct flowipc_message *message;
	struct flowipc_offer *offer;
	char byte;

	(void)sync;
	gives(flowipc_send(channel, "", 1, 0), -EPERM);
	test_last_error_has("forked");
	gives(flowipc_message_new(channel, 1, 0, &message), -EPERM);
	gives(flowipc_message_new(channel, REGION_BYTES, -1, &message), -EPERM);
	gives(flowipc_message_from_region(channel, estate->region, 0, 1, 0,
					  &message), -EPERM);
	gives(flowipc_message_send(estate->made, -1), -EPERM);
	gives(flowipc_message_send_batch(&estate->made, 1, -1), -EPERM);
	gives(flowipc_message_receive(channel, &message, -1), -EPERM);
	gives(flowipc_receive(channel, &byte, 1, 0), -EPERM);
	gives(flowipc_message_make_private(estate->received), -EPERM);
	gives(flowipc_channel_reclaim(channel), -EPERM);
	gives(flowipc_channel_memory(channel, &memory), -EPERM);
	gives(flowipc_channel_flush(channel), -EPERM);
	gives(flowipc_channel_shutdown(channel), -EPERM);
	check(!flowipc_channel_was_shut_down(channel));
	gives(flowipc_channel_open(session, NULL, 0, &other), -EPERM);
	gives(flowipc_channel_accept(session, NULL, -1, &other), -EPERM);
	gives(flowipc_session_next_offer(session, 0, &offer), -EPERM);
	gives(flowipc_offer_accept(estate->offer, NULL, &other), -EPERM);
	gives(flowipc_session_end(session, &end), -EPERM);
	flowipc_message_release(estate->made);
	flowipc_message_release(estate->received);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void refuse_an_offer(int sync, void *arg)
{
	(void)sync;
	flowipc_offer_refuse(arg);
}

static void talk(struct link *far, void *arg)
{
	struct flowipc_channel *second;

	(void)arg;
	test_put(far->channel, 1);
	ok(flowipc_send(far->channel, &(char[1000]){ 0 }, 1000, 0));
	ok(flowipc_channel_open(far->session, NULL, 0, &second));
	gives(test_take(far->channel), 2);
	test_put(far->channel, 3);
	/* it was accepted, and by nobody else */
	gives(test_take(second), 4);
	flowipc_channel_close(second);
	while (flowipc_channel_reclaim(far->channel))
		test_sleep_ms(1);
}

static void working_in_a_child(void **state)
{
	struct flowipc_channel *second;
	struct estate estate;
	struct peer child;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, talk, NULL);
	estate.link = &link;
	gives(test_take(link.channel), 1);
	ok(flowipc_message_receive(link.channel, &estate.received,
				   test_ms(10000)));
	ok(flowipc_session_next_offer(link.session, test_ms(10000),
				      &estate.offer));
	ok(flowipc_message_new(link.channel, sizeof(uint64_t), 0,
			       &estate.made));
	*(uint64_t *)flowipc_message_buffer(estate.made) = 2;
	ok(flowipc_region_create(REGION_BYTES, NULL, &estate.region));
	peer_start(&child, try_everything, &estate);
	peer_join(&child);
	peer_start(&child, refuse_an_offer, estate.offer);
	peer_join(&child);

	/* All of it is as it was. */
	ok(flowipc_message_send(estate.made, 0));
	gives(test_take(link.channel), 3);
	ok(flowipc_offer_accept(estate.offer, NULL, &second));
	test_put(second, 4);
	gives(flowipc_message_size(estate.received), 1000);
	flowipc_message_release(estate.received);
	flowipc_region_destroy(estate.region);
	link_stop(&link);
	flowipc_channel_close(second);
}

struct press {
	struct flowipc_topic *topic;
	struct flowipc_channel *channel; /* not a subscriber's */
	struct flowipc_publication *made;
};

static void publish_in_a_child(int sync, void *arg)
{
	struct flowipc_topic_stats stats = { .sz = sizeof(stats) };
	struct press *press = arg;
	struct flowipc_publication *publication;
	struct flowipc_channel *ended;
	int reason;

	(void)sync;
	gives(flowipc_publish(press->topic, "", 1, -1), -EPERM);
	test_last_error_has("forked");
	gives(flowipc_publication_new(press->topic, 4000, -1, &publication),
	      -EPERM);
	gives(flowipc_publication_send(press->made, -1), -EPERM);
	gives(flowipc_topic_subscribe(press->topic, press->channel), -EPERM);
	gives(flowipc_topic_next_end(press->topic, &ended, &reason), -EPERM);
	gives(flowipc_topic_stats(press->topic, &stats), -EPERM);
	flowipc_publication_release(press->made);
	flowipc_topic_destroy(press->topic);
}

static void read_publications(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(20000)));
		gives(flowipc_message_type(message), i);
		pattern_check(flowipc_message_data(message), 4000, i);
		flowipc_message_release(message);
		test_put(far->channel, i);
	}
}

static void publication_make(struct press *press, uint64_t number)
{
	ok(flowipc_publication_new(press->topic, 4000, 0, &press->made));
	flowipc_publication_set_type(press->made, number);
	pattern_fill(flowipc_publication_buffer(press->made), 4000, number);
}

static void publishing_in_a_child(void **state)
{
	struct flowipc_topic_stats stats = { .sz = sizeof(stats) };
	struct press press;
	struct peer child;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, read_publications, NULL);
	ok(flowipc_topic_create(FLOWIPC_OPTS(topic, .history = 2),
				&press.topic));
	ok(flowipc_topic_subscribe(press.topic, link.channel));
	ok(flowipc_channel_open(link.session, NULL, 0, &press.channel));
	for (i = 0; i < 4; i++) {
		publication_make(&press, i);
		peer_start(&child, publish_in_a_child, &press);
		peer_join(&child);
		ok(flowipc_publication_send(press.made, 0));
		gives(test_take(link.channel), i);
	}
	ok(flowipc_topic_stats(press.topic, &stats));
	gives(stats.published, 4);
	gives(stats.subscribers, 1);
	flowipc_topic_destroy(press.topic);
	flowipc_channel_close(press.channel);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(closing_in_a_child),
	TEST(working_in_a_child),
	TEST(publishing_in_a_child),
	TEST(the_name_stays),
};

TEST_MAIN(tests, NULL)
