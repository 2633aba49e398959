"""What is put into a store, and what it holds then."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import Facts, NewRow, described
from cnnkit.outputs.store.upkeep import damaged_rows
from cnnkit.outputs.store.writing import Writer
from tests.conftest import PATIENCE
from tests.outputs.store.rows import (
    FEATURES,
    assert_plain,
    assert_reader,
    facts,
    fill,
    known,
    new,
    news,
    numbered,
    sha256,
    stamp,
    vector,
)
from tests.stores import write_plain

# Adds one row in a process of its own.
ADDER = """
import sys
from tests.outputs.store.rows import Writer, news, numbered
with Writer(sys.argv[1]) as writer:
    count = len(writer.paths)
    writer.put(news(numbered(count, count + 1)))
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store will be; paths are relative to the folder it is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "s.h5"


def picture(name: str) -> str:
    Path(name).touch()
    return name


def assert_holds(store: Path, rows: dict[str, str]) -> Reader:
    assert_plain(store, rows)
    return assert_reader(store, rows)


def test_rows_come_at_the_end_in_their_order(store: Path) -> None:
    with Writer(store) as writer:
        writer.stamp = stamp()
        assert writer.put([]) == []
        assert not store.exists()
        assert writer.put(news(numbered(0, 3))) == [0, 1, 2]
        assert writer.put(news(numbered(3, 5))) == [3, 4]
        assert_holds(store, numbered(0, 5))
    with Writer(store) as writer:
        assert writer.stamp == stamp()
        assert writer.paths == list(numbered(0, 5))
        assert writer.put(news(numbered(5, 6))) == [5]
        assert writer.recovered == ""
    assert assert_holds(store, numbered(0, 6)).stamp == stamp()
    assert not journal_of(store).exists()


def test_another_content_takes_the_place_of_the_old(store: Path) -> None:
    rows = numbered(0, 5)
    fill(store, rows)
    with Writer(store) as writer:
        assert writer.put([new("gone/2.jpg", "other"), new("gone/9.jpg", "nine")]) == [2, 5]
        assert not writer.knows(sha256(rows["gone/2.jpg"])), "its vector is gone"
        assert writer.knows(sha256("other"))
    assert_holds(store, {**rows, "gone/2.jpg": "other", "gone/9.jpg": "nine"})


def test_a_file_that_moved_is_the_same_row(store: Path) -> None:
    old = picture("a.jpg")
    fill(store, {old: "A", "b.jpg": "B"})
    Path(old).rename("c.jpg")
    with Writer(store) as writer:
        assert writer.put([known("c.jpg", "A")]) == [0]
        assert old not in writer.row_of
        assert writer.row_of["c.jpg"] == 0
    assert_holds(store, {"c.jpg": "A", "b.jpg": "B"})


def test_of_several_new_places_one_is_the_old_row(store: Path) -> None:
    fill(store, {"a.jpg": "A", "b.jpg": "B"})
    with Writer(store) as writer:
        assert writer.put([known("c.jpg", "A"), known("d.jpg", "A")]) == [0, 2]
    assert_holds(store, {"c.jpg": "A", "b.jpg": "B", "d.jpg": "A"})


def test_a_copy_gets_a_row_of_its_own(store: Path) -> None:
    old = picture("a.jpg")
    fill(store, {old: "A"})
    with Writer(store) as writer:
        assert writer.knows(sha256("A"))
        assert writer.put([known("copy.jpg", "A")]) == [1]
    assert_holds(store, {old: "A", "copy.jpg": "A"})


def test_of_a_file_that_was_only_touched_the_vector_stays(store: Path) -> None:
    fill(store, {"a.jpg": "A", "b.jpg": "B"})
    sevens = np.full(FEATURES, 7, np.float32)  # which are computed again only by mistake
    with h5py.File(store, "r+") as file:
        file["img_emb"][0] = sevens
        file["files"][0] = described("a.jpg", facts("A"), sevens)
    with Writer(store) as writer:
        assert writer.unchanged("a.jpg", 1, 1) == 0
        assert writer.unchanged("a.jpg", 1, 5) is None
        assert writer.put([known("a.jpg", "A", time=5)]) == [0]
        assert writer.unchanged("a.jpg", 1, 5) == 0
        assert writer.holds("a.jpg", facts("A", 5)) == 0
    with h5py.File(store) as file:
        assert file["files"]["mtime_ns"].tolist() == [5, 1]
        assert (file["img_emb"][0] == 7).all()
        assert (file["img_emb"][1] == vector("B")).all()


def damage(store: Path, row: int) -> None:
    """Change a vector behind the back of its checksum."""
    with h5py.File(store, "r+") as file:
        file["img_emb"][row] = 7


def damaged(store: Path) -> list[int]:
    return [row for row, _ in damaged_rows(Reader(store))]


class TestDamage:
    """A vector whose checksum does not hold never gets one that does."""

    @pytest.fixture(autouse=True)
    def _damaged(self, store: Path) -> None:
        fill(store, {picture("a.jpg"): "A", "gone.jpg": "B", picture("c.jpg"): "C"})
        for row in (0, 1):
            damage(store, row)

    def test_its_content_is_not_known(self, store: Path) -> None:
        with Writer(store) as writer:
            assert [writer.knows(sha256(each)) for each in "ABC"] == [False, False, True]
            assert writer.unchanged("a.jpg", 1, 1) == 0
            assert writer.holds("a.jpg", facts("A")) is None
            assert writer.holds("c.jpg", facts("C")) == 2

    def test_facts_that_are_damaged_are_not_believed(self, store: Path) -> None:
        with h5py.File(store, "r+") as file:
            files = file["files"][:]
            files["norm"][2] = 0.5
            file["files"][:] = files
        with Writer(store) as writer:
            assert not writer.knows(sha256("C"))

    def test_it_is_not_copied(self, store: Path) -> None:
        before = store.read_bytes()
        with Writer(store) as writer, pytest.raises(InputError, match="row 0 is damaged"):
            writer.put([known("copy.jpg", "A")])
        assert store.read_bytes() == before

    @pytest.mark.parametrize("path", ["a.jpg", "moved.jpg"])
    def test_touched_or_renamed_it_stays_damaged(self, store: Path, path: str) -> None:
        content, row = ("A", 0) if path == "a.jpg" else ("B", 1)
        with Writer(store) as writer:
            assert writer.put([known(path, content, time=5)]) == [row]
        assert damaged(store) == [0, 1]

    def test_it_is_healed_by_a_vector_that_comes(self, store: Path) -> None:
        with Writer(store) as writer:
            assert writer.put([new("a.jpg", "A"), new("moved.jpg", "B")]) == [0, 1]
            assert writer.knows(sha256("A"))
            assert writer.put([known("copy.jpg", "A")]) == [3]
        assert_holds(store, {"a.jpg": "A", "moved.jpg": "B", "c.jpg": "C", "copy.jpg": "A"})

    def test_it_is_healed_by_a_copy_that_is_whole(self, store: Path) -> None:
        with Writer(store) as writer:
            writer.put([new("copy.jpg", "A")])
            assert writer.put([known("a.jpg", "A")]) == [0]
        assert damaged(store) == [1]

    def test_what_is_dropped_is_not_handed_on(self, store: Path) -> None:
        dropped = Reader(store).vectors_by_content([1, 2])
        assert dropped.get(sha256("B")) is None
        assert sha256("B") not in dropped
        np.testing.assert_array_equal(dropped[sha256("C")], vector("C"))


class TestGone:
    """Whose row may be taken over: only that of a file which is surely not there."""

    @pytest.fixture
    def elsewhere(self, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        Path("photos").mkdir()
        fill(store, {picture("photos/a.jpg"): "A", "photos/b.jpg": "B"})
        Path("other").mkdir()
        monkeypatch.chdir("other")
        return store

    def test_a_file_beside_the_store_is_there(self, elsewhere: Path) -> None:
        with Writer(elsewhere) as writer:
            assert [writer.is_gone(row) for row in (0, 1)] == [False, True]
            assert writer.put([known("a.jpg", "A"), known("b.jpg", "B")]) == [2, 1]
            assert writer.renamed == 1
        assert_holds(elsewhere, {"photos/a.jpg": "A", "b.jpg": "B", "a.jpg": "A"})

    def test_beside_a_link_to_the_store_too(self, elsewhere: Path, tmp_path: Path) -> None:
        Path("deep").mkdir()
        elsewhere.rename("deep/s.h5")
        elsewhere.symlink_to("other/deep/s.h5")
        with Writer(elsewhere) as writer:
            assert [writer.is_gone(row) for row in (0, 1)] == [False, True]

    @pytest.mark.parametrize(
        ("error", "gone"),
        [(PermissionError(13, "no"), False), (OSError(5, "broken disk"), False),
         (NotADirectoryError(20, "a file"), True), (FileNotFoundError(2, "none"), True)],
    )  # fmt: skip
    def test_where_nobody_may_look_there_may_be_one(
        self, elsewhere: Path, error: OSError, gone: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lstat(path: str) -> None:
            raise error

        with Writer(elsewhere) as writer, monkeypatch.context() as patch:
            patch.setattr("cnnkit.outputs.store.writing.os.lstat", lstat)
            assert writer.is_gone(0) == gone


def test_two_files_that_changed_places(store: Path) -> None:
    fill(store, {picture("a.jpg"): "A", picture("b.jpg"): "B"})
    with Writer(store) as writer:
        assert writer.put([known("a.jpg", "B"), known("b.jpg", "A")]) == [0, 1]
        assert writer.knows(sha256("A"))
        assert writer.knows(sha256("B"))
    assert_holds(store, {"a.jpg": "B", "b.jpg": "A"})


def test_a_content_that_moved_on_while_another_took_its_path(store: Path) -> None:
    fill(store, {picture("a.jpg"): "A"})
    with Writer(store) as writer:
        assert writer.put([new("a.jpg", "C"), known("b.jpg", "A")]) == [0, 1]
    assert_holds(store, {"a.jpg": "C", "b.jpg": "A"})


def test_a_path_that_comes_twice_holds_what_came_last(store: Path) -> None:
    with Writer(store) as writer:
        writer.stamp = stamp()
        rows = [new("a.jpg", "A"), new("b.jpg", "B"), new("a.jpg", "C"), known("c.jpg", "A")]
        assert writer.put(rows) == [0, 1, 0, 2]
        assert writer.put([new("b.jpg", "D"), new("b.jpg", "E")]) == [1, 1]
    assert_holds(store, {"a.jpg": "C", "b.jpg": "E", "c.jpg": "A"})


def test_a_path_that_was_given_away_in_the_same_commit_is_a_new_row(store: Path) -> None:
    fill(store, {"a.jpg": "A"})
    with Writer(store) as writer:
        assert writer.put([known("b.jpg", "A"), new("a.jpg", "A2")]) == [0, 1]
    assert_holds(store, {"b.jpg": "A", "a.jpg": "A2"})


@pytest.mark.parametrize("features", [1, 3, 100_000])
def test_vectors_of_any_width(store: Path, features: int) -> None:
    fill(store, numbered(0, 4), features)
    fill(store, numbered(4, 7), features)
    assert assert_holds(store, numbered(0, 7)).features == features


def test_half_precision(store: Path) -> None:
    fill(store, numbered(0, 4), dtype="float16")
    reader = assert_holds(store, numbered(0, 4))
    assert reader.dtype == np.float16
    assert reader.vector(0).dtype == np.float32


def test_paths_of_all_sorts(store: Path) -> None:
    names = [
        os.fsdecode(b"not utf-8 \xff\xfe.jpg"), "two\nlines.jpg", "tab\tand 'quotes\".jpg", "ü.jpg",
        "u\u0308.jpg", "日本.jpg", "-", " ", "x" * 4000, os.path.abspath("a.jpg"), "./a.jpg",
        "a.jpg",
    ]  # fmt: skip
    rows = {name: f"content of {number}" for number, name in enumerate(names)}
    fill(store, rows)
    reader = assert_holds(store, rows)
    with Writer(store) as writer:
        assert writer.row_of == {name: row for row, name in enumerate(names)}
        assert writer.put([new(names[0], "other")]) == [0]
    assert reader.find("a.jpg") == 11
    assert reader.find("sub/../ü.jpg") == 3
    assert_holds(store, {**rows, names[0]: "other"})


def test_what_is_known_of_a_file(store: Path) -> None:
    fill(store, {"a.jpg": "A"})
    with Writer(store) as writer:
        assert writer.unchanged("a.jpg", 1, 1) == 0
        assert writer.unchanged("a.jpg", 2, 1) is None
        assert writer.unchanged("b.jpg", 1, 1) is None
        assert writer.holds("a.jpg", Facts(sha256("A"), 1, 1)) == 0
        assert writer.holds("a.jpg", Facts(sha256("B"), 1, 1)) is None
        assert not writer.knows(sha256("B"))


def test_rows_that_are_kept_go_on_being_themselves(store: Path) -> None:
    fill(store, numbered(0, 6))
    before = Reader(store)
    assert before.files is not None
    items = list(numbered(0, 6).items())
    with Writer(store) as writer:
        writer.put(news(numbered(6, 7)))
        writer.keep_only([5, 0, 3])
        assert writer.paths == [items[row][0] for row in (5, 0, 3)]
        assert not writer.knows(sha256("picture 1"))
        after = assert_holds(store, dict(items[row] for row in (5, 0, 3)))
        assert after.files is not None
        assert after.files.tolist() == before.files[[5, 0, 3]].tolist()
        assert (after.identity, after.stamp) == (before.identity, before.stamp)
        assert writer.put([new("more", "x")]) == [3]
        assert_holds(store, dict([*(items[row] for row in (5, 0, 3)), ("more", "x")]))
        writer.keep_only([])
        assert_holds(store, {})
        assert writer.put([new("again", "y")]) == [0]
    assert_holds(store, {"again": "y"})
    assert sorted(path.name for path in store.parent.iterdir()) == [".s.h5.lock", "s.h5"]


def test_identities_are_unique(store: Path) -> None:
    fill(store, {"a.jpg": "A"})
    other = fill(store.with_name("other.h5"), {"a.jpg": "A"})
    assert len(Reader(store).identity) == 32
    assert Reader(store).identity != Reader(other).identity


def test_without_a_stamp_nothing_is_put(store: Path) -> None:
    with Writer(store) as writer, pytest.raises(UsageError, match="stamp"):
        writer.put([new("a.jpg", "A")])
    assert not store.exists()


@pytest.mark.parametrize("paths", [None, ["a", "b", "c"]])
def test_nothing_is_added_to_what_others_have_made(store: Path, paths: list[str] | None) -> None:
    write_plain(store, np.ones((3, 4), np.float32), paths)
    before = store.read_bytes()
    for _ in range(2):  # the lock is let go
        with pytest.raises(InputError, match="--store"):
            Writer(store)
    assert store.read_bytes() == before


@pytest.mark.parametrize("name", ["x" * 300, "s.h5/below", ""])
def test_where_no_store_can_be(store: Path, name: str) -> None:
    fill(store, {"a.jpg": "A"})
    with pytest.raises((OutputError, UsageError), match=r"cannot be written|Expected a file"):
        Writer(name)


def test_a_row_that_does_not_fit_leaves_nothing_behind(store: Path) -> None:
    fill(store, {"a.jpg": "A"})
    before = store.read_bytes()
    with Writer(store) as writer:
        for unfit in (vector("B", FEATURES + 1), np.float32("nan")):
            with pytest.raises((TypeError, ValueError, AttributeError)):
                writer.put([new("b.jpg", "B"), NewRow("c.jpg", facts("C"), unfit)])  # type: ignore[arg-type]
        assert store.read_bytes() == before
        assert writer.put([new("d.jpg", "D")]) == [1]
    assert_holds(store, {"a.jpg": "A", "d.jpg": "D"})


def test_the_second_writer_waits(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    entered = threading.Event()

    def second() -> None:
        with Writer(store) as writer:
            entered.set()
            writer.put(news(numbered(2, 3)))

    with Writer(store) as writer:
        writer.stamp = stamp()
        writer.put(news(numbered(0, 1)))
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
        writer.put(news(numbered(1, 2)))
    thread.join(PATIENCE)
    assert_holds(store, numbered(0, 3))
    assert "waiting" in caplog.text


def test_many_processes_write_one_after_another(store: Path) -> None:
    fill(store, numbered(0, 1))
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", ADDER, str(store)]
    running = [subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(PATIENCE) for process in running] == [0] * 4
    assert_holds(store, numbered(0, 5))


def test_a_link_is_the_store_that_it_leads_to(store: Path) -> None:
    fill(store, numbered(0, 1))
    link = store.with_name("link.h5")
    link.symlink_to(store.name)
    with Writer(link) as writer:
        writer.put(news(numbered(1, 3)))
        writer.keep_only([0, 1, 2])
    assert link.is_symlink()
    assert_holds(store, numbered(0, 3))
    assert_reader(link, numbered(0, 3))


def test_what_the_same_process_has_open_hides_nothing(store: Path) -> None:
    """HDF5 shows what it remembers of an open file: rows would be written over others."""
    fill(store, numbered(0, 3))
    with h5py.File(store) as file:
        assert len(file["paths"][:]) == 3
        fill(store, numbered(3, 6))
        assert_reader(store, numbered(0, 6))
        fill(store, numbered(6, 9))
    assert_holds(store, numbered(0, 9))
