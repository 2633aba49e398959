"""Whatever a server does: the right file under its final name, or none, and a reason."""

import errno
import hashlib
import os
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import UsageError, WeightsError
from cnnkit.zoo import download
from cnnkit.zoo.download import fetch
from tests.zoo.mirror import Mirror, Turn, content

WHOLE = content()
MD5 = hashlib.md5(WHOLE).hexdigest()
NAME = "net.h5"


@pytest.fixture
def target(tmp_path: Path, mirror: Mirror) -> Path:
    mirror.files[NAME] = WHOLE
    return tmp_path / "models" / NAME


def url(mirror: Mirror) -> str:
    return f"{mirror.url}/{NAME}"


def part_of(target: Path) -> Path:
    return target.with_name(f".{NAME}.part")


def begin(target: Path, size: int, mark: str | None) -> None:
    """What an earlier process that was killed has left."""
    target.parent.mkdir()
    part_of(target).write_bytes(WHOLE[:size])
    if mark is not None:
        target.with_name(f".{NAME}.version").write_text(mark, "latin-1")


def assert_right(target: Path, expected: bytes = WHOLE) -> None:
    assert target.read_bytes() == expected
    assert {path.name for path in target.parent.iterdir()} == {NAME, f".{NAME}.lock"}


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


@pytest.mark.parametrize("turn", [Turn(cut=250_000), Turn(cut=250_000, reset=True)])
def test_a_cut_connection_is_continued(mirror: Mirror, target: Path, turn: Turn) -> None:
    mirror.turns = [turn]
    fetch(url(mirror), target)
    assert_right(target)
    first, second = mirror.requests
    assert (first.range, second.if_range, second.status) == (None, '"1"', 206)
    # A reset may lose what was still on its way; a close may not.
    here = len(WHOLE) - second.sent
    assert second.range == f"bytes={here}-"
    assert here == 250_000 if not turn.reset else 0 < here <= 250_000


def test_three_cuts_are_borne(mirror: Mirror, target: Path) -> None:
    mirror.turns = [Turn(cut=100_000)] * 3
    fetch(url(mirror), target, MD5)
    assert_right(target)
    assert [r.range for r in mirror.requests] == [
        None, "bytes=100000-", "bytes=200000-", "bytes=300000-",
    ]  # fmt: skip


def test_a_later_process_fetches_only_the_rest(mirror: Mirror, target: Path) -> None:
    begin(target, 400_000, '"1"')
    fetch(url(mirror), target)
    assert_right(target)
    assert [(r.range, r.sent) for r in mirror.requests] == [("bytes=400000-", 200_000)]


@pytest.mark.parametrize("mark", [None, "", '"two\nlines"', "\x00\xff"])
def test_a_part_of_nobody_knows_what_is_dropped(
    mirror: Mirror, target: Path, mark: str | None
) -> None:
    begin(target, 400_000, mark)
    fetch(url(mirror), target)
    assert_right(target)
    assert [(r.range, r.status) for r in mirror.requests] == [(None, 200)]


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("deaf", [True, False])
def test_a_file_that_changed_on_the_server_is_begun_anew(
    mirror: Mirror, target: Path, hashed: bool, deaf: bool
) -> None:
    """Also where the server heeds Range and not If-Range: the parts of two files never mix."""
    begin(target, 400_000, '"1"')
    new = content(seed=1)
    mirror.files[NAME], mirror.version, mirror.turns = new, '"2"', [Turn(deaf=deaf)]
    fetch(url(mirror), target, hashlib.md5(new).hexdigest() if hashed else "")
    assert_right(target, new)
    assert [r.status for r in mirror.requests] == ([206, 200] if deaf else [200])


def test_without_a_strong_etag_the_date_tells_versions_apart(mirror: Mirror, target: Path) -> None:
    mirror.version, mirror.modified = 'W/"1"', "Sat, 01 Jan 2022 00:00:00 GMT"
    mirror.turns = [Turn(cut=100_000)]
    fetch(url(mirror), target)
    assert_right(target)
    assert mirror.requests[1].if_range == mirror.modified


def test_without_either_nothing_is_continued(mirror: Mirror, target: Path) -> None:
    mirror.version = ""
    mirror.turns = [Turn(cut=100_000)]
    fetch(url(mirror), target)
    assert_right(target)
    assert [r.range for r in mirror.requests] == [None, None]


def test_a_part_from_elsewhere_is_refused(mirror: Mirror, target: Path) -> None:
    mirror.turns = [Turn(cut=300_000), Turn(shift=1000)]
    fetch(url(mirror), target)  # no hash would notice
    assert_right(target)
    assert [r.status for r in mirror.requests] == [200, 206, 200]


def test_a_server_that_sends_parts_of_parts(mirror: Mirror, target: Path) -> None:
    mirror.turns = [Turn(cut=300_000), Turn(span=100_000)]
    fetch(url(mirror), target)
    assert_right(target)
    assert mirror.requests[2].range == "bytes=400000-"


def test_a_part_that_is_all_or_more(mirror: Mirror, target: Path) -> None:
    """Killed between the last byte and the rename: 416 is answered, and it is begun anew."""
    begin(target, len(WHOLE), '"1"')
    fetch(url(mirror), target)
    assert_right(target)
    assert [r.status for r in mirror.requests] == [416, 200]


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


def test_a_wrong_older_half_costs_only_time(mirror: Mirror, target: Path) -> None:
    begin(target, 400_000, '"1"')
    part_of(target).write_bytes(b"x" * 400_000)
    fetch(url(mirror), target, MD5)
    assert_right(target)
    assert [r.status for r in mirror.requests] == [206, 200]


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


def test_progress_grows_to_the_whole(mirror: Mirror, target: Path) -> None:
    mirror.turns = [Turn(cut=250_000)]
    told: list[tuple[int, int | None]] = []
    fetch(url(mirror), target, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {len(WHOLE)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == len(WHOLE)


def test_an_interruption_keeps_the_part_and_frees_the_lock(mirror: Mirror, target: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(url(mirror), target, progress=interrupt)
    assert not target.exists()
    kept = part_of(target).stat().st_size
    assert kept > 0
    fetch(url(mirror), target)
    assert_right(target)
    assert mirror.requests[1].range == f"bytes={kept}-"


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
