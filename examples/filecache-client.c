// SPDX-License-Identifier: MIT
/*
 * The client: asks for files by name, reads them where they lie in the
 * server's memory, and measures how long that takes.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "filecache.h"

struct client {
	const struct options *options;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
};

/* One request and its reply, which is to be released. */
static struct flowipc_message *ask(const struct client *client, uint64_t type,
				   const char *name)
{
	int timeout = client->options->timeout_ms;
	uint64_t size, length = strlen(name);
	struct flowipc_message *message;
	int err;

	err = flowipc_message_new(client->channel, length, timeout, &message);
	if (err)
		die("cannot ask for %s: %s", name, flowipc_why(err));
	memcpy(flowipc_message_buffer(message), name, length);
	flowipc_message_set_type(message, type);
	err = flowipc_message_send(message, timeout);
	if (err)
		die("cannot ask for %s: %s", name, flowipc_why(err));

	err = flowipc_message_receive(client->channel, &message, timeout);
	if (err)
		die("no reply for %s: %s", name, flowipc_why(err));
	if (flowipc_message_type(message) != FILECACHE_OK) {
		size = flowipc_message_size(message);
		die("%.*s", size > MAX_NAME ? MAX_NAME : (int)size,
		    (const char *)flowipc_message_data(message));
	}
	return message;
}

/* First and last byte, so that what was sent is really there. */
static void touch(const volatile unsigned char *bytes, uint64_t size)
{
	if (size) {
		(void)bytes[0];
		(void)bytes[size - 1];
	}
}

static uint64_t get_timed(const struct client *client, const struct file *file,
			  struct flowipc_message **reply)
{
	uint64_t start = now_ns();

	*reply = ask(client, FILECACHE_GET, file->name);
	touch(flowipc_message_data(*reply), flowipc_message_size(*reply));
	return now_ns() - start;
}

/* Of the file on disk, which the server has no hand in. */
static uint64_t hash_on_disk(const struct file *file)
{
	const size_t room = 1 << 20;
	XXH3_state_t *state = XXH3_createState();
	void *buffer = malloc(room);
	uint64_t hash;

	if (!state || !buffer)
		die("out of memory");
	XXH3_64bits_reset(state);
	for (uint64_t offset = 0; offset < file->size;) {
		size_t n = file->size - offset < room ? file->size - offset :
							room;

		file_read(file, buffer, n, offset);
		XXH3_64bits_update(state, buffer, n);
		offset += n;
	}
	hash = XXH3_64bits_digest(state);
	free(buffer);
	XXH3_freeState(state);
	return hash;
}

/* The first request of each file: are these its bytes? */
static void verify(const struct client *client, struct measured *measured)
{
	const struct file *file = measured->file;
	struct flowipc_message *reply;

	measured->first = get_timed(client, file, &reply);
	measured->hash = hash_on_disk(file);
	if (flowipc_message_size(reply) != file->size ||
	    XXH3_64bits(flowipc_message_data(reply), file->size) !=
		    measured->hash)
		die("%s is not what the server sent: was it changed after the server read it?",
		    file->name);
	flowipc_message_release(reply);
}

static uint64_t *new_samples(uint64_t count)
{
	uint64_t *samples = calloc(count, sizeof(*samples));

	if (!samples)
		die("out of memory");
	return samples;
}

/* File after file in turn: what disturbs the machine disturbs them alike. */
static void measure_flowipc(const struct client *client,
			    struct measured *measured, size_t count)
{
	uint64_t requests = client->options->requests;
	uint64_t *samples = new_samples(requests * count);
	struct flowipc_message *reply;

	for (uint64_t n = 0; n < requests; n++) {
		for (size_t i = 0; i < count; i++) {
			samples[i * requests + n] =
				get_timed(client, measured[i].file, &reply);
			if (flowipc_message_size(reply) !=
			    measured[i].file->size)
				die("%s changed its size",
				    measured[i].file->name);
			flowipc_message_release(reply);
		}
	}
	for (size_t i = 0; i < count; i++)
		timing_of(samples + i * requests, requests,
			  &measured[i].flowipc);
	free(samples);
}

/* Three requests at least, unless they take ten times what they may. */
static bool enough(const struct options *options, uint64_t requests,
		   uint64_t began)
{
	double seconds = (double)(now_ns() - began) / 1e9;

	if (requests == options->requests)
		return true;
	return requests >= 3 ? seconds >= options->socket_seconds :
			       requests && seconds >= 10 * options->socket_seconds;
}

static void measure_socket(const struct client *client,
			   struct measured *measured, size_t count)
{
	const struct options *options = client->options;
	uint64_t *samples = new_samples(options->requests);
	struct flowipc_message *address;
	uint64_t largest = 1;
	unsigned char *buffer;
	int fd;

	address = ask(client, FILECACHE_SOCKET, "the address of its socket");
	fd = socket_connect(flowipc_message_data(address),
			    flowipc_message_size(address), options->timeout_ms);
	flowipc_message_release(address);

	for (size_t i = 0; i < count; i++)
		if (measured[i].file->size > largest)
			largest = measured[i].file->size;
	check_memory("receiving over the socket", largest,
		     "; try --socket-time 0");
	/* Resident, so that the socket is not charged for page faults. */
	buffer = mmap(NULL, largest, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffer == MAP_FAILED)
		die("no memory to receive %s over the socket",
		    size_text(largest));

	for (size_t i = 0; i < count; i++) {
		const struct file *file = measured[i].file;
		uint64_t begin = now_ns(), n = 0, start;

		while (!enough(options, n, begin)) {
			start = now_ns();
			socket_get(fd, file->name, buffer, file->size);
			touch(buffer, file->size);
			samples[n++] = now_ns() - start;
		}
		timing_of(samples, n, &measured[i].socket);
		if (XXH3_64bits(buffer, file->size) != measured[i].hash)
			die("%s is not what came over the socket", file->name);
	}
	munmap(buffer, largest);
	close(fd);
	free(samples);
}

int client_run(const struct options *options, const struct file_list *list)
{
	struct client client = { .options = options };
	struct measured measured[MAX_FILES] = { 0 };
	enum flowipc_backend backend;
	cpu_set_t before;
	int err, result;

	err = flowipc_connect(options->name,
			      FLOWIPC_OPTS(connect,
					   .backend = options->backend),
			      options->timeout_ms, &client.session);
	if (err)
		die("%s", flowipc_why(err));
	err = flowipc_channel_open(client.session, NULL, options->timeout_ms,
				   &client.channel);
	if (err)
		die("%s", flowipc_why(err));
	backend = flowipc_session_backend(client.session);

	for (size_t i = 0; i < list->count; i++) {
		measured[i].file = &list->files[i];
		verify(&client, &measured[i]);
	}
	if (isatty(STDERR_FILENO))
		say("%zu file%s checked; now %" PRIu64 " requests each",
		    list->count, list->count == 1 ? "" : "s",
		    options->requests);
	sched_getaffinity(0, sizeof(before), &before);
	if (options->cpus[1] >= 0)
		run_on(options->cpus[1]);
	measure_flowipc(&client, measured, list->count);
	/* The socket does best where the scheduler puts it. */
	sched_setaffinity(0, sizeof(before), &before);
	if (options->socket_seconds > 0)
		measure_socket(&client, measured, list->count);
	result = report(options, backend, measured, list->count);

	flowipc_channel_close(client.channel);
	flowipc_session_close(client.session);
	return result;
}
