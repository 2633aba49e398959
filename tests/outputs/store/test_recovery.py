"""Readers who look while somebody writes, and what a power cut may leave; who may read it."""

import os
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import InputError
from cnnkit.outputs.store import journal, recovery, trust
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.rows import assert_plain, assert_reader, fill, new, news, numbered


@pytest.mark.parametrize("torn", [False, True], ids=["reads on", "finds damage"])
def test_a_writer_who_comes_and_goes_while_a_reader_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    """The reader found no journal, and so holds no lock: it has to notice, and to begin again."""
    store = fill(tmp_path / "s.h5", numbered(0, 3))
    refuse, looks = trust.refuse_odd_parts, []

    def disturbed(*arguments: Any, **options: Any) -> None:
        refuse(*arguments, **options)
        looks.append(1)
        if len(looks) == 1:
            with Writer(store) as writer:  # it looks, too
                writer.put(news(numbered(3, 9)))
            assert not journal_of(store).exists()
            if torn:
                raise InputError("what a reader may make of half a commit")

    monkeypatch.setattr(trust, "refuse_odd_parts", disturbed)
    assert_reader(store, numbered(0, 9))
    assert len(looks) == 3


def test_a_store_that_never_rests_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 3))
    monkeypatch.setattr(recovery.Watch, "kept", lambda watch: False)
    with pytest.raises(InputError, match="changes all the time"):
        Reader(store)


@pytest.mark.parametrize("sectors", [1, 3, 7])
def test_pages_of_which_only_some_sectors_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sectors: int
) -> None:
    """A disk writes sectors of 512 bytes, and the power may fail between two of them."""
    store = fill(tmp_path / "s.h5", numbered(0, 9))
    write = journal.write_at

    def half(descriptor: int, data: bytes, offset: int) -> None:
        whole = os.readlink(f"/proc/self/fd/{descriptor}").endswith(".journal")
        write(descriptor, data if whole else data[: 512 * sectors], offset)

    with Writer(store) as writer:
        monkeypatch.setattr(journal, "write_at", half)
        monkeypatch.setattr(journal.JournaledFile, "_forget", lambda file: None)
        writer.put([new("gone/2.jpg", "other"), new("gone/7.jpg", "more")])
    monkeypatch.undo()
    assert journal_of(store).stat().st_size > 0
    rows = numbered(0, 9) | {"gone/2.jpg": "other", "gone/7.jpg": "more"}
    assert "finished" in assert_reader(store, rows).recovered
    assert_plain(store, rows)


def test_a_private_store_stays_private(tmp_path: Path) -> None:
    store = fill(tmp_path / "s.h5", numbered(0, 9))
    for mode in (0o600, 0o660, 0o644):
        store.chmod(mode)
        with Writer(store) as writer:
            writer.put([new("gone/2.jpg", f"{mode}")])
            assert journal_of(store).stat().st_mode & 0o777 & ~mode == 0
            writer.keep_only(range(9))
        assert store.stat().st_mode & 0o777 == mode
