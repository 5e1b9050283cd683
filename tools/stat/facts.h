/* SPDX-License-Identifier: MIT */
/*
 * DOC: facts
 *
 * What /proc/PID/fdinfo/FD tells about a descriptor of the module: a line
 * "flowipc-KEY: VALUE" for each fact. Lines that are not known here are skipped,
 * so that an older tool can read a newer module.
 */
#ifndef STAT_FACTS_H
#define STAT_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* In the order they are listed in. */
enum kind {
	KIND_NONE,
	KIND_DEVICE,
	KIND_REGION,
	KIND_GRANT,
	KIND_CLAIM,
	KIND_CHANNEL,
	KIND_MEMFD,
	KINDS
};

/* Of a number: it was not told. */
#define UNTOLD INT64_MIN

/* Who made a claim, as the kernel took it down then. */
struct claimer {
	int64_t pid;
	int64_t uid;
	int64_t gid;
	/* Of the executable; NULL when not known. */
	char *path;
};

/* Every fact that is not of this kind of descriptor is UNTOLD, or empty. */
struct facts {
	enum kind kind;
	/* The region; of a memfd, its inode. */
	int64_t region;
	int64_t grant;
	int64_t claim;
	int64_t channel;
	int64_t end;
	/* The user the memory or the channel is counted for. */
	int64_t user;
	int64_t size_bytes;
	int64_t strict;
	int64_t sealable;
	int64_t huge_bytes;
	int64_t locked_bytes;
	int64_t resident_bytes;
	int64_t offset_bytes;
	int64_t length_bytes;
	int64_t grants;
	int64_t claims;
	int64_t claimed;
	int64_t dropped;
	int64_t seals;
	int64_t many;
	int64_t expire;
	int64_t revoked;
	/* Conditions of a grant. */
	int64_t uid;
	int64_t gid;
	int64_t message;
	int64_t space;
	int64_t hup;
	int64_t rdhup;
	int64_t shutdown;
	int64_t eventfd;
	/* "r" or "rw" */
	char rights[4];
	/* Of a claim or channel end, and of the end opposite. */
	struct claimer claimer;
	struct claimer peer;
};

void facts_init(struct facts *facts);
void facts_free(struct facts *facts);

/* False if this is the fdinfo of something else; else to be freed. */
bool facts_parse(struct facts *facts, const char *text);

/*
 * The fdinfo of a region lists its claims, also those of processes that nobody
 * may look into. Makes @claim of the first in @text and returns the text behind
 * it, or NULL if there is none.
 */
const char *facts_parse_claim(struct facts *claim, const char *text);

/* "region", and so on. */
const char *kind_name(enum kind kind);

#endif /* STAT_FACTS_H */
