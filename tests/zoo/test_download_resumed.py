"""Downloads that are cut, killed or interrupted go on with what came of the same file."""

import hashlib
from pathlib import Path

import pytest

from cnnkit.zoo.download import fetch
from tests.zoo.mirror import Mirror, Turn, content
from tests.zoo.net_file import MD5, NAME, WHOLE, assert_right, begin, part_of, url


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


def test_a_wrong_older_half_costs_only_time(mirror: Mirror, target: Path) -> None:
    begin(target, 400_000, '"1"')
    part_of(target).write_bytes(b"x" * 400_000)
    fetch(url(mirror), target, MD5)
    assert_right(target)
    assert [r.status for r in mirror.requests] == [206, 200]


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
