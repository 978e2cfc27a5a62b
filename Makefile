# SPDX-License-Identifier: Apache-2.0
# The front door: thin names for what CMake and the scripts do. `make help` lists them.
SHELL := /bin/bash
PRESET ?= release
JOBS ?= $(shell nproc)
SIM = build/dev/tests/sim/sim_sim

.DEFAULT_GOAL := help
.PHONY: help setup build up demo down test image exact faults fuzz bench fmt tidy docs clean
.PHONY: sim sim-long sim-build strain soak valgrind tsan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | \
		while IFS=$$'\t' read -r name words; do \
		printf '  make %-8s %s\n' "$$name" "$$words"; done

setup: ## get and build what the product needs (a second when it is there)
	@deploy/setup/setup.sh

build: setup ## build everything into build/PRESET (PRESET=release; dev, tsan, coverage)
	@cmake --preset $(PRESET) --log-level=WARNING
	@cmake --build --preset $(PRESET) -j $(JOBS)

up: setup ## start broker, Redis and workers of the demo
	@deploy/demo/up.sh

demo: setup ## the whole tour: start, publish, feed, show figures and commissions
	@deploy/demo/demo.sh

down: ## stop what up or demo started
	@deploy/demo/down.sh

test: ## all tests but the long ones; ends in one line "N passed, N failed"
	@tests/run.sh

faults: ## kill, stop, roll back and restart everything under load
	@tests/run.sh faults

strain: ## too much, too slow, too lopsided: each exact, and the figures (STRAIN=name,...)
	@TALLY_TEST_FILTER=faults/strain tests/run.sh faults

soak: setup ## TIME seconds (1800) at 1,000 events/s: memory is flat, Redis has documented keys only
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release -j $(JOBS) >/dev/null
	@SOAK_SECONDS=$(or $(TIME),1800) tests/faults/soak.py

valgrind: setup ## memcheck of workers and dashboard on a small stream (needs valgrind)
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release -j $(JOBS) >/dev/null
	@tests/faults/memcheck.py

tsan: ## real broker, Redis and workers on small streams under the thread sanitizer
	@tests/run.sh threads

sim: ## the simulation; SEED=n replays one run with its trace (APP=orders, FAULT=zombie CALL=7)
ifdef SEED
	@$(MAKE) --no-print-directory sim-build
	@$(SIM) $(if $(APP),--app $(APP)) --seed $(SEED) $(if $(FAULT),--fault $(FAULT)) \
		$(if $(CALL),--call $(CALL)) $(if $(STEP),--step $(STEP))
else
	@tests/run.sh sim
endif

sim-long: sim-build ## each fault at each port call, then seeds for TIME seconds (3600)
	@$(SIM) --everywhere
	@$(SIM) --seconds $$(( $(or $(TIME),3600) / 2 )) --first $(or $(FIRST),1)

sim-build: setup
	@cmake --preset dev --log-level=WARNING
	@cmake --build --preset dev --target sim_sim -j $(JOBS)

exact: ## the ladder job at 1,000,000 events through kills, comings and goings, an emptied Redis
	@TALLY_LADDER_EVENTS=$${TALLY_LADDER_EVENTS:-1000000} \
		TALLY_LADDER_RATE=$${TALLY_LADDER_RATE:-12000} TALLY_TEST_JOBS=1 \
		TALLY_TEST_FILTER='integration/(kill|ladder_three|redis_emptied)' tests/run.sh integration

image: setup ## build deploy/Dockerfile's images in Debian roots and run them (root, debootstrap)
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release -j $(JOBS) >/dev/null
	@tests/image/test_image.py

fuzz: ## libFuzzer on everything that reads what others write (TIME=60 seconds each, FUZZ=name)
	@FUZZ_SECONDS=$(or $(TIME),60) cmake/fuzz.sh

bench: setup ## measure throughput and latency on this machine
	@bench/bench.sh

fmt: ## clang-format over the C files
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

docs: setup ## print the pages of docs/ that come from the code's tables
	@cmake --preset $(PRESET) --log-level=WARNING
	@cmake --build --preset $(PRESET) --target tallyctl -j $(JOBS)
	@bin=build/$(PRESET)/bin; $$bin/tallyctl --print-docs names | while read -r name file; do \
		$$bin/tallyctl --print-docs "$$name" >"$$file"; done

tidy: setup ## the code's law, as far as a program can check it
	@python3 tests/tidy/tidy.py

clean: ## remove build/ (not the cache of make setup)
	@rm -rf build
