#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ends what up.sh or demo.sh started: the workers first (SIGTERM: they finish what is under way),
# then Redis, then the broker, each known by its pid file. The data stays for the next up.sh.
#
# usage: down.sh [--wipe]    --wipe removes the data as well
set -euo pipefail
# shellcheck source=deploy/demo/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib.sh"

main() {
	local name
	case ${1:-} in
	'' | --wipe) ;;
	*) die "usage: down.sh [--wipe]" ;;
	esac
	for name in dashboard "${WORKERS[@]}"; do
		if [ -d "$DEMO_DIR/$name" ]; then local_end "$DEMO_DIR/$name" TERM 30; fi
	done
	"$ROOT/deploy/local/redis.sh" stop "$DEMO_DIR/redis"
	"$ROOT/deploy/local/broker.sh" stop "$DEMO_DIR/broker"
	if [ "${1:-}" = --wipe ]; then
		rm -rf "$DEMO_DIR/broker" "$DEMO_DIR/redis" "$DEMO_DIR/published"
		for name in dashboard "${WORKERS[@]}"; do rm -rf "${DEMO_DIR:?}/$name"; done
	fi
}

main "$@"
