"""Folders that come into being whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnkit.errors import OutputError
from cnnkit.outputs.folders import in_place, refuse_if_taken


def written(out: Path) -> set[str]:
    """The test's own outputs are told by their recipe."""
    ours = (out / "recipe.json").is_file()
    return {"recipe.json", "deep/model.bin"} if ours else set()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises(KeyboardInterrupt), in_place(out, written, force=False) as folder:
        (folder / "half").write_text("")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with in_place(out, written, force=False) as folder:
        (folder / "recipe.json").write_text("first")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["recipe.json"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="cannot be written: No space left"),
        in_place(tmp_path / "out", written, force=False),
    ):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_force_replaces_an_export_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with in_place(out, written, force=False) as folder:  # an empty folder is as good as none
        (folder / "recipe.json").write_text("first")
    with pytest.raises(OutputError, match="Type: --force"), in_place(out, written, force=False):
        pass
    with pytest.raises(ZeroDivisionError), in_place(out, written, force=True) as folder:
        raise ZeroDivisionError
    assert (out / "recipe.json").read_text() == "first"
    with in_place(out, written, force=True) as folder:
        (folder / "recipe.json").write_text("second")
    assert (out / "recipe.json").read_text() == "second"
    (out / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"'thesis.txt'. Type: --out"),
        in_place(out, written, force=True),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="the one that you are in"):
        refuse_if_taken(tmp_path, written, force=True)


def test_an_earlier_export_survives_an_exchange_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with in_place(out, written, force=False) as folder:
        (folder / "recipe.json").write_text("first")
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with (
        pytest.raises(OutputError, match="Input/output error"),
        in_place(out, written, force=True),
    ):
        pass
    assert (out / "recipe.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_export_that_cannot_go_back_is_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with in_place(out, written, force=False) as folder:
        (folder / "recipe.json").write_text("first")
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target == out:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with (
        pytest.raises(OutputError, match="The earlier output lies in ") as caught,
        in_place(out, written, force=True),
    ):
        pass
    (aside,) = tmp_path.iterdir()
    assert str(aside) in str(caught.value)
    assert (aside / "recipe.json").read_text() == "first"


@pytest.mark.parametrize(
    ("foreign", "lay"),
    [
        ("thesis.txt", lambda path: path.write_text("years of work")),
        ("deep/thesis.txt", lambda path: path.write_text("years of work")),
        ("deep/model.bin", lambda path: path.mkdir()),
        ("deep/model.bin", lambda path: path.symlink_to(__file__)),
        ("photos", lambda path: path.symlink_to(Path(__file__).parent)),
        ("recipe.json", lambda path: path.mkdir()),
    ],
    ids=["file", "deeper file", "folder", "link", "link to a folder", "folder as recipe"],
)
def test_force_removes_nothing_that_was_not_written(
    foreign: str, lay: Callable[[Path], None], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    if foreign != "recipe.json":
        (out / "recipe.json").write_text("first")
    lay(out / foreign)
    before = sorted(out.rglob("*"))
    with pytest.raises(OutputError, match=r"which holds '.*'. Type: --out") as caught:
        refuse_if_taken(out, written, force=True)
    assert foreign == "recipe.json" or repr(foreign) in str(caught.value)
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(
    ("function", "answer", "told"),
    [
        ((os.path, "ismount"), True, "where a disk is mounted"),
        ((os, "access"), False, "which lies in one that you cannot write to"),
    ],
    ids=["mounted", "not one's own"],
)
def test_a_folder_that_cannot_be_renamed_is_refused_before_the_work(
    function: tuple[object, str], answer: bool, told: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(*function, lambda *arguments: answer)
    with pytest.raises(OutputError, match=f"Received: .*, {told}. Type: --out .*out/FOLDER"):
        refuse_if_taken(out, written, force=False)
    refuse_if_taken(out / "FOLDER", written, force=False)


def test_a_folder_is_looked_at_from_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError):
        refuse_if_taken(tmp_path / "out", written, force=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot be a folder: Not a directory"):
        refuse_if_taken(tmp_path / "out", written, force=True)
