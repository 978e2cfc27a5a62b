#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every link from a page to a file or a heading of this tree leads somewhere."""
from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)


def slug(heading: str) -> str:
    """The anchor that forges make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text())
    return {slug(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}


def findings(page: Path) -> list[str]:
    bad = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            bad.append(f"{page}: {link} does not exist")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            bad.append(f"{page}: {link}: no such heading")
    return bad


def sees_dead_links(folder: Path) -> bool:
    page = folder / "page.md"
    page.write_text("# A head\n[a](no.md) [b](#nowhere) [c](#a-head) [d](page.md)\n")
    return len(findings(page)) == 2


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        if not sees_dead_links(Path(folder)):
            print("blind to dead links")
            return 1
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT,
                           text=True, capture_output=True, check=False).stdout.split()
    pages = [ROOT / name for name in names] or sorted(ROOT.glob("*.md")) + sorted(
        (ROOT / "docs").glob("*.md"))
    bad = [words for page in pages if page.exists() for words in findings(page)]
    print("\n".join(bad))
    print(f"{len(pages)} pages, {len(bad)} dead links")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
