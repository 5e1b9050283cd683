// SPDX-License-Identifier: MIT
/*
 * The server's side of the rendezvous: a listening socket and the clients that
 * knock there. All of them are in one epoll instance, whose descriptor is the
 * server's.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "error.h"
#include "guest.h"
#include "listener.h"
#include "options.h"
#include "process.h"
#include "session.h"

struct flowipc_server {
	struct listener listener;
	struct lobby lobby;
	char name[FLOWIPC__NAME_MAX + 1];
};

static int server_start(struct flowipc_server *server, const char *name,
			const struct flowipc_listen_opts *opts)
{
	struct lobby *lobby = &server->lobby;
	const char *slash;
	int err;

	err = flowipc__lobby_open(lobby);
	if (!err)
		err = flowipc__policy_create(&lobby->policy, opts->policy,
					     opts->allow);
	if (!err)
		err = flowipc__backends_offer(opts->backend, &lobby->backends);
	if (!err)
		err = flowipc__listener_open(&server->listener, name,
					     opts->policy, FLOWIPC__GUESTS_MAX);
	if (!err)
		err = flowipc__lobby_watch(lobby, server->listener.fd);
	if (err)
		return err;
	slash = strrchr(name, '/');
	strncpy(server->name, slash ? slash + 1 : name, FLOWIPC__NAME_MAX);
	lobby->name = server->name;
	return 0;
}

int flowipc_listen(const char *name, const struct flowipc_listen_opts *opts,
		   struct flowipc_server **server)
{
	struct flowipc_listen_opts known;
	struct flowipc_server *new;
	int err;

	err = flowipc__options_read(&known, sizeof(known), opts, "listen");
	if (err)
		return err;
	new = calloc(1, sizeof(*new));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	new->listener = (struct listener){.fd = -1, .lock = -1};
	err = server_start(new, name, &known);
	if (err) {
		flowipc_server_close(new);
		return err;
	}
	*server = new;
	return 0;
}

void flowipc_server_close(struct flowipc_server *server)
{
	if (!server)
		return;
	flowipc__listener_close(&server->listener);
	flowipc__lobby_close(&server->lobby);
	free(server);
}

int flowipc_server_fd(const struct flowipc_server *server)
{
	return server->lobby.epoll;
}

int flowipc_server_refusal(struct flowipc_server *server,
			   struct flowipc_refusal *refusal)
{
	return flowipc__refusal_take(&server->lobby, refusal);
}

/* Let a client in that has knocked. -EAGAIN: no session comes of it yet. */
static int server_admit(struct flowipc_server *server)
{
	int socket = accept4(server->listener.fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (socket >= 0)
		flowipc__guest_admit(&server->lobby, socket);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return flowipc__fail(-errno, "cannot accept a client: %s",
				     strerror(errno));
	return -EAGAIN;
}

int flowipc_accept(struct flowipc_server *server, int timeout_ms,
		   struct flowipc_session **session)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct lobby *lobby = &server->lobby;
	struct epoll_event event;
	int budget, err;

	/* Who has knocked is heard by one process only. */
	if (!flowipc__process_is(server->listener.process))
		return flowipc__process_refuse();
	for (;;) {
		flowipc__guests_expire(lobby);
		budget = 2 * FLOWIPC__GUESTS_MAX;
		while (budget-- && epoll_wait(lobby->epoll, &event, 1, 0) > 0) {
			err = event.data.fd == server->listener.fd ?
				      server_admit(server) :
				      flowipc__guest_hear(lobby, event.data.fd,
							  session);
			if (err != -EAGAIN)
				return err;
		}
		err = flowipc__packet_wait(lobby->epoll, POLLIN, deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(err, "no client was admitted in time");
		if (err)
			return err;
	}
}
