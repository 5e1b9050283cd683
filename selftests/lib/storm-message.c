// SPDX-License-Identifier: MIT
#include "storm.h"

#include <sys/mman.h>

enum { FDS = 3, PUBLISHED_MOST = 60000 };

struct plan {
	uint64_t seed;
	unsigned int fds;
	unsigned int pieces;
	struct {
		uint64_t seed;
		uint64_t size;
		bool from_region;
	} piece[PIECES];
};

uint32_t slots_of(uint64_t stream)
{
	uint64_t state = storm->seed + stream;

	return 2u << test_random_below(&state, 8);
}

static void plan_piece(struct plan *plan, unsigned int i, uint64_t *state)
{
	plan->piece[i].seed = test_random(state);
	switch (test_random_below(state, 64)) {
	case 0:
		plan->piece[i].size = 300000; /* a region of its own */
		break;
	case 1:
		plan->piece[i].from_region = true;
		plan->piece[i].seed = REGION_SEED;
		plan->piece[i].size = REGION_BYTES;
		break;
	case 2:
	case 3:
	case 4:
		plan->piece[i].size = test_random_below(state, 20000);
		break;
	default:
		plan->piece[i].size = test_random_below(state, 200);
	}
}

static struct plan plan_of(const struct flow *flow, uint64_t position)
{
	uint64_t state = storm->seed + flow->stream * 1000003 + position;
	struct plan plan = { .seed = test_random(&state), .pieces = 1 };
	uint32_t most = slots_of(flow->stream);
	unsigned int i;

	if (flow->published) {
		plan.piece[0].seed = plan.seed;
		plan.piece[0].size = test_random_below(&state,
				test_random_below(&state, 8) ? 200 :
				PUBLISHED_MOST);
		return plan;
	}
	if (!test_random_below(&state, 4))
		plan.pieces += 1 + (unsigned int)test_random_below(&state,
				(most < PIECES ? most : PIECES) - 1);
	if (!test_random_below(&state, 32))
		plan.fds = 1 + (unsigned int)test_random_below(&state, FDS);
	for (i = 0; i < plan.pieces; i++)
		plan_piece(&plan, i, &state);
	return plan;
}

/* A file that tells which one it is. */
static void number_attach(struct flowipc_message *message, uint64_t number)
{
	int fd = (int)sys(memfd_create("storm", MFD_CLOEXEC));

	check(write(fd, &number, sizeof(number)) == sizeof(number));
	ok(flowipc_message_attach_fd(message, fd));
	sys(close(fd));
}

static int piece_make(struct flow *flow, const struct plan *plan,
		      unsigned int i, int timeout,
		      struct flowipc_message **message)
{
	uint64_t size = plan->piece[i].size;
	unsigned int fd;
	int err;

	if (plan->piece[i].from_region)
		err = flowipc_message_from_region(flow->channel, flow->region,
						  0, size, timeout, message);
	else
		err = flowipc_message_new(flow->channel, size, timeout,
					  message);
	if (err)
		return err;
	if (!plan->piece[i].from_region)
		pattern_fill(flowipc_message_buffer(*message), size,
			     plan->piece[i].seed);
	for (fd = 0; i == plan->pieces - 1 && fd < plan->fds; fd++)
		number_attach(*message, plan->seed + fd);
	return 0;
}

int message_make(struct flow *flow, int timeout,
		 struct flowipc_message **message)
{
	struct plan plan = plan_of(flow, flow->position);
	struct flowipc_message *piece;
	unsigned int i;
	int err;

	err = piece_make(flow, &plan, 0, timeout, message);
	if (err)
		return err;
	for (i = 1; i < plan.pieces; i++) {
		err = piece_make(flow, &plan, i, timeout, &piece);
		if (err) {
			flowipc_message_release(*message);
			return err;
		}
		ok(flowipc_message_append(*message, piece));
	}
	flowipc_message_set_type(*message, flow->position);
	flowipc_message_set_correlation(*message, flow->stream);
	return 0;
}

int publication_make(const struct flow *flow, struct flowipc_topic *topic,
		     struct flowipc_publication **publication)
{
	struct plan plan = plan_of(flow, flow->position);
	int err;

	err = flowipc_publication_new(topic, plan.piece[0].size,
				      test_ms(20000), publication);
	if (err)
		return err;
	pattern_fill(flowipc_publication_buffer(*publication),
		     plan.piece[0].size, plan.piece[0].seed);
	flowipc_publication_set_type(*publication, flow->position);
	flowipc_publication_set_correlation(*publication, flow->stream);
	return 0;
}

void message_check(const struct flow *flow,
		   const struct flowipc_message *message, uint64_t position)
{
	struct plan plan = plan_of(flow, position);
	const void *data;
	unsigned int i;
	uint64_t size;

	gives(flowipc_message_type(message), position);
	gives(flowipc_message_correlation(message), flow->stream);
	gives(flowipc_message_piece_count(message), plan.pieces);
	for (i = 0; i < plan.pieces; i++) {
		ok(flowipc_message_piece(message, i, &data, &size));
		gives(size, plan.piece[i].size);
		pattern_check(data, size, plan.piece[i].seed);
	}
	gives(flowipc_message_fd_count(message), plan.fds);
}

void message_take_fds(const struct flow *flow, struct flowipc_message *message)
{
	uint64_t seed = plan_of(flow, flow->position).seed, number;
	unsigned int i;
	int fd;

	for (i = 0; i + 1 < flowipc_message_fd_count(message); i++) {
		fd = (int)sys(flowipc_message_take_fd(message, i));
		check(pread(fd, &number, sizeof(number), 0) == sizeof(number));
		gives(number, seed + i);
		sys(close(fd));
	}
}
