// SPDX-License-Identifier: MIT
/* For programs: one object a line. What is not known is null. */
#include "report.h"

#include "tools/common/escape.h"

#include <inttypes.h>

#define SCHEMA 1

struct json {
	FILE *out;
	const struct state *state;
};

static void json_number(FILE *out, const char *key, int64_t number)
{
	if (number == UNTOLD)
		fprintf(out, ",\"%s\":null", key);
	else
		fprintf(out, ",\"%s\":%" PRId64, key, number);
}

static void json_bool(FILE *out, const char *key, int64_t value)
{
	fprintf(out, ",\"%s\":%s", key,
		value == UNTOLD ? "null" : value ? "true" : "false");
}

static void json_text(FILE *out, const char *key, const char *text)
{
	fprintf(out, ",\"%s\":", key);
	if (!text || !*text) {
		fputs("null", out);
		return;
	}
	fputc('"', out);
	print_escaped(out, text, ESCAPE_JSON);
	fputc('"', out);
}

static void json_begin(FILE *out, const struct state *state, const char *kind)
{
	fprintf(out, "{\"schema\":%d,\"time_s\":%lld.%03ld,\"kind\":\"%s\"",
		SCHEMA, (long long)state->time.tv_sec,
		state->time.tv_nsec / 1000000, kind);
}

static void json_who(FILE *out, const char *key, const struct claimer *claimer)
{
	fprintf(out, ",\"%s\":", key);
	if (claimer->pid == UNTOLD) {
		fputs("null", out);
		return;
	}
	fprintf(out, "{\"pid\":%" PRId64, claimer->pid);
	json_number(out, "uid", claimer->uid);
	json_number(out, "gid", claimer->gid);
	json_text(out, "exe", claimer->path);
	fputc('}', out);
}

static void json_holder(FILE *out, const struct holder *holder, enum kind kind)
{
	const char *comma = "";
	size_t i;

	fprintf(out, "{\"pid\":%d", (int)holder->process->pid);
	json_text(out, "comm", holder->process->comm);
	json_number(out, "uid", holder->process->uid);
	fputs(",\"fds\":[", out);
	for (i = 0; i < holder->count; i++) {
		const struct holding *holding = holder->holdings[i];

		if (holding->fd < 0)
			continue;
		fprintf(out, "%s{\"fd\":%d,\"kind\":\"%s\"}", comma,
			holding->fd, kind_name(holding->facts.kind));
		comma = ",";
	}
	fputc(']', out);
	if (kind == KIND_REGION || kind == KIND_MEMFD)
		fprintf(out, ",\"mapped_bytes\":%" PRIu64,
			holder->mapped_bytes);
	fputc('}', out);
}

static void json_range(FILE *out, const struct facts *facts)
{
	json_number(out, "offset_bytes", facts->offset_bytes);
	json_number(out, "length_bytes", facts->length_bytes);
	json_text(out, "rights", facts->rights);
	json_bool(out, "revoked", facts->revoked);
}

static void json_object(FILE *out, const struct facts *facts, enum kind kind)
{
	switch (kind) {
	case KIND_REGION:
		json_number(out, "region", facts->region);
		json_number(out, "size_bytes", facts->size_bytes);
		json_number(out, "huge_bytes", facts->huge_bytes);
		json_number(out, "locked_bytes", facts->locked_bytes);
		json_number(out, "counted_for_uid", facts->user);
		json_bool(out, "strict", facts->strict);
		json_bool(out, "sealable", facts->sealable);
		json_number(out, "grants", facts->grants);
		json_number(out, "claims", facts->claims);
		json_number(out, "claimed", facts->claimed);
		json_number(out, "dropped", facts->dropped);
		json_number(out, "seals", facts->seals);
		break;
	case KIND_GRANT:
		json_number(out, "region", facts->region);
		json_number(out, "grant", facts->grant);
		json_range(out, facts);
		json_number(out, "for_uid", facts->uid);
		json_number(out, "for_gid", facts->gid);
		json_bool(out, "many", facts->many);
		json_bool(out, "expire", facts->expire);
		json_number(out, "claims", facts->claims);
		break;
	case KIND_CLAIM:
		json_number(out, "region", facts->region);
		json_number(out, "grant", facts->grant);
		json_number(out, "claim", facts->claim);
		json_range(out, facts);
		json_who(out, "claimer", &facts->claimer);
		break;
	case KIND_CHANNEL:
		json_number(out, "channel", facts->channel);
		json_number(out, "end", facts->end);
		json_number(out, "counted_for_uid", facts->user);
		json_bool(out, "message", facts->message);
		json_bool(out, "space", facts->space);
		json_bool(out, "hup", facts->hup);
		json_bool(out, "rdhup", facts->rdhup);
		json_bool(out, "shutdown", facts->shutdown);
		json_bool(out, "eventfd", facts->eventfd);
		json_number(out, "seals", facts->seals);
		json_who(out, "claimer", &facts->claimer);
		json_who(out, "peer", &facts->peer);
		break;
	case KIND_MEMFD:
		json_number(out, "inode", facts->region);
		json_number(out, "size_bytes", facts->size_bytes);
		json_number(out, "resident_bytes", facts->resident_bytes);
		break;
	default:
		break;
	}
}

static void json_group(const struct group *group, void *context)
{
	struct holder holder = { 0 };
	struct json *json = context;
	const char *comma = "";

	json_begin(json->out, json->state, kind_name(group->kind));
	json_object(json->out, group->facts, group->kind);
	fputs(",\"holders\":[", json->out);
	while (view_next_holder(group, &holder)) {
		fputs(comma, json->out);
		json_holder(json->out, &holder, group->kind);
		comma = ",";
	}
	fputs("]}\n", json->out);
}

static void json_total(FILE *out, const struct state *state)
{
	const struct module *module = &state->module;
	struct pinned pinned;
	size_t i;

	pinned_count(&pinned, &state->scan);
	json_begin(out, state, "total");
	json_bool(out, "module_loaded", module->loaded);
	json_number(out, "used_total_bytes", module->used_total_bytes);
	json_number(out, "max_total_bytes", module->max_total_bytes);
	json_number(out, "max_objects_per_user", module->max_objects_per_user);
	json_number(out, "regions", module->regions);
	json_number(out, "grants", module->grants);
	json_number(out, "claims", module->claims);
	json_number(out, "seals", module->seals);
	json_number(out, "channels", module->channels);
	json_number(out, "seen_bytes", pinned.bytes);
	json_number(out, "seen_regions_of_unknown_size", pinned.unknown);
	fputs(",\"users\":[", out);
	for (i = 0; i < pinned.count; i++) {
		const struct pinned_user *user = &pinned.users[i];

		fprintf(out, "%s{\"regions\":%" PRId64, i ? "," : "",
			user->regions);
		json_number(out, "uid", user->uid);
		json_number(out, "pinned_bytes", user->bytes);
		json_number(out, "locked_bytes", user->locked_bytes);
		fputc('}', out);
	}
	fputc(']', out);
	json_number(out, "processes", state->scan.seen);
	json_number(out, "processes_not_seen", state->scan.hidden);
	fputs("}\n", out);
	pinned_free(&pinned);
}

void json_print(FILE *out, const struct report *report,
		const struct state *state)
{
	struct json json = { .out = out, .state = state };
	enum kind kind;

	for (kind = KIND_NONE + 1; kind < KINDS; kind++)
		if (!report->kinds || report->kinds & 1U << kind)
			view_objects(&state->scan, kind, report->pid,
				     json_group, &json);
	json_total(out, state);
}
