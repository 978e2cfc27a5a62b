#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The model of the commit protocol (tests/model/explore.py): many schedules, none of them bad, and
mutants of which each must be caught. `explore.py --mutants` tries all of them."""
import os
import subprocess
import sys

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model', 'explore.py')
RUNS = os.environ.get('TALLY_MODEL_RUNS', '5000')
# Caught within a few seeds.
QUICK = ('flush-without-compare', 'torn-unmarked', 'clear-all', 'no-suppression', 'no-cut',
         'unknown-is-committed', 'unknown-is-aborted', 'offsets-outside',
         'skipped-forgotten')


def explore(*arguments):
    return subprocess.run([sys.executable, MODEL, *arguments], check=False).returncode


def main():
    if explore('--runs', RUNS):
        return 1
    missed = [mutant for mutant in QUICK if not explore('--runs', '300', mutant)]
    for mutant in missed:
        print(f'the mutant {mutant} is not caught')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
