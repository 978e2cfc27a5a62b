#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Workers whose clock is wrong: no figure depends on it, and no timer rings before its time.

The clock is moved for the workers alone, by a small library that is made here and preloaded. The
broker keeps the right time, which bounds what a timer may do; in the end it is moved, too.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

import ctl
from environment import AMOUNT, PAID, Company, run_all
from rig import kafka
from rig.stage import Stage, main, must
from rig.workers import Fleet

DAY_S = 86400
# The monotonic clock and the kernel's waits stay as they are.
CLOCK = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const char *shift = getenv("TALLY_TEST_CLOCK_S"), *only = getenv("TALLY_TEST_CLOCK_OF");
    int status = (int)syscall(SYS_clock_gettime, clock, out);

    if (only && strcmp(only, program_invocation_short_name) != 0)
        return status;
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


def move_broker(stage: Stage, library: Path, seconds: int) -> None:
    must(stage.broker, "the broker is shared")
    assert stage.broker
    stage.broker.stop()
    moved = {"LD_PRELOAD": str(library), "TALLY_TEST_CLOCK_S": str(seconds),
             "TALLY_TEST_CLOCK_OF": "java"}
    os.environ.update(moved)
    stage.broker.start()
    for name in moved:
        del os.environ[name]


# contract: orders.missing
def a_month_later(stage: Stage) -> None:
    """What waited for thirty days is refused as it came; once its order is there it is healed."""
    company, library = Company(stage), make_library(stage)
    place, ahead, late = company.place, (MISSING_DAYS + 1) * DAY_S, ctl.paid("o-late", "a", PAID)
    with company.fleet() as fleet:
        ctl.send(place, [late])
        company.must_go_on("it waits")
        must(not any(fleet.drain().values()), "not drained")
    must(not list(kafka.read(place.brokers, place.topic("orders.dlq"))), "refused at once")
    move_broker(stage, library, ahead)
    with shifted(company, library, ahead) as fleet:
        ctl.eventually(lambda: list(kafka.read(place.brokers, place.topic("orders.dlq"))),
                       "what waits is never refused")
        company.must_go_on("its neighbours")
        must_be_shifted(fleet, ahead)
        letters = list(kafka.read(place.brokers, place.topic("orders.dlq")))
        must([(one.header("tw-reason"), one.key) for one in letters] ==
             [("order_missing", "o-late")], f"refused: {letters}")
        must(json.loads(letters[0].value) == late, f"not as it came: {letters[0].value!r}")
        ctl.send(place, [ctl.created("o-late", "p-1", AMOUNT)])
        ctl.settle(place)
        ctl.answer(place, "dlq", "redrive", "--topic", "orders")
        company.orders += 1
        company.must_go_on("healed")


def test() -> None:
    run_all("env-clock", (a_day_wrong, a_timer_too_early, a_month_later), own_broker=True)


if __name__ == "__main__":
    main(test)
