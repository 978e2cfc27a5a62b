#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Open pages of a tally-dashboard, as browsers keep them, without browsers.

    bench/pages.py --port PORT [--pages 500] [--every-s 5]

Each page holds its event stream and reads its view again every five seconds. Says "ready" when all
streams are told of something; after SIGTERM one JSON object: how long it was ready (`seconds`), the
`events` told and the answers read (`reads`) in that time, and what `failed`, each words once.
"""
from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from typing import Callable

HOST = "127.0.0.1"
HEAD = "GET /api/v1/{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Seen:
    """Of all pages together."""

    def __init__(self, pages: int) -> None:
        self.silent = pages  # streams that told nothing yet
        self.events = self.reads = 0
        self.failed: set[str] = set()
        self.ready = asyncio.Event()

    def told(self, is_first: bool) -> None:
        self.events += 1
        self.silent -= is_first
        if self.silent == 0:
            self.ready.set()


def month_before(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year}-{number - 1:02}" if number > 1 else f"{year - 1}-12"


async def hold_stream(port: int, seen: Seen) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(HEAD.format("stream").encode())
    status = await reader.readline()
    if b" 200 " not in status:
        seen.failed.add(f"stream: {status!r}")
        return
    is_first = True
    while line := await reader.readline():
        if line.startswith(b"event: live"):
            seen.told(is_first)
            is_first = False
    seen.failed.add("a stream was ended")


class Browser:
    """One connection, for as long as it is kept open."""

    def __init__(self, port: int, seen: Seen) -> None:
        self.port, self.seen = port, seen
        self.writer: asyncio.StreamWriter | None = None

    async def get(self, path: str, known: tuple[str, ...] = ("200",)) -> bytes:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
        self.writer.write(HEAD.format(path).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await self.reader.readexactly(
            int(head.split("content-length: ")[1].split("\r\n")[0]))
        if head.split(maxsplit=2)[1] not in known:
            self.seen.failed.add(f"{path}: {head.splitlines()[0]}")
        self.seen.reads += 1
        if "connection: close" in head:
            self.writer.close()
            self.writer = None
        return body


async def read_view(port: int, seen: Seen, first_s: float, every_s: float) -> None:
    """The company's view: the latest figures, the month's days and those of the month before."""
    browser = Browser(port, seen)
    await asyncio.sleep(first_s)
    while True:
        live = json.loads(await browser.get("live"))
        if live["month"]:
            month = live["month"]["period"]
            await browser.get(f"days/company/all/{month}")
            await browser.get(f"days/company/all/{month_before(month)}", ("200", "404"))
        await asyncio.sleep(every_s)


def noted(seen: Seen) -> Callable[[asyncio.Task[None]], None]:
    def note(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            seen.failed.add(repr(task.exception()))
    return note


async def run(options: argparse.Namespace) -> dict[str, object]:
    seen, ended = Seen(options.pages), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    jobs = [hold_stream(options.port, seen) for _ in range(options.pages)]
    jobs += [read_view(options.port, seen, page / options.pages * options.every_s, options.every_s)
             for page in range(options.pages)]
    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(noted(seen))
    await seen.ready.wait()
    print("ready", flush=True)
    started, before = time.monotonic(), (seen.events, seen.reads)
    await ended.wait()
    result = {"seconds": time.monotonic() - started, "events": seen.events - before[0],
              "reads": seen.reads - before[1], "failed": sorted(seen.failed)}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/pages.py")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--every-s", type=float, default=5)
    print(json.dumps(asyncio.run(run(parser.parse_args()))), flush=True)


if __name__ == "__main__":
    main()
