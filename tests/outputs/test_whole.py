"""A file that is there whole, or not at all."""

import csv
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnkit.errors import OutputError
from cnnkit.outputs.whole import save_whole
from cnnkit.records import Judged, Record, Skipped

ROWS = [
    Judged("a\n\udcff.jpg", "cat", "dog", 0.5, 2, False),
    Skipped("b.jpg", "missing", "there is no such file"),
]
COLUMNS = Judged.columns()


def torn() -> Iterator[Record]:
    yield ROWS[0]
    raise KeyboardInterrupt


def test_the_suffix_names_the_format(tmp_path: Path) -> None:
    for name in ("a.jsonl", "plain"):
        assert save_whole(ROWS, tmp_path / name, columns=COLUMNS) == (2, 1)
        lines = (tmp_path / name).read_text().splitlines()
        assert [json.loads(line) for line in lines] == [row.to_dict() for row in ROWS]
    save_whole(ROWS, tmp_path / "a.CSV", columns=COLUMNS)
    content = (tmp_path / "a.CSV").read_bytes().decode(errors="surrogateescape")
    table = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["path"] for row in table] == ["a\n\udcff.jpg", "b.jpg"]
    assert [row["status"] for row in table] == ["ok", "error"]
    save_whole([], tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text()) == []


@pytest.mark.parametrize("before", [None, b"older"])
def test_what_is_torn_leaves_no_trace(before: bytes | None, tmp_path: Path) -> None:
    if before:
        (tmp_path / "a.jsonl").write_bytes(before)
    with pytest.raises(KeyboardInterrupt):
        save_whole(torn(), tmp_path / "a.jsonl")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "far" / "real.jsonl")
    for _ in range(2):
        save_whole(ROWS, tmp_path / "link.jsonl")
        assert (tmp_path / "link.jsonl").is_symlink()
        assert [p.name for p in (tmp_path / "far").iterdir()] == ["real.jsonl"]


def test_where_it_cannot_lie_no_record_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"dear")
    asked: list[int] = []
    records = (asked.append(1) or row for row in ROWS)  # type: ignore[func-returns-value]
    for path in (tmp_path, tmp_path / "no" / "a.jsonl", tmp_path / "cat.jpg"):
        with pytest.raises(OutputError):
            save_whole(records, path)
    assert not asked
    assert (tmp_path / "cat.jpg").read_bytes() == b"dear"


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    save_whole(ROWS, pipe)
    reader.join(10)
    assert len(read[0].splitlines()) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_name_that_cannot_be_given_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cnnkit.outputs.whole.os.replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        save_whole(ROWS, tmp_path / "a.jsonl")
    assert not list(tmp_path.iterdir())
