#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does `make soak` judge right: is a leak of ten bytes an event seen in what comes and goes?"""
from __future__ import annotations

import random
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "faults"), str(TESTS / "integration")]
import soak  # noqa: E402

SECONDS, RATE = 1800, 1000


def samples(bytes_an_event: float = 0.0, peak: float = 0.0) -> list[tuple[float, float, float]]:
    """A worker that holds 12 MB, and up to 30 more from moment to moment."""
    draw, made = random.Random(17), []
    for at in range(5, SECONDS + 1, 5):
        used = 12 + draw.random() ** 2 * 30 + at * RATE * bytes_an_event / soak.MB
        made.append((float(at), max(used + 20, peak if at == 300 else 0), used))
    made[50] = (made[50][0], made[50][1], 0.0)  # it did not answer
    return made


def main() -> int:
    orders = SECONDS * RATE // 4
    cases = [
        ("flat", "orders", samples(), "", 0),
        ("a leak", "commissions", samples(bytes_an_event=10), "holds", 1),
        ("a peak", "scoreboard", samples(peak=soak.RESIDENT_MB + 1), "resident", 1),
        ("orders are noted", "orders", samples(bytes_an_event=10), "", 0),
        ("orders are noted, and more", "orders", samples(bytes_an_event=30), "holds", 1),
        ("noted by orders alone", "scoreboard", samples(bytes_an_event=30), "holds", 1),
    ]
    failed = 0
    for what, name, all_of_it, words, count in cases:
        found = soak.faults_of(name, all_of_it, orders)
        if len(found) != count or any(words not in one for one in found):
            print(f"{what}: {found}")
            failed += 1
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
