# SPDX-License-Identifier: Apache-2.0
"""The sample company as the report shows it: names, and who was what on a business day."""
from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import timedelta, timezone
from pathlib import Path

WALL = timezone(timedelta(hours=8))  # Asia/Shanghai: since 1991 without summer time


class Company:
    def __init__(self, path: Path) -> None:
        records: list[dict] = json.loads(path.read_text(encoding="utf-8"))
        self.counts = Counter(record["kind"] for record in records)
        self.name: str = next(record["name"] for record in records if record["kind"] == "company")
        self.teams: dict[str, str] = {record["unit_id"]: record["name"] for record in records
                                      if record["kind"] == "team"}
        self.counts["team"] = len(self.teams)
        self.people: dict[str, list[dict]] = defaultdict(list)
        for record in records:
            if record["kind"] == "person":
                self.people[record["payee_id"]].append(record)

    def person(self, payee_id: str, day: str) -> dict:
        """Half-open: valid_from is in, valid_to is out."""
        return next(record for record in self.people[payee_id]
                    if record.get("valid_from", "") <= day < record.get("valid_to", "9999"))
