#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The part of the fault matrix for every change: each fail-point, each death, each trouble around
it and each worker once (tests/faults, FAULTS=each).

The seed draws which of them meet, so that other runs try others; a failure says how to repeat it.
"""
from __future__ import annotations

import os
import subprocess
import sys

from rig import ROOT
from rig.stage import main, must


# Where the machine is so busy that a transaction outlasts its 3 s, recovery waits for better times.
SETTLE_S = 300


def test() -> None:
    matrix = ROOT / "tests" / "faults" / "test_faults.py"
    done = subprocess.run([sys.executable, str(matrix)], env={
        **os.environ, "FAULTS": "each", "FAULTS_SETTLE_S": str(SETTLE_S),
        "FAULTS_JSON": str(ROOT / "build" / "faults_each.json")})
    must(done.returncode == 0, "the fault matrix: see above")


if __name__ == "__main__":
    main(test)
