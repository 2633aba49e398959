"""Stores looked at, checked, compacted, merged, and rid of rows; by Python."""

import io
import json
import logging
import os
import random
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import cnnkit
from cnnkit.errors import GateFailed, InputError, OutputError, UsageError
from cnnkit.outputs.store import making
from cnnkit.outputs.store.journal import journal_of
from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.writing import Writer
from cnnkit.records import (
    Compacted,
    DamagedRow,
    Group,
    Merged,
    Redundant,
    Removed,
    Skipped,
    StoreState,
)
from cnnkit.tasks.store import raise_if_damaged
from tests.outputs.store.rows import assert_plain, fill, known, new, news, numbered, plain, stamp
from tests.stores import STAMP, names, vectors, write_plain, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "s.h5", vectors(20))


def state_of(store: Path) -> StoreState:
    last = cnnkit.verify_store(store)[-1]
    assert isinstance(last, StoreState)
    return last


def rows_told(store: Path) -> list[DamagedRow]:
    return [each for each in cnnkit.verify_store(store) if isinstance(each, DamagedRow)]


def flip(path: Path, at: int, mask: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ mask]))


class TestInfo:
    def test_it_tells_what_the_store_holds(self, store: Path) -> None:
        (told,) = cnnkit.store_info(store)
        assert told.to_dict() == {
            "path": str(store), "rows": 20, "features": 16, "dtype": "float32",
            "bytes": store.stat().st_size, "spare": told.spare,
            "stamp": {name: getattr(STAMP, name) for name in STAMP.__slots__},
        }  # fmt: skip
        assert told.spare is not None and told.spare < 16 << 10

    def test_vectors_of_others_have_no_stamp(self, store: Path, tmp_path: Path) -> None:
        bare = write_plain(tmp_path / "bare.h5", vectors(5))
        _, told = cnnkit.store_info([store, bare])
        assert (told.stamp, told.spare, told.count) == (None, None, 5)
        assert told.cells()["model"] == "no stamp" and "no stamp" in told.text()
        assert len(told.text()) == len(told.columns())

    def test_where_there_is_none_it_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="There is no store"):
            cnnkit.store_info(tmp_path / "absent.h5")
        assert list(tmp_path.iterdir()) == []


class TestVerify:
    def test_a_whole_store_is_whole(self, store: Path) -> None:
        records = cnnkit.verify_store(store)
        assert records == [StoreState(str(store), 20, 0, "whole")]
        raise_if_damaged(records)

    def test_every_flipped_bit_of_the_vectors_is_found(self, store: Path) -> None:
        at = store.read_bytes().index(plain(store)["img_emb"].tobytes())
        rng = random.Random(1)
        for offset in rng.sample(range(20 * 64), 60):
            mask = 1 << rng.randrange(8)
            flip(store, at + offset, mask)
            (row,) = rows_told(store)
            assert (row.row, row.path) == (offset // 64, names(20)[offset // 64])
            with pytest.raises(GateFailed, match="1 of 20 rows"):
                raise_if_damaged(cnnkit.verify_store(store))
            flip(store, at + offset, mask)
        assert state_of(store).state == "whole"

    def test_every_flipped_bit_of_the_paths_is_found(self, store: Path) -> None:
        data, rng = store.read_bytes(), random.Random(2)
        for _ in range(60):
            name = rng.choice(names(20)).encode()
            at = data.index(b"\0" + name + b"\0") + 1 + rng.randrange(len(name))
            mask = 1 << rng.randrange(8)
            flip(store, at, mask)
            assert state_of(store).state == "damaged"
            flip(store, at, mask)
        assert state_of(store).state == "whole"

    def test_wherever_a_byte_is_flipped_there_is_an_answer(self, store: Path) -> None:
        data = store.read_bytes()
        told = [at for at in range(0, len(data), 7) if any(data[max(0, at - 8) : at + 8])]
        for at in random.Random(3).sample(told, 150):
            flip(store, at, 255)
            assert state_of(store).state in ("whole", "damaged")
            assert store.stat().st_size == len(data)  # healing cuts nothing off that is needed
            store.write_bytes(data)

    def test_an_end_that_is_damaged_costs_no_row(self, store: Path) -> None:
        before = store.read_bytes()
        with store.open("r+b") as file:
            file.seek(40)  # the end of the file, in the superblock
            file.write((8192).to_bytes(8, "little"))
        assert state_of(store).state == "damaged"
        assert store.read_bytes()[48:] == before[48:]

    @pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 500])
    def test_what_cannot_be_opened_is_damaged(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "s.h5").write_bytes(content)
        (state,) = cnnkit.verify_store(tmp_path / "s.h5")
        assert isinstance(state, StoreState)
        assert (state.count, state.damaged, state.state) == (None, None, "damaged")
        assert state.note
        with pytest.raises(GateFailed, match="The store is not"):
            raise_if_damaged([state])

    def test_a_path_that_comes_twice_is_damage(self, tmp_path: Path) -> None:
        twice = write_store(tmp_path / "s.h5", vectors(3), ["a", "b", "a"])
        (row,) = rows_told(twice)
        assert (row.row, row.path, row.reason) == (0, "a", "row 2 is of the same path")

    def test_of_vectors_of_others_only_numbers_are_checked(self, tmp_path: Path) -> None:
        values = vectors(4)
        bare = write_plain(tmp_path / "bare.h5", values, ["a", "b", "c", "d"])
        assert "no checksums" in state_of(bare).note
        values[2, 3] = np.nan
        (row,) = rows_told(write_plain(bare, values))
        assert (row.row, row.path) == (2, None)
        assert sorted(tmp_path.iterdir()) == [bare]  # nothing was put beside it

    def test_half_a_commit_is_finished_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(logging.getLogger("cnnkit"), "propagate", True)
        live, left = tmp_path / "live", tmp_path / "left"
        fill(live / "s.h5", numbered(0, 3))
        fsync = os.fsync

        def photographed(descriptor: int) -> None:
            fsync(descriptor)
            if journal_of(live / "s.h5").stat().st_size and not left.exists():
                shutil.copytree(live, left)

        with monkeypatch.context() as patch, Writer(live / "s.h5") as writer:
            patch.setattr(os, "fsync", photographed)
            writer.put(news(numbered(3, 5)))
        assert journal_of(left / "s.h5").stat().st_size
        assert state_of(left / "s.h5") == StoreState(str(left / "s.h5"), 5, 0, "whole")
        assert "a commit that had been cut off was finished" in caplog.text
        assert_plain(left / "s.h5", numbered(0, 5))

    def test_where_there_is_none_it_is_no_damage(self, tmp_path: Path) -> None:
        for path in (tmp_path / "absent.h5", tmp_path / ("x" * 300)):
            with pytest.raises(InputError, match="There is no store"):
                cnnkit.verify_store(path)
        for odd in (tmp_path, "", "/dev/null"):
            for verb in (cnnkit.verify_store, cnnkit.store_info, cnnkit.compact_store, Reader):
                with pytest.raises(InputError, match="is no store") as told:
                    verb(odd)
                assert "extract-features" not in str(told.value), "which would refuse it too"

    def test_what_is_to_be_typed_is_not_what_was_typed(self, tmp_path: Path) -> None:
        (tmp_path / "s.h5").write_bytes(b"no HDF5")
        assert "Type" not in state_of(tmp_path / "s.h5").note
        assert "store verify" not in state_of(tmp_path / "s.h5").note
        with pytest.raises(InputError, match="store verify"):
            cnnkit.store_info(tmp_path / "s.h5")


class TestCompact:
    def test_it_gives_back_what_replaced_rows_left(self, tmp_path: Path) -> None:
        store = tmp_path / "s.h5"
        rows = numbered(0, 60)
        fill(store, {path + "x" * 3000: content for path, content in rows.items()})
        with Writer(store) as writer:
            writer.put([known(path, content) for path, content in rows.items()])
        values = plain(store)["img_emb"]
        (info,) = cnnkit.store_info(store)
        assert info.count == 60 and info.spare and info.spare > 100_000
        (told,) = cnnkit.compact_store(store)
        after = store.stat().st_size
        assert told == Compacted(str(store), 60, info.bytes, after)
        assert abs(info.bytes - after - info.spare) < info.spare / 4
        np.testing.assert_array_equal(plain(store)["img_emb"], values)
        assert_plain(store, rows)
        (again,) = cnnkit.store_info(store)
        assert again.spare is not None and again.spare < info.spare / 4

    def test_it_is_for_stores_of_ours(self, tmp_path: Path) -> None:
        bare = write_plain(tmp_path / "bare.h5", vectors(3))
        before = bare.read_bytes()
        with pytest.raises(InputError, match="has not made"):
            cnnkit.compact_store(bare)
        with pytest.raises(InputError, match="There is no store"):
            cnnkit.compact_store(tmp_path / "absent" / "s.h5")
        assert bare.read_bytes() == before and not (tmp_path / "absent").exists()

    def test_a_full_disk_leaves_the_old_one(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = store.read_bytes()

        def full(*arguments: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
        for change in (
            lambda: cnnkit.compact_store(store),
            lambda: cnnkit.remove_from_store(names(20)[3], store=store),
        ):
            with pytest.raises(OutputError, match=r"No space left on device.*still holds"):
                change()
            assert store.read_bytes() == before
            assert not list(store.parent.glob(".*.part"))


class TestMerge:
    def test_of_two_rows_for_one_path_the_younger_stays(self, tmp_path: Path) -> None:
        into, other = tmp_path / "into.h5", tmp_path / "other.h5"
        for path, rows in (
            (into, [new("a", "a"), new("b", "old", time=1), new("c", "young", time=9)]),
            (other, [new("b", "new", time=2), new("c", "older", time=8), new("d", "d")]),
        ):
            with Writer(path) as writer:
                writer.stamp = stamp()
                writer.put(rows)
        before = other.read_bytes()
        assert cnnkit.merge_stores(other, store=into) == [Merged(str(other), 1, 1, 1)]
        assert_plain(into, {"a": "a", "c": "young", "b": "new", "d": "d"})
        assert other.read_bytes() == before
        assert cnnkit.merge_stores([other], store=into) == [Merged(str(other), 0, 0, 3)]

    def test_several_at_once_into_one_that_is_not_there(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one.h5", tmp_path / "two.h5"
        fill(one, numbered(0, 5))
        fill(two, numbered(3, 9))
        told = cnnkit.merge_stores([one, two], store=tmp_path / "all.h5")
        assert told == [Merged(str(one), 5, 0, 0), Merged(str(two), 4, 0, 2)]
        assert_plain(tmp_path / "all.h5", numbered(0, 9))
        assert state_of(tmp_path / "all.h5").state == "whole"

    def test_other_vectors_are_refused_and_nothing_is_done(self, tmp_path: Path) -> None:
        into = write_store(tmp_path / "into.h5", vectors(4))
        same = write_store(tmp_path / "same.h5", vectors(4), list("abcd"))
        other = write_store(tmp_path / "other.h5", vectors(4), model="vgg16", layer="fc2")
        before = into.read_bytes()
        with pytest.raises(UsageError, match=r"(?s)resnet50.*vgg16.*avg_pool.*fc2") as error:
            cnnkit.merge_stores([same, other], store=into)
        assert str(into) in str(error.value) and str(other) in str(error.value)
        with pytest.raises(InputError, match="no stamp"):
            cnnkit.merge_stores([write_plain(tmp_path / "bare.h5", vectors(4))], store=into)
        with pytest.raises(InputError, match="There is no store"):
            cnnkit.merge_stores([same, tmp_path / "absent.h5"], store=into)
        assert into.read_bytes() == before

    def test_a_store_is_not_merged_with_itself(self, store: Path, tmp_path: Path) -> None:
        (tmp_path / "link.h5").symlink_to(store)
        for other in (store, tmp_path / "link.h5"):
            with pytest.raises(UsageError, match="with itself"):
                cnnkit.merge_stores([other], store=store)
        with pytest.raises(UsageError, match="at least one"):
            cnnkit.merge_stores([], store=store)

    @pytest.mark.parametrize("name", ["x" * 300, "s.h5/below.h5"])
    def test_where_no_store_can_be_made(self, store: Path, tmp_path: Path, name: str) -> None:
        with pytest.raises(OutputError, match="cannot be written"):
            cnnkit.merge_stores(store, store=tmp_path / name)

    def test_a_store_that_is_written_meanwhile_is_not_taken(
        self, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = fill(tmp_path / "other.h5", numbered(0, 3))
        pour, before = making.Pour.add_from, store.read_bytes()

        def disturbed(self: making.Pour, *arguments: Any) -> None:
            pour(self, *arguments)
            fill(other, {"new": "picture"})

        monkeypatch.setattr(making.Pour, "add_from", disturbed)
        with pytest.raises(InputError, match="written to while it was read"):
            cnnkit.merge_stores(other, store=store)
        assert store.read_bytes() == before


class TestRemove:
    def test_paths_go_in_any_spelling(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        store = fill(tmp_path / "s.h5", numbered(0, 4))
        told = cnnkit.remove_from_store(
            ["./gone/1.jpg", "gone/9.jpg", str(tmp_path / "gone/3.jpg"), ""], store=store
        )
        assert [each.to_dict().get("row") for each in told] == [1, None, 3, None]
        assert told[0] == Removed("./gone/1.jpg", 1)
        assert isinstance(told[1], Skipped) and told[1].kind == "not_stored" and told[1].failed
        rows = numbered(0, 4)
        del rows["gone/1.jpg"], rows["gone/3.jpg"]
        assert_plain(store, rows)

    def test_patterns_go_by_the_stored_paths(self, tmp_path: Path) -> None:
        store = fill(tmp_path / "s.h5", {name: name for name in ("a/1", "a/b/2", "c/[3]", "d")})
        told = cnnkit.remove_from_store(
            ["./a/b/*", "a/*", "c/[3]", "e*"], match=["?", "a*"], store=store
        )
        assert [each.to_dict()["path"] for each in told] == ["a/b/2", "a/1", "c/[3]", "e*", "d"]
        assert [each.failed for each in told] == [False, False, False, True, False]
        assert_plain(store, {})
        assert state_of(store).state == "whole"

    def test_a_list_is_read_from_stdin(self, tmp_path: Path) -> None:
        store = fill(tmp_path / "s.h5", {name: name for name in ("a", "b\n", "*")})
        inputs = cnnkit.Inputs(("-",), io.BytesIO(b"b\n\0*\0"), null=True)
        told = cnnkit.remove_from_store(inputs, store=store)
        assert told == [Removed("b\n", 1), Removed("*", 2)]
        assert_plain(store, {"a": "a"})

    @pytest.mark.parametrize("end", [b"\n", b""])
    def test_groups_of_dedupe_are_refused(self, store: Path, end: bytes) -> None:
        before = store.read_bytes()
        keep, redundant = names(20)[:2]
        group = Group(1, keep, 0, (Redundant(redundant, 1, 0.99),)).to_dict()
        listed = b"x\n" + json.dumps(group).encode() + end
        inputs = cnnkit.Inputs(("-",), io.BytesIO(listed))
        with pytest.raises(UsageError, match=r"dedupe --print0 \| cnnkit store remove -0 -"):
            cnnkit.remove_from_store(inputs, store=store)
        assert store.read_bytes() == before

    @pytest.mark.parametrize("size", [1, 7, 1 << 16])
    def test_names_that_look_like_groups_are_names(self, tmp_path: Path, size: int) -> None:
        rows = {'{"redundant"}': "a", '{"redundant": 1}': "b", "c": "c", "kept": "d"}
        store = fill(tmp_path / "s.h5", rows)

        class Slow(io.BytesIO):
            def read(self, _: int | None = -1) -> bytes:
                return super().read(size)

        lines = cnnkit.Inputs(("-",), Slow(b'{"redundant"}\n{"path": "c"}\n'))
        assert cnnkit.remove_from_store(lines, store=store) == [
            Removed('{"redundant"}', 0), Removed("c", 2),
        ]  # fmt: skip
        ended = cnnkit.Inputs(("-",), io.BytesIO(b'{"redundant": 1}'), null=True)
        assert cnnkit.remove_from_store(ended, store=store) == [Removed('{"redundant": 1}', 0)]
        assert_plain(store, {"kept": "d"})

    def test_nothing_found_changes_nothing(self, store: Path) -> None:
        before = store.stat()
        assert cnnkit.remove_from_store(["nope"], store=store)[0].failed
        after = store.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        with pytest.raises(UsageError, match="to remove"):
            cnnkit.remove_from_store(store=store)

    def test_pictures_stay_and_so_do_folders(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        Path("gone").mkdir()
        Path("gone/1.jpg").write_bytes(b"a picture")
        fill(Path("s.h5"), numbered(0, 3))
        (told,) = cnnkit.remove_from_store("gone", store="s.h5")
        assert isinstance(told, Skipped) and "--match 'gone/*'" in told.message
        cnnkit.remove_from_store("gone/*", store="s.h5")
        assert Path("gone/1.jpg").read_bytes() == b"a picture"
        with h5py.File("s.h5") as file:
            assert file["img_emb"].shape == (0, 16)

    def test_damaged_rows_can_be_removed(self, store: Path) -> None:
        data = store.read_bytes()
        digest = data.index(plain(store)["files"][7]["sha256"])
        flip(store, digest, 0x80)
        (row,) = rows_told(store)
        cnnkit.remove_from_store([str(row.path)], store=store)
        assert state_of(store) == StoreState(str(store), 19, 0, "whole")
