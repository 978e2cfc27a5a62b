#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One real Apache Kafka broker for tests, demo and bench: KRaft, one node, 127.0.0.1 only, all its
# files in DIR. Listens on PORT; its controller on PORT+1. Needs the jars that `make setup` fetched.
#
# usage: broker.sh start DIR PORT    returns when the broker answers; does nothing when it runs
#        broker.sh stop DIR          SIGTERM, waits, then SIGKILL
#        broker.sh kill DIR          SIGKILL at once; the data stays, start brings it back
#        broker.sh archive           makes starts cheaper; `make setup` calls it
# DIR/pid, DIR/port, DIR/server.properties (written at start), DIR/broker.log, DIR/data
# environment: BROKER_HEAP (768m), BROKER_JVM (further JVM options), BROKER_WAIT (60, seconds),
#              BROKER_CONF (a file appended to server.properties)
set -euo pipefail
# shellcheck source=deploy/local/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib.sh"

LIB=$(cache_dir)/kafka/lib
readonly LIB

write_properties() { # DIR PORT
	cat >"$1/server.properties" <<-EOF
		process.roles=broker,controller
		node.id=1
		listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$(($2 + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$2
		controller.listener.names=CONTROLLER
		controller.quorum.bootstrap.servers=127.0.0.1:$(($2 + 1))
		inter.broker.listener.name=PLAINTEXT
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$1/data

		# One node: every replication factor is 1.
		default.replication.factor=1
		min.insync.replicas=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=8
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=8
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		share.coordinator.state.topic.num.partitions=1

		# Topics are made by tallyctl; a misspelt one must fail.
		auto.create.topics.enable=false
		num.partitions=8
		# Everything is kept: the log is the truth that Redis is rebuilt from.
		log.retention.ms=-1
		log.retention.bytes=-1
		offsets.retention.minutes=525600

		# Tests do not wait: groups form at once, dead members and transactions end soon.
		group.initial.rebalance.delay.ms=0
		group.min.session.timeout.ms=1000
		transaction.abort.timed.out.transaction.cleanup.interval.ms=500

		# A killed broker registers again once its old session has lapsed (by default 9 s).
		broker.heartbeat.interval.ms=500
		broker.session.timeout.ms=3000

		# A small machine.
		num.network.threads=2
		num.io.threads=4
		num.recovery.threads.per.data.dir=2
		background.threads=2
		log.cleaner.threads=1
		log.cleaner.dedupe.buffer.size=16777216
		socket.send.buffer.bytes=1048576
		socket.receive.buffer.bytes=1048576
	EOF
	if [ -n "${BROKER_CONF:-}" ]; then cat "$BROKER_CONF" >>"$1/server.properties"; fi
}

class_path() { # in a fixed order, which the archive needs
	find "$LIB" -name '*.jar' | LC_ALL=C sort | paste -sd:
}

# Most of a start is loading classes from 93 jars. An archive of the loaded ones, made by one start
# and stop, halves the CPU of every later start. Bound to this JVM; optional.
archive_file() {
	local java
	java=$(readlink -f "$(command -v java)")
	java="$java $(stat -c %Y "$java")"
	echo "$(dirname "$LIB")/classes-$(echo "$java" | cksum | tr ' ' -).jsa"
}

archive() {
	local file dir
	file=$(archive_file)
	[ ! -e "$file" ] || return 0
	dir=$(mktemp -d)
	# shellcheck disable=SC2064 # this folder, now
	trap "local_end '$dir' KILL 5; rm -rf '$dir'" EXIT
	BROKER_JVM="-XX:ArchiveClassesAtExit=$dir/classes.jsa" start "$dir" "$(free_port)"
	kcat -b "127.0.0.1:$(cat "$dir/port")" -L >/dev/null
	local_end "$dir" TERM 120 # it writes the archive while ending
	[ -s "$dir/classes.jsa" ] || die "this JVM wrote no class archive"
	mv "$dir/classes.jsa" "$file.new" && mv "$file.new" "$file"
}

format_once() { # DIR
	[ ! -e "$1/data/meta.properties" ] || return 0
	local id archive jvm=()
	rm -rf "$1/data"
	id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d =)
	archive=$(archive_file)
	if [ -r "$archive" ]; then jvm+=("-XX:SharedArchiveFile=$archive"); fi
	java "${jvm[@]}" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
		-cp "$(class_path)" kafka.tools.StorageTool format --standalone -t "$id" \
		-c "$1/server.properties" >"$1/format.log" 2>&1 || {
		cat "$1/format.log" >&2
		die "the data folder could not be formatted"
	}
}

start() { # DIR PORT
	local dir=$1 port=$2 pid archive i waited=${BROKER_WAIT:-60} jvm=()
	case $port in '' | *[!0-9]*) die "not a port: $port" ;; esac
	[ -d "$LIB" ] || die "no jars in $LIB: run make setup"
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	if pid=$(local_pid "$dir"); then
		say "already running, pid $pid, port $(cat "$dir/port")"
		return 0
	fi
	port_must_be_free "$port"
	port_must_be_free $((port + 1))
	write_properties "$dir" "$port"
	format_once "$dir"
	archive=$(archive_file)
	if [ -r "$archive" ]; then jvm+=("-XX:SharedArchiveFile=$archive"); fi
	# shellcheck disable=SC2206 # a list of words
	jvm+=(${BROKER_JVM:-})
	# Serial collection: on two cores the collector's threads would compete with the workers.
	setsid java "-Xms256m" "-Xmx${BROKER_HEAP:-768m}" -XX:+UseSerialGC -Xshare:auto \
		-XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true "${jvm[@]}" \
		-Dorg.slf4j.simpleLogger.defaultLogLevel="${BROKER_LOG_LEVEL:-info}" \
		-Dorg.slf4j.simpleLogger.showDateTime=true \
		-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
		-cp "$(class_path)" kafka.Kafka "$dir/server.properties" \
		</dev/null >>"$dir/broker.log" 2>&1 &
	pid=$!
	echo $pid >"$dir/pid"
	echo "$port" >"$dir/port"
	for ((i = 0; i < waited * 10; i++)); do
		if port_answers "$port" && kcat -b "127.0.0.1:$port" -L -m 2 >/dev/null 2>&1; then
			return 0
		fi
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	tail -n 30 "$dir/broker.log" >&2
	local_end "$dir" KILL 5
	die "the broker did not answer within $waited s; see $dir/broker.log"
}

main() {
	case ${1:-} in
	start)
		[ $# = 3 ] || die "usage: broker.sh start DIR PORT"
		start "$2" "$3"
		;;
	stop | kill)
		[ $# = 2 ] || die "usage: broker.sh $1 DIR"
		[ -d "$2" ] || return 0
		local dir
		dir=$(cd "$2" && pwd)
		if [ "$1" = stop ]; then local_end "$dir" TERM 20; else local_end "$dir" KILL 5; fi
		;;
	archive) archive ;;
	*) die "usage: broker.sh start DIR PORT | stop DIR | kill DIR | archive" ;;
	esac
}

main "$@"
