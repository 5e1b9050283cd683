// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "session.h"

int flowipc__session_create(int control, int courier,
			    const struct backend *backend,
			    const struct flowipc_peer *peer, const char *name,
			    bool client, struct flowipc_session **session)
{
	const char *slash = strrchr(name, '/');
	struct flowipc_session *new = calloc(1, sizeof(*new));

	if (!new) {
		close(control);
		close(courier);
		return flowipc__fail(-ENOMEM, "out of memory");
	}
	atomic_init(&new->refs, 1);
	new->control = control;
	new->backend = backend;
	new->peer = *peer;
	strncpy(new->name, slash ? slash + 1 : name, FLOWIPC__NAME_MAX);
	new->next_channel = client ? 1 : 2;
	flowipc__courier_init(&new->courier, courier, backend, peer);
	*session = new;
	return 0;
}

void flowipc__session_get(struct flowipc_session *session)
{
	atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
}

void flowipc__session_put(struct flowipc_session *session)
{
	struct control_pending *pending;

	if (atomic_fetch_sub(&session->refs, 1) != 1)
		return;
	while ((pending = session->pending)) {
		session->pending = pending->next;
		flowipc__close_all(pending->fds, pending->fd_count);
		free(pending);
	}
	flowipc__courier_close(&session->courier);
	close(session->control);
	free(session);
}

void flowipc_session_close(struct flowipc_session *session)
{
	if (session)
		flowipc__session_put(session);
}

int flowipc_session_fd(const struct flowipc_session *session)
{
	return session->control;
}

void flowipc_session_peer(const struct flowipc_session *session,
			  struct flowipc_peer *peer)
{
	*peer = session->peer;
}

enum flowipc_backend
flowipc_session_backend(const struct flowipc_session *session)
{
	return session->backend->id;
}
