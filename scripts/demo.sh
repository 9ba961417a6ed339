#!/usr/bin/env bash
# demo.sh BINARY: the main job from nothing, in a home of its own: start the
# local platform, new, up, invoke, logs, list, edit, up again. Each command is
# shown as it would be typed; everything that was made is removed at the end.
set -euo pipefail

binary=${1:?usage: demo.sh BINARY}
[ -x "$binary" ] || { echo "demo: $binary is not there: run make build" >&2; exit 1; }

started=$SECONDS
tmp=$(mktemp -d "${TMPDIR:-/tmp}/faas-cli-demo.XXXXXX")
# The tool chain's caches stay where they are: a fresh home must not mean that
# everything is compiled and downloaded again.
if command -v go >/dev/null; then
	GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE)
	export GOCACHE GOMODCACHE
fi
mkdir -p "$tmp/home" "$tmp/bin" "$tmp/work"
ln -s "$binary" "$tmp/bin/faas-cli"
export HOME=$tmp/home PATH=$tmp/bin:$PATH
unset OPENFAAS_URL OPENFAAS_CONFIG OPENFAAS_PREFIX OPENFAAS_CONTEXT OPENFAAS_ENV XDG_DATA_HOME XDG_CACHE_HOME XDG_CONFIG_HOME CI
cd "$tmp/work"

cleanup() {
	trap - EXIT INT TERM
	faas-cli local stop --purge >/dev/null 2>&1 || true
	[ -z "$relay_built" ] || remove_relay || echo "demo: the image demo/relay:latest is left in the container engine" >&2
	cd /
	chmod -R u+w "$tmp" 2>/dev/null || true
	rm -rf "$tmp"
}
remove_relay() { # no program of the engine's is wanted on PATH, so its API is asked
	local image=images/demo/relay:latest
	case ${DOCKER_HOST:=unix:///var/run/docker.sock} in
	unix://*) curl -fsS -o /dev/null --unix-socket "${DOCKER_HOST#unix://}" -X DELETE "http://engine/$image" ;;
	tcp://*) curl -fsS -o /dev/null -X DELETE "http://${DOCKER_HOST#tcp://}/$image" ;;
	*) return 1 ;;
	esac
}
relay_built=
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() {
	printf '$ %s\n' "$*"
	bash -euo pipefail -c "$*"
}
expect() { # WANT COMMAND: runs it and wants WANT in what it prints
	local want=$1 got
	shift
	printf '$ %s\n' "$*"
	got=$(bash -euo pipefail -c "$*")
	printf '%s\n' "$got"
	case $got in *"$want"*) ;; *) echo "demo: want \"$want\" in the answer" >&2; exit 1 ;; esac
}
wait_for() { # WHAT COMMAND...: until it succeeds, 60 s at most
	local what=$1 end=$((SECONDS + 60))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "demo: waited too long for $what:" >&2; cat watch.log >&2; exit 1; }
		sleep 0.2
	done
}
served_again() { [ "$(grep -c '/function/hello' watch.log)" -ge 2 ]; }
# With nothing else on PATH, doctor asks the engine and no other tool.
engine_answers() { PATH=$tmp/bin faas-cli doctor --output json 2>/dev/null | tr -d ' \n' | grep -q '"engine","status":"ok"'; }
only_loopback() { [ -r /proc/net/dev ] && ! grep -v -e '|' -e '^ *lo:' /proc/net/dev | grep -q .; }
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

export OPENFAAS_TEMPLATE_SOURCE=embedded # the first minute needs no network
left_out=()

say "A platform on this machine"
if port_free 8080; then run "faas-cli local start"; else run "faas-cli local start --port 0"; fi

if command -v go >/dev/null; then
	say "A Go function, from nothing to an answer"
	run "faas-cli new hello --lang golang-middleware"
	run "faas-cli up -f hello.yml"
	expect "Hello, world!" "echo world | faas-cli invoke hello"
	run "faas-cli logs hello --tail=false"
	run "faas-cli list"

	say "Nothing changed, nothing done"
	run "faas-cli up -f hello.yml"

	say "An edit, and up again"
	run "sed -i.bak 's/Hello,/Good morning,/' hello/handler.go && rm hello/handler.go.bak"
	run "faas-cli up -f hello.yml"
	expect "Good morning" "echo world | faas-cli invoke hello"

	say "A watch survives a compile error"
	printf '$ %s\n' "faas-cli up -f hello.yml --watch &"
	faas-cli up -f hello.yml --watch >watch.log 2>&1 &
	watch=$!
	wait_for "the first round of the watch" grep -q '/function/hello' watch.log
	run "sed -i.bak 's/package function/package functio(/' hello/handler.go"
	wait_for "the compile error" grep -q 'handler.go:' watch.log
	run "mv hello/handler.go.bak hello/handler.go && echo '// fixed' >>hello/handler.go"
	wait_for "the fixed function" served_again
	kill -INT $watch && wait $watch
	expect "Good morning" "echo world | faas-cli invoke hello"

	say "In the background"
	run "echo later | faas-cli invoke hello --async"
	run "faas-cli describe hello"
	if ! engine_answers; then
		left_out+=("the container half: no container engine answers")
	elif only_loopback; then
		left_out+=("the container half: containers cannot be reached, as there is no network but loopback")
	else
		say "A container beside it, which calls it"
		mkdir -p relay template/dockerfile
		: >template/dockerfile/template.yml
		cat >relay/Dockerfile <<'DOCKERFILE'
FROM scratch
COPY relay /relay
USER 1000
ENTRYPOINT ["/relay"]
DOCKERFILE
		cat >"$tmp/relay.go" <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/_/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		res, err := http.Post(os.Getenv("gateway_url")+"/function/hello", "text/plain", r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		fmt.Fprint(w, "the container heard: ")
		io.Copy(w, res.Body)
	})
	http.ListenAndServe(":8080", nil)
}
GO
		run "CGO_ENABLED=0 go build -o relay/relay $tmp/relay.go"
		cat >relay.yml <<'STACK'
version: 1.0
provider:
  name: openfaas
functions:
  relay:
    lang: dockerfile
    handler: ./relay
    image: demo/relay:latest
STACK
		run "cat relay/Dockerfile relay.yml"
		relay_built=yes
		run "faas-cli up -f relay.yml"
		expect "the container heard: Good morning" "echo world | faas-cli invoke relay"
		run "faas-cli list"
	fi
else
	left_out+=("the Go half, with the container that it builds: there is no go on PATH")
fi

if command -v python3 >/dev/null; then
	say "The same in Python, with the tutorial's handler"
	run "faas-cli new hello-python --lang python3-http --prefix demo"
	cat >hello-python/handler.py <<'PY'
def handle(req):
    return f"Hello, {req.strip() or 'World'}!"
PY
	run "cat hello-python/handler.py"
	run "faas-cli up -f hello-python.yml"
	expect "Hello, OpenFaaS!" "echo OpenFaaS | faas-cli invoke hello-python"
	run "faas-cli secret create db-password --from-literal=MySecurePassword123"
	run "faas-cli secret list"
	run "faas-cli remove -f hello-python.yml"
else
	left_out+=("the Python half: there is no python3 on PATH")
fi

say "Gone again"
run "faas-cli local stop --purge"

echo
for what in "${left_out[@]:-}"; do [ -z "$what" ] || echo "LEFT OUT: $what"; done
echo "demo: done in $((SECONDS - started)) s"
