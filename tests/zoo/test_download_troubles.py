"""Servers, networks and disks that fail: asked again as often as helps, and then a reason."""

import errno
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import WeightsError
from cnnkit.zoo.download import fetch
from tests.zoo.mirror import Mirror, Turn
from tests.zoo.net_file import WHOLE, assert_right, part_of, url


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_passing_troubles_are_tried_again(mirror: Mirror, target: Path, status: int) -> None:
    mirror.turns = [Turn(status=status)]
    fetch(url(mirror), target)
    assert_right(target)
    assert [r.status for r in mirror.requests] == [status, 200]


def test_patience_ends(mirror: Mirror, target: Path) -> None:
    mirror.always = Turn(status=503)
    with pytest.raises(WeightsError, match="answered 503") as caught:
        fetch(url(mirror), target)
    assert url(mirror) in str(caught.value)
    assert len(mirror.requests) == 4
    assert not target.exists()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
def test_final_answers_are_not_asked_for_again(mirror: Mirror, target: Path, status: int) -> None:
    mirror.always = Turn(status=status)
    with pytest.raises(WeightsError, match=f"answered {status}"):
        fetch(url(mirror), target)
    assert len(mirror.requests) == 1
    assert not target.exists()


@pytest.mark.parametrize("turn", [Turn(stall=140_000), Turn(silent=True)])
def test_a_stalled_server(
    mirror: Mirror, target: Path, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_TIMEOUT", "0.2")
    mirror.turns = [turn] * 4
    with pytest.raises(WeightsError, match=r"stalled: nothing came for 0\.2 seconds"):
        fetch(url(mirror), target)
    assert not target.exists()
    assert len(mirror.requests) == 4
    if turn.stall:  # what came is kept, and continued
        assert part_of(target).stat().st_size == 560_000
        monkeypatch.setenv("CNNKIT_TIMEOUT", "30")
        fetch(url(mirror), target)
        assert_right(target)


def test_a_server_that_always_sends_too_little(mirror: Mirror, target: Path) -> None:
    mirror.always = Turn(cut=100_000)
    with pytest.raises(WeightsError, match="ended after 400,000 of 600,000 bytes"):
        fetch(url(mirror), target)
    assert not target.exists()
    assert part_of(target).read_bytes() == WHOLE[:400_000]


def test_nobody_listens(target: Path) -> None:
    with pytest.raises(WeightsError, match="no connection"):
        fetch("http://127.0.0.1:9/net.h5", target)
    assert not target.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk(mirror: Mirror, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"cannot be written to .*No space left"):
        fetch(url(mirror), target)
    assert not target.exists()
    assert len(mirror.requests) == 1, "a full disk is no reason to ask again"


def test_a_folder_that_cannot_be(mirror: Mirror, target: Path) -> None:
    target.parent.write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match="cannot be written to"):
        fetch(url(mirror), target)
    assert not mirror.requests


def test_a_folder_in_the_files_place(mirror: Mirror, target: Path) -> None:
    target.mkdir(parents=True)
    with pytest.raises(WeightsError, match="cannot be written to"):
        fetch(url(mirror), target)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(mirror: Mirror, target: Path) -> None:
    target.parent.mkdir(mode=0o555)
    with pytest.raises(WeightsError, match="Permission denied"):
        fetch(url(mirror), target)
    assert not mirror.requests


def test_troubles_of_the_network_are_not_the_disks(
    mirror: Mirror, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every error that a socket raises is a `ConnectionError`."""
    asked = urllib.request.urlopen
    broken: list[Any] = []

    def urlopen(*arguments: Any, **options: Any) -> Any:
        response = asked(*arguments, **options)
        if not broken:
            broken.append(response)

            def read1(size: int) -> bytes:
                raise OSError(errno.EHOSTUNREACH, "No route to host")

            response.read1 = read1
        return response

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    fetch(url(mirror), target)
    assert_right(target)
    assert len(mirror.requests) == 2
