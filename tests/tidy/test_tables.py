#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of words name exactly what the code has: log events, headers, red lights of the runbook.

Log events: every log_LEVEL("event") of the product stands in common/host/log_events.c with that
level, and nothing else does. Headers: every header that the runtime sends stands in the table of
services/tallyctl/pages.c, and the other way round. The runbook names each event that is a warning
or an error, each check of /readyz, each exit status and each refusal of a shard by its words. The
glossary has every figure, every public event and no word without a Chinese one. Alerts and pages
name metrics that there are.
"""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'\blog_(debug|info|warn|error)\(\s*"([a-z_]+)"')
ROW = re.compile(r'^\t\{ "([a-z_]+)", LOG_([A-Z]+),', re.M)
SENT = re.compile(r'"(tw-[a-z-]+|__dlq[.a-z]+|kafka_dlt-[a-z-]+|traceparent|content-type)"')
HEADER_ROW = re.compile(r'^\t\{ "([^"]+)", "[^"]+"', re.M)
CHECK = re.compile(r'put_check\(out, "(\w+)"')
REFUSAL = re.compile(r'REFUSE\(s, now_ms,\s*((?:"[^"]*"\s*(?:PRI\w+\s*)?)+)')
METRIC = re.compile(r"\btallyworks_(?!v1\b)[a-z_]+\b")
STATUS = re.compile(r'X\(RC_\w+, "[^"]*", (\d+)\)')


def read(path: str) -> str:
    return (ROOT / path).read_text()


def sources() -> list[Path]:
    folders = (ROOT / "common", ROOT / "services")
    return sorted(path for folder in folders for path in folder.rglob("*.c"))


def log_findings(calls: set[tuple[str, str]], rows: list[tuple[str, str]]) -> list[str]:
    table = {(name, level.lower()) for name, level in rows}
    return ([f"log event {name} ({level}) is not in common/host/log_events.c"
             for name, level in sorted(calls - table)] +
            [f"common/host/log_events.c has {name} ({level}), which nothing writes"
             for name, level in sorted(table - calls)])


def header_findings(sent: set[str], rows: set[str]) -> list[str]:
    return ([f"header {name} is not in the table of services/tallyctl/pages.c"
             for name in sorted(sent - rows)] +
            [f"services/tallyctl/pages.c has the header {name}, which nothing sends"
             for name in sorted(rows - sent)])


def runbook_findings(runbook: str, words: set[str]) -> list[str]:
    return [f"docs/RUNBOOK.md says nothing of `{word}`" for word in sorted(words)
            if f"`{word}`" not in runbook]


def refusal_words(call: str) -> str:
    """The cause in a refusal, before what to do: its longest run without a number."""
    text = re.sub(r'"\s*(PRI\w+)?\s*"', "", call).strip().strip('"')
    cause = re.split(r"[:(]", text)[0]
    return max((run.strip(" ,") for run in re.split(r"%d|%", cause)), key=len)


def refusals() -> set[str]:
    found = {refusal_words(call) for call in REFUSAL.findall(read("common/runtime/shard_claim.c"))}
    assert len(found) > 5, found
    return found


def metric_findings(texts: dict[str, str], known: set[str]) -> list[str]:
    parts = {name + part for name in known for part in ("", "_bucket", "_sum", "_count")}
    return [f"{path}: there is no metric {name}" for path, text in texts.items()
            for name in sorted(set(METRIC.findall(text)) - parts)]


def alerts() -> set[str]:
    found = set(re.findall(r"- alert: (\w+)", read("deploy/prometheus/alerts.yaml")))
    assert len(found) > 5, found
    return found


def glossary_findings(glossary: str, words: set[str]) -> list[str]:
    rows = [line for line in glossary.splitlines() if line.startswith("| ")]
    return ([f"docs/GLOSSARY.md lacks `{word}`" for word in sorted(words)
             if f"`{word}`" not in glossary] +
            [f"docs/GLOSSARY.md has no Chinese word for: {row}" for row in rows
             if not re.search(r"[\u4e00-\u9fff]", row.split("|")[2])])


def glossary_words() -> set[str]:
    names = {name for kind in ("internal/figures", "state/pay")
             for name in json.loads(read(f"schemas/{kind}.schema.json"))["properties"]
             if not name.endswith("_at")}
    files = [path for folder in ("orders", "out") for path in (ROOT / "schemas" / folder).iterdir()]
    events = {path.name.removesuffix(".schema.json") for path in files}
    return names | {event for event in events if "." in event}


def all_findings() -> list[str]:
    calls = {(name, level) for path in sources() for level, name in CALL.findall(path.read_text())}
    rows = ROW.findall(read("common/host/log_events.c"))
    senders = "".join(path.read_text() for path in sources() if path.name != "pages.c" and
                      path.parent in (ROOT / "common/runtime", ROOT / "services/tallyctl"))
    sent = set(SENT.findall(senders))
    pages = read("services/tallyctl/pages.c")
    table = pages[pages.index("} headers[] = {"):]
    described = set(HEADER_ROW.findall(table[:table.index("\n};")]))
    red = {name for name, level in rows if level in ("WARN", "ERROR")}
    red |= set(CHECK.findall(read("common/host/health.c")))
    red |= alerts()
    red |= set(STATUS.findall(read("common/base/rc.h"))) - {"0"}
    return (log_findings(calls, rows) + header_findings(sent, described) +
            runbook_findings(read("docs/RUNBOOK.md"), red) +
            [f"docs/RUNBOOK.md does not say: {words}" for words in sorted(refusals())
             if words not in read("docs/RUNBOOK.md")] +
            metric_findings({path: read(path) for path in
                             ("deploy/prometheus/alerts.yaml", "docs/RUNBOOK.md",
                              "deploy/grafana/dashboards/operators.json")},
                            set(METRIC.findall(read("docs/METRICS.md")))) +
            glossary_findings(read("docs/GLOSSARY.md"), glossary_words()))


def must_see_what_is_wrong() -> list[str]:
    """Mutants: each check finds what it is for."""
    blind = []
    if len(log_findings({("a", "warn")}, [("a", "ERROR"), ("b", "INFO")])) != 3:
        blind.append("blind to wrong log events")
    if len(header_findings({"x"}, {"y"})) != 2:
        blind.append("blind to wrong headers")
    if len(runbook_findings("`a`", {"a", "b"})) != 1:
        blind.append("blind to what the runbook lacks")
    if len(metric_findings({"x": "tallyworks_a tallyworks_b"}, {"tallyworks_a"})) != 1:
        blind.append("blind to metrics that there are not")
    if len(glossary_findings("| `a` | a |", {"a", "b"})) != 2:
        blind.append("blind to what the glossary lacks")
    if CALL.findall('log_warn("x_y", LOG_END)\nlog_info(\n\t"z")') != [("warn", "x_y"),
                                                                      ("info", "z")]:
        blind.append("blind to calls")
    return blind


def main() -> int:
    findings = must_see_what_is_wrong() + all_findings()
    print("\n".join(findings))
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
