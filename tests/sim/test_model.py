#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The model of the commit protocol (tests/model/explore.py): many schedules, none of them bad, and
mutants of which each must be caught."""
import os
import subprocess
import sys

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model', 'explore.py')
RUNS = os.environ.get('TALLY_MODEL_RUNS', '20000')


def explore(*arguments):
    return subprocess.run([sys.executable, MODEL, *arguments], check=False).returncode


def main():
    return explore('--runs', RUNS) or explore('--runs', '2000', '--mutants')


if __name__ == '__main__':
    sys.exit(main())
