#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The proxy passes everything as it is, and each of its faults does what it says.

A server that counts what arrives and answers each byte with itself stands behind it.
"""
from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "integration")]
from proxy import Proxy  # noqa: E402
from rig.stage import main, must  # noqa: E402

WAIT_S = 10.0
SMALL = bytes(30000)
LARGE = bytes(range(256)) * 4096


class Echo:
    def __init__(self, mark: bytes = b"") -> None:
        self.mark, self.arrived = mark, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def target(self) -> tuple[str, int]:
        return self.listener.getsockname()

    def accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(65536):
                self.arrived += len(data)
                connection.sendall(self.mark or data)
        except OSError:
            pass


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def read(connection: socket.socket, size: int) -> bytes:
    """Up to so many bytes; less where the other side ends."""
    found = b""
    try:
        while len(found) < size and (data := connection.recv(size - len(found))):
            found += data
    except ConnectionError:
        pass
    return found


def say(connection: socket.socket, data: bytes) -> bytes:
    threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
    return read(connection, len(data))


def is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test() -> None:
    echo, other = Echo(), Echo(b"!")
    with Proxy(echo.target) as proxy:
        with connect(proxy) as client:
            must(say(client, LARGE) == LARGE, "a megabyte does not come back as it was")
            proxy.cut(for_s=0.3)
            must(is_reset(client), "cut: the connection is open")
        with connect(proxy) as client:
            must(is_reset(client), "cut: a new connection is served meanwhile")
        time.sleep(0.4)
        with connect(proxy) as client:
            must(say(client, b"a") == b"a", "cut: no service afterwards")
            proxy.delay(0.2, for_s=1.0)
            started = time.monotonic()
            must(say(client, b"b") == b"b", "delay: the answer is lost")
            must(time.monotonic() - started >= 0.4, "delay: the answer is not late")
        time.sleep(1.0)
        with connect(proxy) as client:
            must(say(client, b"c") == b"c", "no service")
            proxy.delay(0.0, for_s=60.0, bytes_per_s=len(SMALL) / 0.3)
            started = time.monotonic()
            must(say(client, SMALL) == SMALL, "a limit: not all comes back")
            must(time.monotonic() - started >= 0.6, "a limit: it comes too fast")
            proxy.heal()
            started = time.monotonic()
            must(say(client, SMALL) == SMALL, "healed: not all comes back")
            must(time.monotonic() - started < 0.6, "healed: still slow")
            proxy.drop_reply(after=3)
            must(say(client, b"12345") == b"123", "drop_reply: not three bytes")
        with connect(proxy) as client:
            must(say(client, b"d") == b"d", "no service")
            before = echo.arrived
            proxy.half_close()
            must(read(client, 1) == b"", "half_close: the replies go on")
            client.sendall(b"xyz")
            deadline = time.monotonic() + WAIT_S
            while echo.arrived < before + 3:
                must(time.monotonic() < deadline, "half_close: the requests do not arrive")
                time.sleep(0.01)
        with connect(proxy) as client:
            must(say(client, b"e") == b"e", "no service")
            proxy.retarget(other.target)
            must(is_reset(client), "retarget: the old connection is open")
        with connect(proxy) as client:
            must(say(client, b"e") == b"!", "retarget: not the other server")


if __name__ == "__main__":
    main(test)
