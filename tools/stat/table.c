// SPDX-License-Identifier: MIT
/* For people: a table for each kind, and in it a line for each holder. */
#include "report.h"

#include "tools/common/escape.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#define CELL 24
#define MAX_FDS 4

struct table {
	FILE *out;
	/* So far in this section. */
	unsigned int objects;
};

static const char *size_text(char *text, int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes == UNTOLD) {
		snprintf(text, CELL, "?");
		return text;
	}
	while (value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(text, CELL, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

static const char *number_text(char *text, int64_t number)
{
	if (number == UNTOLD)
		snprintf(text, CELL, "?");
	else
		snprintf(text, CELL, "%" PRId64, number);
	return text;
}

static const char *user_text(char *text, int64_t uid)
{
	const struct passwd *entry;

	if (uid == UNTOLD)
		return strcpy(text, "?");
	entry = getpwuid((uid_t)uid);
	if (entry && strlen(entry->pw_name) < CELL)
		return strcpy(text, entry->pw_name);
	return number_text(text, uid);
}

/* The process as the kernel knows it, alive or not. */
static const char *claimer_text(char *text, const struct claimer *claimer)
{
	if (claimer->pid == UNTOLD)
		return strcpy(text, "-");
	if (claimer->pid == -1)
		return strcpy(text, "gone");
	/* Not of this pid namespace. */
	if (!claimer->pid)
		return strcpy(text, "outside");
	return number_text(text, claimer->pid);
}

static void print_holder(FILE *out, const struct holder *holder)
{
	char user[CELL];
	int width;

	fprintf(out, " %8d ", (int)holder->process->pid);
	width = print_escaped(out, holder->process->comm, ESCAPE_TEXT);
	fprintf(out, "%*s %-8s ", width < 15 ? 15 - width : 0, "",
		user_text(user, holder->process->uid));
}

static void print_fds(FILE *out, const struct holder *holder)
{
	unsigned int count = 0;
	int width = 0;
	size_t i;

	for (i = 0; i < holder->count; i++) {
		if (holder->holdings[i]->fd < 0)
			continue;
		if (count++ >= MAX_FDS)
			continue;
		width += fprintf(out, "%s%d", count > 1 ? "," : "",
				 holder->holdings[i]->fd);
	}
	if (count > MAX_FDS)
		width += fprintf(out, "+%u", count - MAX_FDS);
	if (!count)
		width += fprintf(out, "-");
	fprintf(out, "%*s", width < 12 ? 12 - width : 0, "");
}

/* As what a process holds a region. */
static void print_parts(FILE *out, const struct holder *holder)
{
	static const enum kind kinds[] = { KIND_REGION, KIND_GRANT, KIND_CLAIM };
	static const char *const names[] = { "owner", "grant", "claim" };
	int width = 0;
	size_t i, j;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (j = 0; j < holder->count; j++)
			if (holder->holdings[j]->facts.kind == kinds[i])
				break;
		if (j < holder->count)
			width += fprintf(out, "%s%s", width ? "," : "",
					 names[i]);
	}
	fprintf(out, "%*s ", width < 11 ? 11 - width : 0, "");
}

/* One line for each holder; @object is what comes first on the first. */
static void print_holders(FILE *out, const struct group *group,
			  const char *object)
{
	bool is_memory = group->kind == KIND_REGION ||
			 group->kind == KIND_MEMFD;
	struct holder holder = { 0 };
	int width = (int)strlen(object);
	char mapped[CELL];
	bool any = false;

	while (view_next_holder(group, &holder)) {
		fprintf(out, "%-*s", width, any ? "" : object);
		print_holder(out, &holder);
		if (group->kind == KIND_REGION)
			print_parts(out, &holder);
		print_fds(out, &holder);
		if (is_memory)
			fprintf(out, " %10s",
				size_text(mapped,
					  (int64_t)holder.mapped_bytes));
		fputc('\n', out);
		any = true;
	}
	/* A claim that is known from its region. */
	if (!any)
		fprintf(out, "%s %8s %-15s %-8s -\n", object, "-",
			"(not seen)", "-");
}

static void print_head(struct table *table, const char *format, ...)
{
	va_list args;

	if (table->objects++)
		return;
	va_start(args, format);
	vfprintf(table->out, format, args);
	va_end(args);
}

#define HOLDER_HEAD "      PID COMM            USER     "

static void print_device(const struct group *group, void *context)
{
	struct table *table = context;

	print_head(table, "\nDEVICE      " HOLDER_HEAD "FDS\n");
	print_holders(table->out, group, "/dev/flowipc");
}

static void print_region(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	char object[256], size[CELL], huge[CELL], user[CELL], grants[CELL],
		claims[CELL], seals[CELL];
	struct table *table = context;

	print_head(table, "\nREGION       SIZE       HUGE FLAGS    GRANTS CLAIMS SEALS USER    "
		   HOLDER_HEAD "AS          FDS              MAPPED\n");
	snprintf(object, sizeof(object),
		 "%6" PRId64 " %10s %10s %-8s %6s %6s %5s %-8s", facts->region,
		 size_text(size, facts->size_bytes),
		 size_text(huge, facts->huge_bytes),
		 facts->strict == UNTOLD ? "?" : facts->strict ? "strict" :
		 facts->sealable ? "sealable" : "-",
		 number_text(grants, facts->grants),
		 number_text(claims, facts->claims),
		 number_text(seals, facts->seals),
		 user_text(user, facts->user));
	print_holders(table->out, group, object);
}

static void print_memfd(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	char object[256], size[CELL], resident[CELL];
	struct table *table = context;

	print_head(table, "\n     MEMFD       SIZE   RESIDENT" HOLDER_HEAD
		   "FDS              MAPPED\n");
	snprintf(object, sizeof(object), "%10" PRId64 " %10s %10s",
		 facts->region, size_text(size, facts->size_bytes),
		 size_text(resident, facts->resident_bytes));
	print_holders(table->out, group, object);
}

/* Who may claim a grant. */
static const char *conditions_text(char *text, size_t size,
				   const struct facts *facts)
{
	char user[CELL];
	int used = 0;

	*text = '\0';
	if (facts->uid != UNTOLD)
		used = snprintf(text, size, "%s ", user_text(user, facts->uid));
	if (facts->gid != UNTOLD)
		used += snprintf(text + used, size - (size_t)used,
				 "gid:%" PRId64 " ", facts->gid);
	snprintf(text + used, size - (size_t)used, "%s%s",
		 facts->many == 1 ? "many" : "one",
		 facts->expire == 1 ? " expires" : "");
	return text;
}

static void print_grant(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	char object[256], offset[CELL], length[CELL], claims[CELL], who[64];
	struct table *table = context;

	print_head(table, "\nREGION  GRANT     OFFSET     LENGTH RIGHTS CLAIMS STATE   FOR                     "
		   HOLDER_HEAD "FDS\n");
	snprintf(object, sizeof(object),
		 "%6" PRId64 " %6" PRId64 " %10s %10s %-6s %6s %-7s %-24s",
		 facts->region, facts->grant,
		 size_text(offset, facts->offset_bytes),
		 size_text(length, facts->length_bytes), facts->rights,
		 number_text(claims, facts->claims),
		 facts->revoked == 1 ? "revoked" : "live",
		 conditions_text(who, sizeof(who), facts));
	print_holders(table->out, group, object);
}

static void print_claim(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	char object[256], offset[CELL], length[CELL], claimer[CELL],
		user[CELL];
	struct table *table = context;

	print_head(table, "\nREGION  GRANT  CLAIM     OFFSET     LENGTH RIGHTS STATE    CLAIMER USER    "
		   HOLDER_HEAD "FDS\n");
	snprintf(object, sizeof(object),
		 "%6" PRId64 " %6" PRId64 " %6" PRId64 " %10s %10s %-6s %-7s %8s %-8s",
		 facts->region, facts->grant, facts->claim,
		 size_text(offset, facts->offset_bytes),
		 size_text(length, facts->length_bytes),
		 *facts->rights ? facts->rights : "?",
		 facts->revoked == 1 ? "revoked" : "live",
		 claimer_text(claimer, &facts->claimer),
		 user_text(user, facts->claimer.uid));
	print_holders(table->out, group, object);
}

/* What holds of an end for good. */
static const char *end_state(const struct facts *facts)
{
	if (facts->hup == 1)
		return "peer-closed";
	if (facts->rdhup == 1)
		return facts->shutdown == 1 ? "shut-both" : "peer-shut";
	return facts->shutdown == 1 ? "shut" : "open";
}

static const char *pending_text(const struct facts *facts)
{
	if (facts->message == 1)
		return facts->space == 1 ? "message,space" : "message";
	return facts->space == 1 ? "space" : "-";
}

static void print_channel(const struct group *group, void *context)
{
	const struct facts *facts = group->facts;
	char object[256], channel[CELL], end[CELL], seals[CELL], claimer[CELL],
		user[CELL];
	struct table *table = context;

	print_head(table, "\nCHANNEL END PENDING       STATE       EVENTFD SEALS USER      CLAIMER"
		   HOLDER_HEAD "FDS\n");
	snprintf(object, sizeof(object),
		 "%7s %3s %-13s %-11s %-7s %5s %-8s %8s",
		 number_text(channel, facts->channel),
		 number_text(end, facts->end), pending_text(facts),
		 end_state(facts), facts->eventfd == 1 ? "bound" : "-",
		 number_text(seals, facts->seals), user_text(user, facts->user),
		 claimer_text(claimer, &facts->claimer));
	print_holders(table->out, group, object);
}

static void print_pinned(FILE *out, const struct state *state)
{
	const struct module *module = &state->module;
	struct pinned pinned;
	char text[CELL];
	size_t i;

	pinned_count(&pinned, &state->scan);
	fputs("\nPinned:", out);
	for (i = 0; i < pinned.count; i++) {
		const struct pinned_user *user = &pinned.users[i];

		fprintf(out, " %s", user_text(text, user->uid));
		fprintf(out, " %s", size_text(text, user->bytes));
		fprintf(out, " (%s", size_text(text, user->locked_bytes));
		fputs(" of the locked-memory limit),", out);
	}
	fprintf(out, " all %s", size_text(text, pinned.bytes));
	if (module->used_total_bytes != UNTOLD)
		fprintf(out, "; the module counts %s",
			size_text(text, module->used_total_bytes));
	if (module->max_total_bytes != UNTOLD)
		fprintf(out, " of at most %s",
			size_text(text, module->max_total_bytes));
	fputs(".\n", out);
	if (module->used_total_bytes > pinned.bytes)
		fprintf(out, "%s are held by what was not seen: other processes, or descriptors on their way in a socket.\n",
			size_text(text, module->used_total_bytes -
				  pinned.bytes));
	pinned_free(&pinned);
}

void table_print(FILE *out, const struct report *report,
		 const struct state *state)
{
	static const struct {
		enum kind kind;
		void (*print)(const struct group *group, void *context);
	} sections[] = {
		{ KIND_DEVICE, print_device }, { KIND_REGION, print_region },
		{ KIND_GRANT, print_grant },   { KIND_CLAIM, print_claim },
		{ KIND_CHANNEL, print_channel }, { KIND_MEMFD, print_memfd },
	};
	const struct scan *scan = &state->scan;
	struct table table = { .out = out };
	size_t i;

	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (report->kinds &&
		    !(report->kinds & 1U << sections[i].kind))
			continue;
		table.objects = 0;
		view_objects(scan, sections[i].kind, report->pid,
			     sections[i].print, &table);
	}
	if (state->module.loaded)
		print_pinned(out, state);
	else
		fputs("\nThe kernel module is not loaded.\n", out);
	if (scan->hidden)
		fprintf(out, "%u of %u processes may not be looked into by this user: what they hold is left out.\n",
			scan->hidden, scan->seen);
}
