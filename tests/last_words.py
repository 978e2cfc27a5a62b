#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each failed test said last, behind all other output, where it is found.

usage: last_words.py REPORT...   ctest's reports (--output-junit)
"""
from __future__ import annotations

import sys
import xml.etree.ElementTree as tree

LINES, COLUMNS = 15, 400
NOISE = "event=kafka_client_"  # librdkafka's own words, hundreds of them where a broker is killed


def main() -> None:
    for report in sys.argv[1:]:
        for test in tree.parse(report).iter("testcase"):
            if test.get("status") != "fail":
                continue
            said = [line[:COLUMNS] for line in (test.findtext("system-out") or "").splitlines()
                    if NOISE not in line]
            print(f"== failed: {test.get('name')}, after {float(test.get('time', 0)):.0f} s:")
            print("\n".join(said[-LINES:]))


if __name__ == "__main__":
    main()
