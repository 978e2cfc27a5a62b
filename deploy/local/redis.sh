#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One real Redis for tests, demo and bench: 127.0.0.1 only, all its files in DIR, durable as in
# production (append-only file synced every second, no snapshots, never evicts).
#
# usage: redis.sh start DIR PORT    returns when it answers and has loaded; nothing when it runs
#        redis.sh stop DIR          SIGTERM (Redis writes its file out), waits, then SIGKILL
#        redis.sh kill DIR          SIGKILL at once; the data stays, start brings it back
# DIR/pid, DIR/port, DIR/redis.conf (written at start), DIR/redis.log, DIR/appendonlydir
# environment: REDIS_WAIT (30, seconds), REDIS_CONF (a file appended to redis.conf)
set -euo pipefail
# shellcheck source=deploy/local/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib.sh"

write_conf() { # DIR PORT
	cat >"$1/redis.conf" <<-EOF
		bind 127.0.0.1
		port $2
		dir "$1"
		logfile "$1/redis.log"
		daemonize no
		save ""
		appendonly yes
		appendfsync everysec
		# Rewriting the file costs as much as the load that filled it: not before it is large.
		auto-aof-rewrite-min-size 1gb
		maxmemory-policy noeviction
		# Redis writes its own command line; with DIR in it local_pid can tell it is ours.
		proc-title-template "{title} {config-file} {listen-addr}"
	EOF
	if [ -n "${REDIS_CONF:-}" ]; then cat "$REDIS_CONF" >>"$1/redis.conf"; fi
}

start() { # DIR PORT
	local dir=$1 port=$2 pid i waited=${REDIS_WAIT:-30}
	case $port in '' | *[!0-9]*) die "not a port: $port" ;; esac
	command -v redis-server >/dev/null || die "no redis-server: run make setup"
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	if pid=$(local_pid "$dir"); then
		say "already running, pid $pid, port $(cat "$dir/port")"
		return 0
	fi
	port_must_be_free "$port"
	write_conf "$dir" "$port"
	setsid redis-server "$dir/redis.conf" </dev/null >>"$dir/redis.log" 2>&1 &
	pid=$!
	echo $pid >"$dir/pid"
	echo "$port" >"$dir/port"
	for ((i = 0; i < waited * 20; i++)); do
		# While it loads its file PING is answered with an error.
		if [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ]; then return 0; fi
		kill -0 $pid 2>/dev/null || break
		sleep 0.05
	done
	tail -n 30 "$dir/redis.log" >&2
	local_end "$dir" KILL 5
	die "Redis did not answer within $waited s; see $dir/redis.log"
}

main() {
	case ${1:-} in
	start)
		[ $# = 3 ] || die "usage: redis.sh start DIR PORT"
		start "$2" "$3"
		;;
	stop | kill)
		[ $# = 2 ] || die "usage: redis.sh $1 DIR"
		[ -d "$2" ] || return 0
		local dir
		dir=$(cd "$2" && pwd)
		if [ "$1" = stop ]; then local_end "$dir" TERM 20; else local_end "$dir" KILL 5; fi
		;;
	*) die "usage: redis.sh start DIR PORT | stop DIR | kill DIR" ;;
	esac
}

main "$@"
