"""Records → a file that never loses what it held before there is an answer."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import OutputError
from cnnkit.outputs.tables import save_records
from cnnkit.records import PICTURE_SUFFIXES, Record
from tests.outputs.test_tables import BAD, COLUMNS, OK, answer, interrupted, printed


class TestSave:
    def test_into_a_new_file(self, tmp_path: Path) -> None:
        path = tmp_path / "out.jsonl"
        assert save_records(iter([OK, BAD]), str(path), format="jsonl") == (2, 1)
        assert path.read_bytes() == printed([OK, BAD], "jsonl")

    def test_an_older_file_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        path.write_bytes(b"old " * 1000)
        save_records([OK], str(path), format="csv", columns=COLUMNS)
        assert path.read_bytes() == printed([OK], "csv")

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
    def test_an_older_file_outlives_a_run_without_answers(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        path = tmp_path / "out.jsonl"
        path.write_bytes(b"old\n")
        with pytest.raises(error):
            save_records(interrupted(by=error), str(path), format="jsonl")
        assert path.read_bytes() == b"old\n"

    def test_no_records_give_an_empty_answer(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        assert save_records(iter(()), str(path), format="json") == (0, 0)
        assert json.loads(path.read_bytes()) == []

    def test_what_came_before_an_error_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        with pytest.raises(KeyboardInterrupt):
            save_records(interrupted(OK, by=KeyboardInterrupt), str(path), format="json")
        assert len(json.loads(path.read_bytes())) == 1

    def test_an_error_of_the_records_is_not_blamed_on_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="input is gone"):
            save_records(failing_later(), str(tmp_path / "out.json"), format="json")
        assert len(json.loads((tmp_path / "out.json").read_bytes())) == 1

    @pytest.mark.parametrize("suffix", [*PICTURE_SUFFIXES, ".JPG", ".heic"])
    def test_a_picture_is_not_overwritten(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"cat{suffix}"
        path.write_bytes(b"a picture")
        with pytest.raises(OutputError, match="is a picture"):
            save_records([OK], str(path), format="jsonl")
        assert path.read_bytes() == b"a picture"

    @pytest.mark.parametrize("append", [False, True])
    @pytest.mark.parametrize("begin", [b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PAR1"])
    def test_vectors_are_not_overwritten(self, tmp_path: Path, begin: bytes, append: bool) -> None:
        path = tmp_path / "answers.jsonl"
        path.write_bytes(begin + b"vectors")
        with pytest.raises(OutputError, match="holds vectors or weights"):
            save_records(interrupted(by=ValueError), str(path), format="jsonl", append=append)
        assert path.read_bytes() == begin + b"vectors"

    def test_nor_those_that_came_with_the_first_record(self, tmp_path: Path) -> None:
        path = tmp_path / "s.h5"

        def making() -> Iterator[Record]:
            path.write_bytes(b"\x89HDF\r\n\x1a\nvectors")
            yield OK

        with pytest.raises(OutputError, match="holds vectors or weights"):
            save_records(making(), str(path), format="jsonl")
        assert path.read_bytes() == b"\x89HDF\r\n\x1a\nvectors"

    @pytest.mark.parametrize("where", ["no/such/folder/out.csv", "."])
    def test_where_nothing_can_be_written(self, tmp_path: Path, where: str) -> None:
        with pytest.raises(OutputError, match="cannot be written: "):
            save_records([OK], str(tmp_path / where), format="csv", columns=COLUMNS)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk ready")
    def test_a_full_disk(self) -> None:
        with pytest.raises(OutputError, match="cannot be written: No space left"):
            save_records([OK], "/dev/full", format="jsonl")

    def test_odd_names_of_the_file_itself(self, tmp_path: Path) -> None:
        path = os.path.join(str(tmp_path), os.fsdecode(b"\xff\n.jsonl"))
        save_records([OK], path, format="jsonl")
        assert os.path.getsize(path) > 0


def failing_later() -> Iterator[Record]:
    yield OK
    raise OSError("input is gone")


class TestAppend:
    LINE = printed([OK], "jsonl")
    NEW = printed([BAD], "jsonl")

    @pytest.mark.parametrize(
        ("old", "kept"),
        [
            (None, b""),
            (b"", b""),
            (LINE, LINE),
            (LINE + LINE, LINE + LINE),
            (LINE + LINE[:40], LINE),
            (LINE[:40], b""),
            (LINE + LINE[:-1], LINE),
        ],
    )
    def test_a_torn_last_line_is_cut_off(
        self, tmp_path: Path, old: bytes | None, kept: bytes
    ) -> None:
        path = tmp_path / "out.jsonl"
        if old is not None:
            path.write_bytes(old)
        save_records([BAD], str(path), format="jsonl", append=True)
        assert path.read_bytes() == kept + self.NEW

    def test_nothing_is_cut_before_there_is_an_answer(self, tmp_path: Path) -> None:
        path = tmp_path / "out.jsonl"
        path.write_bytes(self.LINE[:40])
        with pytest.raises(ValueError):
            save_records(interrupted(by=ValueError), str(path), format="jsonl", append=True)
        assert path.read_bytes() == self.LINE[:40]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(cut=st.integers(0, 10_000))
    def test_a_run_cut_anywhere_can_be_continued(self, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "out.jsonl"
        whole = printed([answer(f"{n}.jpg") for n in range(5)], "jsonl")
        path.write_bytes(whole[: cut % (len(whole) + 1)])
        save_records([answer("last.jpg")], str(path), format="jsonl", append=True)
        paths = [json.loads(line)["path"] for line in path.read_bytes().splitlines()]
        assert paths == [f"{n}.jpg" for n in range(len(paths) - 1)] + ["last.jpg"]
