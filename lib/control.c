// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "control.h"

static const struct packet_tail no_tail;

int flowipc__control_send(int socket, const struct control *packet,
			  const struct packet_tail *tail, const int *fds,
			  unsigned int fd_count)
{
	struct control sent = *packet;

	sent.magic = FLOWIPC__CONTROL_MAGIC;
	return flowipc__packet_send_tail(socket, &sent, sizeof(sent),
					 tail ? tail : &no_tail, fds, fd_count);
}

int flowipc__control_receive(int socket, struct control *packet,
			     struct packet_tail *tail, int *fds,
			     unsigned int *fd_count)
{
	struct packet_tail none = no_tail;
	int err;

	err = flowipc__packet_receive_tail(socket, packet, sizeof(*packet),
					   tail ? tail : &none, fds, fd_count);
	if (err && err != -EMFILE)
		return err;
	if (packet->magic != FLOWIPC__CONTROL_MAGIC) {
		flowipc__close_all(fds, *fd_count);
		*fd_count = 0;
		return -EPROTO;
	}
	return err;
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

struct offer_name flowipc__versions_name(uint16_t oldest, uint16_t newest)
{
	struct offer_name name;

	if (oldest == newest)
		snprintf(name.text, sizeof(name.text), "version %u", newest);
	else
		snprintf(name.text, sizeof(name.text), "versions %u to %u",
			 oldest, newest);
	return name;
}

struct offer_name flowipc__backends_name(uint16_t backends)
{
	bool device = backends & 1U << FLOWIPC_BACKEND_DEVICE;
	bool memfd = backends & 1U << FLOWIPC_BACKEND_MEMFD;
	struct offer_name name;

	snprintf(name.text, sizeof(name.text), "%s",
		 device && memfd ? "device or memfd" :
		 device		 ? "device" :
		 memfd		 ? "memfd" :
				   "neither device nor memfd");
	return name;
}
