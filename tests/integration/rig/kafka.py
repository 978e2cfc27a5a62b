# SPDX-License-Identifier: Apache-2.0
"""Through kcat: reads whole topics as a read_committed consumer does, names topics, and sends
whatever bytes a test wants to send."""
from __future__ import annotations

import json
import re
import subprocess
import tempfile
from itertools import groupby
from pathlib import Path
from typing import IO, Iterable, Iterator, NamedTuple

WAIT_S = 300
LARGEST = 10485760


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
               "-X", f"fetch.message.max.bytes={LARGEST}", "-f", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20) as reader:
        assert reader.stdout
        yield from parse(reader.stdout, with_values)
        if reader.wait(WAIT_S):
            raise RuntimeError(f"kcat could not read {topic}")


class Message(NamedTuple):
    """A record to send; without a partition its key decides, by murmur2."""
    key: str | None
    value: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    partition: int | None = None

    def is_line(self) -> bool:
        """Can it go with others of its kind as lines of key, tab, value?"""
        return bool(self.key and self.value) and not (
            b"\n" in (self.value or b"") or "\t" in (self.key or "")) and len(
                self.value or b"") < 100_000


def partition_of(key: str, partitions: int) -> int:
    """Kafka's default partitioner: murmur2 of the key, as the Java client does it."""
    data, mixer, mask = key.encode(), 0x5BD1E995, 0xFFFFFFFF
    found = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at:at + 4], "little") * mixer & mask
        word = (word ^ word >> 24) * mixer & mask
        found = (found * mixer & mask) ^ word
    if data[whole:]:
        found = (found ^ int.from_bytes(data[whole:], "little")) * mixer & mask
    found = (found ^ found >> 13) * mixer & mask
    found ^= found >> 15
    return (found & 0x7FFFFFFF) % partitions


def send(brokers: str, topic: str, messages: Iterable[Message]) -> None:
    """All of them, those of a partition in their order."""
    base = ["kcat", "-b", brokers, "-P", "-t", topic, "-z", "gzip", "-X",
            "topic.partitioner=murmur2_random", "-X", f"message.max.bytes={LARGEST}"]

    def run(words: list[str], given: bytes) -> None:
        subprocess.run([*base, *words], input=given, check=True, timeout=WAIT_S)

    def kind(message: Message) -> tuple:
        return message.is_line(), message.partition, message.headers

    for (is_line, partition, headers), group in groupby(messages, kind):
        words = [word for name, value in headers for word in ("-H", f"{name}={value}")]
        words += [] if partition is None else ["-p", str(partition)]
        if is_line:
            run([*words, "-K", "\t"], b"".join(b"%s\t%s\n" % ((message.key or "").encode(),
                                                            message.value) for message in group))
            continue
        for message in group:
            if message.value is None:
                run([*words, "-K", "\t", "-Z"], f"{message.key or ''}\t\n".encode())
                continue
            key = [] if message.key is None else ["-k", message.key]
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "value"
                file.write_bytes(message.value)
                run([*words, *key, str(file)], b"")
