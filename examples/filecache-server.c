// SPDX-License-Identifier: MIT
/*
 * The server: reads its files into regions once, then hands them out by name,
 * as often as anybody asks, without touching them again. One thread a client,
 * each on a channel of its own.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "filecache.h"

#define MAX_CLIENTS 64

/* Set up before the first thread starts, and constant from then on. */
static struct {
	const struct options *options;
	const struct file_list *list;
	struct flowipc_region *regions[MAX_FILES];
	struct socket_file socket_files[MAX_FILES];
	char socket_address[108];
	size_t socket_address_length;
} cache;

static _Atomic unsigned int client_count;

/* --- one client ------------------------------------------------------------- */

static int reply_bytes(struct flowipc_channel *channel, uint64_t type,
		       const void *bytes, size_t length,
		       struct flowipc_message **reply)
{
	int err = flowipc_message_new(channel, length,
				      cache.options->timeout_ms, reply);

	if (err)
		return err;
	memcpy(flowipc_message_buffer(*reply), bytes, length);
	flowipc_message_set_type(*reply, type);
	return 0;
}

static int reply_error(struct flowipc_channel *channel, uint64_t type,
		       const char *line, struct flowipc_message **reply)
{
	return reply_bytes(channel, type, line, strlen(line), reply);
}

static int reply_file(struct flowipc_channel *channel,
		      const struct flowipc_message *request,
		      struct flowipc_message **reply)
{
	const char *name = flowipc_message_data(request);
	uint64_t length = flowipc_message_size(request);
	const struct file *file = file_find(cache.list, name, length);
	char line[MAX_NAME + 64];
	int err;

	if (!file) {
		snprintf(line, sizeof(line), "the server does not have %.*s",
			 length > MAX_NAME ? MAX_NAME : (int)length, name);
		return reply_error(channel, FILECACHE_NO_SUCH_FILE, line, reply);
	}
	if (!file->size)
		return reply_bytes(channel, FILECACHE_OK, "", 0, reply);
	err = flowipc_message_from_region(channel,
					  cache.regions[file -
							cache.list->files],
					  0, file->size,
					  cache.options->timeout_ms, reply);
	if (err == -EMSGSIZE)
		return reply_error(channel, FILECACHE_TOO_LARGE,
				   flowipc_last_error(), reply);
	if (err == -EPIPE)
		return err;
	if (err)
		return reply_error(channel, FILECACHE_FAILED, flowipc_why(err),
				   reply);
	return 0;
}

static int answer(struct flowipc_channel *channel)
{
	struct flowipc_message *request, *reply;
	int err;

	err = flowipc_message_receive(channel, &request, -1);
	if (err)
		return err;
	switch (flowipc_message_type(request)) {
	case FILECACHE_GET:
		err = reply_file(channel, request, &reply);
		break;
	case FILECACHE_SOCKET:
		err = reply_bytes(channel, FILECACHE_OK, cache.socket_address,
				  cache.socket_address_length, &reply);
		break;
	default:
		err = reply_error(channel, FILECACHE_BAD_REQUEST,
				  "the server does not know this request",
				  &reply);
	}
	if (!err) {
		flowipc_message_set_correlation(
			reply, flowipc_message_correlation(request));
		err = flowipc_message_send(reply, cache.options->timeout_ms);
		if (err)
			flowipc_message_release(reply);
	}
	flowipc_message_release(request);
	return err;
}

static void *serve(void *context)
{
	struct flowipc_session *session = context;
	const struct flowipc_channel_opts opts = {
		.sz = sizeof(opts),
		.max_message_bytes = cache.options->max_message,
	};
	struct flowipc_channel *channel;
	struct flowipc_peer peer;
	int err;

	if (cache.options->cpus[0] >= 0)
		run_on(cache.options->cpus[0]);
	err = flowipc_channel_accept(session, &opts, cache.options->timeout_ms,
				     &channel);
	if (!err) {
		do
			err = answer(channel);
		while (!err);
		flowipc_channel_close(channel);
	}
	if (err != -EPIPE) {
		flowipc_session_peer(session, &peer);
		say("the client with pid %d is given up: %s", (int)peer.pid,
		    flowipc_why(err));
	}
	flowipc_session_close(session);
	atomic_fetch_sub(&client_count, 1);
	return NULL;
}

static void accept_client(struct flowipc_server *server)
{
	struct flowipc_session *session;
	pthread_t thread;
	int err;

	err = flowipc_accept(server, 0, &session);
	if (err == -EAGAIN || err == -EINTR)
		return;
	if (err) {
		/* Do not spin on what will not go away by itself at once. */
		say("cannot accept a client: %s", flowipc_why(err));
		poll(NULL, 0, 100);
		return;
	}
	if (atomic_fetch_add(&client_count, 1) < MAX_CLIENTS &&
	    !pthread_create(&thread, NULL, serve, session)) {
		pthread_detach(thread);
		return;
	}
	say("a client was turned away: there are %u already",
	    atomic_fetch_sub(&client_count, 1) - 1);
	flowipc_session_close(session);
}

/* --- start and end ---------------------------------------------------------- */

static void load(size_t i, enum flowipc_backend backend)
{
	const struct file *file = &cache.list->files[i];
	void *data = "";
	int err;

	if (file->size) {
		err = flowipc_region_create(file->size,
					    FLOWIPC_OPTS(region,
							 .backend = backend),
					    &cache.regions[i]);
		if (err)
			die("cannot load %s: %s", file->name, flowipc_why(err));
		data = flowipc_region_data(cache.regions[i]);
		file_read(file, data, file->size, 0);
	}
	cache.socket_files[i] = (struct socket_file){
		.name = file->name,
		.data = data,
		.size = file->size,
	};
}

static uint64_t load_all(enum flowipc_backend backend)
{
	uint64_t total = 0;

	for (size_t i = 0; i < cache.list->count; i++)
		total += cache.list->files[i].size;
	check_memory("holding the files", total, "");
	for (size_t i = 0; i < cache.list->count; i++)
		load(i, backend);
	return total;
}

static int signal_fd(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		die("cannot watch for signals: %s", strerror(errno));
	return fd;
}

/* Until SIGINT or SIGTERM. */
void server_run(const struct options *options, const struct file_list *list)
{
	enum flowipc_backend backend;
	struct flowipc_server *server;
	struct pollfd fds[3];
	uint64_t total;
	int err;

	cache.options = options;
	cache.list = list;
	err = flowipc_backend_find(options->backend, &backend);
	if (err)
		die("%s", flowipc_why(err));
	total = load_all(backend);

	fds[0] = (struct pollfd){ .fd = signal_fd(), .events = POLLIN };
	fds[1] = (struct pollfd){
		.fd = socket_listen(cache.socket_address,
				    &cache.socket_address_length),
		.events = POLLIN,
	};
	err = flowipc_listen(options->name,
			     FLOWIPC_OPTS(listen, .backend = backend),
			     &server);
	if (err)
		die("%s", flowipc_why(err));
	fds[2] = (struct pollfd){
		.fd = flowipc_server_fd(server),
		.events = POLLIN,
	};
	say("serving %zu file%s, %s, as \"%s\" on the %s back end", list->count,
	    list->count == 1 ? "" : "s", size_text(total), options->name,
	    flowipc_backend_name(backend));

	while (!fds[0].revents) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("cannot wait for clients: %s", strerror(errno));
		if (fds[1].revents)
			socket_accept(fds[1].fd, cache.socket_files,
				      list->count);
		if (fds[2].revents)
			accept_client(server);
	}
	/* Clients see the end of their channels when this process is gone. */
	flowipc_server_close(server);
}
