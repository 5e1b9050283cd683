/* SPDX-License-Identifier: MIT */
/* A peer made by hand: sockets and control packets without the library. */
#ifndef FLOWIPC_SELFTESTS_RAW_H
#define FLOWIPC_SELFTESTS_RAW_H

#include "harness.h"

#include "../../lib/control.h"

int raw_connect(const char *path);
int raw_listen(const char *path, int type);
int raw_accept(int listener);

/* Send a control packet, with the magic number filled in. */
void raw_send(int fd, const struct control *packet, const int *fds,
	      unsigned int fd_count);
/* Send descriptors and not one byte. */
void raw_send_empty(int fd, const int *fds, unsigned int fd_count);
/* Receive a control packet; descriptors that come with it are closed. */
void raw_receive(int fd, struct control *packet);
/* The same, keeping the descriptors, of at most 16. Returns how many. */
unsigned int raw_receive_fds(int fd, struct control *packet, int *fds);
/* The other side hangs up, without another word. */
void raw_expect_end(int fd);

#endif /* FLOWIPC_SELFTESTS_RAW_H */
