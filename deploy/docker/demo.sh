#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's container: publishes the sample company, streams its orders, compares and reports.
# environment: TALLY_BROKERS, TALLY_REDIS_URL
# usage: demo.sh [--orders N] [--seed N]
set -euo pipefail
tallyctl publish --wait deploy/demo/company.json
exec python3 deploy/demo/demo.py --folder /tmp --brokers "$TALLY_BROKERS" \
	--redis "$TALLY_REDIS_URL" "$@"
