#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The dashboard in a container, which is reached from outside it and so asks for a token: that of
# TALLY_HTTP_TOKEN_FILE (a secret that is mounted), or one of its own, which it tells in its log.
# usage: dashboard.sh [FLAG of tally-dashboard]...
set -euo pipefail
if [ -z "${TALLY_HTTP_TOKEN_FILE:-}" ]; then
	umask 077
	TALLY_HTTP_TOKEN_FILE=$(mktemp)
	export TALLY_HTTP_TOKEN_FILE
	head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$TALLY_HTTP_TOKEN_FILE"
	echo "the page asks for this token: $(cat "$TALLY_HTTP_TOKEN_FILE")" >&2
fi
exec tally-dashboard "$@"
