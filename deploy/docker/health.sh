#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Asks the worker in this container how it is; the image has no curl.
# usage: health.sh livez|readyz    status 0: it answered 200
set -euo pipefail
exec 3<>/dev/tcp/127.0.0.1/9640
printf 'GET /%s HTTP/1.0\r\n\r\n' "$1" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
