// SPDX-License-Identifier: MIT
#include "storm.h"

/* It begins somewhere, and then only what may be dropped is missing. */
static int publication_receive(struct flow *flow,
			       enum flowipc_when_full when_full)
{
	struct flowipc_message *message;
	uint64_t position;
	int err;

	err = flowipc_message_receive(flow->channel, &message, test_ms(20000));
	if (err)
		return (int)gives_one_of(err, -EPIPE);
	if (!flow->account) {
		flow_begin(flow, flowipc_message_correlation(message));
		flow->position = flowipc_message_type(message);
		flow->first = flow->position;
	}
	position = flowipc_message_type(message);
	check_msg(position == flow->position ||
		  (when_full == FLOWIPC_FULL_DROP_OLDEST &&
		   position > flow->position), "%" PRIu64
		  " was published, and received in place of %" PRIu64,
		  position, flow->position);
	flow->position = position;
	message_check(flow, message, position);
	flow_keep(flow, message);
	flow->position++;
	progressed();
	return 0;
}

/*
 * Whoever is waited for has got all, unless the publisher was killed while it was
 * still sending the history. Others may have been left behind.
 */
static void subscriber_compare(const struct flow *flow,
			       enum flowipc_when_full when_full)
{
	uint64_t sent;

	if (when_full == FLOWIPC_FULL_WAIT &&
	    flow->position - flow->first > HISTORY) {
		receiver_compare(flow);
		return;
	}
	sent = atomic_load(&flow->account->sent);
	check_msg(flow->position <= sent + 1, "%" PRIu64
		  " were published, and number %" PRIu64 " received", sent,
		  flow->position);
}

static void subscriber_run(struct flow *flow, enum flowipc_when_full when_full,
			   struct flowipc_session *session, uint64_t *random)
{
	uint64_t most = 1 + test_random_below(random,
			test_random_below(random, 2) ? 5000 : 50);
	int err = 0;

	while (!err && most-- && !atomic_load(&storm->over[CLIENTS_END]))
		err = publication_receive(flow, when_full);
	if (!err || !flow->account)
		return;
	subscriber_compare(flow, when_full);
	compared(FROM_PUBLISHER);
	await_end(session, when_full != FLOWIPC_FULL_WAIT ||
		  atomic_load(&flow->account->closing));
}

void subscriber(int sync, void *arg)
{
	struct hello hello = { .direction = FROM_PUBLISHER };
	enum flowipc_when_full when_full;
	uint64_t random;
	int fds, maps;

	(void)sync;
	role = *(enum role *)arg;
	random = storm->seed + (uint64_t)getpid();
	fds = test_count_fds();
	maps = test_count_shared_maps();
	while (!atomic_load(&storm->over[CLIENTS_END])) {
		struct flow flow = { .published = true };
		struct flowipc_session *session;

		test_arm_alarm();
		when_full = (enum flowipc_when_full)
			test_random_below(&random, 3);
		hello.when_full = when_full;
		if (client_start("p", &hello, &flow, &session, &random)) {
			subscriber_run(&flow, when_full, session, &random);
			flow_end(&flow);
			flowipc_session_close(session);
		}
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
	}
}
