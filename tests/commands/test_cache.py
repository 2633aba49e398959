"""`cnnkit cache …` as a process: formats, messages, exit codes."""

import json
from pathlib import Path

import pytest

from cnnkit.engines import cache as store
from tests.conftest import Run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "own"))
    return tmp_path / "own" / "engines"


def keep(*models: str) -> None:
    for model in models:
        store.keep(store.key_of(model, {}), {"model": model, "weights": "cd" * 32}, lambda _: {})


def test_info_lists_the_networks_and_sums_them_up_on_stderr(cnnkit: Run, folder: Path) -> None:
    keep("vgg16", "vgg19")
    result = cnnkit("cache", "info", "--format", "jsonl")
    assert result.returncode == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["model"] for row in rows] == ["vgg16", "vgg19"]
    assert list(rows[0]) == [
        "model", "state", "weights", "size", "used", "verdict", "note", "path",
    ]  # fmt: skip
    assert rows[0]["verdict"] is None
    said = result.stderr.decode()
    assert said == f"cnnkit: 2 converted networks, 0.0 of at most 8590 MB, in {folder}\n"
    assert cnnkit("cache", "info", "-q").stderr == b""


def test_clear_tells_what_it_removed(cnnkit: Run, folder: Path) -> None:
    keep("vgg16", "vgg19")
    result = cnnkit("cache", "clear", "vgg16", "--format", "csv")
    assert result.returncode == 0, result.stderr
    header, row = result.stdout.decode().splitlines()
    assert header == "model,state,weights,size,used,note,path"
    assert row.startswith("vgg16,removed,cdcdcdcdcdcd,")
    assert [entry.facts["model"] for entry in store.entries()] == ["vgg19"]
    assert cnnkit("cache", "clear").returncode == 0
    assert list(folder.iterdir()) == []


def test_an_unknown_name_is_a_usage_error(cnnkit: Run) -> None:
    result = cnnkit("cache", "clear", "vgg17")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Did you mean" in result.stderr and b"Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["info", "clear"])
def test_a_folder_that_cannot_be_is_an_error(
    cnnkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "file"))
    result = cnnkit("cache", command)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"cannot be read: Not a directory. Expected a folder" in result.stderr
