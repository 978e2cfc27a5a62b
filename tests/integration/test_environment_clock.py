#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Workers whose clock is wrong: no figure depends on it, and no timer rings before its time.

The clock is moved for the workers alone, by a small library that is made here and preloaded. The
broker keeps the right time, which bounds what a timer may do.
"""
from __future__ import annotations

import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

import ctl
from environment import Company, run_all
from rig import kafka
from rig.stage import Stage, main, must
from rig.workers import Fleet

DAY_S = 86400
# The monotonic clock and the kernel's waits stay as they are.
CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const char *shift = getenv("TALLY_TEST_CLOCK_S");
    int status = (int)syscall(SYS_clock_gettime, clock, out);

    if (clock == CLOCK_REALTIME && shift)
        out->tv_sec += atol(shift);
    return status;
}
"""
MISSING_DAYS = 30  # then an event that waits for its order is refused
TIMER_S = 1.0      # between two tries of one shard to ring
WATCH_S = 6.0


def make_library(stage: Stage) -> Path:
    library = stage.folder / "clock_shift.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-x", "c", "-o", str(library), "-"],
                   input=CLOCK, text=True, check=True)
    return library


def shifted(company: Company, library: Path, seconds: int) -> Fleet:
    fleet = company.fleet()
    for worker in fleet.members:
        worker.environment = {"LD_PRELOAD": str(library), "TALLY_TEST_CLOCK_S": str(seconds)}
    return fleet


def must_be_shifted(fleet: Fleet, seconds: int) -> None:
    """Otherwise this test would prove nothing: the workers' logs say what time it is to them."""
    for worker in fleet.members:
        last = worker.log.read_text().splitlines()[-1]
        said = re.match(r"ts=(\S+)", last)
        must(said, f"a log line without its time: {last}")
        assert said
        ahead_s = datetime.fromisoformat(said[1].replace("Z", "+00:00")).timestamp() - time.time()
        must(abs(ahead_s - seconds) < DAY_S / 2,
             f"the clock of {worker.name} is moved by {ahead_s:.0f} s, not by {seconds} s")


def timers(company: Company) -> int:
    place = company.place
    return sum(b"tallyworks.timer.due" in (record.value or b"")
               for record in kafka.read(place.brokers, place.topic("orders")))


def a_day_wrong(stage: Stage) -> None:
    """A day ahead and a day behind: the same figures."""
    company, library = Company(stage), make_library(stage)
    for seconds in (DAY_S, -DAY_S):
        with shifted(company, library, seconds) as fleet:
            company.must_go_on(f"{seconds} s")
            must_be_shifted(fleet, seconds)
    with company.fleet():
        company.must_go_on("the right time again")


def a_timer_too_early(stage: Stage) -> None:
    """Where the clock is past a timer's instant it is not rung by it, nor in every turn."""
    company, library = Company(stage), make_library(stage)
    ahead = (MISSING_DAYS + 1) * DAY_S
    with shifted(company, library, ahead) as fleet:
        company.must_go_on("ahead")
        must_be_shifted(fleet, ahead)
        ctl.send(company.place, [ctl.paid("o-late", "a", 300)])
        ctl.eventually(lambda: timers(company) > 0, "the timer was never due: nothing is tried")
        before = timers(company)
        time.sleep(WATCH_S)
        tried = timers(company) - before
        must(tried <= 2 * WATCH_S / TIMER_S, f"{tried} timers in {WATCH_S} s")
        letters = list(kafka.read(company.place.brokers, company.place.topic("orders.dlq")))
        must(not letters, f"refused before its time: {letters}")
    with company.fleet():
        ctl.send(company.place, [ctl.created("o-late", "p-1", 1000)])
        company.orders += 1
        company.must_go_on("the order came")


def test() -> None:
    run_all("env-clock", (a_day_wrong, a_timer_too_early))


if __name__ == "__main__":
    main(test)
