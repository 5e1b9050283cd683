/* SPDX-License-Identifier: MIT */
/* The socket that clients knock at, under the name of a service. */
#ifndef FLOWIPC_LIB_LISTENER_H
#define FLOWIPC_LIB_LISTENER_H

#include <sys/un.h>

#include <flowipc/session.h>

struct listener {
	int fd;
	int lock; /* -1: not our name, but passed to us by a service manager */
	uint64_t process;
	struct sockaddr_un address;
	char lock_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* To be closed also if it fails. @backlog clients can wait. */
int flowipc__listener_open(struct listener *listener, const char *name,
			   enum flowipc_policy preset, int backlog);
/* Removes the name, if it is ours. */
void flowipc__listener_close(struct listener *listener);

#endif
