"""The right file under its final name, or none, and a reason: hashes, URLs, progress."""

import hashlib
import threading
from pathlib import Path

import pytest

from cnnkit.errors import UsageError, WeightsError
from cnnkit.zoo import download
from cnnkit.zoo.download import fetch
from tests.zoo.mirror import Mirror, Turn, content
from tests.zoo.net_file import MD5, NAME, WHOLE, assert_right, part_of, url


@pytest.mark.parametrize("published", ["", MD5, hashlib.sha256(WHOLE).hexdigest()])
def test_a_file_arrives(mirror: Mirror, target: Path, published: str) -> None:
    fetch(url(mirror), target, published)
    assert_right(target)
    assert [(r.status, r.range) for r in mirror.requests] == [(200, None)]


def test_what_is_here_is_not_fetched_unless_anew(mirror: Mirror, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    fetch(url(mirror), target)
    assert target.read_bytes() == b"mine" and not mirror.requests
    fetch(url(mirror), target, anew=True)
    assert_right(target)


def test_a_server_that_tells_no_length(mirror: Mirror, target: Path) -> None:
    mirror.always = Turn(length=False)
    totals: list[int | None] = []
    fetch(url(mirror), target, MD5, lambda done, total: totals.append(total))
    assert_right(target)
    assert set(totals) == {None}


def test_a_cut_that_no_length_tells_of_is_told_by_the_hash(mirror: Mirror, target: Path) -> None:
    mirror.always = Turn(length=False, cut=300_000)
    with pytest.raises(WeightsError, match=f"expected md5 {MD5}"):
        fetch(url(mirror), target, MD5)
    assert [p.name for p in target.parent.iterdir()] == [f".{NAME}.lock"]


def test_the_wrong_file(mirror: Mirror, target: Path) -> None:
    mirror.files[NAME] = b"garbage"
    received = hashlib.md5(b"garbage").hexdigest()
    with pytest.raises(WeightsError, match=f"expected md5 {MD5}, received {received}"):
        fetch(url(mirror), target, MD5)
    assert [p.name for p in target.parent.iterdir()] == [f".{NAME}.lock"]
    assert len(mirror.requests) == 1


def test_the_wrong_file_never_replaces_one(mirror: Mirror, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    mirror.files[NAME] = b"garbage"
    with pytest.raises(WeightsError):
        fetch(url(mirror), target, MD5, anew=True)
    assert target.read_bytes() == b"mine"


def test_a_login_page_is_no_weight_file(mirror: Mirror, target: Path) -> None:
    mirror.files[NAME] = b"<html>Welcome to the airport</html>"
    with pytest.raises(WeightsError, match=r"expected an HDF5 file, received.*<html>"):
        fetch(url(mirror), target)
    assert not target.exists() and not part_of(target).exists()


def test_a_file_url(mirror: Mirror, target: Path, tmp_path: Path) -> None:
    source = tmp_path / "a b%20c.h5"
    source.write_bytes(WHOLE)
    fetch(source.as_uri(), target, MD5)
    assert_right(target)
    assert not mirror.requests


def test_a_file_url_of_nothing_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_sockets: None
) -> None:
    monkeypatch.setattr(download, "_PAUSE", 1000)
    for path in (tmp_path / "nothing.h5", tmp_path):
        with pytest.raises(WeightsError, match="no connection"):
            fetch(path.as_uri(), tmp_path / NAME)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("address", ["ftp://a/b", "data:,x", "", "/a/b", "javascript:1", "c:\\x"])
def test_other_schemes_are_refused(address: str, tmp_path: Path, no_sockets: None) -> None:
    with pytest.raises(WeightsError, match="Expected a URL of http, https, file"):
        fetch(address, tmp_path / "models" / NAME)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "address", ["http://[bad/x", "http://ho st/x", "http://127.0.0.1/é", "http://127.0.0.1:x/"]
)
def test_what_is_no_url(
    address: str, tmp_path: Path, no_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PAUSE", 1000)
    with pytest.raises(WeightsError, match="no URL that can be asked for"):
        fetch(address, tmp_path / NAME)


@pytest.mark.parametrize("text", ["abc", "", "0", "-1", "nan", "inf", "1e9"])
def test_a_timeout_that_is_none(
    mirror: Mirror, target: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_TIMEOUT", text)
    with pytest.raises(UsageError, match="CNNKIT_TIMEOUT"):
        fetch(url(mirror), target)
    assert not mirror.requests


def test_progress_grows_to_the_whole(mirror: Mirror, target: Path) -> None:
    mirror.turns = [Turn(cut=250_000)]
    told: list[tuple[int, int | None]] = []
    fetch(url(mirror), target, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {len(WHOLE)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == len(WHOLE)


def test_two_at_once_fetch_once(mirror: Mirror, target: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(url(mirror), target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_right(target)
    assert len(mirror.requests) == 1


def test_a_file_that_never_ends_is_not_taken(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"endless.h5": content()}
    with pytest.raises(WeightsError, match="longer than 1,000 bytes"):
        fetch(f"{mirror.url}/endless.h5", tmp_path / "endless.h5", most=1000)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
