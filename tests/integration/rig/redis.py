# SPDX-License-Identifier: Apache-2.0
"""A small Redis client: commands one by one or many in one round, RESP2, redis:// URLs.

Texts come back as str (UTF-8), integers as int, nothing as None, an error as RedisError.
"""
from __future__ import annotations

import socket
from typing import Any, BinaryIO, Iterable, Iterator
from urllib.parse import unquote, urlparse

BATCH = 1000


class RedisError(Exception):
    pass


class Redis:
    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        parts = urlparse(url)
        self.socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379),
                                               timeout=timeout_s)
        self.input: BinaryIO = self.socket.makefile("rb", buffering=1 << 20)
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            self.command("AUTH", *user, unquote(parts.password))
        if parts.path.strip("/"):
            self.command("SELECT", parts.path.strip("/"))

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.input.close()
        self.socket.close()

    @staticmethod
    def encode(words: Iterable[Any]) -> bytes:
        texts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(texts) + b"".join(
            b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)

    def answer(self) -> Any:
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise RedisError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.input.read(size + 2)[:-2].decode("utf-8", "replace")
        if kind == b":":
            return int(rest)
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self.answer() for _ in range(count)]
        if kind == b"+":
            return rest.decode()
        raise RedisError(rest.decode("utf-8", "replace"))

    def command(self, *words: Any) -> Any:
        self.socket.sendall(self.encode(words))
        return self.answer()

    def many(self, commands: Iterable[tuple]) -> Iterator[Any]:
        """The answers to many commands, in order, some at a time in one round."""
        batch: list[bytes] = []
        for words in commands:
            batch.append(self.encode(words))
            if len(batch) == BATCH:
                yield from self._round(batch)
                batch = []
        yield from self._round(batch)

    def _round(self, batch: list[bytes]) -> list[Any]:
        if not batch:
            return []
        self.socket.sendall(b"".join(batch))
        return [self.answer() for _ in batch]

    def keys(self, pattern: str) -> list[str]:
        """All keys like the pattern, sorted. SCAN may name a key twice; here it is once."""
        found: set[str] = set()
        cursor = "0"
        while True:
            cursor, names = self.command("SCAN", cursor, "MATCH", pattern, "COUNT", 10000)
            found.update(names)
            if cursor == "0":
                return sorted(found)

    def hashes(self, keys: Iterable[str]) -> Iterator[dict[str, str]]:
        for flat in self.many(("HGETALL", key) for key in keys):
            yield dict(zip(flat[::2], flat[1::2]))

    def dump(self, leave_out: tuple[str, ...] = (), pattern: str = "*") -> dict[str, Any]:
        """The whole content by name of all keys like the pattern, but those that begin with one of
        leave_out."""
        read = {"string": ("GET",), "hash": ("HGETALL",), "set": ("SMEMBERS",),
                "zset": ("ZRANGE", 0, -1, "WITHSCORES"), "list": ("LRANGE", 0, -1)}
        keys = [key for key in self.keys(pattern) if not key.startswith(leave_out)]
        kinds = list(self.many(("TYPE", key) for key in keys))
        commands = ((read[kind][0], key) + read[kind][1:] for key, kind in zip(keys, kinds))
        content: dict[str, Any] = {}
        for key, kind, value in zip(keys, kinds, self.many(commands)):
            if kind == "hash":
                value = dict(zip(value[::2], value[1::2]))
            elif kind == "set":
                value = sorted(value)
            content[key] = (kind, value)
        return content
