# SPDX-License-Identifier: Apache-2.0
"""Which faults are tried: fail-point x what happens there x what else breaks x whose process it is.

A cell is named by these four, POINT/ACTION/SURROUNDING/WORKER, and its name and the seed say all
about it.
"""
from __future__ import annotations

import random
from itertools import combinations, product
from typing import Callable, Iterable, NamedTuple

from rig.workers import WORKERS

# Those of the protocol, in the order in which a record passes them (common/base/failpoint.h). The
# number: at which of the first so many hits it may fire. A claimer passes A once a shard.
POINTS = {"A1": 2, "A2": 2, "A3": 2, "B3": 8, "P1": 6, "P2": 6, "P3": 6, "P4": 6, "P4.done": 6,
          "F1": 6, "F1.done": 6}
# What a step can pretend to have failed at; the others only die or hang.
FALLIBLE = ("A1", "P1", "P2", "P3", "P4", "F1")
ACTIONS = ("kill", "stop", "error")
NOTHING = "none"
SURROUNDINGS = {
    "plain": "nothing else",
    "redis_tail": "Redis killed, its append-only file cut short",
    "redis_older": "Redis replaced by an older copy",
    "redis_emptied": "Redis emptied",
    "replica": "a lagging replica takes the place of Redis",
    "redis_link": "the link to Redis cut, slow, half closed, replies lost",
    "broker_killed": "broker killed and started again",
    "broker_link": "the link to the broker cut, slow, half closed, replies lost",
    "added": "another process of the worker started",
    "drained": "the other process of the worker told to end",
}


class Cell(NamedTuple):
    point: str
    action: str
    surrounding: str
    worker: str

    @property
    def name(self) -> str:
        return "/".join(self)

    def is_possible(self) -> bool:
        if self.point == NOTHING or self.action == NOTHING:
            return self.point == self.action and self.surrounding != "plain"
        return self.action != "error" or self.point in FALLIBLE

    def choices(self) -> set[tuple]:
        return set(enumerate(self))

    def pairs(self) -> set[tuple]:
        return {(i, self[i], j, self[j]) for i, j in combinations(range(len(self)), 2)}


def possible() -> list[Cell]:
    return [cell for cell in map(Cell._make, product((*POINTS, NOTHING), (*ACTIONS, NOTHING),
                                                     SURROUNDINGS, WORKERS)) if cell.is_possible()]


def full(draw: random.Random) -> list[Cell]:
    """Every point, action and surrounding together, with workers in turn."""
    turns = {worker: 0 for worker in WORKERS}
    cells = []
    for point, action, surrounding in product((*POINTS, NOTHING), (*ACTIONS, NOTHING),
                                              SURROUNDINGS):
        worker = min(WORKERS, key=lambda name: (turns[name], draw.random()))
        cell = Cell(point, action, surrounding, worker)
        if cell.is_possible():
            turns[worker] += 1
            cells.append(cell)
    draw.shuffle(cells)
    return cells


def few(draw: random.Random, parts: Callable[[Cell], set[tuple]]) -> list[Cell]:
    """Few cells that have together what all possible ones have: greedy."""
    cells = possible()
    draw.shuffle(cells)
    wanted = set().union(*map(parts, cells))
    chosen = []
    while wanted:
        best = max(cells, key=lambda cell: len(parts(cell) & wanted))
        wanted -= parts(best)
        chosen.append(best)
    return chosen


def each(draw: random.Random) -> list[Cell]:
    """Every choice is made once, with others at another seed."""
    return few(draw, Cell.choices)


def cover(draw: random.Random) -> list[Cell]:
    """Each two choices that go together are together once."""
    return few(draw, Cell.pairs)


def named(names: Iterable[str]) -> list[Cell]:
    cells = {cell.name: cell for cell in possible()}
    unknown = [name for name in names if name not in cells]
    if unknown:
        raise SystemExit(f"no such cell: {' '.join(unknown)}\n"
                         "FAULTS is each, cover, full, or POINT/ACTION/SURROUNDING/WORKER,...\n"
                         f"points: {' '.join(POINTS)} none\nactions: {' '.join(ACTIONS)} none\n"
                         f"surroundings: {' '.join(SURROUNDINGS)}\nworkers: {' '.join(WORKERS)}")
    return [cells[name] for name in names]


def cells(asked: str, draw: random.Random) -> list[Cell]:
    plans = {"each": each, "cover": cover, "full": full}
    return plans[asked](draw) if asked in plans else named(asked.split(","))
