// SPDX-License-Identifier: MIT
/* Regions that come and go: the peer does not keep mapped what is gone. */
#include "harness.h"

enum { CHURN = 3000, CHURN_BYTES = 5000, FEW = 20 };

/*
 * Regions that are gone do not stay mapped until the session ends: once their
 * owner has noticed, who looks for a message hears of it, in parts if they are
 * many.
 */
static void expect_few_maps(struct link *far)
{
	struct flowipc_message *message;
	bool few = false;
	int i;

	for (i = 0; !few; i++) {
		check_msg(i < 100, "%d regions are still mapped",
			  test_count_shared_maps());
		sync_put(far->sync, 0);
		sync_get(far->sync);
		gives_one_of(flowipc_message_receive(far->channel, &message, 0),
			     -EAGAIN, -EPIPE);
		few = test_count_shared_maps() < FEW;
	}
	sync_put(far->sync, 1);
	sync_get(far->sync);
}

static void reclaim_until_few(struct link *near)
{
	while (!sync_get(near->sync)) {
		gives(flowipc_channel_reclaim(near->channel), 0);
		sync_put(near->sync, 0);
	}
	sync_put(near->sync, 0);
}

static void receive_churn(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	(void)arg;
	sync_get(far->sync);
	for (i = 0; i < (uint64_t)test_loops(CHURN); i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		gives(flowipc_message_type(message), i);
		pattern_check(flowipc_message_data(message), CHURN_BYTES, i);
		flowipc_message_release(message);
	}
	expect_few_maps(far);
}

/* Each region is there for one message; more than a session has room for. */
static void regions_come_and_go(void **state)
{
	uint64_t device = test_device_bytes(), i;
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;
	bool told = false;
	int err;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4096), NULL,
		   receive_churn, NULL);
	for (i = 0; i < (uint64_t)test_loops(CHURN); i++) {
		ok(flowipc_region_create(CHURN_BYTES, NULL, &region));
		pattern_fill(flowipc_region_data(region), CHURN_BYTES, i);
		ok(flowipc_message_from_region(link.channel, region, 0,
					       CHURN_BYTES, test_ms(10000),
					       &message));
		flowipc_message_set_type(message, i);
		err = flowipc_message_send(message, told ? test_ms(10000) : 0);
		if (err) {
			/* as many as can wait; now the other side begins */
			gives_one_of(err, -EAGAIN, -EMFILE, -ENOSPC, -EDQUOT);
			check(!told);
			told = true;
			sync_put(link.sync, 0);
			while (flowipc_message_send(message, test_ms(10000)))
				check(flowipc_channel_reclaim(link.channel) >=
				      0);
		}
		flowipc_region_destroy(region);
	}
	if (!told)
		sync_put(link.sync, 0);
	reclaim_until_few(&link);
	link_stop(&link);
	test_device_bytes_return_to(device);
}

enum { CROWD = 600 };

static void receive_crowd(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int i;

	(void)arg;
	for (i = 0; i < CROWD; i++) {
		ok(flowipc_message_receive(far->channel, &message,
					   test_ms(10000)));
		flowipc_message_release(message);
	}
	check(test_count_shared_maps() > CROWD);
	expect_few_maps(far);
}

/* More than the peer has room to be told of at a time. */
static void many_go_at_once(void **state)
{
	struct flowipc_region *regions[CROWD];
	struct flowipc_message *message;
	struct link link;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, receive_crowd, NULL);
	for (i = 0; i < CROWD; i++) {
		ok(flowipc_region_create(CHURN_BYTES, NULL, &regions[i]));
		ok(flowipc_message_from_region(link.channel, regions[i], 0,
					       CHURN_BYTES, test_ms(10000),
					       &message));
		ok(flowipc_message_send(message, test_ms(10000)));
	}
	gives(sync_get(link.sync), 0);
	/* all of them are released by now */
	gives(flowipc_channel_reclaim(link.channel), 0);
	for (i = 0; i < CROWD; i++)
		flowipc_region_destroy(regions[i]);
	sync_put(link.sync, 0);
	reclaim_until_few(&link);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(regions_come_and_go),
	TEST(many_go_at_once),
};

TEST_MAIN(tests, NULL)
