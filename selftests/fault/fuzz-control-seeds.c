// SPDX-License-Identifier: GPL-2.0-only
/* Seeds: conversations as they should be, for each role. */
#include "fuzz-control.h"

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

static void put_fds(struct seed *seed, const char *fds)
{
	put(seed, 0, 1);
	put(seed, strlen(fds), 1);
	for (; *fds; fds++)
		put(seed, (uint64_t)(*fds - '0'), 1);
}

static void put_control(struct seed *seed, struct control packet,
			const char *fds)
{
	const uint8_t *byte = (const uint8_t *)&packet;
	size_t i;

	packet.magic = FLOWIPC__CONTROL_MAGIC;
	put_fds(seed, fds);
	for (i = 0; i < sizeof(packet); i++)
		put(seed, byte[i], 1);
}

static void put_parcel(struct seed *seed, uint32_t kind, uint32_t number,
		       uint64_t messages, const char *fds)
{
	put(seed, STEP_PARCEL, 1);
	put_fds(seed, fds);
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

static void put_message(struct seed *seed, enum slot_kind kind, uint64_t size,
			uint32_t region, uint32_t chunk, unsigned int fds)
{
	put(seed, STEP_FORGE, 1);
	put(seed, kind, 1);
	put(seed, SLOT_PLAIN, 1);
	put(seed, 0, 1);
	put(seed, fds, 1);
	put(seed, 0, 2);
	put(seed, size, 2);
	put(seed, region, 2);
	put(seed, chunk, 1);
	put(seed, 0, 2);
	put(seed, STEP_RING, 1);
	put(seed, 0, 1);
	put_call(seed, CALL_RECEIVE, 0);
}

static void put_channel(struct seed *seed, enum role role)
{
	if (role == CLIENT) {
		/* The library opens, and goes on before there is an answer. */
		put_call(seed, CALL_CHANNEL_OPEN, 0);
		put(seed, STEP_ANSWER, 1);
		put_control(seed, (struct control){ .kind = CONTROL_ACCEPT },
			    "0");
	} else if (role < ACCEPTOR) {
		put(seed, STEP_CONTROL, 1);
		put_control(seed, (struct control){
				.kind = CONTROL_OPEN, .channel = 1 }, "09125");
		put_call(seed, CALL_CHANNEL_ACCEPT, 0);
	}
	put_message(seed, SLOT_INLINE, 40, 0, 0, 0);
	put_message(seed, SLOT_PAYLOAD, 5000, 0, 0, 0);
	put_parcel(seed, 1, 1024, 0, "3");
	put_message(seed, SLOT_REGION, 4096, 1024, 0, 0);
	put(seed, STEP_FDS, 1);
	put_fds(seed, "37");
	put(seed, 3, FDS_BYTES);
	put_message(seed, SLOT_INLINE, 40, 0, 0, 2);
	put_call(seed, CALL_TAKE_FD, 0);
	put_parcel(seed, 1, 2049, 0, "3");
	put_message(seed, SLOT_PAYLOAD, 4096, 2049, 1, 0);
	put_parcel(seed, 2, 1024, 1, "");
	put_call(seed, CALL_SEND, 0);
	put_call(seed, CALL_SEND, 100);
	put_call(seed, CALL_SEND_FROM_REGION, 0);
	put_call(seed, CALL_RECLAIM, 0);
	put_call(seed, CALL_SEND_FD, 0);
	put_call(seed, CALL_SHUTDOWN, 0);
	put_call(seed, CALL_SESSION_END, 0);
	put_call(seed, CALL_CHANNEL_CLOSE, 0);
}

static void seed_make(struct seed *seed, enum role role)
{
	const uint16_t memfd = 1U << FLOWIPC_BACKEND_MEMFD;

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
	put_channel(seed, role);
}

/* Seeds that do not fit the protocol any more lead nowhere. */
static void seed_check(const struct seed *seed)
{
	memset(&reached, 0, sizeof(reached));
	LLVMFuzzerTestOneInput(seed->bytes, seed->size);
	MUST(reached.sessions == 1 && reached.channels == 1);
	MUST(reached.messages == 5 && !reached.violations);
}

void seeds_write(const char *to)
{
	struct seed seed;
	enum role role;
	char path[512];
	FILE *file;

	for (role = 0; role < ROLES; role++) {
		seed.size = 0;
		seed_make(&seed, role);
		snprintf(path, sizeof(path), "%s/role-%d", to, (int)role);
		file = fopen(path, "we");
		MUST(file);
		MUST(fwrite(seed.bytes, seed.size, 1, file) == 1);
		fclose(file);
		seed_check(&seed);
	}
}
