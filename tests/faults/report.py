# SPDX-License-Identifier: Apache-2.0
"""The table: of each fault how many cells were run and exact, and how long until all was there.

Seconds are from the fault until Redis held everything that was in an input then; "of it away" is
what of the worst one was spent on bringing back what was broken (a broker's start, mostly).
"""
from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Iterable

from plan import NOTHING, SURROUNDINGS, Cell
from run import Result

ACTION_WORDS = {"kill": "SIGKILL", "stop": "SIGSTOP past both timeouts, then SIGCONT",
                "error": "the step fails", NOTHING: "nobody"}
HEAD = "| {} | runs | exact | median s | worst s | of it away |\n|---|---|---|---|---|---|"
AWAY_S = 1.0  # less is not worth a word


def row(name: str, results: list[Result]) -> str:
    times = sorted(one.recover_s for one in results if one.recover_s is not None)
    middle = f"{times[len(times) // 2]:.1f}" if times else "-"
    worst = max(results, key=lambda one: one.recover_s or 0.0)
    away = f"{worst.blow_s:.1f}" if worst.blow_s >= AWAY_S else ""
    return (f"| {name} | {len(results)} | {sum(one.exact for one in results)} "
            f"| {middle} | {worst.recover_s or 0.0:.1f} | {away} |")


def group(results: Iterable[Result], at: int) -> dict[str, list[Result]]:
    """By one of the cell's four."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.cell.split("/")[at]].append(result)
    return found


def tables(results: list[Result]) -> str:
    actions = group(results, Cell._fields.index("action"))
    around = group(results, Cell._fields.index("surrounding"))
    points = group(results, Cell._fields.index("point"))
    lines = [HEAD.format("what else broke, whatever happened to the victim")]
    lines += [row(f"{name}: {words}", around[name])
              for name, words in SURROUNDINGS.items() if name in around]
    lines += ["", HEAD.format("what happened to the victim, whatever else broke")]
    lines += [row(words, actions[name]) for name, words in ACTION_WORDS.items() if name in actions]
    plain = group(around.get("plain", []), Cell._fields.index("action"))
    lines += ["", HEAD.format("and nothing else broke")]
    lines += [row(words, plain[name]) for name, words in ACTION_WORDS.items() if name in plain]
    lines += ["", HEAD.format("where, whatever happened")]
    lines += [row(name, points[name]) for name in sorted(points)]
    return "\n".join(lines)


def write(path: Path, seed: int, results: list[Result]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seed": seed, "cells": [one.row() for one in results]}, indent=1)
                    + "\n")
