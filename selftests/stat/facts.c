// SPDX-License-Identifier: GPL-2.0-only
/* What flowipc-stat makes of a fdinfo, also of one that is not as it should be. */
#include "tools/stat/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number, failures;

static void ok(bool holds, const char *what)
{
	failures += !holds;
	printf("%s %d - %s\n", holds ? "ok" : "not ok", ++number, what);
}


static void test_region(void)
{
	static const char text[] =
		"pos:\t0\nflags:\t02000002\nino:\t7\n"
		"flowipc-kind:\tregion\n"
		"flowipc-region:\t7\n"
		"flowipc-size-bytes:\t18446744073709551615\n"
		"flowipc-huge-bytes:\t2097152\n"
		"flowipc-user:\t4294967295\n"
		"flowipc-flags:\tsealable\n"
		"flowipc-new-in-a-later-version:\t5\n"
		"flowipc-claimer:\t1 2 300 1000 100 /tmp/a\\012b c\\134\n"
		"flowipc-claimer:\tgarbage\n"
		"flowipc-claimer:\t3 2 -1 0 0 -\n";
	struct facts facts, claim;
	const char *next;

	ok(facts_parse(&facts, text) && facts.kind == KIND_REGION, "a region");
	ok(facts.region == 7 && facts.huge_bytes == 2097152, "its numbers");
	ok(facts.size_bytes == UNTOLD, "a number that is too large is none");
	ok(facts.user == 4294967295, "the largest user");
	ok(facts.sealable == 1 && facts.strict == 0, "its flags");
	ok(facts.grants == UNTOLD && facts.claimer.pid == UNTOLD,
	   "what is not there is not told");
	facts_free(&facts);

	next = facts_parse_claim(&claim, text);
	ok(next && claim.claim == 1 && claim.grant == 2, "a claim of it");
	ok(claim.claimer.pid == 300 && claim.claimer.uid == 1000 &&
	   claim.claimer.gid == 100, "its claimer");
	ok(claim.claimer.path && !strcmp(claim.claimer.path, "/tmp/a\nb c\\"),
	   "and that one's executable");
	facts_free(&claim);
	next = facts_parse_claim(&claim, next);
	ok(next && claim.claim == 3 && claim.claimer.pid == -1 &&
	   !claim.claimer.path, "garbage is skipped; one that is gone");
	facts_free(&claim);
	ok(!facts_parse_claim(&claim, next), "there are no more");
}

static void test_claim(void)
{
	struct facts facts;

	ok(facts_parse(&facts, "flowipc-kind:\tclaim\nflowipc-rights:\trw\n"
			 "flowipc-claimer-pid:\t12\n"
			 "flowipc-claimer-exe:\t/bin/x\\01\\\n"
			 "flowipc-revoked:\t1") &&
	   facts.kind == KIND_CLAIM && !strcmp(facts.rights, "rw") &&
	   facts.claimer.pid == 12 && facts.peer.pid == UNTOLD &&
	   facts.revoked == 1, "a claim, its last line cut off");
	ok(facts.claimer.path && !strcmp(facts.claimer.path, "/bin/x\\01\\"),
	   "what is not quite an escape stays");
	facts_free(&facts);
}

static void test_others(void)
{
	struct facts facts;

	ok(!facts_parse(&facts, ""), "nothing");
	ok(!facts_parse(&facts, "pos:\t0\nflags:\t02\nmnt_id:\t9\n"), "another file");
	ok(!facts_parse(&facts, "flowipc-kind:\tsomething new\n"), "a new kind");
	ok(!facts_parse(&facts, "flowipc-kind"), "no value");
	ok(facts_parse(&facts, "flowipc-kind:\tchannel\nflowipc-end:\t\n"
			 "flowipc-channel:\t5x\nflowipc-message:\t1\n") &&
	   facts.end == UNTOLD && facts.channel == UNTOLD && facts.message == 1,
	   "what is no number is not told");
	facts_free(&facts);
}

int main(void)
{
	test_region();
	test_claim();
	test_others();
	printf("1..%d\n", number);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
