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

int flowipc__control_send(int socket, const struct control *packet,
			  const int *fds, unsigned int fd_count)
{
	struct control sent = *packet;

	sent.magic = FLOWIPC__CONTROL_MAGIC;
	return flowipc__packet_send(socket, &sent, sizeof(sent), fds, fd_count);
}

int flowipc__control_receive(int socket, struct control *packet, int *fds,
			     unsigned int *fd_count)
{
	int err;

	err = flowipc__packet_receive(socket, packet, sizeof(*packet), fds,
				      fd_count);
	if (err && err != -EMFILE)
		return err;
	if (packet->magic != FLOWIPC__CONTROL_MAGIC) {
		flowipc__close_all(fds, *fd_count);
		*fd_count = 0;
		return -EPROTO;
	}
	return err;
}

int flowipc__peer_identify(int socket, struct flowipc_peer *peer)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return flowipc__fail(-errno, "cannot tell who the peer is: %s",
				     strerror(errno));
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	return 0;
}

static bool peer_is_in_group(int socket, const struct flowipc_peer *peer,
			     gid_t group)
{
	gid_t groups[1024];
	socklen_t size = sizeof(groups);
	size_t i;

	if (peer->gid == group)
		return true;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		return false;
	for (i = 0; i < size / sizeof(*groups); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

bool flowipc__peer_is_allowed(int socket, const struct flowipc_peer *peer,
			      enum flowipc_policy policy)
{
	if (peer->uid == geteuid() || !peer->uid)
		return true;
	switch (policy) {
	case FLOWIPC_POLICY_ANYONE:
		return true;
	case FLOWIPC_POLICY_SAME_GROUP:
		return peer_is_in_group(socket, peer, getegid());
	default:
		return false;
	}
}

int flowipc__backends_offer(enum flowipc_backend wanted, uint16_t *backends)
{
	const struct backend *found;
	int err;

	err = flowipc__backend_find(wanted, &found);
	if (err)
		return err;
	*backends = (uint16_t)(1U << found->id);
	/* Left to choose, the embedded default serves those who lack the device. */
	if (wanted == FLOWIPC_BACKEND_AUTO &&
	    found == &flowipc__backend_device && !flowipc__backend_is_forced())
		*backends |= 1U << FLOWIPC_BACKEND_MEMFD;
	return 0;
}
