"""A folder of copies knows what it holds, and whatever ends a run leaves it so."""

import errno
import fcntl
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import InputError, OutputError
from cnnkit.outputs import copies
from cnnkit.outputs.copies import Copies
from cnnkit.outputs.manifest import JOURNAL, MANIFEST, names, parsed

PIXELS = b"pixels"


def line(output: str = "a.png", data: bytes = PIXELS, **more: Any) -> dict[str, Any]:
    own = {"output": output, "bytes": len(data), "sha256": sha256(data).hexdigest()}
    return (
        own | {"copy": 1, "width": 2, "height": 3, "drawn": {"theta": 0.1}, "labels": None} | more
    )


def written(folder: Path, *outputs: str) -> None:
    with Copies(folder) as kept:
        for output in outputs:
            kept.write(line(output), {output: PIXELS})
            kept.keep(line(output))


def test_the_manifest_is_in_the_order_in_which_copies_were_kept(tmp_path: Path) -> None:
    written(tmp_path / "o", "b/2.png", "a.png", "b/1.png")
    text = (tmp_path / "o" / MANIFEST).read_text()
    assert [json.loads(row)["output"] for row in text.splitlines()] == [
        "b/2.png",
        "a.png",
        "b/1.png",
    ]
    assert list(names(tmp_path / "o")) == ["b/2.png", "a.png", "b/1.png"]
    assert sorted(os.listdir(tmp_path / "o")) == ["a.png", "b", MANIFEST]
    with Copies(tmp_path / "o") as kept:
        assert kept.line_of("a.png") == line()
        assert kept.line_of("c.png") is None
        assert kept.holds(line())
        assert not kept.holds(line(data=b"other!"))


def test_nothing_is_left_of_a_run_that_wrote_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Copies(tmp_path / "p" / "o"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    (tmp_path / "o").mkdir()
    with pytest.raises(ZeroDivisionError), Copies(tmp_path / "o"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path / "o") == []


def test_a_journal_of_a_killed_run(tmp_path: Path) -> None:
    written(tmp_path, "old.png", "changed.png")
    (tmp_path / "half.png").write_bytes(b"pix")  # an earlier one, before it was to be remade
    part = copies._part_of(tmp_path / "gone.png")
    part.write_bytes(b"pi")
    journal = [line("gone.png"), line("half.png"), line("changed.png", b"new")]
    text = b"".join(json.dumps(each).encode() + b"\n" for each in journal)
    (tmp_path / JOURNAL).write_bytes(b"\0\0\n[]\n" + text + b'{"output": "torn')
    with Copies(tmp_path) as kept:
        assert kept.line_of("changed.png") == line("changed.png", b"new")
        assert not part.exists()
        assert kept.stranger(["half.png", "gone.png"]) is None
        (tmp_path / "mine.png").write_bytes(b"")
        assert kept.stranger(["half.png", "mine.png"]) == tmp_path / "mine.png"
    told = [json.loads(row) for row in (tmp_path / MANIFEST).read_text().splitlines()]
    # Of each file the last line that is true of it; of one that nobody knows the bytes of, none.
    assert told == [line("old.png"), line("changed.png")]


def test_labels_are_files_too(tmp_path: Path) -> None:
    labels = {"output": "a.xml", "bytes": 3, "sha256": sha256(b"xml").hexdigest()}
    for _ in range(2):
        with Copies(tmp_path) as kept:
            kept.write(line(labels=labels), {"a.xml": b"xml", "a.png": PIXELS})
            kept.keep(line(labels=labels))
            assert kept.holds(line(labels=labels))
            (tmp_path / "a.xml").write_bytes(b"no!")
            assert not kept.holds(line(labels=labels))
    with Copies(tmp_path):
        pass
    assert len((tmp_path / MANIFEST).read_bytes().splitlines()) == 1
    assert set(names(tmp_path)) == {"a.png", "a.xml"}


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    whole = os.write

    def full(descriptor: int, data: bytes) -> int:
        if short:
            return whole(descriptor, data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), Copies(tmp_path) as kept:
        kept.write(line("a.png"), {"a.png": PIXELS})
        monkeypatch.setattr(os, "write", full)
        kept.write(line("b.png"), {"b.png": PIXELS})
    monkeypatch.undo()
    assert [json.loads(row) for row in (tmp_path / JOURNAL).read_text().splitlines()] == [line()]
    assert not (tmp_path / "b.png").exists()
    written(tmp_path, "a.png", "b.png")


def test_labels_that_no_longer_fit_are_taken_away(tmp_path: Path) -> None:
    labels = {"output": "a.xml", "bytes": 5, "sha256": sha256(b"boxes").hexdigest()}
    for theirs in (None, b"mine!"):
        folder = tmp_path / str(theirs)
        with Copies(folder) as kept:
            kept.write(line(labels=labels), {"a.xml": b"boxes", "a.png": PIXELS})
            kept.keep(line(labels=labels))
        if theirs:
            (folder / "a.xml").write_bytes(theirs)
        with Copies(folder) as kept:
            kept.write(line(data=b"turned"), {"a.png": b"turned"})
            kept.keep(line(data=b"turned"))
        assert set(os.listdir(folder)) == {"a.png", MANIFEST} | ({"a.xml"} if theirs else set())


def test_what_is_known_grows_with_the_run(tmp_path: Path) -> None:
    written(tmp_path / "o", "a.png")
    kept = Copies(tmp_path / "o")
    assert (kept.knows("a.png"), kept.knows("b.png")) == (True, False)
    with kept:
        assert not kept.knows("b.png")
        kept.write(line("b.png"), {"b.png": PIXELS})
        assert kept.knows("b.png")


def test_a_manifest_that_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with pytest.raises(OutputError, match=r"manifest\.jsonl' cannot be written"), Copies(tmp_path):
        monkeypatch.setattr(os, "fsync", refuse)
    assert not (tmp_path / MANIFEST).exists()


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    written(tmp_path, "a.png")
    assert (tmp_path / MANIFEST).exists()


def test_a_journal_that_goes_as_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, times = fcntl.flock, []

    def late(descriptor: int, way: int) -> None:
        lock(descriptor, way)
        times.append(descriptor)
        if len(times) == 1:  # the run before has just ended
            (tmp_path / JOURNAL).unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    written(tmp_path, "a.png")
    assert len(times) == 2


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]\n", b"3\n", b"null\n", b"\xff\n", b"[" * 9999),
        json.dumps(line()).encode(),
        *(json.dumps(line() | each).encode() + b"\n" for each in (
            {"output": "/a"}, {"output": "a/../../b"}, {"output": ["a"]}, {"bytes": "9"},
            {"sha256": "ab"}, {"sha256": "Z" * 64}, {"drawn": 3}, {"copy": None},
            {"labels": {"output": "a"}}, {"labels": "ab"}, {"width": 2.5},
        )),
    ],
)  # fmt: skip
def test_lines_that_are_none_of_ours(tmp_path: Path, raw: bytes) -> None:
    assert parsed(raw) is None
    (tmp_path / MANIFEST).write_bytes(json.dumps(line()).encode() + b"\n" + (raw or b"\n"))
    with pytest.raises(InputError, match="did not write it"), Copies(tmp_path):
        pass
    assert os.listdir(tmp_path) == [MANIFEST]


def test_a_manifest_that_is_changed_meanwhile(tmp_path: Path) -> None:
    written(tmp_path, "a.png")
    with pytest.raises(InputError, match="was changed while"), Copies(tmp_path) as kept:
        (tmp_path / MANIFEST).write_bytes(b"x" * 9)
        kept.line_of("a.png")
