#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make demo`, small: exact against its own books, and nothing of it runs on afterwards."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rig import ROOT, free_port, programs
from rig.stage import main, must

ORDERS = 4000
DEMO = ROOT / "deploy" / "demo" / "demo.sh"
SHOWN = ("all as the books say", "events/s", "reader's hands", "by month", "Top ten", "because of",
         "Refused", "not_json", "over_payment", "order_limit", "null_value", "wrong_partition")


def test() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tally-demo-"))
    environment = {**os.environ, "TALLY_DEMO_DIR": str(folder), "TALLY_TEST_BIN": str(programs()),
                   "DEMO_BROKER_PORT": str(free_port()), "DEMO_REDIS_PORT": str(free_port()),
                   "DEMO_HTTP_PORT": str(free_port())}
    try:
        done = subprocess.run([str(DEMO), "--orders", str(ORDERS)], env=environment,
                              text=True, capture_output=True, timeout=900)
    finally:
        subprocess.run([str(DEMO.with_name("down.sh"))], env=environment, check=True)
    must(done.returncode == 0, f"demo.sh: status {done.returncode}\n{done.stdout}{done.stderr}")
    missing = [words for words in SHOWN if words not in done.stdout]
    must(not missing, f"the report lacks {missing}:\n{done.stdout}")
    running = subprocess.run(["pgrep", "-f", str(folder)], text=True, capture_output=True)
    must(not running.stdout, f"still running: {running.stdout}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(test)
