#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the libFuzzer programs one after the other; new corpus files stay in build/fuzz/corpus, what
# was found in build/fuzz/found. Exit status 1 when something was found.
# environment: FUZZ_SECONDS (60, each), FUZZ (the name of one; default all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deploy/setup/setup.sh
deploy/setup/setup.sh fuzz
cmake --preset fuzz --log-level=WARNING
cmake --build --preset fuzz
failed=0
shopt -s nullglob
for program in build/fuzz/tests/fuzz/fuzz_"${FUZZ:-}"*; do
	name=$(basename "$program")
	name=${name#fuzz_}
	mkdir -p "build/fuzz/corpus/$name" build/fuzz/found
	seeds=()
	if [ -d "tests/fuzz/corpus/$name" ]; then seeds=("tests/fuzz/corpus/$name"); fi
	echo "fuzz: $name for ${FUZZ_SECONDS:-60} s"
	"$program" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -print_final_stats=0 \
		-artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" "${seeds[@]}" \
		>"build/fuzz/$name.log" 2>&1 || {
		tail -n 40 "build/fuzz/$name.log"
		failed=$((failed + 1))
	}
done
echo "fuzz: $failed with findings"
[ "$failed" = 0 ]
