# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Results of tests that are shell scripts; sourced by them.

number=0
failures=0
# Files in the current directory that tell more about a failure.
tap_files=

# ok WHAT COMMAND...: one result, good if the command succeeds
ok()
{
	what=$1
	shift
	number=$((number + 1))
	if said=$("$@" 2>&1); then
		echo "ok $number - $what"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $number - $what"
	[ -z "$said" ] || echo "$said" | sed 's/^/# /'
	for file in $tap_files; do
		[ ! -f "$file" ] || head -n 60 "$file" | sed "s/^/#   $file: /"
	done
}

# skip_one WHAT WHY
skip_one()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 77
}

give_up()
{
	echo "Bail out! $*"
	exit 1
}

# The last command of a test: its exit status is the test's.
end_of_tests()
{
	echo "1..$number"
	[ $failures = 0 ]
}
