#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The code's law (STYLE.md), as far as a program can check it.

Each law is one row of LAWS: a name, the files it is about, and a function that yields the lines
that break it. Prints `file:line: law: words` for each, then "N passed, N failed", counted in laws;
exit status 1 when one failed. A law that cannot be kept somewhere is broken there in the open: a
comment `tidy: <law>: <why>` on the line, or on the one before it, lets it pass.

usage: tidy.py [--root DIR] [file...]   default: all files that git knows or does not ignore
"""
from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterable, Iterator

COLUMNS, TAB, FUNCTION_LINES = 100, 4, 70

Finding = tuple[int, str]  # line, words

# What the code of a folder may include of ours; a folder's longest prefix counts. The generated
# events.h is for all that know events. main.c files are programs: they join everything.
ARROWS = {
    "common/base": ("common/base",),
    "common/domain": ("common/base", "common/domain", "events.h"),
    "common/codec": ("common/base", "common/domain", "common/codec", "events.h"),
    "common/runtime": ("common/base", "common/domain", "common/codec", "common/runtime",
                       "services/workers.h", "events.h"),
    "common/adapters": ("common/base", "common/domain", "common/codec", "common/runtime",
                        "common/adapters"),
    "common/host": ("common", "services/workers.h", "events.h"),
    # A fold: the worker interface, domain and generated headers, and what these stand on.
    "services": ("common/runtime/worker.h", "common/domain", "common/base", "events.h",
                 "worker_list.h", "services"),
    "services/tallyctl": ("common", "services", "events.h"),
    "services/dashboard": ("common", "services", "events.h"),
}
# Only the adapters know the libraries of the outside world; bench measures one of them.
OUTSIDE = re.compile(r"^(librdkafka/|rdkafka|hiredis|event2/|evhttp)")
OUTSIDE_FOLDERS = ("common/adapters/", "bench/", "tests/")
# A fold has no clock, no I/O, no locale; what a pure function needs is here.
PURE_HEADERS = {"assert.h", "ctype.h", "inttypes.h", "limits.h", "stdbool.h", "stddef.h",
                "stdint.h", "string.h"}

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|localtime|localtime_r|gmtime|"
                    r"gmtime_r|mktime|asctime|ctime|setlocale|alloca)\s*\(")
HEAP = re.compile(r"\b(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc)\s*\(")
ALLOCATE = re.compile(r"\b(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|"
                      r"strndup|v?asprintf|open_memstream|getline)\s*\(")
REAL = re.compile(r"\b(float|double)\b")
LATER = re.compile(r"\b(TODO|FIXME|XXX)\b")
MACHINE = re.compile(r"(?<![\w.$}])/(root|home|work|Users)/\w")
COMMENT_OR_TEXT = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
EXCUSE = re.compile(r"tidy: ([a-z ]+): \S")


@dataclass
class File:
    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1] if self.text.endswith("\n") else self.text.split("\n")

    @cached_property
    def code(self) -> list[str]:
        """C lines with comments and the insides of strings blanked out."""
        blank = COMMENT_OR_TEXT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), self.text)
        return blank.split("\n")[:len(self.lines)]

    @property
    def suffix(self) -> str:
        return Path(self.path).suffix

    def under(self, *folders: str) -> bool:
        return self.path.startswith(tuple(folder.rstrip("/") + "/" for folder in folders))

    def excused(self, line: int, law: str) -> bool:
        near = self.lines[max(0, line - 2):line]
        return any(found and found[1] == law for found in map(EXCUSE.search, near))


def is_c(file: File) -> bool:
    return file.suffix in (".c", ".h")


def is_code(file: File) -> bool:
    return file.suffix in (".c", ".h", ".py", ".sh", ".cmake") or file.path.endswith(
        ("CMakeLists.txt", "Makefile", "bench/ladder"))


def is_header(file: File) -> bool:
    return file.suffix == ".h"


def is_product(file: File) -> bool:
    return is_c(file) and file.under("common", "services")


def is_fold(file: File) -> bool:
    return (is_c(file) and file.under("services") and not file.path.endswith("/main.c")
            and not file.under("services/tallyctl", "services/dashboard")
            and file.path.count("/") > 1)


def is_pure(file: File) -> bool:
    return is_fold(file) or (is_c(file) and file.under("common/domain"))


def is_without_heap(file: File) -> bool:
    return is_pure(file) or (is_c(file) and file.under("common/codec"))


def is_allocating(file: File) -> bool:
    return is_product(file) and file.path != "common/base/memory.c"


def is_without_reals(file: File) -> bool:
    return is_c(file) and file.under("services", "common/domain")


def is_not_test(file: File) -> bool:
    """Tests are for their readers only: long tables, strcpy of a constant."""
    return is_c(file) and not file.under("tests")


# --- the laws -------------------------------------------------------------------------------------


def columns(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        width = len(line.expandtabs(TAB))
        if width > COLUMNS:
            yield number, f"{width} columns, {COLUMNS} at most"


def white_space(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if is_c(file) and re.match(r" +\t", line):
            yield number, "a tab behind spaces"
        if is_c(file) and re.match(r"(?:    |\t)", line) and line.startswith("    "):
            if number > 1 and is_statement_start(file, number):
                yield number, "indented with spaces, not tabs"
        if "\r" in line:
            yield number, "a carriage return"
    if file.text and not file.text.endswith("\n"):
        yield len(file.lines), "no newline at the end"


def is_statement_start(file: File, number: int) -> bool:
    """Not a continuation: the code line before it ended a statement or opened a block."""
    for before in reversed(file.code[:number - 1]):
        if before.strip():
            return before.rstrip().endswith((";", "{", "}", ":")) and bool(
                file.code[number - 1].strip()) and not before.lstrip().startswith("#")
    return False


def ascii_only(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if not line.isascii():
            yield number, "a character outside ASCII"


def functions(file: File) -> Iterator[tuple[int, int]]:
    """First and last line of each function: its braces stand alone in the first column."""
    opened = 0
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            opened = number
        elif line.startswith("}") and opened:
            first = opened
            while first > 1 and file.code[first - 2].strip() and not re.match(
                    r"[#}]|.*;\s*$", file.code[first - 2]):
                first -= 1
            yield first, number
            opened = 0


def function_length(file: File) -> Iterator[Finding]:
    for first, last in functions(file):
        if last - first + 1 > FUNCTION_LINES:
            yield first, f"a function of {last - first + 1} lines, {FUNCTION_LINES} at most"


def includes(file: File) -> Iterator[tuple[int, str, bool]]:
    """Line, name, is it ours ("...")?"""
    for number, line in enumerate(file.lines, 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if found:
            yield number, found[2], found[1] == '"'


def arrows(file: File) -> Iterator[Finding]:
    folders = [folder for folder in ARROWS if file.under(folder)]
    if not folders or file.path.endswith("/main.c"):
        return
    allowed = ARROWS[max(folders, key=len)]
    for number, name, ours in includes(file):
        if ours and not any(name == each or name.startswith(each + "/") for each in allowed):
            yield number, f"{name} is not for {max(folders, key=len)}"


def folds_alone(file: File) -> Iterator[Finding]:
    """Of services a fold includes its own folder and the list of workers; of base, no I/O."""
    own = file.path.rsplit("/", 1)[0] + "/"
    for number, name, ours in includes(file):
        if ours and name.startswith("services/") and not name.startswith(
                (own, "services/workers.h")):
            yield number, f"{name} belongs to another worker"
        if name == "common/base/log.h":
            yield number, "a fold writes no log"


def outside_libraries(file: File) -> Iterator[Finding]:
    for number, name, _ in includes(file):
        if OUTSIDE.match(name) and not file.path.startswith(OUTSIDE_FOLDERS):
            yield number, f"{name} is for common/adapters only"


def pure_headers(file: File) -> Iterator[Finding]:
    for number, name, ours in includes(file):
        if not ours and name not in PURE_HEADERS:
            yield number, f"<{name}> has no place in a pure function's file"


def own_header_first(file: File) -> Iterator[Finding]:
    if file.suffix != ".c":
        return
    own = file.path[:-2] + ".h"
    names = [(number, name) for number, name, _ in includes(file)]
    for place, (number, name) in enumerate(names):
        if name == own and place > 0:
            yield number, "its own header comes first"


def search(file: File, pattern: re.Pattern[str], words: str) -> Iterator[Finding]:
    for number, line in enumerate(file.code, 1):
        for found in pattern.finditer(line):
            yield number, words.format(found[1])


def banned_calls(file: File) -> Iterator[Finding]:
    yield from search(file, BANNED, "{}() is banned")


def heap(file: File) -> Iterator[Finding]:
    yield from search(file, HEAP, "{}(): memory comes from the batch arena")


def allocations(file: File) -> Iterator[Finding]:
    yield from search(file, ALLOCATE, "{}(): memory.h looks at what it returns")


def reals(file: File) -> Iterator[Finding]:
    yield from search(file, REAL, "{}: money and decisions have no reals")


def licence(file: File) -> Iterator[Finding]:
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in file.lines[:2]):
        yield 1, "no SPDX line on top"


def purpose(file: File) -> Iterator[Finding]:
    """After the SPDX line, at once, a comment that says what the header is for."""
    lines = file.lines
    opened = lines[1].strip() if len(lines) > 1 else ""
    words = opened[2:].strip(" */") or (lines[2].strip().lstrip("*").strip()
                                        if opened == "/*" and len(lines) > 2 else "")
    if not opened.startswith("/*") or len(words.split()) < 2:
        yield 2, "no paragraph that says what this header is for"


def guard(file: File) -> Iterator[Finding]:
    found = [line.split()[1] for line in file.lines if line.startswith("#ifndef ")]
    stem = re.sub(r"\W", "_", Path(file.path).stem).upper()
    if not found or not re.fullmatch(r"TALLY_(\w+_)?" + stem + "_H", found[0]):
        yield 1, f"no guard TALLY_..._{stem}_H"


def later(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if LATER.search(line) and not file.path.startswith("tests/tidy/"):
            yield number, "what is to be done later is an issue, not a comment"


def machine_paths(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if MACHINE.search(line) and not file.path.startswith("tests/tidy/"):
            yield number, "a path of one machine"


LAWS: tuple[tuple[str, Callable[[File], bool], Callable[[File], Iterable[Finding]]], ...] = (
    ("columns", is_code, columns),
    ("white space", is_code, white_space),
    ("ascii", is_code, ascii_only),
    ("function length", is_not_test, function_length),
    ("arrows", is_product, arrows),
    ("folds alone", is_fold, folds_alone),
    ("outside libraries", is_c, outside_libraries),
    ("pure headers", is_pure, pure_headers),
    ("own header first", is_c, own_header_first),
    ("banned calls", is_not_test, banned_calls),
    ("heap", is_without_heap, heap),
    ("allocations", is_allocating, allocations),
    ("reals", is_without_reals, reals),
    ("licence", is_code, licence),
    ("purpose", is_header, purpose),
    ("guard", is_header, guard),
    ("later", is_code, later),
    ("machine paths", is_code, machine_paths),
)


def break_of(law: str, file: File, check: Callable[[File], Iterable[Finding]]) -> list[Finding]:
    return [(line, words) for line, words in check(file) if not file.excused(line, law)]


def known_files(root: Path) -> list[str]:
    done = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                          text=True, capture_output=True)
    if done.returncode == 0:
        return [name for name in done.stdout.splitlines() if (root / name).is_file()]
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*"))
            if path.is_file() and path.relative_to(root).parts[0] not in ("build", ".git")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the code's law.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    files = []
    for name in options.files or known_files(options.root):
        file = File(name, "")
        if is_code(file):
            file.text = (options.root / name).read_text(encoding="utf-8", errors="replace")
            files.append(file)
    failed = 0
    for law, is_about, check in LAWS:
        broken = 0
        for file in filter(is_about, files):
            for line, words in break_of(law, file, check):
                print(f"{file.path}:{line}: {law}: {words}")
                broken += 1
        failed += broken > 0
    print(f"{len(files)} files")
    print(f"{len(LAWS) - failed} passed, {failed} failed")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
