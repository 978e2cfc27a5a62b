# SPDX-License-Identifier: Apache-2.0
"""A group's committed offsets, read, written and deleted as an administrator does; logs cut short.

Kafka's own requests over one connection, in their oldest versions that Kafka 4 still answers; the
broker must be the group's coordinator, as the only broker of a test is.
"""
from __future__ import annotations

import socket
import struct
from typing import NamedTuple

OFFSET_COMMIT, OFFSET_FETCH, DELETE_RECORDS, OFFSET_DELETE = 8, 9, 21, 47
TIMEOUT_MS = 30000
NO_MEMBER, NO_GENERATION, DEFAULT_RETENTION = "", -1, -1


class Committed(NamedTuple):
    offset: int  # -1: none
    metadata: str


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


class Answer:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(">" + form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        size = max(0, self.take("h"))
        self.at += size
        return self.raw[self.at - size:self.at].decode()


def ask(brokers: str, api: int, version: int, body: bytes) -> Answer:
    host, port = brokers.split(",")[0].rsplit(":", 1)
    request = struct.pack(">hhi", api, version, 1) + text("tests") + body
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        return Answer(stream.read(size)[4:])


def must_be_fine(error: int, what: str) -> None:
    if error:
        raise RuntimeError(f"{what}: Kafka's error {error}")


def fetch(brokers: str, group: str, topic: str, partitions: int) -> list[Committed]:
    body = text(group) + struct.pack(">i", 1) + text(topic) + struct.pack(
        f">i{partitions}i", partitions, *range(partitions))
    answer = ask(brokers, OFFSET_FETCH, 1, body)
    found = [Committed(-1, "")] * partitions
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            partition, offset = answer.take("i"), answer.take("q")
            found[partition] = Committed(offset, answer.text())
            must_be_fine(answer.take("h"), f"offsets of {group}")
    return found


def commit(brokers: str, group: str, topic: str, offsets: dict[int, Committed]) -> None:
    body = (text(group) + struct.pack(">i", NO_GENERATION) + text(NO_MEMBER)
            + struct.pack(">qi", DEFAULT_RETENTION, 1) + text(topic)
            + struct.pack(">i", len(offsets)))
    for partition, committed in offsets.items():
        body += struct.pack(">iq", partition, committed.offset) + text(committed.metadata)
    answer = ask(brokers, OFFSET_COMMIT, 2, body)
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            answer.take("i")
            must_be_fine(answer.take("h"), f"committing for {group}")


def delete(brokers: str, group: str, topic: str, partitions: int) -> None:
    body = text(group) + struct.pack(">i", 1) + text(topic) + struct.pack(
        f">i{partitions}i", partitions, *range(partitions))
    answer = ask(brokers, OFFSET_DELETE, 0, body)
    must_be_fine(answer.take("h"), f"deleting offsets of {group}")
    answer.take("i")
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            answer.take("i")
            must_be_fine(answer.take("h"), f"deleting offsets of {group}")


def cut(brokers: str, topic: str, before: dict[int, int]) -> None:
    """Removes a partition's records below the offset, as retention does."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(before))
    for partition, offset in before.items():
        body += struct.pack(">iq", partition, offset)
    answer = ask(brokers, DELETE_RECORDS, 0, body + struct.pack(">i", TIMEOUT_MS))
    answer.take("i")
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            answer.take("i")
            answer.take("q")
            must_be_fine(answer.take("h"), f"cutting {topic}")
