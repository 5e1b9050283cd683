# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with run
#
# flowipc.ko for the VM's kernel, sourced by run: built from a copy of the
# sources in the cache, in a directory named after what went into it, so it is
# rebuilt when and only when a source or the kernel changes, and the source
# tree stays clean.
#
# Uses $vm_cache, $kernel_headers, $module_debug, say() and die(); sets module_ko.

module_sources()
{
	find . -type f \( -name '*.[ch]' -o -name '*.sh' -o -name Kbuild \) \
		! -name '*.mod.c' | LC_ALL=C sort
}

module_build()
{
	local source=$1 hash dir tmp compiler debug=()
	[ -e "$source/Kbuild" ] || die "no module source: $source/Kbuild is not there"
	[ -e "$kernel_headers/Makefile" ] ||
		die "no kernel headers: $kernel_headers/Makefile is not there"
	hash=$(cd "$source" && {
		echo "$kernel_headers $module_debug"
		cat "$kernel_headers/include/generated/utsrelease.h"
		module_sources | xargs -d '\n' sha256sum
	} | sha256sum | cut -c 1-20)
	dir=$vm_cache/module/$hash
	module_ko=$dir/flowipc.ko
	[ ! -e "$module_ko" ] || return 0

	mkdir -p "$vm_cache/module"
	exec 9>"$vm_cache/module.lock"
	flock 9
	if [ -e "$module_ko" ]; then
		exec 9>&-
		return 0
	fi
	compiler=$(sed -n 's/^CC = .*[ )]\(gcc-[0-9]*\)$/\1/p' \
		"$kernel_headers/.kernelvariables" 2>/dev/null)
	for tool in make "${compiler:-gcc}"; do
		command -v "$tool" >/dev/null ||
			die "$tool not found: install the Debian package $tool"
	done
	# Old builds are worth nothing once the sources have moved on.
	find "$vm_cache/module" -mindepth 1 -maxdepth 1 -mtime +2 \
		-exec rm -rf {} +

	tmp=$dir.partial
	rm -rf "$tmp" "$dir"
	mkdir -p "$tmp"
	(cd "$source" && module_sources | xargs -d '\n' cp --parents -t "$tmp")
	say "building flowipc.ko for $kernel_release"
	# What else these kernels are built with is for their own code alone.
	[ -z "$module_debug" ] ||
		debug=(FLOWIPC_DEBUG=1 KCOV_INSTRUMENT=y UBSAN_SANITIZE=y)
	# BTF is made as for a user of 6.1, whose headers leave it to btf.sh.
	if ! env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u ARCH -u KBUILD_OUTPUT \
		make -C "$kernel_headers" M="$tmp" RESOLVE_BTFIDS=true \
		PAHOLE=true \
		"${debug[@]}" modules \
		>"$tmp/log" 2>&1 9>&-; then
		cat "$tmp/log" >&2
		die "flowipc.ko does not build for $kernel_release"
	fi
	grep -E '(warning|error):' "$tmp/log" >&2
	[ ! -e "$tmp/btf.sh" ] ||
		sh "$tmp/btf.sh" "$tmp/flowipc.ko" "$kernel_headers" >&2 9>&-
	# The guest has no use for debug information, and boots faster without.
	strip -g "$tmp"/*.ko
	mv "$tmp" "$dir"
	exec 9>&-
}
