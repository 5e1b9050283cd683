// SPDX-License-Identifier: MIT
#include "view.h"

#include <errno.h>
#include <error.h>
#include <stdlib.h>

static bool is_region_part(enum kind kind)
{
	return kind == KIND_REGION || kind == KIND_GRANT || kind == KIND_CLAIM;
}

/* A region is held by all who have a part of it. */
static bool belongs(const struct holding *holding, enum kind kind)
{
	const struct facts *facts = &holding->facts;

	switch (kind) {
	case KIND_REGION:
		return is_region_part(facts->kind) && holding->process;
	case KIND_CLAIM:
		/* Of a mapping it is not known through which claim it is. */
		return facts->kind == KIND_CLAIM && facts->claim != UNTOLD;
	default:
		return facts->kind == kind;
	}
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_objects(enum kind kind, const struct facts *a,
			   const struct facts *b)
{
	int order = COMPARE(a->region, b->region);

	if (!order && kind == KIND_GRANT)
		order = COMPARE(a->grant, b->grant);
	if (!order && kind == KIND_CLAIM)
		order = COMPARE(a->claim, b->claim);
	if (!order && kind == KIND_CHANNEL)
		order = COMPARE(a->channel, b->channel);
	if (!order && kind == KIND_CHANNEL)
		order = COMPARE(a->end, b->end);
	return order;
}

static int compare(const void *left, const void *right, void *context)
{
	const struct holding *a = *(const struct holding *const *)left;
	const struct holding *b = *(const struct holding *const *)right;
	const enum kind *kind = context;
	int order = compare_objects(*kind, &a->facts, &b->facts);
	pid_t pid_a = a->process ? a->process->pid : 0;
	pid_t pid_b = b->process ? b->process->pid : 0;

	if (!order)
		order = COMPARE(pid_a, pid_b);
	if (!order)
		order = COMPARE(a->facts.kind, b->facts.kind);
	return order ? order : COMPARE(a->fd, b->fd);
}

/* The owner's descriptor knows all, others less, and mappings nearly nothing. */
static int knowledge(const struct holding *holding)
{
	if (holding->facts.kind == KIND_REGION && holding->fd >= 0)
		return 3;
	if (holding->fd >= 0)
		return 2;
	return holding->process ? 1 : 0;
}

static bool held_by(const struct group *group, pid_t pid)
{
	size_t i;

	for (i = 0; i < group->count; i++)
		if (group->holdings[i]->process &&
		    group->holdings[i]->process->pid == pid)
			return true;
	return false;
}

static struct group first_group(enum kind kind,
				const struct holding *const *holdings,
				size_t count)
{
	struct group group = { .kind = kind, .holdings = holdings };
	const struct holding *best = holdings[0];
	size_t i;

	for (i = 0; i < count; i++) {
		if (compare_objects(kind, &holdings[i]->facts,
				    &holdings[0]->facts))
			break;
		if (knowledge(holdings[i]) > knowledge(best))
			best = holdings[i];
	}
	group.count = i;
	group.facts = &best->facts;
	return group;
}

void view_objects(const struct scan *scan, enum kind kind, pid_t pid,
		  void (*print)(const struct group *group, void *context),
		  void *context)
{
	const struct holding **list = calloc(scan->count + 1, sizeof(*list));
	size_t count = 0, i;
	struct group group;

	if (!list)
		error(1, ENOMEM, "cannot put in order what was found");
	for (i = 0; i < scan->count; i++)
		if (belongs(&scan->holdings[i], kind))
			list[count++] = &scan->holdings[i];
	qsort_r(list, count, sizeof(*list), compare, &kind);
	for (i = 0; i < count; i += group.count) {
		group = first_group(kind, list + i, count - i);
		if (!pid || held_by(&group, pid))
			print(&group, context);
	}
	free(list);
}

bool view_next_holder(const struct group *group, struct holder *holder)
{
	const struct holding *const *end = group->holdings + group->count;
	const struct holding *const *next = holder->holdings ?
		holder->holdings + holder->count : group->holdings;

	while (next < end && !(*next)->process)
		next++;
	if (next == end)
		return false;
	*holder = (struct holder){
		.process = (*next)->process,
		.holdings = next,
	};
	while (next < end && (*next)->process == holder->process) {
		holder->mapped_bytes += (*next)->mapped_bytes;
		holder->count++;
		next++;
	}
	return true;
}
