# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with run
#
# The debug kernels, sourced by run: built from Debian's linux-source-6.1 with
# small.config and debug.config or kcsan.config, once, into the cache. Of a
# build only what booting and building modules takes is kept, in a directory
# named after what went into it.
#
# Uses $vm_source, $vm_cache, say(), die(), need() and kernel.sh; sets
# kernel_image, kernel_headers, kernel_release.

debug_source_package=linux-source-6.1

# What its make is given. QEMU starts the kernel in enlighten.o, which uses
# string.o, where the memory is not there yet that sanitizers look into.
debug_kernel_flags=(
	KASAN_SANITIZE_enlighten.o=n KASAN_SANITIZE_string.o=n
	KCSAN_SANITIZE_enlighten.o=n KCSAN_SANITIZE_string.o=n
	KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
	KBUILD_BUILD_USER=flowipc KBUILD_BUILD_HOST=flowipc
)

# Sets debug_tarball and debug_version if the source is there: as installed
# package, or fetched into the cache before.
debug_source_find()
{
	debug_tarball=/usr/src/$debug_source_package.tar.xz
	if [ -r "$debug_tarball" ] && debug_version=$(dpkg-query -W \
			-f '${Version}' "$debug_source_package" 2>/dev/null); then
		return
	fi
	debug_tarball=$vm_cache/$debug_source_package/$debug_source_package.tar.xz
	debug_version=$(cat "${debug_tarball%/*}/version" 2>/dev/null)
}

debug_source_fetch()
{
	local dir=$vm_cache/$debug_source_package tmp deb
	tmp=$dir.partial
	rm -rf "$tmp" "$dir"
	mkdir -p "$tmp/root"
	packages_fetch bookworm "$tmp" "$debug_source_package" \
		echo "$debug_source_package"
	deb=$(echo "$tmp"/*.deb)
	dpkg -x "$deb" "$tmp/root" || die "cannot unpack $deb"
	mv "$tmp/root/usr/src/$debug_source_package.tar.xz" "$tmp/"
	dpkg-deb -f "$deb" Version >"$tmp/version"
	rm -rf "$tmp/root" "$tmp/apt" "$tmp/apt.log" "$deb"
	mv "$tmp" "$dir"
}

# Where kernel $1 is or will be.
debug_kernel_dir()
{
	local hash
	hash=$({
		cat "$vm_source/small.config" "$vm_source/$1.config"
		echo "${debug_kernel_flags[@]}" "$debug_version"
		gcc -dumpfullversion
	} | sha256sum | cut -c 1-20)
	echo "$vm_cache/kernel-$1-$hash"
}

debug_kernel_is_cached()
{
	debug_source_find && [ -e "$(debug_kernel_dir "$1")/release" ]
}

# Names what is set in file $1 but not so in configuration $2.
debug_kernel_refused()
{
	local symbol value
	sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=/\1 /p' "$1" |
	while read -r symbol value; do
		if [ "$(sed -n "s/^$symbol=//p" "$2" | grep . || echo n)" != "$value" ]; then
			echo "$symbol=$value"
		fi
	done
}

# Runs make in source tree $1, its output added to $2; says every minute how far
# it is: what is built can be counted, but not beforehand.
debug_kernel_make()
{
	local source=$1 log=$2 began=$SECONDS said=0 pid
	shift 2
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u ARCH -u KBUILD_OUTPUT \
		nice make -C "$source" -j"$(nproc)" "$@" >>"$log" 2>&1 9>&- &
	pid=$!
	# shellcheck disable=SC2064 # this make, now
	trap "kill $pid 2>/dev/null; exit 143" HUP INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		if [ $(((SECONDS - began) / 60)) -gt $said ]; then
			said=$(((SECONDS - began) / 60))
			say "$(grep -c '^  \(CC\|AS\) ' "$log") files compiled \
in $said minutes"
		fi
	done
	trap - HUP INT TERM
	wait "$pid"
}

# Builds kernel $1 in directory $2, from the fragments in $2/wanted.
debug_kernel_build()
{
	local kind=$1 dir=$2 source=$2/source refused tool

	for tool in flex bison bc make xz; do
		need "$tool" "${tool/%xz/xz-utils}"
	done
	[ -e /usr/include/libelf.h ] ||
		die "no libelf.h: install the Debian package libelf-dev"
	say "building the $kind kernel from $debug_source_package $debug_version, \
once: about $((14 / $(nproc) + 1)) minutes with $(nproc) processors"
	mkdir -p "$source"
	tar -xJf "$debug_tarball" -C "$source" --strip-components=1 ||
		die "cannot unpack $debug_tarball"
	if ! debug_kernel_make "$source" "$dir/log" \
		KCONFIG_ALLCONFIG="$dir/wanted" allnoconfig; then
		cat "$dir/log" >&2
		die "the $kind kernel cannot be configured"
	fi
	refused=$(debug_kernel_refused "$dir/wanted" "$source/.config")
	[ -z "$refused" ] ||
		die "the $kind kernel's configuration does not take" $refused
	if ! debug_kernel_make "$source" "$dir/log" "${debug_kernel_flags[@]}" \
		LOCALVERSION="-flowipc-$kind" vmlinux modules; then
		grep -A 20 -m 1 -E 'error:|\*\*\*' "$dir/log" >&2
		die "the $kind kernel does not build; the log is $dir/log"
	fi
}

# Takes from the build tree $1 into directory $2 what a module is built with.
debug_kernel_headers()
{
	mkdir -p "$2"
	(
		cd "$1" || exit
		{
			ls .config Makefile Kbuild Kconfig Module.symvers
			find . -name 'Makefile*' -o -name 'Kconfig*' -o -name 'Kbuild*'
			find include scripts arch/x86/include -type f -o -type l
			find arch/x86/kernel/asm-offsets.s tools/objtool/objtool \
				2>/dev/null
		} | grep -v '\.o$' | sort -u | xargs -d '\n' cp -P --parents -t "$2"
	) || die "cannot copy the kernel's headers"
}

# Brings debug kernel $1, debug or kcsan, into the cache, once.
debug_kernel_prepare()
{
	local kind=$1 dir tmp
	mkdir -p "$vm_cache" || die "cannot make the cache directory $vm_cache"
	need gcc gcc
	exec 9>"$vm_cache/kernel-$kind.lock"
	flock 9
	if ! debug_source_find; then
		debug_source_fetch
		debug_source_find || die "no $debug_source_package"
	fi
	dir=$(debug_kernel_dir "$kind")
	if [ ! -e "$dir/release" ]; then
		tmp=$dir.partial
		rm -rf "$tmp" "$dir"
		mkdir -p "$tmp"
		cat "$vm_source/small.config" "$vm_source/$kind.config" \
			>"$tmp/wanted"
		debug_kernel_build "$kind" "$tmp"
		debug_kernel_headers "$tmp/source" "$tmp/headers"
		cp "$tmp/source/vmlinux" "$tmp/vmlinux"
		cp "$tmp/source/include/config/kernel.release" "$tmp/release"
		rm -rf "$tmp/source" "$tmp/log"
		mv "$tmp" "$dir"
		# Those of other configurations, once nobody has used them for
		# days.
		find "$vm_cache" -mindepth 1 -maxdepth 1 -name "kernel-$kind-*" \
			-mtime +5 ! -name "${dir##*/}" -exec rm -rf {} +
	fi
	touch "$dir"
	exec 9>&-
	kernel_release=$(cat "$dir/release")
	kernel_headers=$dir/headers
	kernel_image=$dir/vmlinux
}
