# SPDX-License-Identifier: Apache-2.0
"""Reads whole topics as a read_committed consumer does, through kcat, and names topics."""
from __future__ import annotations

import json
import re
import subprocess
from typing import IO, Iterator, NamedTuple

WAIT_S = 300


class Record(NamedTuple):
    partition: int
    offset: int
    headers: str          # name=value,name=value as kcat prints them
    key: str
    value: bytes | None   # None: a tombstone, or values were not asked for

    def header(self, name: str) -> str | None:
        """The header's value up to its first comma: for our own codes, which have none."""
        found = re.search(r"(?:^|,)" + re.escape(name) + r"=([^,]*)", self.headers)
        return found.group(1) if found else None


def topics(brokers: str) -> dict[str, int]:
    """Every topic's number of partitions."""
    run = subprocess.run(["kcat", "-b", brokers, "-L", "-J"], capture_output=True, check=True,
                         timeout=WAIT_S)
    return {topic["topic"]: len(topic["partitions"]) for topic in json.loads(run.stdout)["topics"]}


def parse(output: IO[bytes], with_values: bool) -> Iterator[Record]:
    for line in output:
        partition, offset, size_text, key, headers, value = line.split(b"\t", 5)
        size = int(size_text)
        if with_values:
            while len(value) < size + 1:  # the value itself has a newline
                value += output.readline()
        yield Record(int(partition), int(offset), headers.decode("utf-8", "replace"),
                     key.decode("utf-8", "replace"),
                     value[:size] if with_values and size >= 0 else None)


def read(brokers: str, topic: str, with_values: bool = True) -> Iterator[Record]:
    """All that is committed now; of one partition in offset order."""
    form = r"%p\t%o\t%S\t%k\t%h\t" + ("%s" if with_values else "") + r"\n"
    command = ["kcat", "-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
               "-X", "isolation.level=read_committed", "-X", "queued.max.messages.kbytes=65536",
               "-X", "fetch.message.max.bytes=10485760", "-f", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20) as reader:
        assert reader.stdout
        yield from parse(reader.stdout, with_values)
        if reader.wait(WAIT_S):
            raise RuntimeError(f"kcat could not read {topic}")
