"""What is put into a store, and what it holds then."""

import os
from pathlib import Path

import numpy as np
import pytest

from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.rows import Facts, NewRow
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.contents import assert_holds
from tests.outputs.store.rows import (
    FEATURES,
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


def test_a_path_that_comes_twice_holds_what_came_last(store: Path) -> None:
    with Writer(store) as writer:
        writer.stamp = stamp()
        rows = [new("a.jpg", "A"), new("b.jpg", "B"), new("a.jpg", "C"), known("c.jpg", "A")]
        assert writer.put(rows) == [0, 1, 0, 2]
        assert writer.put([new("b.jpg", "D"), new("b.jpg", "E")]) == [1, 1]
    assert_holds(store, {"a.jpg": "C", "b.jpg": "E", "c.jpg": "A"})


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
