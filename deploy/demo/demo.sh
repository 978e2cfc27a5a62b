#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole tour, from nothing: starts everything on this machine, publishes the company that
# `tallyctl gen` makes, streams a quarter of its orders with all that goes wrong in one, compares
# every figure, board, order, commission and refusal with the books of gen, shows a few of them and
# ends what it started. Exit status 1: something was not exact.
#
# usage: demo.sh [--orders N] [--seed S] [--keep]    --keep: leave it running, `make down` ends it
#        environment: see lib.sh
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=deploy/demo/lib.sh
. "$HERE/lib.sh"

main() {
	local down=yes status=0
	while [ $# -gt 0 ]; do
		case $1 in
		--keep) down=no ;;
		--orders) shift && export DEMO_ORDERS=${1:?} ;;
		--seed) shift && export DEMO_SEED=${1:?} ;;
		*) die "usage: demo.sh [--orders N] [--seed S] [--keep]" ;;
		esac
		shift
	done
	"$HERE/down.sh" --wipe
	echo "Starting a Kafka broker, a Redis and one process of each worker on this machine ..."
	"$HERE/up.sh" >"$DEMO_DIR/up.log" || die "not started"
	python3 "$HERE/demo.py" --folder "$DEMO_DIR" --brokers "127.0.0.1:$BROKER_PORT" \
		--redis "redis://127.0.0.1:$REDIS_PORT" || status=$?
	if [ $down = yes ]; then
		"$HERE/down.sh"
	else
		printf '\nStill running:\n'
		cat "$DEMO_DIR/up.log"
	fi
	return $status
}

main "$@"
