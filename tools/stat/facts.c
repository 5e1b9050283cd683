// SPDX-License-Identifier: MIT
#include "facts.h"

#include <errno.h>
#include <error.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "flowipc-"
#define CLAIM_LINE "\n" PREFIX "claimer:"

/* Those that are numbers. */
static const struct {
	const char *key;
	size_t offset;
} numbers[] = {
#define NUMBER(key, member) { key, offsetof(struct facts, member) }
	NUMBER("region", region),
	NUMBER("grant", grant),
	NUMBER("claim", claim),
	NUMBER("channel", channel),
	NUMBER("end", end),
	NUMBER("user", user),
	NUMBER("size-bytes", size_bytes),
	NUMBER("huge-bytes", huge_bytes),
	NUMBER("locked-bytes", locked_bytes),
	NUMBER("offset-bytes", offset_bytes),
	NUMBER("length-bytes", length_bytes),
	NUMBER("grants", grants),
	NUMBER("claims", claims),
	NUMBER("claimed", claimed),
	NUMBER("dropped", dropped),
	NUMBER("seals", seals),
	NUMBER("many", many),
	NUMBER("expire", expire),
	NUMBER("revoked", revoked),
	NUMBER("uid", uid),
	NUMBER("gid", gid),
	NUMBER("message", message),
	NUMBER("space", space),
	NUMBER("hup", hup),
	NUMBER("rdhup", rdhup),
	NUMBER("shutdown", shutdown),
	NUMBER("eventfd", eventfd),
	NUMBER("claimer-pid", claimer.pid),
	NUMBER("claimer-uid", claimer.uid),
	NUMBER("claimer-gid", claimer.gid),
	NUMBER("peer-pid", peer.pid),
	NUMBER("peer-uid", peer.uid),
	NUMBER("peer-gid", peer.gid),
	/* Not told as a line of their own. */
	NUMBER(NULL, resident_bytes),
	NUMBER(NULL, strict),
	NUMBER(NULL, sealable),
#undef NUMBER
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static const char *const kind_names[KINDS] = {
	[KIND_NONE] = "none",	  [KIND_DEVICE] = "device",
	[KIND_REGION] = "region", [KIND_GRANT] = "grant",
	[KIND_CLAIM] = "claim",	  [KIND_CHANNEL] = "channel",
	[KIND_MEMFD] = "memfd",
};

const char *kind_name(enum kind kind)
{
	return kind_names[kind];
}

static enum kind kind_find(const char *name)
{
	enum kind kind;

	for (kind = KIND_NONE + 1; kind < KINDS; kind++)
		if (!strcmp(name, kind_names[kind]))
			return kind;
	return KIND_NONE;
}

static int64_t *number(struct facts *facts, size_t i)
{
	return (int64_t *)((char *)facts + numbers[i].offset);
}

void facts_init(struct facts *facts)
{
	size_t i;

	memset(facts, 0, sizeof(*facts));
	for (i = 0; i < NUMBERS; i++)
		*number(facts, i) = UNTOLD;
}

void facts_free(struct facts *facts)
{
	free(facts->claimer.path);
	free(facts->peer.path);
}

static void take_number(struct facts *facts, const char *key, const char *text)
{
	long long value;
	char *end;
	size_t i;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return;
	for (i = 0; i < NUMBERS; i++)
		if (numbers[i].key && !strcmp(key, numbers[i].key))
			*number(facts, i) = value;
}

/* Where the kernel has \ and three octal digits there was one byte. */
static char *take_path(const char *text)
{
	char *path = strdup(text), *to = path;
	unsigned int byte;

	if (!path)
		error(1, ENOMEM, "cannot keep what was found");
	if (!strcmp(text, "-")) {
		free(path);
		return NULL;
	}
	for (; *text; text++) {
		if (*text == '\\' && strspn(text + 1, "01234567") >= 3 &&
		    sscanf(text + 1, "%3o", &byte) == 1) {
			*to++ = (char)byte;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
	return path;
}

static void take(struct facts *facts, const char *key, const char *value)
{
	if (!strcmp(key, "kind")) {
		facts->kind = kind_find(value);
	} else if (!strcmp(key, "flags")) {
		facts->strict = !!strstr(value, "strict");
		facts->sealable = !!strstr(value, "sealable");
	} else if (!strcmp(key, "rights")) {
		snprintf(facts->rights, sizeof(facts->rights), "%s", value);
	} else if (!strcmp(key, "claimer-exe")) {
		free(facts->claimer.path);
		facts->claimer.path = take_path(value);
	} else if (!strcmp(key, "peer-exe")) {
		free(facts->peer.path);
		facts->peer.path = take_path(value);
	} else {
		take_number(facts, key, value);
	}
}

bool facts_parse(struct facts *facts, const char *text)
{
	char *copy = strdup(text), *next = copy, *line;

	if (!copy)
		error(1, ENOMEM, "cannot keep what was found");
	facts_init(facts);
	while ((line = strsep(&next, "\n"))) {
		char *value = strchr(line, ':');

		if (!value || strncmp(line, PREFIX, strlen(PREFIX)))
			continue;
		*value++ = '\0';
		take(facts, line + strlen(PREFIX), value + strspn(value, " \t"));
	}
	free(copy);
	if (facts->kind == KIND_NONE)
		facts_free(facts);
	return facts->kind != KIND_NONE;
}

const char *facts_parse_claim(struct facts *claim, const char *text)
{
	char *path;

	while ((text = strstr(text, CLAIM_LINE))) {
		text += strlen(CLAIM_LINE);
		path = NULL;
		facts_init(claim);
		if (sscanf(text, "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64
			   "%" SCNd64 " %m[^\n]", &claim->claim, &claim->grant,
			   &claim->claimer.pid, &claim->claimer.uid,
			   &claim->claimer.gid, &path) != 6) {
			free(path);
			continue;
		}
		claim->kind = KIND_CLAIM;
		/* Or it would not be listed. */
		claim->revoked = 0;
		claim->claimer.path = take_path(path);
		free(path);
		return text;
	}
	return NULL;
}
