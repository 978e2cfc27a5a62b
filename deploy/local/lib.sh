# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What broker.sh and redis.sh share: processes are known by the pid in DIR/pid, and a pid counts
# only while its command line names DIR, so that a reused number is never signalled.

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

cache_dir() { echo "${TALLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tallyworks}"; }

# local_pid DIR: prints the pid of DIR's live process, or fails.
local_pid() {
	local pid
	pid=$(cat "$1/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
	tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$1" || return 1
	echo "$pid"
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: a port with a free one above it, below the range that outgoing connections take and
# below those that the tests' own processes hold (tests/integration/rig).
free_port() {
	local port i
	for ((i = 0; i < 200; i++)); do
		port=$((20000 + (RANDOM % 1000) * 2))
		if ! port_answers $port && ! port_answers $((port + 1)); then
			echo $port
			return 0
		fi
	done
	die "no free port between 20000 and 22000"
}

port_must_be_free() {
	if port_answers "$1"; then die "port $1 is taken by something else; choose another"; fi
}

# wait_gone PID SECONDS: fails when the process is still there after that time. A zombie is gone
# with the last of its threads, which keeps its ports.
wait_gone() {
	local i threads
	for ((i = 0; i < $2 * 20; i++)); do
		threads=$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
		case $(ps -o stat= -p "$1" 2>/dev/null) in
		'') return 0 ;;
		Z*) if [ "$threads" -le 1 ]; then return 0; fi ;;
		esac
		sleep 0.05
	done
	return 1
}

# local_end DIR SIGNAL SECONDS: sends the signal, waits, then SIGKILL. Nothing running is fine.
local_end() {
	local pid
	if ! pid=$(local_pid "$1"); then
		rm -f "$1/pid"
		return 0
	fi
	kill -CONT "$pid" 2>/dev/null || true # a stopped process (SIGSTOP) would not see the signal
	kill "-$2" "$pid" 2>/dev/null || true
	if ! wait_gone "$pid" "$3"; then
		say "pid $pid did not end within $3 s, killing it"
		kill -KILL "$pid" 2>/dev/null || true
		wait_gone "$pid" 30 || die "pid $pid cannot be killed"
	fi
	rm -f "$1/pid"
}
