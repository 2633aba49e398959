import os
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import InputError
from cnnkit.outputs.copies import Copies
from cnnkit.outputs.manifest import MANIFEST, as_bytes, names, parsed, refuse_if_foreign

LINE: dict[str, Any] = {
    "output": "a/b.jpg", "bytes": 3, "sha256": "0" * 64, "labels": None, "copy": 1, "width": 4,
    "height": 5, "drawn": {"theta": 0.5, "flip_horizontal": True, "flip_vertical": False},
}  # fmt: skip


def test_a_line_comes_back() -> None:
    assert parsed(as_bytes(LINE)) == LINE


@pytest.mark.parametrize(
    "change",
    [
        *({"output": each} for each in ("", ".", "/a", "../a", "a/../../b", "a\0b", "\ud800x")),
        *({"sha256": each} for each in ("", "0" * 63, "Z" * 64, "None")),
        *(
            {"drawn": []},
            {"drawn": {"theta": "x"}},
            {"drawn": None},
            {"output": 3},
            {"sha256": None},
        ),
        *({"bytes": "3"}, {"copy": None}, {"labels": {"output": "../x"}}),
    ],
)
def test_a_line_that_is_none_of_ours(change: dict[str, Any]) -> None:
    assert parsed(as_bytes({**LINE, **change})) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]\n", b"\xff\n", b"[" * 100_000, b'{"drawn": 1}\n'])
def test_no_line_at_all(raw: bytes) -> None:
    assert parsed(raw) is None
    assert parsed(as_bytes(LINE)[:-1]) is None


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MANIFEST)
    assert list(names(tmp_path)) == []
    with pytest.raises(InputError):
        refuse_if_foreign(tmp_path)


def test_a_link_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".augment-manifest.part").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(Exception, match=r"cannot be written"), Copies(tmp_path / "out"):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"
