#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has every sentence of the contract (tests/contract.txt) a test that names it, and does every test
name a sentence that there is?
"""
from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
SENTENCE = re.compile(r"([a-z0-9_.]+)  +(\S.*)")
TAG = re.compile(r"(?:#|/\*) contract: ([a-z0-9_., ]+?)(?: \*/)?$")
TEST = {".case": re.compile(r"case \S"), ".c": re.compile(r"static void \w+\("),
        ".py": re.compile(r"def \w+\(")}


def sentences(text: str) -> list[str]:
    return [found.group(1) for line in text.splitlines() if (found := SENTENCE.fullmatch(line))]


def tags(suffix: str, text: str) -> dict[str, str]:
    """Sentence -> the line of the test below the tag; "" where no test stands there."""
    found: dict[str, str] = {}
    lines = text.splitlines() + [""]
    for number, line in enumerate(lines):
        tag = TAG.fullmatch(line)
        for name in tag.group(1).split(", ") if tag else []:
            below = lines[number + 1]
            found[name] = below if TEST[suffix].match(below) else ""
    return found


def faults(listed: list[str], files: dict[str, dict[str, str]]) -> list[str]:
    proven: dict[str, list[str]] = defaultdict(list)
    words = [f"{name} is listed twice" for name in sorted(set(listed))
             if listed.count(name) > 1]
    for path, named in files.items():
        words += [f"{path}: no test stands below {name}" for name, test in named.items()
                  if not test]
        words += [f"{path}: {name} is no sentence of the contract" for name in named
                  if name not in listed]
        for name in named:
            proven[name].append(path)
    return words + [f"{name} has no test" for name in listed if name not in proven]


def sees_faults() -> bool:
    """The check itself: a sentence without test, a tag without sentence, a tag above nothing."""
    listed = sentences("# words\na.b    One.\nc      Two.\n")
    named = tags(".case", "# contract: a.b, d\ncase one\n# contract: c\n\ncase two\n")
    return listed == ["a.b", "c"] and len(faults(listed, {"x": named})) == 2 and faults(
        ["a.b"], {}) == ["a.b has no test"] and not faults(["a.b"], {"x": {"a.b": "case one"}})


def main() -> int:
    if not sees_faults():
        print("the check sees nothing")
        return 1
    listed = sentences((TESTS / "contract.txt").read_text())
    files = {str(path.relative_to(TESTS)): tags(path.suffix, path.read_text())
             for path in sorted(TESTS.rglob("*")) if path.suffix in TEST and path.is_file()}
    found = faults(listed, files)
    print("\n".join(found) or f"{len(listed)} sentences, each with a test")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
