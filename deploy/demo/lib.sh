# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Where the demo lives: its folder, its ports, its programs. demo.sh, up.sh and down.sh share it.
#
# environment: TALLY_DEMO_DIR (build/demo), DEMO_BROKER_PORT (19092, the one above it too),
#              DEMO_REDIS_PORT (16379), DEMO_HTTP_PORT (18081, one a worker from there on, the
#              dashboard behind them),
#              DEMO_ORDERS (40000: how many orders are made), DEMO_SEED (2026),
#              TALLY_TEST_BIN (programs that are built already)
# shellcheck disable=SC2034 # used by those who read this file

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
DEMO_DIR=${TALLY_DEMO_DIR:-$ROOT/build/demo}
mkdir -p "$DEMO_DIR"
DEMO_DIR=$(cd "$DEMO_DIR" && pwd)
readonly DEMO_DIR
readonly BIN=${TALLY_TEST_BIN:-$ROOT/build/release/bin}
readonly BROKER_PORT=${DEMO_BROKER_PORT:-19092}
readonly REDIS_PORT=${DEMO_REDIS_PORT:-16379}
readonly HTTP_PORT=${DEMO_HTTP_PORT:-18081}
readonly WORKERS=(orders commissions scoreboard)

# shellcheck source=deploy/local/lib.sh
. "$ROOT/deploy/local/lib.sh"

# build_release: quiet unless it fails.
build_release() {
	local log=$DEMO_DIR/build.log
	if [ -n "${TALLY_TEST_BIN:-}" ]; then return 0; fi
	if ! (cd "$ROOT" && cmake --preset release && cmake --build --preset release \
		--target programs -j "$(nproc)") >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "the build failed; all of it is in $log"
	fi
}

# The demo's programs get their configuration from a file and from nothing else.
for name in "${!TALLY_@}"; do
	case $name in
	TALLY_CACHE | TALLY_DEMO_DIR | TALLY_TEST_BIN) ;;
	*) unset "$name" ;;
	esac
done
unset name
