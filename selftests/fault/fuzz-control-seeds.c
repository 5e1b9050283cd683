// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds: conversations as they should be, for each role; a plain one, and one with
 * all that is rarer.
 */
#include "fuzz-control.h"

#include <errno.h>
#include <string.h>

struct seed {
	uint8_t bytes[1024];
	size_t size;
};

static void put(struct seed *seed, uint64_t number, unsigned int bytes)
{
	while (bytes--) {
		MUST(seed->size < sizeof(seed->bytes));
		seed->bytes[seed->size++] = (uint8_t)number;
		number >>= 8;
	}
}

static void put_head(struct seed *seed, uint64_t length, const char *fds)
{
	put(seed, length, 1);
	put(seed, strlen(fds), 1);
	for (; *fds; fds++)
		put(seed, (uint64_t)(*fds - '0'), 1);
}

static void put_packet(struct seed *seed, struct control packet)
{
	const uint8_t *byte = (const uint8_t *)&packet;
	size_t i;

	packet.magic = FLOWIPC__CONTROL_MAGIC;
	for (i = 0; i < sizeof(packet); i++)
		put(seed, byte[i], 1);
}

static void put_control(struct seed *seed, struct control packet,
			const char *fds)
{
	put_head(seed, 0, fds);
	put_packet(seed, packet);
}

static void put_write(struct seed *seed, uint64_t offset, uint64_t word)
{
	put(seed, STEP_WRITE, 1);
	put(seed, offset / 4, 2);
	put(seed, 1, 1);
	put(seed, word, 8);
}

static void put_parcel(struct seed *seed, uint32_t kind, uint32_t number,
		       uint64_t messages, const char *fds)
{
	put(seed, STEP_PARCEL, 1);
	put_head(seed, 0, fds);
	put(seed, kind, 4);
	put(seed, number, 4);
	put(seed, messages, 8);
}

static void put_call(struct seed *seed, enum call call, unsigned int which)
{
	put(seed, STEP_CALL, 1);
	put(seed, call, 1);
	put(seed, which, 1);
}

static void put_slot(struct seed *seed, enum slot_kind kind, uint64_t size,
		     uint32_t region, uint32_t chunk, unsigned int fds,
		     unsigned int further)
{
	put(seed, STEP_FORGE, 1);
	put(seed, kind, 1);
	put(seed, SLOT_PLAIN, 1);
	put(seed, 0, 1);
	put(seed, fds, 1);
	put(seed, further, 1);
	put(seed, 0, 2);
	put(seed, size, 2);
	put(seed, region, 2);
	put(seed, chunk, 1);
	put(seed, 0, 2);
	put(seed, 0, 1);
}

static void put_message(struct seed *seed, enum slot_kind kind, uint64_t size,
			uint32_t region, uint32_t chunk, unsigned int fds)
{
	put_slot(seed, kind, size, region, chunk, fds, 0);
	put(seed, STEP_RING, 1);
	put(seed, 0, 1);
	put_call(seed, CALL_RECEIVE, 0);
}

static void put_open(struct seed *seed, uint64_t length)
{
	const struct control packet = { .kind = CONTROL_OPEN, .channel = 1 };

	put(seed, STEP_CONTROL, 1);
	put_head(seed, length, "09125");
	put_packet(seed, packet);
	if (length == LENGTH_METADATA)
		put(seed, 0, SPOKEN_MAX - sizeof(packet));
}

static void put_channel(struct seed *seed, enum role role, unsigned int which)
{
	if (role == CLIENT) {
		/* The library opens, and goes on before there is an answer. */
		put_call(seed, CALL_CHANNEL_OPEN, which);
		put(seed, STEP_ANSWER, 1);
		put_control(seed, (struct control){ .kind = CONTROL_ACCEPT },
			    "0");
	} else if (role < ACCEPTOR) {
		put_open(seed, 0);
		put_call(seed, CALL_CHANNEL_ACCEPT, which);
	}
}

/* Of every kind, and what the library sends. */
static void put_traffic(struct seed *seed)
{
	put_message(seed, SLOT_INLINE, 40, 0, 0, 0);
	put_message(seed, SLOT_PAYLOAD, 5000, 0, 0, 0);
	put_parcel(seed, 1, 1024, 0, "3");
	put_message(seed, SLOT_REGION, 4096, 1024, 0, 0);
	put(seed, STEP_FDS, 1);
	put_head(seed, 0, "37");
	put(seed, 3, FDS_BYTES);
	put_message(seed, SLOT_INLINE, 40, 0, 0, 2);
	put_call(seed, CALL_TAKE_FD, 0);
	put_parcel(seed, 1, 2049, 0, "3");
	put_message(seed, SLOT_PAYLOAD, 4096, 2049, 1, 0);
	put_parcel(seed, 2, 1024, 1, "");
	put_call(seed, CALL_SEND, 0);
	put_call(seed, CALL_SEND, 99);
	put_call(seed, CALL_SEND_FROM_REGION, 0);
	put_call(seed, CALL_RECLAIM, 0);
	put_call(seed, CALL_SEND_FD, 0);
	put_call(seed, CALL_SHUTDOWN, 0);
	put_call(seed, CALL_SESSION_END, 0);
	put_call(seed, CALL_CHANNEL_CLOSE, 0);
}

/* Opened once more, with much to say, after an open that was given up. */
static void put_offers(struct seed *seed)
{
	put_open(seed, 0);
	put(seed, STEP_ANSWER, 1);
	put_control(seed, (struct control){ .kind = CONTROL_CANCEL }, "");
	put_call(seed, CALL_OFFER, 1);
	put_open(seed, LENGTH_METADATA);
	put_call(seed, CALL_OFFER, 0x81);
	put_open(seed, LENGTH_METADATA);
	put_call(seed, CALL_OFFER, 1);
	put_call(seed, CALL_ASK, 1);
}

/* The library's words, as far as they are needed here. */
enum {
	CONSUMED = FLOWIPC__LINE_PAIR,
	RELEASED = CONSUMED + 8,
	SPAN_END = 3 * FLOWIPC__LINE_PAIR + 8,
	RELEASES = 4 * FLOWIPC__LINE_PAIR,
};

/* In two pieces, of which one lies in memory that is given up then; and an end. */
static void put_rarities(struct seed *seed, int goodbye)
{
	put_parcel(seed, 1, 2049, 0, "3");
	put_slot(seed, SLOT_INLINE, 40, 0, 0, 0, 1);
	put_message(seed, SLOT_PAYLOAD, 4096, 2049, 1, 0);
	put_call(seed, CALL_MAKE_PRIVATE, 0);
	put_parcel(seed, 2, 2049, 1, "");
	put_parcel(seed, 1, 3074, 0, "3");
	put_message(seed, SLOT_REGION, 4096, 3074, 0, 0);
	put_call(seed, CALL_RECEIVE, 0);
	/* what the library sends is consumed, and the first of it released */
	put_call(seed, CALL_SEND_PIECES, 255);
	put_call(seed, CALL_PUBLISH, 51);
	put_write(seed, CONSUMED, 3);
	put_write(seed, RELEASES, 0);
	put_write(seed, RELEASED, 1);
	put_call(seed, CALL_RECLAIM, 0);
	put_call(seed, CALL_SEND, 99);
	put_call(seed, CALL_PUBLISH, 99);
	put_call(seed, CALL_SEND, 51);
	put_call(seed, CALL_SEND, 51);
	/* full: wait, or drop, or leave it */
	put_call(seed, CALL_SEND, 0);
	put_call(seed, CALL_PUBLISH, 51);
	put_write(seed, SPAN_END, 4);
	put_call(seed, CALL_RECEIVE, 0);
	put_call(seed, CALL_ASK, 0);
	put(seed, STEP_CONTROL, 1);
	put_control(seed, (struct control){ .kind = CONTROL_GOODBYE,
			.error = goodbye }, "");
	put_call(seed, CALL_SESSION_END, 0);
}

static void seed_begin(struct seed *seed, enum role role, unsigned int which)
{
	const uint16_t memfd = 1U << FLOWIPC_BACKEND_MEMFD;

	seed->size = 0;
	put(seed, role, 1);
	if (role == LISTENER) {
		/* Let in, heard, and then it has a session. */
		put_call(seed, CALL_ACCEPT, 0);
		put(seed, STEP_CONTROL, 1);
		put_control(seed, (struct control){ .kind = CONTROL_HELLO,
				.oldest = FLOWIPC__PROTOCOL_OLDEST,
				.newest = FLOWIPC__PROTOCOL,
				.backends = memfd }, "");
		put_call(seed, CALL_ACCEPT, 0);
	} else if (role == CONNECTOR) {
		put_control(seed, (struct control){ .kind = CONTROL_WELCOME,
				.newest = FLOWIPC__PROTOCOL,
				.backends = memfd }, "4");
	}
	put_channel(seed, role, which);
}

/* Seeds that do not fit the protocol any more lead nowhere. */
static void seed_run(const struct seed *seed)
{
	memset(&reached, 0, sizeof(reached));
	LLVMFuzzerTestOneInput(seed->bytes, seed->size);
	MUST(reached.sessions == 1 && !reached.violations);
}

static void seed_write(const struct seed *seed, const char *to,
		       const char *what, enum role role)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%d", to, what, (int)role);
	file = fopen(path, "we");
	MUST(file);
	MUST(fwrite(seed->bytes, seed->size, 1, file) == 1);
	fclose(file);
}

void seeds_write(const char *to)
{
	static const int goodbyes[] = { 0, EPROTO, ECONNABORTED, EACCES };
	struct seed seed;
	enum role role;

	for (role = 0; role < ROLES; role++) {
		seed_begin(&seed, role, 0);
		put_traffic(&seed);
		seed_write(&seed, to, "plain", role);
		seed_run(&seed);
		MUST(reached.channels == 1 && reached.messages == 5);

		/* wait, drop, disconnect */
		seed_begin(&seed, role, CHANNELS * (role % 3));
		put_offers(&seed);
		put_rarities(&seed, goodbyes[role % 4]);
		seed_write(&seed, to, "rare", role);
		seed_run(&seed);
		MUST(reached.channels == 2 && reached.metadata == 2);
		MUST(reached.messages == 2 && reached.pieces == 1);
		MUST(reached.ends == 1);
	}
}
