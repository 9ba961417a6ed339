#!/usr/bin/env bash
# Makes a Debian root file system with Python, once, and prints the path of its
# tar: a base image for tests on machines that can pull none. Fails quietly
# where that cannot be done: debootstrap needs root and a Debian mirror.
set -euo pipefail

suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/faas-cli-test
tar=$cache/debian-$suite-python.tar

if [ ! -s "$tar" ]; then
	[ "$(id -u)" = 0 ] || exit 1
	if ! command -v debootstrap >/dev/null; then
		command -v apt-get >/dev/null || exit 1
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap; } >&2
	fi
	mkdir -p "$cache"
	root=$(mktemp -d)
	trap 'rm -rf --one-file-system "$root" "$tar.part"' EXIT
	echo "making a Debian base image for the tests, once" >&2
	# In a mount namespace of its own, what it mounts in there goes with it.
	unshare --mount debootstrap --variant=minbase --include=python3-minimal,libpython3-stdlib "$suite" "$root" >&2
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
	tar -C "$root" --one-file-system -cf "$tar.part" .
	mv "$tar.part" "$tar"
fi
echo "$tar"
