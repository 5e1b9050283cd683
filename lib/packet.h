/* SPDX-License-Identifier: MIT */
/*
 * Packets with descriptors between the two processes of a session: whole or
 * not at all, over a Unix socket of type SOCK_SEQPACKET.
 */
#ifndef FLOWIPC_LIB_PACKET_H
#define FLOWIPC_LIB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most descriptors in a packet of a session, and in any. */
#define FLOWIPC__PACKET_FDS	5
#define FLOWIPC__PACKET_FDS_MAX 16

/* What follows the fixed part of a packet, and differs in length. */
struct packet_tail {
	void *data;
	size_t size; /* receiving: of the room; then what there is */
};

/*
 * Send @size bytes and @fds. Never waits: -EAGAIN; -EPIPE; -EMFILE when too
 * many descriptors are on their way.
 */
int flowipc__packet_send(int socket, const void *data, size_t size,
			 const int *fds, unsigned int fd_count);
int flowipc__packet_send_tail(int socket, const void *data, size_t size,
			      const struct packet_tail *tail, const int *fds,
			      unsigned int fd_count);

/*
 * Keep as much room in a socket as there is for all the rest, for what must not
 * be lost however little of that the peer has received; and let it be used.
 */
void flowipc__packet_reserve(int socket);
void flowipc__packet_use_reserve(int socket);

/*
 * Receive exactly @size bytes, and the descriptors that came with them. Never
 * waits: -EAGAIN; -EPIPE the peer is gone; -EPROTO another size or more
 * descriptors; -EMFILE the bytes are there but this process had no room for
 * the descriptors. If it fails, no descriptor is kept.
 */
int flowipc__packet_receive(int socket, void *data, size_t size, int *fds,
			    unsigned int *fd_count);
/* The same, where there is room for another number of descriptors. */
int flowipc__packet_receive_many(int socket, void *data, size_t size, int *fds,
				 unsigned int room, unsigned int *fd_count);
/* The same, of @size bytes at least. */
int flowipc__packet_receive_tail(int socket, void *data, size_t size,
				 struct packet_tail *tail, int *fds,
				 unsigned int *fd_count);

/* Wait for poll @events until @deadline. 0; -EAGAIN, -ETIMEDOUT; -EINTR. */
int flowipc__packet_wait(int socket, short events, uint64_t deadline);

/* Two sockets for packets from one to the other. */
int flowipc__packet_pair(int pair[2]);

/* Is what a peer has passed a Unix socket of this type, SOCK_...? */
bool flowipc__is_unix_socket(int fd, int wanted_type);

void flowipc__close_all(const int *fds, unsigned int fd_count);

#endif
