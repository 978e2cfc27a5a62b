#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts the demo on this machine and leaves it running: broker, Redis, one process of each worker
# and the dashboard, all on 127.0.0.1. The first time it makes the sample company with its orders
# (orders.tsv), makes the topics and publishes the company. What runs already is left alone, so a
# second call mends what has died. `make down` ends it.
#
# usage: up.sh    environment: see lib.sh
set -euo pipefail
# shellcheck source=deploy/demo/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib.sh"

write_config() { # FILE HTTP-PORT
	cat >"$1" <<-EOF
		brokers = 127.0.0.1:$BROKER_PORT
		redis.url = redis://127.0.0.1:$REDIS_PORT
		http.address = 127.0.0.1:$2
	EOF
}

publish_once() {
	[ ! -e "$DEMO_DIR/published" ] || return 0
	"$BIN/tallyctl" gen --orders "${DEMO_ORDERS:-40000}" --seed "${DEMO_SEED:-2026}" \
		--out "$DEMO_DIR/orders.tsv" >"$DEMO_DIR/gen.log"
	"$BIN/tallyctl" topics create --config "$DEMO_DIR/tally.conf" \
		--reference "$DEMO_DIR/orders.tsv.reference.json" >"$DEMO_DIR/publish.log" 2>&1 || {
		cat "$DEMO_DIR/publish.log" >&2
		die "the topics could not be made"
	}
	: >"$DEMO_DIR/published"
}

start_worker() { # NAME HTTP-PORT
	local dir=$DEMO_DIR/$1
	mkdir -p "$dir"
	if local_pid "$dir" >/dev/null; then return 0; fi
	write_config "$dir/tally.conf" "$2"
	setsid "$BIN/tally-$1" --config "$dir/tally.conf" </dev/null >>"$dir/worker.log" 2>&1 &
	echo $! >"$dir/pid"
}

# wait_settled: until every shard has its owner and nothing is left to read.
wait_settled() {
	local name
	"$BIN/tallyctl" lag --config "$DEMO_DIR/tally.conf" --wait --timeout 60 \
		>"$DEMO_DIR/lag.log" 2>&1 && return 0
	for name in "${WORKERS[@]}"; do tail -n 5 "$DEMO_DIR/$name/worker.log" >&2; done
	cat "$DEMO_DIR/lag.log" >&2
	die "the workers did not get ready; their logs are in $DEMO_DIR"
}

main() {
	local port=$HTTP_PORT name
	build_release
	"$ROOT/deploy/local/broker.sh" start "$DEMO_DIR/broker" "$BROKER_PORT"
	"$ROOT/deploy/local/redis.sh" start "$DEMO_DIR/redis" "$REDIS_PORT"
	write_config "$DEMO_DIR/tally.conf" "$HTTP_PORT"
	publish_once
	for name in "${WORKERS[@]}"; do
		start_worker "$name" "$port"
		port=$((port + 1))
	done
	start_worker dashboard "$port"
	wait_settled
	cat <<-EOF
		Kafka    127.0.0.1:$BROKER_PORT
		Redis    redis-cli -p $REDIS_PORT keys 'tally:sales:company:all:*'
		workers  ${WORKERS[*]}: http://127.0.0.1:$HTTP_PORT and the ports after it
		         (/livez /readyz /metrics /shards)
		page     http://127.0.0.1:$port
		files    $DEMO_DIR
		make down ends it
	EOF
}

main "$@"
