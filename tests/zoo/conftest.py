"""Fixtures of the weight store's tests."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnkit.zoo import download
from tests.zoo.mirror import Mirror, serving
from tests.zoo.net_file import NAME, WHOLE


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror that `CNNKIT_WEIGHTS_URL` names; between attempts nobody waits."""
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as mirror:
        monkeypatch.setenv("CNNKIT_WEIGHTS_URL", mirror.url)
        yield mirror


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a socket fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def target(tmp_path: Path, mirror: Mirror) -> Path:
    """Where the file that the mirror has will be."""
    mirror.files[NAME] = WHOLE
    return tmp_path / "models" / NAME
