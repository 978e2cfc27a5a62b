#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests: sets the machine up, builds, starts a broker and a Redis of its own where a level
# needs them, and stops what it started, also when it is interrupted. The last line is always
# "N passed, N failed" over all levels; the exit status is 1 when one failed or nothing ran.
#
# usage: tests/run.sh [level...]   default: unit schemas cases sim fuzz tidy conformance integration
#        further: faults; threads, what is real under the thread sanitizer (preset tsan). unit,
#        cases, sim, fuzz and tidy run under the other sanitizers (preset dev), the others on what
#        ships (preset release).
# environment: TALLY_SEED (a fixed seed for all seeded tests), TALLY_SIM_SECONDS (of each simulated
#        application), TALLY_FUZZ_SECONDS (of each fuzz target), TALLY_TEST_KEEP=1 (keep the scratch
#        folder), TALLY_TEST_FILTER (only tests whose name matches; a regular expression),
#        TALLY_TEST_JOBS (tests of real parts at a time, which wait most of their time: 4), FAULTS
#        (what of the fault matrix is tried: tests/faults/test_faults.py)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/local/lib.sh
. deploy/local/lib.sh

readonly DEV_LEVELS='unit schemas cases sim fuzz tidy'
# Of level threads: processes that come and go, an emptied Redis, all that HTTP answers.
readonly THREADS='^conformance/[a-z]+_|/(ladder_three|redis_emptied|dashboard|prometheus)$'
passed=0
failed=0
skipped=0
scratch=
running=
reports=()

finish() {
	local status=$?
	trap - EXIT
	# ctest and what it started are one process group.
	if [ -n "$running" ] && kill -TERM -- "-$running" 2>/dev/null; then
		wait "$running" 2>/dev/null || true
	fi
	if [ -d "$scratch/broker" ]; then
		deploy/local/broker.sh stop "$scratch/broker" || true
		deploy/local/redis.sh stop "$scratch/redis" || true
		if [ $status = 0 ] && [ -z "${TALLY_TEST_KEEP:-}" ]; then
			rm -rf "$scratch"
		else
			echo "logs of broker and Redis are kept in $scratch"
		fi
	fi
	if [ $status != 0 ] && [ $failed = 0 ]; then failed=1; fi # a build or a start that failed
	if [ ${#reports[@]} -gt 0 ]; then python3 tests/last_words.py "${reports[@]}" || true; fi
	if [ $skipped -gt 0 ]; then echo "$skipped skipped"; fi
	echo "$passed passed, $failed failed"
	exit $status
}

is_dev() {
	case " $DEV_LEVELS " in *" $1 "*) return 0 ;; esac
	return 1
}

# build PRESET LEVEL...: the programs and the tests of these levels. Quiet unless it fails.
build() {
	local preset=$1 level log=build/$1/build.log targets=(programs)
	shift
	for level in "$@"; do targets+=("tests_$level"); done
	echo "== building $preset"
	mkdir -p "build/$preset"
	cmake --preset "$preset" >"$log" 2>&1 || {
		tail -n 30 "$log"
		die "cmake of preset $preset failed"
	}
	cmake --build --preset "$preset" --target "${targets[@]}" -j "$(nproc)" >"$log" 2>&1 || {
		grep -v '^\[.*\] \(Building\|Linking\|Generating\)' "$log" | tail -n 60
		die "the build of preset $preset failed; all of it is in $log"
	}
}

# run_levels PRESET JOBS LEVEL...: one ctest over these levels; its counts are added up.
run_levels() {
	local preset=$1 jobs=$2 report labels status=0
	shift 2
	report=$PWD/build/$preset/junit.xml
	labels="^($(IFS='|' && echo "$*"))\$"
	echo "== $preset: $*"
	rm -f "$report"
	set -m # a process group of its own, so that an interrupt can end all of it
	ctest --test-dir "build/$preset" -L "$labels" --output-on-failure --no-tests=ignore \
		-j "$jobs" --output-junit "$report" ${TALLY_TEST_FILTER:+-R "$TALLY_TEST_FILTER"} &
	running=$!
	set +m
	wait $running || status=$?
	running=
	if [ -e "$report" ]; then reports+=("$report"); fi
	count "$report" || [ $status = 0 ] || return $status
}

# run_threads: what real threads do, seen by the thread sanitizer. Any report is a failure, also
# that of a process whose exit status no test looks at.
run_threads() {
	local said=$scratch/tsan found
	mkdir -p "$said"
	export TSAN_OPTIONS="log_path=$said/report"
	TSAN_OPTIONS+=:halt_on_error=0:exitcode=66:second_deadlock_stack=1:history_size=4
	export TALLY_TEST_PATIENCE=${TALLY_TEST_PATIENCE:-5}
	export TALLY_LADDER_EVENTS=${TALLY_LADDER_EVENTS:-6000}
	export TALLY_LADDER_RATE=${TALLY_LADDER_RATE:-600}
	TALLY_TEST_FILTER=${TALLY_TEST_FILTER:-$THREADS} run_levels tsan 1 conformance integration
	found=$(cat "$said"/report.* 2>/dev/null | grep -c '^WARNING: ThreadSanitizer' || true)
	echo "$found reports of the thread sanitizer"
	if [ "$found" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		cat "$said"/report.*
	fi
}

# count REPORT: from the head of ctest's report, <testsuite tests= failures= disabled= skipped=>.
count() {
	[ -e "$1" ] || return 1
	local all bad out
	all=$(sed -n '/<testsuite/,/>/s/.*[[:space:]]tests="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
	bad=$(sed -n '/<testsuite/,/>/s/.*failures="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
	out=$(sed -n '/<testsuite/,/>/s/.*skipped="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
	passed=$((passed + all - bad - out))
	failed=$((failed + bad))
	skipped=$((skipped + out))
}

# start_real: broker and Redis for the levels that need them. Another run on this machine may take
# a port between finding it free and using it, hence more than one try.
start_real() {
	local port try
	scratch=$(mktemp -d)
	for try in 1 2 3; do
		port=$(free_port)
		if deploy/local/broker.sh start "$scratch/broker" "$port"; then
			export TALLY_TEST_BROKERS=127.0.0.1:$port
			break
		fi
		[ $try -lt 3 ]
	done
	for try in 1 2 3; do
		port=$(free_port)
		if deploy/local/redis.sh start "$scratch/redis" "$port"; then
			export TALLY_TEST_REDIS=redis://127.0.0.1:$port
			break
		fi
		[ $try -lt 3 ]
	done
	export TALLY_TEST_DIR=$scratch
	export BROKER_WAIT=${BROKER_WAIT:-180} # of tests' own brokers: other tests run beside
}

main() {
	local level dev=() real=() shared='' threads=''
	[ $# -gt 0 ] || set -- unit schemas cases sim fuzz tidy conformance integration
	for level in "$@"; do
		case $level in
		unit | schemas | cases | sim | fuzz | tidy) dev+=("$level") ;;
		conformance | integration) real+=("$level") shared=1 ;;
		faults) real+=("$level") ;; # breaks servers of its own
		threads) threads=1 shared=1 ;;
		*) die "no such level: $level" ;;
		esac
	done
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	deploy/setup/setup.sh
	if [ ${#dev[@]} -gt 0 ]; then
		build dev "${dev[@]}"
		run_levels dev "$(nproc)" "${dev[@]}"
	fi
	if [ -n "$threads" ]; then
		deploy/setup/setup.sh tsan
		build tsan conformance
	fi
	if [ ${#real[@]} -gt 0 ]; then build release "${real[@]}"; fi
	if [ ${#real[@]} -gt 0 ] || [ -n "$threads" ]; then
		# One for all levels of real parts, so that what passed can be repeated, too.
		export TALLY_SEED=${TALLY_SEED:-$((RANDOM << 15 | RANDOM))}
		echo "== TALLY_SEED=$TALLY_SEED"
	fi
	[ -z "$shared" ] || start_real
	if [ ${#real[@]} -gt 0 ]; then
		run_levels release "${TALLY_TEST_JOBS:-4}" "${real[@]}"
	fi
	[ -z "$threads" ] || run_threads
	[ $((passed + failed)) -gt 0 ] || die "no test was found"
	[ $failed = 0 ]
}

main "$@"
