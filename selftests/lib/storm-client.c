// SPDX-License-Identifier: MIT
#include "storm.h"

/* False: the server died under it; better luck next time. */
static bool client_start(struct flow *flow, enum direction direction,
			 struct flowipc_session **session, uint64_t *random)
{
	struct hello hello = { .direction = direction };
	int err;

	err = flowipc_connect("t", NULL, test_ms(20000), session);
	if (gives_one_of(err, 0, -ECONNREFUSED))
		return false;
	err = flowipc_channel_open(*session, some_options(random),
				   test_ms(20000), &flow->channel);
	if (gives_one_of(err, 0, -EPIPE)) {
		flowipc_session_close(*session);
		return false;
	}
	hello.stream = atomic_fetch_add(&storm->next_stream, 1);
	flow->stream = hello.stream;
	flow->account = &storm->streams[hello.stream % STREAMS];
	atomic_store(&flow->account->sent, 0);
	atomic_store(&flow->account->received, 0);
	atomic_store(&flow->account->closing, false);
	gives_one_of(flowipc_send(flow->channel, &hello, sizeof(hello), 0), 0,
		     -EPIPE);
	return true;
}

static void client_run(struct flow *flow, enum direction direction,
		       struct flowipc_session *session, uint64_t *random)
{
	/* Most are killed before that; the others just leave. */
	uint64_t most = 1 + test_random_below(random, 5000);
	int err = 0;

	while (!err && flow->position < most &&
	       !atomic_load(&storm->over[CLIENTS_END]))
		err = direction == TO_SERVER ?
			flow_send(flow, test_ms(20000)) :
			flow_receive(flow, test_ms(20000));
	check_msg(!err || err == -EPIPE, "the server does not answer");
	if (err && direction == TO_SERVER)
		sender_compare(flow);
	else if (err)
		receiver_compare(flow);
	if (err) {
		compared(direction);
		check_end(session, false);
	}
	atomic_store(&flow->account->closing, true);
}

void client(int sync, void *arg)
{
	enum direction direction;
	uint64_t random;
	int fds, maps;

	(void)sync;
	role = *(enum role *)arg;
	direction = role == SENDER || role == OTHER_SENDER ? TO_SERVER :
							     FROM_SERVER;
	random = storm->seed + (uint64_t)getpid();
	fds = test_count_fds();
	maps = test_count_shared_maps();
	while (!atomic_load(&storm->over[CLIENTS_END])) {
		struct flow flow = { .position = 0 };
		struct flowipc_session *session;

		test_arm_alarm();
		ok(flowipc_region_create(REGION_BYTES, NULL, &flow.region));
		pattern_fill(flowipc_region_data(flow.region), REGION_BYTES,
			     REGION_SEED);
		if (client_start(&flow, direction, &session, &random)) {
			client_run(&flow, direction, session, &random);
			flow_end(&flow);
			flowipc_session_close(session);
		}
		gives(flowipc_region_lent(flow.region), 0);
		flowipc_region_destroy(flow.region);
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
	}
}
