#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One strain of `make strain`: brokers are away for long, no process ends, all goes on by itself.

The broker is the test's own, since its address must be that of the proxy that cuts the link.
"""
from __future__ import annotations

import os
import subprocess
import sys

from rig import ROOT
from rig.stage import main, must

STRAIN = "broker_away"


def test() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "faults" / "test_strain.py")],
                          env={**os.environ, "STRAIN": STRAIN})
    must(done.returncode == 0, f"{STRAIN}: see above")


if __name__ == "__main__":
    main(test)
