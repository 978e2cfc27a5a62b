# SPDX-License-Identifier: Apache-2.0
"""The demo's report: what a dashboard would show, read from Redis and printed as text.

Amounts are kept in fen and shown in yuan. Chinese characters take two columns of a terminal.
"""
from __future__ import annotations

import json
import unicodedata
from collections import Counter
from datetime import datetime

from company import WALL, Company
from rig.redis import Redis

MONTHS = {"01": "January", "02": "February", "03": "March", "04": "April", "05": "May",
          "06": "June"}
FIGURES = ("orders", "order_amount", "collected", "refunded", "commission", "delivered_on_time")
SHOWN_LINES = 5


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def left(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def on_the_wall(time: str) -> str:
    """An event's instant as the company's clock shows it."""
    instant = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return instant.astimezone(WALL).strftime("%Y-%m-%d %H:%M")


def heading(words: str) -> None:
    print(f"\n{words}\n" + "-" * width(words))


def company_by_month(redis: Redis, prefix: str, company: Company) -> None:
    heading(f"{company.name}, 2026, by month")
    print(f"{'':12}{'orders':>8}{'ordered':>18}{'collected':>18}{'refunded':>15}{'commission':>15}"
          f"{'on time':>9}")
    for month in [f"2026-{number}" for number in MONTHS] + ["2026-Q1", "2026"]:
        found = redis.command("HGETALL", f"{prefix}sales:company:all:{month}")
        if not found:
            continue
        figures = {name: 0 for name in (*FIGURES, "delivered")}
        figures.update((name, int(value)) for name, value in zip(found[::2], found[1::2]))
        on_time = figures["delivered_on_time"] * 100 // max(1, figures["delivered"])
        print(f"{MONTHS.get(month[5:], month):12}{figures['orders']:>8,}"
              f"{yuan(figures['order_amount']):>18}{yuan(figures['collected']):>18}"
              f"{yuan(figures['refunded']):>15}{yuan(figures['commission']):>15}{on_time:>8}%")


def top_ten(redis: Redis, prefix: str, company: Company) -> str:
    """The board of March's commissions; returns who leads it."""
    heading("Top ten by commission, March 2026")
    flat = redis.command("ZREVRANGE", f"{prefix}board:commission:company:all:2026-03", 0, 9,
                         "WITHSCORES")
    for place, (payee_id, score) in enumerate(zip(flat[::2], flat[1::2]), 1):
        person = company.person(payee_id, "2026-03-31")
        team = company.teams[person["team_id"]]
        print(f"{place:>4}  {left(person['name'], 10)}{left(team, 14)}level {person['level']}, "
              f"rating {person['rating']}{yuan(int(score)):>16}")
    return flat[0]


def payee_lines(redis: Redis, prefix: str, company: Company, payee_id: str,
                events: dict[str, dict]) -> None:
    """The last lines of a month, each with its cause in the log and its arithmetic."""
    name = company.person(payee_id, "2026-03-31")["name"]
    flat = redis.command("HGETALL", f"{prefix}lines:{payee_id}:2026-03")
    lines = sorted(((json.loads(text), line_id) for line_id, text in zip(flat[::2], flat[1::2])),
                   key=lambda found: (found[0]["time"], found[1]))
    back = [found for found in lines if found[0]["type"] == "commission.clawed_back"][-1:]
    shown = [found for found in lines if found in back or found in lines[-SHOWN_LINES:]]
    heading(f"{name} ({payee_id}), March 2026: {len(lines)} lines, the last ones"
            + (" and the last that was clawed back" if back else ""))
    print("each amount: the rate on all that the order brought in so far, less what it gave before")
    for line, line_id in shown:
        data = events[line_id]
        print(f"{on_the_wall(line['time'])}  {line['order_id']} {yuan(line['basis']):>12} at "
              f"{line['rate_ppm'] / 10000:>5g} % ({line['plan_id']} v{line['plan_version']})"
              f"{yuan(line['amount']):>11} = {yuan(data['cumulative_after'])}"
              f" - {yuan(data['cumulative_before'])}"
              f"\n{'':18}because of {line['source_event_id']}, found at {line['cause']}")
    found = redis.command("HGETALL", f"{prefix}pay:{payee_id}:2026-03")
    pay = {name: int(value) for name, value in zip(found[::2], found[1::2])}
    print(f"the month: accrued {yuan(pay.get('accrued', 0))}, clawed back "
          f"{yuan(pay.get('clawed_back', 0))}, payable {yuan(pay.get('payable', 0))}")


def refusals(reasons: Counter) -> None:
    heading(f"Refused, with the reason, in orders.dlq: {sum(reasons.values()):,}")
    row = []
    for reason, count in sorted(reasons.items(), key=lambda found: (-found[1], found[0])):
        row.append(f"{reason:<22}{count:>5}")
        if len(row) == 3:
            print("    ".join(row))
            row = []
    if row:
        print("    ".join(row))
