#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Measures this machine: builds what ships, starts a broker and a Redis of its own in a temporary
# folder and on free ports, runs the ladder job and prints one table. `make bench` calls it.
#
# usage: bench/bench.sh [--quick] [--only one|three|steady|pages|large]... [--out FILE.json]
#        [--keep]
# environment: N (events, 1000000), SECONDS_STEADY (30), RATE (5000), TALLY_CACHE
set -eu
cd "$(dirname "$0")/.."

cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release --target programs -j "$(nproc)" >build/release/bench-build.log ||
	{
		tail -n 30 build/release/bench-build.log >&2
		exit 1
	}
exec python3 bench/bench.py "$@"
