"""A mirror of weight files on loopback, which misbehaves as it is told."""

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

HDF5 = b"\x89HDF\r\n\x1a\n"


def content(size: int = 600_000, seed: int = 0) -> bytes:
    """What might be a weight file, by its first bytes."""
    return HDF5 + Random(seed).randbytes(size - len(HDF5))


@dataclass(frozen=True, slots=True)
class Turn:
    """How one request is answered. The default is as a good server does."""

    status: int = 0  # nothing but this
    silent: bool = False  # not even a status
    cut: int | None = None  # close after so many bytes
    reset: bool = False  # … and not politely
    stall: int | None = None  # say no more after so many bytes, but stay
    length: bool = True  # tell it
    deaf: bool = False  # answer a Range whatever If-Range says
    shift: int = 0  # begin so many bytes before the Range that was asked for
    span: int | None = None  # send no more than this of a Range


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received, and what it got."""

    name: str
    range: str | None
    if_range: str | None
    status: int
    sent: int


@dataclass(slots=True)
class Mirror:
    """Its files, what it was asked, and how it answers next: a turn per request, then well."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    version: str = '"1"'  # the ETag
    modified: str = ""
    turns: list[Turn] = field(default_factory=list)
    always: Turn = Turn()
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_turn(self) -> Turn:
        with self._lock:
            return self.turns.pop(0) if self.turns else self.always


@contextmanager
def serving() -> Iterator[Mirror]:
    """A mirror, from now until the block ends."""
    mirror = Mirror()

    class Handler(_Handler):
        world = mirror

    with _Server(("127.0.0.1", 0), Handler) as server:
        mirror.url = f"http://127.0.0.1:{server.server_address[1]}/keras"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield mirror
        finally:
            mirror.closing.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them, so that nothing outlives a test

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    world: Mirror

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        turn, name = self.world.next_turn(), self.path.rpartition("/")[2]
        body = self.world.files.get(name)
        if turn.silent:
            self._note(name, 0, 0)
            self.world.closing.wait()
            return
        if turn.status or body is None:
            self._note(name, turn.status or 404, 0)
            self.send_error(turn.status or 404)
            return
        self._send(turn, name, body)

    def _send(self, turn: Turn, name: str, body: bytes) -> None:
        start = self._start(turn)
        if start is not None and start >= len(body):
            self._note(name, 416, 0)
            self.send_error(416)
            return
        stop = len(body)
        if start is not None:
            start -= turn.shift
            stop = min(stop, start + turn.span) if turn.span is not None else stop
        part = body[start:stop]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
        if turn.length:
            self.send_header("Content-Length", str(len(part)))
        for header, value in (("ETag", self.world.version), ("Last-Modified", self.world.modified)):
            if value:
                self.send_header(header, value)
        self.end_headers()
        limits = [limit for limit in (turn.cut, turn.stall) if limit is not None]
        sent = part[: min(limits)] if limits else part
        self._note(name, 200 if start is None else 206, len(sent))
        self.wfile.write(sent)
        self.wfile.flush()
        if turn.stall is not None:
            self.world.closing.wait()
        if turn.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _start(self, turn: Turn) -> int | None:
        """Where a Range begins, None where the whole file is to be sent."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        known = (None, self.world.version, self.world.modified)
        if not asked or (self.headers.get("If-Range") not in known and not turn.deaf):
            return None
        return int(asked[1])

    def _note(self, name: str, status: int, sent: int) -> None:
        asked = (self.headers.get("Range"), self.headers.get("If-Range"))
        self.world.requests.append(Request(name, *asked, status, sent))
