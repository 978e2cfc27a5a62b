# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that stands in a link and breaks it on demand.

Two threads a connection, one for each direction; a fault is a change of what they share. Without a
fault every byte passes as it comes. All of it is in one process, on the loopback address.
"""
from __future__ import annotations

import socket
import struct
import threading
import time

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # linger for no time: close() sends a reset
NO_LIMIT = -1


class Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.replies_left = NO_LIMIT  # bytes that still pass to the client
        self.half_closed = False

    def reset(self) -> None:
        for end in (self.client, self.server):
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
            except OSError:
                pass
            end.close()


class Proxy:
    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.lock = threading.Lock()
        self.links: list[Link] = []
        self.refusing_until = self.slow_until = 0.0
        self.delay_s = 0.0
        self.bytes_per_s = 0.0  # of each direction of each connection; 0: no limit
        self.slow_replies = True
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self.open = False
        self.listener.close()
        self.cut()

    # ---- faults

    def cut(self, for_s: float = 0.0) -> None:
        """Every connection is reset; for so long new ones are too."""
        self.refusing_until = time.monotonic() + for_s
        with self.lock:
            links, self.links = self.links, []
        for link in links:
            link.reset()

    def delay(self, each_s: float, for_s: float, bytes_per_s: float = 0.0,
              replies: bool = True) -> None:
        """Each piece of data, in both directions or in that of the requests only, comes that much
        later, and no faster than that for its size."""
        self.delay_s, self.bytes_per_s, self.slow_replies = each_s, bytes_per_s, replies
        self.slow_until = time.monotonic() + for_s

    def heal(self) -> None:
        """As if nothing had been; what is late already stays so."""
        self.slow_until = self.refusing_until = 0.0

    def half_close(self) -> None:
        """The clients see the end of the replies, while their requests still arrive."""
        with self.lock:
            links = list(self.links)
        for link in links:
            link.half_closed = True
            try:
                link.client.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def drop_reply(self, after: int) -> None:
        """Of each connection that many more bytes of replies pass, then it is reset."""
        with self.lock:
            for link in self.links:
                link.replies_left = after

    def retarget(self, target: tuple[str, int]) -> None:
        """Connections from now on go elsewhere; those that are open are reset."""
        self.target = target
        self.cut()

    # ---- passing on

    def _accept(self) -> None:
        while self.open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if time.monotonic() < self.refusing_until:
                raise OSError("refusing")
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self.lock:
            self.links.append(link)
        threading.Thread(target=self._pass, args=(link, client, server), daemon=True).start()
        self._pass(link, server, client)

    def _pass(self, link: Link, source: socket.socket, sink: socket.socket) -> None:
        """One direction until its end, which ends the other too."""
        try:
            while data := source.recv(CHUNK):
                slow = sink is link.server or self.slow_replies
                if slow and time.monotonic() < self.slow_until:
                    time.sleep(self.lateness(len(data)))
                if sink is link.client and not self._reply(link, data):
                    break
                if sink is link.server:
                    sink.sendall(data)
        except OSError:
            pass
        with self.lock:
            if link in self.links:
                self.links.remove(link)
        link.reset()

    def lateness(self, size: int) -> float:
        return self.delay_s + (size / self.bytes_per_s if self.bytes_per_s else 0.0)

    @staticmethod
    def _reply(link: Link, data: bytes) -> bool:
        """False: this was the last of it."""
        if link.half_closed:
            return True  # swallowed
        if link.replies_left == NO_LIMIT:
            link.client.sendall(data)
            return True
        passed, link.replies_left = data[:link.replies_left], link.replies_left - len(data)
        link.client.sendall(passed)
        return link.replies_left > 0
