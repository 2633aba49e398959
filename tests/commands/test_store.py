"""`cnnkit store …` as a process: formats, messages, exit codes."""

import csv
import io
import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from tests.outputs.store.rows import assert_plain, fill, numbered, plain
from tests.stores import names, vectors, write_plain, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "img_emb.h5", vectors(20))


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_info_tells_each_store(cnnkit: Run, store: Path, tmp_path: Path) -> None:
    write_plain(tmp_path / "bare.h5", vectors(3))
    where = ("--store", "img_emb.h5", "--store", "bare.h5")
    ours, bare = records(cnnkit("store", "info", *where, "--format", "jsonl").stdout)
    assert (ours["path"], ours["rows"], ours["stamp"]["model"]) == ("img_emb.h5", 20, "resnet50")
    assert (bare["rows"], bare["stamp"]) == (3, None)
    text = cnnkit("store", "info", *where).stdout.decode().splitlines()
    assert text[0].startswith("img_emb.h5\t20\t16\tfloat32\t") and "no stamp" in text[1]
    header, *rows = csv.reader(
        io.StringIO(cnnkit("store", "info", "--format", "csv").stdout.decode())
    )
    assert header[:6] == ["path", "rows", "features", "dtype", "bytes", "spare"]
    assert [len(row) for row in rows] == [len(header)]


def test_where_there_is_no_store_every_verb_says_so(cnnkit: Run, tmp_path: Path) -> None:
    for words in (
        ["info"], ["verify"], ["compact"], ["merge", "other.h5"], ["remove", "a"],
        ["export", "--out", "v.npy"],
    ):  # fmt: skip
        result = cnnkit("store", *words)
        assert (result.returncode, result.stdout) == (1, b""), words
        assert b"There is no store" in result.stderr and b"Traceback" not in result.stderr
    assert [each for each in tmp_path.iterdir() if "store" not in each.name] == []


def test_verify_says_what_is_damaged(cnnkit: Run, store: Path) -> None:
    result = cnnkit("store", "verify")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == b"\timg_emb.h5\twhole\t0 of 20 rows damaged\n"
    at = store.read_bytes().index(plain(store)["img_emb"][3].tobytes())
    with store.open("r+b") as file:
        file.seek(at + 5)
        file.write(b"\x99")
    result = cnnkit("store", "verify", "--format", "jsonl")
    reason = "the vector is not the one that was stored"
    assert result.returncode == 4
    assert records(result.stdout) == [
        {"row": 3, "path": names(20)[3], "status": "damaged", "reason": reason},
        {"store": "img_emb.h5", "rows": 20, "damaged": 1, "state": "damaged", "note": ""},
    ]
    assert result.stderr == b"cnnkit: 1 of 20 rows are not what was stored in img_emb.h5.\n"
    result = cnnkit("store", "verify", "--format", "csv")
    assert result.stdout.decode().splitlines() == [
        "row,path,status,reason",
        f"3,{names(20)[3]},damaged,{reason}",
        ",img_emb.h5,damaged,1 of 20 rows damaged",
    ]


def test_verify_of_what_is_no_store_any_more(cnnkit: Run, store: Path) -> None:
    store.write_bytes(b"x" * 100 + store.read_bytes()[100:])
    result = cnnkit("store", "verify", "--format", "jsonl")
    (record,) = records(result.stdout)
    assert (result.returncode, record["state"], record["rows"]) == (4, "damaged", None)
    assert b"Traceback" not in result.stderr


def test_verify_mends_first(cnnkit: Run, store: Path) -> None:
    whole = store.read_bytes()
    store.write_bytes(whole + b"\0" * 5000)
    result = cnnkit("store", "verify")
    assert result.returncode == 0
    assert b"5,000 bytes of a commit that had been cut off were dropped" in result.stderr
    assert store.read_bytes() == whole


def test_what_is_damaged_is_removed_by_a_pipe(cnnkit: Run, store: Path) -> None:
    at = store.read_bytes().index(plain(store)["img_emb"][3].tobytes())
    with store.open("r+b") as file:
        file.seek(at)
        file.write(b"\x99\x99")
    told = cnnkit("store", "verify", "--format", "jsonl").stdout.splitlines(keepends=True)
    result = cnnkit("store", "remove", "-", stdin=told[0])
    assert (result.returncode, result.stdout) == (0, f"{names(20)[3]}\tremoved\t3\t\n".encode())
    assert cnnkit("store", "verify").returncode == 0


def test_merge_counts_and_compact_follows(cnnkit: Run, tmp_path: Path) -> None:
    fill(tmp_path / "a.h5", numbered(0, 4))
    fill(tmp_path / "b.h5", numbered(2, 7))
    result = cnnkit("store", "merge", "a.h5", "b.h5", "--store", "all.h5", "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    assert records(result.stdout) == [
        {"path": "a.h5", "added": 4, "replaced": 0, "kept": 0},
        {"path": "b.h5", "added": 3, "replaced": 0, "kept": 2},
    ]
    (told,) = records(cnnkit("store", "compact", "--store", "all.h5", "--format", "jsonl").stdout)
    assert (told["path"], told["rows"], told["before"]) == ("all.h5", 7, told["after"])
    assert_plain(tmp_path / "all.h5", numbered(0, 7))


def test_merge_refuses(cnnkit: Run, store: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "other.h5", vectors(4), model="vgg16")
    result = cnnkit("store", "merge", "other.h5")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"resnet50  |  vgg16" in result.stderr
    for words in (["img_emb.h5"], []):
        assert cnnkit("store", "merge", *words).returncode == 2


def test_export_is_read_by_numpy(cnnkit: Run, store: Path, tmp_path: Path) -> None:
    result = cnnkit("store", "export", "--out", "v.npy")
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode().split()[0] == "v.npy"
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), plain(store)["img_emb"])
    assert cnnkit("store", "export", "--out", "v.npy").returncode == 1
    assert cnnkit("store", "export", "--out", "v.npy", "--force").returncode == 0
    assert cnnkit("store", "export", "--out", "v.parquet").returncode == 0
    assert cnnkit("store", "export", "--out", "v.txt").returncode == 2
    assert cnnkit("store", "export").returncode == 2


def test_remove_tells_what_it_did(cnnkit: Run, tmp_path: Path) -> None:
    store = fill(tmp_path / "img_emb.h5", numbered(0, 5))
    result = cnnkit(
        "store", "remove", "gone/1.jpg", "nope", "--match", "*/4.*", "--format", "jsonl"
    )
    assert result.returncode == 3
    first, second, third = records(result.stdout)
    assert first == {"path": "gone/1.jpg", "status": "removed", "row": 1}
    assert (second["path"], second["error"]["kind"]) == ("nope", "not_stored")
    assert (third["path"], third["row"]) == ("gone/4.jpg", 4)
    result = cnnkit("store", "remove", "-0", "-", stdin=b"gone/0.jpg\0")
    assert (result.returncode, result.stdout) == (0, b"gone/0.jpg\tremoved\t0\t\n")
    assert_plain(store, numbered(2, 4))
    assert cnnkit("store", "remove", "--match", "x*").returncode == 3


@pytest.mark.parametrize("words", [[], ["-0", "a"], ["-0"]])
def test_remove_wants_something_named(cnnkit: Run, store: Path, words: list[str]) -> None:
    result = cnnkit("store", "remove", *words, stdin=b"photos/0/0.jpg\n")
    assert (result.returncode, result.stdout) == (2, b"")
    assert len(plain(store)["paths"]) == 20


@pytest.mark.parametrize(
    "words",
    [["compact"], ["remove", names(20)[0]], ["merge", "o.h5"], ["export", "--out", "v.npy"]],
)
def test_a_full_disk_is_told_and_changes_nothing(
    cnnkit: Run, store: Path, tmp_path: Path, words: list[str]
) -> None:
    write_store(tmp_path / "o.h5", vectors(4), list("abcd"))
    before = store.read_bytes()
    there = {each.name for each in tmp_path.iterdir()}

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    result = cnnkit("store", *words, preexec_fn=no_room)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"cannot be written: File too large" in result.stderr
    assert b"Traceback" not in result.stderr
    assert store.read_bytes() == before
    left = {each.name for each in tmp_path.iterdir()} - there
    assert {name for name in left if not name.endswith(".lock")} <= {"state", "cache"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(cnnkit: Run, store: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for words in (["compact"], ["remove", names(20)[0]], ["export", "--out", "v.npy"]):
        result = cnnkit("store", *words)
        assert (result.returncode, result.stdout) == (1, b""), words
        assert b"cannot be written" in result.stderr
    assert cnnkit("store", "verify").returncode == 0
    tmp_path.chmod(0o755)
