// SPDX-License-Identifier: MIT
#include "report.h"

#include <errno.h>
#include <error.h>
#include <stdlib.h>

static struct pinned_user *find_user(struct pinned *pinned, int64_t uid)
{
	struct pinned_user *user;
	size_t i;

	for (i = 0; i < pinned->count; i++)
		if (pinned->users[i].uid == uid)
			return &pinned->users[i];
	user = reallocarray(pinned->users, pinned->count + 1, sizeof(*user));
	if (!user)
		error(1, ENOMEM, "cannot add up what was found");
	pinned->users = user;
	user += pinned->count++;
	*user = (struct pinned_user){ .uid = uid };
	return user;
}

static void add_region(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	struct pinned *pinned = context;
	struct pinned_user *user;

	if (facts->size_bytes == UNTOLD) {
		pinned->unknown++;
		return;
	}
	user = find_user(pinned, facts->user);
	user->regions++;
	user->bytes += facts->size_bytes;
	if (facts->locked_bytes != UNTOLD)
		user->locked_bytes += facts->locked_bytes;
	pinned->bytes += facts->size_bytes;
}

void pinned_count(struct pinned *pinned, const struct scan *scan)
{
	*pinned = (struct pinned){ 0 };
	view_objects(scan, KIND_REGION, 0, add_region, pinned);
}

void pinned_free(struct pinned *pinned)
{
	free(pinned->users);
}
