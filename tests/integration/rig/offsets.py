# SPDX-License-Identifier: Apache-2.0
"""What an administrator does: a group's committed offsets are read, written and deleted, logs are
cut short, topics deleted.

Kafka's own requests over one connection, in their oldest versions that Kafka 4 still answers; the
broker must be the group's coordinator, as the only broker of a test is.
"""
from __future__ import annotations

import socket
import struct
from typing import NamedTuple

LIST_OFFSETS, OFFSET_COMMIT, OFFSET_FETCH = 2, 8, 9
DELETE_TOPICS, DELETE_RECORDS, ADD_PARTITIONS, ALTER_CONFIGS, OFFSET_DELETE = 20, 21, 37, 44, 47
TIMEOUT_MS = 30000
NO_MEMBER, NO_GENERATION, DEFAULT_RETENTION = "", -1, -1
NO_REPLICA, LATEST = -1, -1
OF_TOPIC, SET = 2, 0
ANY_BROKER, NOT_ONLY_TRIED = -1, 0


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


def ends(brokers: str, topic: str, partitions: int) -> list[int]:
    """The offset after each partition's last record."""
    body = struct.pack(">ii", NO_REPLICA, 1) + text(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", partition, LATEST) for partition in range(partitions))
    answer = ask(brokers, LIST_OFFSETS, 1, body)
    found = [-1] * partitions
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            partition = answer.take("i")
            must_be_fine(answer.take("h"), f"the end of {topic}")
            answer.take("q")
            found[partition] = answer.take("q")
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


def delete_topics(brokers: str, topics: list[str]) -> None:
    body = struct.pack(">i", len(topics)) + b"".join(map(text, topics))
    answer = ask(brokers, DELETE_TOPICS, 1, body + struct.pack(">i", TIMEOUT_MS))
    answer.take("i")
    for _ in range(answer.take("i")):
        topic = answer.text()
        must_be_fine(answer.take("h"), f"deleting {topic}")


def add_partitions(brokers: str, topic: str, count: int) -> None:
    """So many in all from now on."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">ii", count, ANY_BROKER)
    answer = ask(brokers, ADD_PARTITIONS, 0, body + struct.pack(">ib", TIMEOUT_MS, NOT_ONLY_TRIED))
    answer.take("i")
    for _ in range(answer.take("i")):
        answer.text()
        must_be_fine(answer.take("h"), f"adding partitions to {topic}")
        answer.text()


def set_config(brokers: str, topic: str, name: str, value: str) -> None:
    body = (struct.pack(">ib", 1, OF_TOPIC) + text(topic) + struct.pack(">i", 1) + text(name)
            + struct.pack(">b", SET) + text(value) + struct.pack(">b", NOT_ONLY_TRIED))
    answer = ask(brokers, ALTER_CONFIGS, 0, body)
    answer.take("i")
    for _ in range(answer.take("i")):
        must_be_fine(answer.take("h"), f"{name} of {topic}")
        answer.text()
        answer.take("b")
        answer.text()
