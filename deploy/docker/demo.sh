#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's container: makes a sample company's orders and its books, publishes the company,
# streams the orders, compares and reports.
# environment: TALLY_BROKERS, TALLY_REDIS_URL, DEMO_ORDERS (40000), DEMO_SEED (2026)
set -euo pipefail
folder=$(mktemp -d)
tallyctl gen --orders "${DEMO_ORDERS:-40000}" --seed "${DEMO_SEED:-2026}" \
	--out "$folder/orders.tsv" >&2
tallyctl publish --wait "$folder/orders.tsv.reference.json" >&2
exec python3 deploy/demo/demo.py --folder "$folder" --brokers "$TALLY_BROKERS" \
	--redis "$TALLY_REDIS_URL"
