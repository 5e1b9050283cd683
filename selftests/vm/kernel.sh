# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with run
#
# Debian kernels for the VM, sourced by run: fetched by package name, unpacked
# into the cache, never installed. The headers are made to work where they lie,
# so the host needs no linux-headers package, and may have any version of it.
#
# Uses $vm_cache, say() and die(); sets kernel_image, kernel_headers,
# kernel_release.

# Runs an apt program on the machine's own configuration and lists, or, when
# apt_private is set, on the sources and lists in that directory alone.
apt_run()
{
	local program=$1
	shift
	# As root, apt would download as a user who cannot write to the cache.
	set -- -o APT::Sandbox::User=root "$@"
	if [ -n "$apt_private" ]; then
		set -- -o "Dir::Etc::sourcelist=/dev/null" \
			-o "Dir::Etc::sourceparts=$apt_private/sources.d" \
			-o "Dir::State::lists=$apt_private/lists" \
			-o "Dir::State::status=$apt_private/status" \
			-o "Dir::Cache=$apt_private/cache" "$@"
	fi
	"$program" "$@"
}

# Derives sources for suite $1 from the machine's, into directory $2: entries of
# its own release keep their mirror, key and components, the suite's name is
# replaced. A release comes with its security and other updates.
apt_sources_for()
{
	local suite=$1 dest=$2 file own common
	own=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
	# shellcheck disable=SC2016 # awk's own fields
	common='
	function mapped(name) {
		if (name == own || name == "stable" || name == "oldstable")
			return suite
		if (suite !~ /-/ && (name == own "-security" ||
				     name == own "-updates"))
			return suite substr(name, length(own) + 1)
		return ""
	}
	function has_main(from,  i) {
		for (i = from; i <= NF; i++)
			if ($i == "main")
				return 1
		return 0
	}
	'
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk -v own="$own" -v suite="$suite" "$common"'
		function flush() {
			if (suites && main && !disabled)
				printf "%sSuites:%s\n\n", text, suites
			text = suites = main = disabled = ""
		}
		/^[ \t]*$/ { flush(); next }
		/^#/ { next }
		{ field = tolower($1) }
		field == "suites:" {
			for (i = 2; i <= NF; i++)
				if (mapped($i))
					suites = suites " " mapped($i)
			next
		}
		field == "types:" { $0 = "Types: deb" }
		field == "enabled:" { disabled = tolower($2) == "no" }
		field == "components:" { main = has_main(2) }
		{ text = text $0 "\n" }
		END { flush() }
		' "$file" >"$dest/$(basename "$file")"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		awk -v own="$own" -v suite="$suite" "$common"'
		$1 == "deb" {
			# options in brackets, URI, suite, components
			at = 3
			if ($2 ~ /^\[/) {
				while (at < NF && $(at - 1) !~ /\]$/)
					at++
				at++
			}
			if (mapped($at) && has_main(at + 1)) {
				$at = mapped($at)
				print
			}
		}
		' "$file" >"$dest/$(basename "$file")"
	done
	find "$dest" -type f -empty -delete
	[ -n "$(find "$dest" -type f)" ] ||
		die "no entry for Debian ($own main) in /etc/apt to derive $suite from"
}

# Prints the packages for kernel $1: image, headers, common headers, kbuild.
kernel_packages()
{
	local series=$1 image release headers
	image=$(apt_run apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
	case $image in
	linux-image-"$series".*) ;;
	*) return 1 ;;
	esac
	release=${image#linux-image-}
	# Signed and unsigned images differ in name only by the suffix.
	release=${release%-unsigned}
	headers=$(apt_run apt-cache depends "linux-headers-$release" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-\(headers\|kbuild\)-.*\)$/\1/p')
	[ -n "$headers" ] || return 1
	printf '%s\n' "$image" "linux-headers-$release" "$headers"
}

# Downloads the packages named on stdin into directory $1.
packages_download()
{
	local dest=$1 packages
	mapfile -t packages
	say "fetching ${packages[*]}"
	(cd "$dest" && apt_run apt-get -q download "${packages[@]}") \
		>"$dest/apt.log" 2>&1
}

# packages_fetch SUITE DIRECTORY NAME COMMAND...: downloads the packages that
# COMMAND names. Host lists first: they are there and know the security updates.
# Missing or stale ones, or what the machine's release does not have, get lists
# of our own.
packages_fetch()
{
	local suite=$1 tmp=$2 name=$3 packages
	shift 3
	command -v apt-get >/dev/null || die "apt-get not found: only Debian \
kernels can be fetched; use --kernel-image and --kernel-headers"
	apt_private=
	if [ "$suite" = bookworm ] && packages=$("$@") &&
	   packages_download "$tmp" <<<"$packages"; then
		return
	fi
	rm -f "$tmp"/*.deb
	apt_private=$tmp/apt
	mkdir -p "$apt_private"/{sources.d,lists/partial,cache/archives/partial}
	: >"$apt_private/status"
	apt_sources_for "$suite" "$apt_private/sources.d"
	say "reading the package lists of $suite"
	apt_run apt-get -q update >"$apt_private/log" 2>&1 || true
	if ! packages=$("$@"); then
		grep -E '^(E|W|Err)' "$apt_private/log" >&2
		die "no $name in $suite"
	fi
	if ! packages_download "$tmp" <<<"$packages"; then
		grep -E '^(E|W|Err)' "$tmp/apt.log" >&2
		die "cannot download $name from $suite"
	fi
}

# A boot image is a loader with the real kernel compressed inside. QEMU starts
# the latter directly (PVH), which saves decompressing it under emulation, most
# of the boot; it also holds the BTF a module's own BTF is based on.
kernel_extract()
{
	local image=$1 dest=$2 sects offset length start magic unpack
	sects=$(od -An -tu1 -j 497 -N 1 "$image")
	offset=$(od -An -tu4 -j 584 -N 4 "$image")
	length=$(od -An -tu4 -j 588 -N 4 "$image")
	start=$(((sects + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$start" -N 4 "$image" | tr -d ' ')
	case $magic in
	fd377a58) unpack='xz -dc --single-stream' ;;
	28b52ffd) unpack='zstd -dcq' ;;
	1f8b*) unpack='gzip -dcq' ;;
	02214c18) unpack='lz4 -dcq' ;;
	*) return 1 ;;
	esac
	command -v "${unpack%% *}" >/dev/null || return 1
	# The length covers four bytes that are not the decompressor's: it may
	# complain about them after having written everything.
	tail -c +$((start + 1)) "$image" | head -c "$length" |
		$unpack >"$dest" 2>/dev/null || true
	[ "$(head -c 4 "$dest" | tail -c 3)" = ELF ]
}

# Makes the unpacked headers in $1 work where they will lie, $2: the few
# absolute paths in them point to where the packages would be installed.
headers_relocate()
{
	local root=$1 final=$2 link target
	grep -rIlE '(^|[[:space:]=])/usr/(src|lib)/linux-' \
		"$root"/usr/src/linux-headers-*/{Makefile,.kernelvariables} \
		2>/dev/null |
	while read -r file; do
		sed -i -E "s,(^|[[:space:]=])(/usr/(src|lib)/linux-),\1$final\2,g" \
			"$file"
	done
	find "$root/usr/src" -type l -lname '/usr/*' |
	while read -r link; do
		target=$(readlink "$link")
		ln -sfn "$final$target" "$link"
	done
}

# Brings the kernel of series $1 from suite $2 into the cache, once.
kernel_prepare()
{
	local series=$1 suite=$2 dir=$vm_cache/kernel-$1 tmp release deb headers
	if [ ! -e "$dir/release" ]; then
		mkdir -p "$vm_cache" || die "cannot make the cache directory $vm_cache"
		exec 9>"$vm_cache/kernel-$series.lock"
		flock 9
	fi
	if [ ! -e "$dir/release" ]; then
		tmp=$dir.partial
		rm -rf "$tmp" "$dir"
		mkdir -p "$tmp/root"
		packages_fetch "$suite" "$tmp" "linux-image-amd64 $series" \
			kernel_packages "$series"
		say "unpacking into $dir"
		for deb in "$tmp"/*.deb; do
			dpkg -x "$deb" "$tmp/root" || die "cannot unpack $deb"
			rm -f "$deb"
		done
		rm -rf "$tmp/apt" "$tmp/apt.log"
		release=$(basename "$tmp"/root/boot/vmlinuz-*)
		release=${release#vmlinuz-}
		cp "$tmp/root/boot/vmlinuz-$release" "$tmp/vmlinuz"
		headers_relocate "$tmp/root" "$dir/root"
		if kernel_extract "$tmp/vmlinuz" "$tmp/vmlinux"; then
			# For the module's BTF; newer packages bring their own.
			headers=$tmp/root/usr/src/linux-headers-$release
			[ -e "$headers/vmlinux" ] ||
				ln -s "$dir/vmlinux" "$headers/vmlinux"
		else
			say "cannot extract vmlinux: booting will be slower"
			rm -f "$tmp/vmlinux"
		fi
		# Present only once everything else is.
		echo "$release" >"$tmp/release"
		mv "$tmp" "$dir"
	fi
	exec 9>&-
	kernel_release=$(cat "$dir/release")
	kernel_headers=$dir/root/usr/src/linux-headers-$kernel_release
	kernel_image=$dir/vmlinux
	[ -e "$kernel_image" ] || kernel_image=$dir/vmlinuz
}
