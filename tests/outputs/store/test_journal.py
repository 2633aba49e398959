"""A commit is cut off before each of its effects, and in the midst of each write."""

import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import InputError, OutputError
from cnnkit.outputs.store import journal, layout, recovery
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import NewRow
from cnnkit.outputs.store.writing import Writer
from tests.conftest import PATIENCE
from tests.outputs.store.camera import Camera, Snapshot
from tests.outputs.store.rows import (
    FEATURES,
    assert_plain,
    assert_reader,
    fill,
    known,
    new,
    news,
    numbered,
    plain,
    sha256,
    stamp,
    vector,
)
from tests.stores import write_plain

Rows = dict[str, str]
WIDE = 100_000
# Adds row after row, and says each time how many there are for sure.
VICTIM = """
import sys
from tests.outputs.store.rows import Writer, news, numbered, stamp
with Writer(sys.argv[1]) as writer:
    writer.stamp = writer.stamp or stamp()
    while True:
        count = len(writer.paths)
        writer.put(news(numbered(count, count + 1)))
        print(count + 1, flush=True)
"""


@dataclass
class Situation:
    """A store with rows, what is put into it, and what it holds then."""

    before: Rows | None
    put: list[NewRow]
    after: Rows
    features: int = FEATURES


def situations() -> dict[str, Situation]:
    ten, thousand = numbered(0, 10), numbered(0, 1000)
    three = numbered(0, 3)
    items = list(ten.items())
    moved = dict([*items[:3], ("new name, a long one" * 5, ten["gone/3.jpg"]), *items[4:]])
    mixed = {**moved, "gone/7.jpg": "other", "gone/0.jpg": "another", "more": "x", "most": "y"}
    return {
        "first rows": Situation(None, news(three), three),
        "first rows of an empty store": Situation({}, news(ten), ten),
        "one more": Situation(ten, news(numbered(10, 11)), numbered(0, 11)),
        "many more": Situation(thousand, news(numbered(1000, 1040)), numbered(0, 1040)),
        "wide": Situation(three, news(numbered(3, 5), WIDE), numbered(0, 5), WIDE),
        "replaced": Situation(ten, [new("gone/4.jpg", "other")], {**ten, "gone/4.jpg": "other"}),
        "renamed": Situation(ten, [known(list(moved)[3], ten["gone/3.jpg"])], moved),
        "everything": Situation(
            ten,
            [new("gone/7.jpg", "other"), known(list(moved)[3], ten["gone/3.jpg"]),
             new("more", "x"), new("gone/0.jpg", "another"), new("most", "y")],
            mixed,
        ),
    }  # fmt: skip


# Other programs see a row between two of its states where it is changed in its place.
SEEN_WHOLE = ("first rows", "first rows of an empty store", "one more", "many more", "wide")


def snapshots(
    situation: Situation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Snapshot]:
    """Every crash point of the commit that the situation makes."""
    store = folder / "live" / "s.h5"
    if situation.before is not None:
        with Writer(store) as writer:
            writer.stamp = stamp(situation.features)
            writer._open()
            writer.put(news(situation.before, situation.features))
    with monkeypatch.context() as patch, Writer(store) as writer:
        writer.stamp = stamp(situation.features)
        camera = Camera(store, folder / "snapshots", patch)
        writer.put(situation.put)
        camera.take("the end")
    return camera.taken


def state_of(store: Path, situation: Situation) -> Rows:
    """Which of the two states it is in, going by all that is written down of the rows."""
    if not store.exists():
        assert situation.before is None
        return {}
    found = plain(store)
    names = [os.fsdecode(path) for path in found["paths"]]
    hashes = [each.decode() for each in found["files"]["sha256"]]
    for state in (situation.before or {}, situation.after):
        if (names, hashes) == (list(state), [sha256(content) for content in state.values()]):
            return state
    raise AssertionError(f"neither the one state nor the other: {names}")


@pytest.mark.parametrize("name", situations())
def test_a_commit_that_is_cut_off_anywhere_has_happened_or_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = situations()[name]
    states = []
    for snapshot in snapshots(situation, tmp_path, monkeypatch):
        if snapshot.store.exists():
            recovered = Reader(snapshot.store).recovered
            assert ("finished" in recovered) == snapshot.promised, snapshot.moment
        state = state_of(snapshot.store, situation)
        states.append(state is situation.after)
        if snapshot.store.exists():
            assert_reader(snapshot.store, state)
        fill(snapshot.store, {"one/more.jpg": "a picture"}, situation.features)
        state = {**state, "one/more.jpg": "a picture"}
        assert_plain(snapshot.store, state)
        assert_reader(snapshot.store, state)
        assert not journal_of(snapshot.store).exists()
    assert states == sorted(states), "it happened, and then it had not"
    assert set(states) == {False, True}


@pytest.mark.parametrize("name", SEEN_WHOLE)
def test_other_programs_find_all_of_the_new_rows_or_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = situations()[name]
    seen = []
    for snapshot in snapshots(situation, tmp_path, monkeypatch):
        if not snapshot.torn:
            seen.append(state_of(snapshot.store, situation))
            if snapshot.store.exists():
                assert_plain(snapshot.store, seen[-1])
    assert seen[0] == (situation.before or {})
    assert seen[-1] is situation.after


@pytest.mark.parametrize("name", ["replaced", "renamed", "everything"])
def test_other_programs_can_always_read_what_was_not_changed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is changed in its place: they may see its old vector beside its new path."""
    situation = situations()[name]
    same = [
        (row, path)
        for row, (path, content) in enumerate((situation.before or {}).items())
        if situation.after.get(path) == content
    ]
    for snapshot in snapshots(situation, tmp_path, monkeypatch):
        if not snapshot.torn:
            found = plain(snapshot.store)
            assert len({len(values) for values in found.values()}) == 1
            for row, path in same:
                content = situation.after[path]
                assert found["paths"][row] == path.encode()
                assert found["files"]["sha256"][row] == sha256(content).encode()
                assert (found["img_emb"][row] == vector(content)).all()


def promised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of ten rows, and beside it the whole journal of a commit that replaces one."""
    taken = snapshots(situations()["replaced"], folder, monkeypatch)
    return next(snapshot.store for snapshot in taken if snapshot.promised)


def test_a_journal_that_is_not_whole_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = promised(tmp_path, monkeypatch)
    whole, before = journal_of(store).read_bytes(), store.read_bytes()
    lengths = [*range(1, 80, 7), *range(80, len(whole), 509), len(whole) - 1]
    damaged = [whole[:length] for length in lengths]
    places = (0, 16, 20, 30, 40, 100, len(whole) // 2, len(whole) - 1)
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
    for record in damaged:
        journal_of(store).write_bytes(record)
        assert recovery.recover(store) == ""
        assert store.read_bytes() == before
        assert not journal_of(store).exists()
    journal_of(store).write_bytes(whole)
    assert "finished" in recovery.recover(store)
    assert_plain(store, situations()["replaced"].after)


@pytest.mark.parametrize("rows", [3, 10, 300])
def test_a_journal_is_not_applied_to_another_file(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = promised(tmp_path, monkeypatch)
    other = {f"other/{number}.jpg": f"{number}" for number in range(rows)}
    fill(tmp_path / "other.h5", other).replace(store)
    reader = assert_reader(store, other)
    assert reader.recovered == ""
    assert_plain(store, other)


def test_a_backup_that_comes_in_its_place_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "live" / "s.h5"
    fill(store, numbered(0, 5))
    shutil.copy(store, tmp_path / "backup.h5")
    fill(store, numbered(5, 10))
    with monkeypatch.context() as patch, Writer(store) as writer:
        camera = Camera(store, tmp_path / "snapshots", patch)
        writer.put([new("gone/2.jpg", "other"), *news(numbered(10, 12))])
    taken = next(snapshot.store for snapshot in camera.taken if snapshot.promised)
    (tmp_path / "backup.h5").replace(taken)
    assert_reader(taken, numbered(0, 5))
    assert_plain(taken, numbered(0, 5))


def test_a_torn_tail_is_trimmed_and_said(tmp_path: Path) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 3))
    size = store.stat().st_size
    with store.open("ab") as file:
        file.write(b"x" * 5000)
    assert_plain(store, numbered(0, 3))
    with Writer(store) as writer:
        assert "5,000 bytes" in writer.recovered
    assert store.stat().st_size == size
    with Writer(store) as writer:
        assert writer.recovered == ""
    assert_reader(store, numbered(0, 3))


def test_what_other_programs_append_to_their_own_files_is_not_trimmed(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "theirs.h5", np.ones((3, 4), np.float32))
    with path.open("ab") as file:
        file.write(b"theirs")
    before = path.read_bytes()
    with pytest.raises(InputError, match="has not made"):
        Writer(path)
    assert path.read_bytes() == before


def test_a_reader_holds_a_commit_back(tmp_path: Path) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 3))
    with Writer(store) as writer:
        writer.put(news(numbered(3, 4)))
        with recovery.undisturbed_reading(store) as watch:
            assert watch.whole
            thread = threading.Thread(target=writer.put, args=(news(numbered(4, 6)),))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive(), "it did not wait"
            assert_plain(store, numbered(0, 4))
        thread.join(PATIENCE)
        assert_plain(store, numbered(0, 6))


def test_no_reader_sees_half_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 1))
    write = journal.write_at

    def slowly(*arguments: Any) -> None:
        time.sleep(0.003)
        write(*arguments)

    def add() -> None:
        for number in range(1, 40):
            # Each a writer of its own: its journal comes and goes while others read.
            with Writer(store) as writer:
                writer.put([*news(numbered(number, number + 1)), new("changing", f"{number}")])

    monkeypatch.setattr(journal, "write_at", slowly)
    thread = threading.Thread(target=add)
    thread.start()
    seen = set()
    while thread.is_alive():
        reader = Reader(store)
        assert reader.files is not None
        names = [os.fsencode(path) for path in reader.paths or []]
        checks = [layout.check_of(*each) for each in zip(names, reader.files, strict=True)]
        assert checks == reader.files["check"].tolist()
        assert sorted(reader.row_of) == sorted(
            [*numbered(0, max(1, reader.rows - 1)), *["changing"][: reader.rows - 1]]
        )
        seen.add(reader.rows)
    thread.join()
    assert len(seen) > 3, seen
    assert Reader(store).rows == 41


@pytest.mark.parametrize("then", ["put", "keep_only", "another"])
def test_a_commit_that_failed_after_its_promise_is_finished_later(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses a page that belongs to the file already: only the next may mend it."""
    store = fill(tmp_path / "s.h5", numbered(0, 3))
    write = journal.write_at
    with Writer(store) as writer:
        with monkeypatch.context() as patch, pytest.raises(OutputError):
            calls: list[int] = []

            def failing(descriptor: int, data: bytes, offset: int) -> None:
                if journal_of(store).stat().st_size:
                    calls.append(offset)
                    write(descriptor, data[:512], offset)
                    raise OSError(5, "the disk is at its end")
                write(descriptor, data, offset)

            patch.setattr(journal, "write_at", failing)
            writer.put([new("gone/1.jpg", "other")])
        assert len(calls) == 1
        if then == "keep_only":
            writer.keep_only(range(3))
        if then != "another":
            writer.put(news(numbered(3, 5)))
    fill(store, numbered(3, 5))
    expected = {**numbered(0, 3), "gone/1.jpg": "other", **numbered(3, 5)}
    assert_reader(store, expected)
    assert_plain(store, expected)


def test_a_killed_process_leaves_a_whole_store(tmp_path: Path) -> None:
    store = tmp_path / "s.h5"
    for _ in range(3):
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, store], stdout=subprocess.PIPE)
        assert victim.stdout is not None
        for _ in range(20):
            last = int(victim.stdout.readline())
        victim.kill()
        done = [int(line) for line in victim.stdout.read().split()]
        victim.wait()
        victim.stdout.close()
        rows = Reader(store).rows
        assert max([last, *done]) <= rows, "what was durable is lost"
        assert_reader(store, numbered(0, rows))
        assert_plain(store, numbered(0, rows))
