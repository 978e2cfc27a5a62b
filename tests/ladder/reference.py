# SPDX-License-Identifier: Apache-2.0
"""The ladder's people as a reference file for `tallyctl publish`.

The company counts in UTC and CNY and keeps days, months and years; units come from the people's
teams, cities and regions; one plan has a rate for each level.
"""
from __future__ import annotations

import json
from pathlib import Path

RATE_PPM = {1: 20000, 2: 30000, 3: 40000}  # by level


def records(people: dict[str, dict]) -> list[dict]:
    """The records of the file, in the order of their naming."""
    parents: dict[tuple[str, str], str | None] = {}
    for person in people.values():
        parents["region", person["region_id"]] = None
        parents["city", person["city_id"]] = person["region_id"]
        parents["team", person["team_id"]] = person["city_id"]
    found: list[dict] = [{"kind": "company", "company_id": "all", "name": "Ladder",
                          "timezone": "UTC", "currency": "CNY",
                          "periods": ["day", "month", "year"]}]
    for (kind, unit_id), parent_id in sorted(parents.items(), key=lambda unit: unit[0]):
        above = {} if parent_id is None else {"parent_id": parent_id}
        found.append({"kind": kind, "unit_id": unit_id, **above})
    for payee_id, person in people.items():
        found.append({"kind": "person", "payee_id": payee_id, "team_id": person["team_id"],
                      "level": person["level"]})
    found.append({"kind": "plan", "plan_id": "base", "version": 1,
                  "rows": [{"level": level, "rate_ppm": rate} for level, rate in RATE_PPM.items()]})
    return found


def write(people: dict[str, dict], path: Path) -> Path:
    path.write_text(json.dumps(records(people), indent=0) + "\n")
    return path
