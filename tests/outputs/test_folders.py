"""Folders that come into being whole, or not at all."""

from pathlib import Path

import pytest

from cnnkit.errors import OutputError
from cnnkit.outputs.folders import in_place, refuse_if_taken

KNOWN, MARK = {"recipe.json", "model.bin"}, "recipe.json"


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises(KeyboardInterrupt), in_place(out, KNOWN, MARK, force=False) as folder:
        (folder / "half").write_text("")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with in_place(out, KNOWN, MARK, force=False) as folder:
        (folder / "recipe.json").write_text("first")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["recipe.json"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="cannot be written: No space left"),
        in_place(tmp_path / "out", KNOWN, MARK, force=False),
    ):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_force_replaces_an_export_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with in_place(out, KNOWN, MARK, force=False) as folder:  # an empty folder is as good as none
        (folder / "recipe.json").write_text("first")
    with pytest.raises(OutputError, match="Type: --force"), in_place(out, KNOWN, MARK, force=False):
        pass
    with pytest.raises(ZeroDivisionError), in_place(out, KNOWN, MARK, force=True) as folder:
        raise ZeroDivisionError
    assert (out / "recipe.json").read_text() == "first"
    with in_place(out, KNOWN, MARK, force=True) as folder:
        (folder / "recipe.json").write_text("second")
    assert (out / "recipe.json").read_text() == "second"
    (out / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"'thesis.txt'. Type: --out"),
        in_place(out, KNOWN, MARK, force=True),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="the one that you are in"):
        refuse_if_taken(tmp_path, KNOWN, MARK, force=True)


def test_an_earlier_export_survives_an_exchange_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with in_place(out, KNOWN, MARK, force=False) as folder:
        (folder / "recipe.json").write_text("first")
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with (
        pytest.raises(OutputError, match="Input/output error"),
        in_place(out, KNOWN, MARK, force=True),
    ):
        pass
    assert (out / "recipe.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot be a folder: Not a directory"):
        refuse_if_taken(tmp_path / "out", KNOWN, MARK, force=True)
