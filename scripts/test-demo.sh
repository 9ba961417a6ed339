#!/usr/bin/env bash
# Runs make demo where something is missing: container tools and git, the
# network, python3, go. Each time it must pass, say what it left out, call no
# tool that it does not need, and leave nothing behind. The runs share one build.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d "${TMPDIR:-/tmp}/faas-cli-test-demo.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/recording" "$tmp/tools" "$tmp/left"
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this
export TMPDIR=$tmp/left RECORD=$tmp/record

# Programs that note their call and fail, before the real ones on PATH.
for tool in docker docker-buildx buildx git; do
	printf '#!/bin/sh\necho "%s $*" >>"$RECORD"\nexit 1\n' "$tool" >"$tmp/recording/$tool"
	chmod +x "$tmp/recording/$tool"
done
# All that is on PATH, in one folder, so that a program can be taken out.
IFS=: read -ra path <<<"$PATH"
for dir in "${path[@]}"; do
	case $dir in /*) ln -s "$dir"/* "$tmp/tools/" 2>/dev/null || true ;; esac
done

demo() { # WHAT PATH HALF...: runs it, and wants it to leave out these halves and no other; with a ? it may
	local what=$1 path=$2 want got
	shift 2
	: >"$RECORD"
	if ! PATH=$path "${within[@]}" make --no-print-directory demo BIN="$tmp/faas-cli" >"$tmp/out" 2>&1; then
		failed "$what: it fails"
	fi
	got=$(grep '^LEFT OUT:' "$tmp/out" || true)
	for want in "$@"; do
		case $want in
		'?'*) want=${want#'?'} ;;
		*) grep -q "^LEFT OUT: the $want half" "$tmp/out" || failed "$what: it does not say that it leaves out the $want half" ;;
		esac
		got=$(grep -v "^LEFT OUT: the $want half" <<<"$got" || true)
	done
	[ -z "$got" ] || failed "$what: it says \"$got\""
	[ ! -s "$RECORD" ] || failed "$what: it called $(cat "$RECORD")"
	[ -z "$(ls -A "$TMPDIR")" ] || failed "$what: it leaves $(ls -A "$TMPDIR")"
	got=$(grep -als "$TMPDIR/faas-cli-demo" /proc/[0-9]*/environ || true)
	[ -z "$got" ] || failed "$what: it leaves processes: $got"
	echo "demo, $what: $(tail -1 "$tmp/out" | sed 's/^demo: //')"
}
failed() {
	cat "$tmp/out" >&2
	echo "make demo, $1" >&2
	exit 1
}
left_out() { printf '\n##### NOT TESTED: make demo %s #####\n\n' "$1" >&2; }

# The loopback network alone: as root, or as root of a user namespace.
up='ip link set lo up || ifconfig lo up || python3 -c "import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack(\"16sH14x\", b\"lo\", 0x49))"'
loopback=()
for flags in -n -rn; do
	if unshare $flags sh -c "($up) 2>/dev/null && grep -q lo: /proc/net/dev" 2>/dev/null; then
		loopback=(unshare $flags sh -c "($up) 2>/dev/null; exec \"\$@\"" loopback)
		break
	fi
done

within=(env)
python=()
command -v python3 >/dev/null || python=(Python)

demo "docker, buildx and git fail" "$tmp/recording:$PATH" '?container' "${python[@]}"
if [ ${#loopback[@]} -gt 0 ]; then
	within=("${loopback[@]}")
	demo "the loopback network alone" "$tmp/recording:$PATH" container "${python[@]}"
	within=(env)
else
	left_out "with the loopback network alone: no network namespace can be made here"
fi
within=(env DOCKER_HOST="unix://$tmp/no-engine.sock")
mkdir "$tmp/hidden"
mv "$tmp"/tools/python3* "$tmp/hidden/" 2>/dev/null || true
demo "no python3" "$tmp/tools" container Python
mv "$tmp"/hidden/* "$tmp/tools/" 2>/dev/null || true
rm "$tmp/tools/go"
demo "no go" "$tmp/tools" Go "${python[@]}"
