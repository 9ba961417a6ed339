#!/usr/bin/env bash
# Runs the tests that need a container engine, or its benchmarks (-bench), or says
# loudly that it did not.
# Where the user is root and Debian's package is at hand, it installs and
# starts the engine first.
set -euo pipefail
cd "$(dirname "$0")/.."

# Any answer will do: the tests themselves say what is wrong with an engine.
answers() {
	case ${DOCKER_HOST:-unix:///var/run/docker.sock} in
	unix://*) [ -S "${DOCKER_HOST:+${DOCKER_HOST#unix://}}" ] || [ -S /var/run/docker.sock ] ;;
	*) true ;;
	esac
}

if ! answers && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "no container engine here: installing Debian's docker.io" >&2
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq docker.io; } >&2 || true
	if ! answers && command -v dockerd >/dev/null; then
		dockerd >/tmp/faas-cli-dockerd.log 2>&1 &
		for _ in $(seq 60); do answers && break; sleep 0.5; done
	fi
fi

if ! answers; then
	cat >&2 <<'MSG'
##############################################################
#  NOT TESTED: no container engine answers on this machine.  #
#  The tests with the build tag "docker" were left out.      #
##############################################################
MSG
	exit 0
fi
# Without this base only the tests that need a shell are left out, and say so.
FAAS_CLI_DEBIAN_BASE=$(scripts/debian-base.sh) || FAAS_CLI_DEBIAN_BASE=
export FAAS_CLI_DEBIAN_BASE
exec go test -tags docker -count=1 -p 1 -run Docker "$@" ./...
