"""What becomes of a store when processes are killed, interrupted, or come two at a time."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.upkeep import damaged_rows
from tests.conftest import PATIENCE, picture

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = pytest.mark.network

# Which pictures share a batch hangs on when they come, and a runtime adds up in another order for
# another batch: equal to the last bit is more than anybody promises.
CLOSE = 1e-4
PICTURES = 300
PROGRAM = "from cnnkit.__main__ import run; run()"
# Where a commit takes milliseconds, a good part of the kills come in the middle of one.
ON_A_SLOW_DISK = (
    """
import os, time
def slow(call):
    def slowly(*arguments):
        time.sleep(0.002)
        answer = call(*arguments)
        time.sleep(0.002)
        return answer
    return slowly
for name in ("pwrite", "fsync", "ftruncate", "posix_fallocate", "replace", "unlink"):
    setattr(os, name, slow(getattr(os, name)))
"""
    + PROGRAM
)
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Collection:
    """A folder with `p/*.png`, and a store `base.h5` that holds some of them already.

    Of those, some have changed on disk since, and some have been renamed. `right` are the vectors
    of an undisturbed run, `before` those of changed ones, and `renamed` has the paths of then.
    """

    folder: Path
    env: dict[str, str]
    paths: list[str]
    right: dict[str, NDArray[np.float32]]
    before: dict[str, NDArray[np.float32]]
    renamed: dict[str, str]

    def start(
        self, *arguments: str, store: str = "s.h5", program: str = PROGRAM, **options: Any
    ) -> Process:
        command = [sys.executable, "-c", program, "extract-features", "--format", "jsonl"]
        command += ["--store", store, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, bufsize=0, stdin=pipe, stdout=pipe, **options
        )

    def vectors(self, store: str) -> dict[str, NDArray[np.float32]]:
        reader = Reader(self.folder / store)
        return {path: reader.vector(row) for row, path in enumerate(reader.paths or ())}

    def fresh_store(self) -> None:
        for leftover in self.folder.glob(".s.h5.*"):
            leftover.unlink()
        (self.folder / "s.h5").unlink(missing_ok=True)
        shutil.copy(self.folder / "base.h5", self.folder / "s.h5")

    def is_right(self, path: str, vector: NDArray[np.float32], acknowledged: bool) -> bool:
        allowed = [self.right[self.renamed.get(path, path)]]
        if path in self.before and not acknowledged:
            allowed.append(self.before[path])
        return any(np.abs(vector - each).max() < CLOSE for each in allowed)


@pytest.fixture(scope="module")
def collection(
    tmp_path_factory: pytest.TempPathFactory, converted_networks: Path
) -> Iterator[Collection]:
    folder = tmp_path_factory.mktemp("storm")
    (folder / "p").mkdir()
    (folder / "then").mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("CNNKIT_")} | {
        "CNNKIT_CACHE_DIR": str(converted_networks),
        "CNNKIT_EXTRACT_FEATURES_PRECISION": "float32",
        "CNNKIT_EXTRACT_FEATURES_MODEL": "patternnet",
        "KERAS_HOME": str(folder / "keras"),
        "PYTHONUNBUFFERED": "1",
    }
    paths = [f"p/{i:03d}.png" for i in range(PICTURES)]
    for i, path in enumerate(paths):
        picture(48, 40, seed=i).save(folder / path)
    made = Collection(folder, env, paths, {}, {}, {})
    finish(made.start("p", store="right.h5"))
    made.right.update(made.vectors("right.h5"))
    changed, renamed, same = paths[40:60], paths[100:120], paths[:20]
    for path in changed:
        shutil.copy(folder / path, folder / "kept.png")
        picture(48, 40, seed=1000 + int(path[2:5])).save(folder / path)
        shutil.copy(folder / "kept.png", folder / "then" / path[2:])
    for path in renamed:
        made.renamed["then/" + path[2:]] = path
        shutil.copy(folder / path, folder / "then" / path[2:])
    finish(made.start(*changed, *made.renamed, *same, store="base.h5"))
    base = made.vectors("base.h5")
    for path in changed:
        made.before[path] = base[path]
        (folder / "then" / path[2:]).replace(folder / path)
    for path in made.renamed:
        (folder / path).unlink()
    yield made
    shutil.rmtree(folder)


def finish(process: Process, code: int = 0) -> list[dict[str, Any]]:
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    return whole_lines(out)


def whole_lines(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.split(b"\n")[:-1]]


def feed(stream: IO[bytes], paths: list[str], dice: random.Random) -> threading.Thread:
    """Give paths in dribs and drabs: where they pause, what is done is committed."""

    def run() -> None:
        rest = list(paths)
        with suppress(BrokenPipeError):
            while rest:
                count = dice.choice((1, 2, 5, 20))
                part, rest = rest[:count], rest[count:]
                stream.write("".join(f"{path}\n" for path in part).encode())
                stream.flush()
                time.sleep(dice.uniform(0, 0.01))
        with suppress(BrokenPipeError):
            stream.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def killed(collection: Collection, dice: random.Random) -> list[dict[str, Any]]:
    """Kill a run at some moment after some line; what it had said by then."""
    paths = dice.sample(collection.paths, PICTURES)
    process = collection.start("-", program=dice.choice((PROGRAM, ON_A_SLOW_DISK)))
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = feed(process.stdin, paths, dice)
    lines = [process.stdout.readline() for _ in range(dice.randrange(PICTURES * 3 // 4))]
    time.sleep(dice.uniform(0, 0.03))
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    process.wait()
    feeder.join()
    return whole_lines(b"".join(lines) + rest)


def check(collection: Collection, acknowledged: list[dict[str, Any]]) -> tuple[int, str]:
    """Open what a killed process left, first as anybody would; how many rows, what was mended."""
    store = collection.folder / "s.h5"
    with h5py.File(store) as file:
        names = [name.decode() for name in file["paths"][:]]
        plain = file["img_emb"][:]
    reader = Reader(store)
    paths = reader.paths or []
    said = {record["path"]: record["row"] for record in acknowledged}
    assert len(names) == len(set(names)) == len(plain)
    assert len(paths) == len(set(paths)) == reader.rows >= 60
    assert list(damaged_rows(reader)) == []
    for path, row in said.items():
        assert (names[row], paths[row]) == (path, path)
        assert collection.is_right(path, plain[row], True), path
    for row, path in enumerate(paths):
        assert collection.is_right(path, reader.vector(row), path in said), path
    return reader.rows, reader.recovered


def storm(collection: Collection, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    rows, mended, caught = [], 0, 0
    for kill in range(kills):
        if kill % 4 != 3:  # every fourth one finds what a killed one has left
            collection.fresh_store()
        acknowledged = killed(collection, dice)
        count, recovered = check(collection, acknowledged)
        rows.append(count)
        mended += bool(recovered)
        caught += 60 < count < PICTURES
    finish(collection.start("p"))
    count, _ = check(collection, [])
    assert count == PICTURES
    print(f"{kills} kills: {caught} while rows came, {mended} within a commit; {sorted(rows)}")
    assert caught > kills // 2
    assert mended


def test_ten_kills_while_rows_are_written(collection: Collection) -> None:
    storm(collection, 10, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_a_hundred_and_fifty_kills(collection: Collection) -> None:
    storm(collection, 150, seed=2)


# A plain look takes no lock: its reads may lie on both sides of a commit, so it may look again.
READING = """
import json, sys, threading
import h5py, numpy as np
from cnnkit.outputs.store.reading import Reader
store, done = sys.argv[1], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
known = np.load(sys.argv[2])
seen, wrong, torn = [0, 0], [], 0

def check(paths, vectors):
    assert len(paths) == len(set(paths)) == len(vectors), (len(paths), len(vectors))
    for path, vector in zip(paths, vectors):
        assert np.abs(known[path] - vector).max(axis=1).min() < 1e-4, path

def look():
    reader = Reader(store)
    check(reader.paths, [reader.vector(row) for row in range(reader.rows)])

def plainly():
    with h5py.File(store) as file:
        check([name.decode() for name in file["paths"][:]], file["img_emb"][:])

while not done.is_set():
    try:
        look()
        seen[0] += 1
    except Exception as error:
        wrong.append(f"Reader: {error!r}")
    for left in reversed(range(30)):
        try:
            plainly()
            seen[1] += 1
            break
        except Exception as error:
            torn += 1
            if not left:
                wrong.append(f"h5py: {error!r}")
            done.wait(0.01)
print(json.dumps({"seen": seen, "wrong": wrong[:9], "torn": torn}))
"""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_kills_while_others_read(collection: Collection) -> None:
    known: dict[str, Any] = {}
    for path, vector in collection.right.items():
        known[path] = np.stack([vector, collection.before.get(path, vector)])
    for then, path in collection.renamed.items():
        known[then] = known[path]
    np.savez(collection.folder / "known.npz", **known)
    dice = random.Random(3)
    totals = np.zeros(3, int)
    for _ in range(50):
        collection.fresh_store()
        command = [sys.executable, "-c", READING, "s.h5", "known.npz"]
        reader = subprocess.Popen(
            command, cwd=collection.folder, env=collection.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        acknowledged = killed(collection, dice)
        said = json.loads(reader.communicate(timeout=PATIENCE)[0])
        assert said["wrong"] == []
        totals += (*said["seen"], said["torn"])
        check(collection, acknowledged)
    print(f"read {totals[0]} times by Reader, {totals[1]} by h5py; h5py tried {totals[2]} again")
    assert totals[:2].min() >= 50


def test_two_writers_at_once(collection: Collection) -> None:
    collection.fresh_store()
    paths = collection.paths
    one = collection.start("-")
    assert one.stdin is not None
    assert one.stdout is not None
    one.stdin.write(f"{paths[-1]}\n".encode())
    one.stdin.flush()
    first = json.loads(one.stdout.readline())  # from here on it has the lock
    other = collection.start(*paths[150:], stderr=subprocess.PIPE)
    assert other.stderr is not None
    said = other.stderr.readline().decode()
    assert "another process writes to s.h5; waiting for it." in said
    assert other.poll() is None
    out, _ = one.communicate("".join(f"{path}\n" for path in paths[:200]).encode())
    assert one.returncode == 0
    waited, _ = other.communicate(timeout=PATIENCE)
    assert other.returncode == 0
    records = [first, *whole_lines(out), *whole_lines(waited)]
    assert len(records) == 1 + 200 + 150
    count, _ = check(collection, records)
    assert count == PICTURES
    assert {record["path"] for record in records} == set(paths)
    assert all(record["cached"] for record in whole_lines(waited)[:50])


def test_two_writers_that_make_the_same_store(collection: Collection) -> None:
    (collection.folder / "s.h5").unlink(missing_ok=True)
    pair = [collection.start(*collection.paths[at : at + 120]) for at in (0, 60)]
    told = [finish(process) for process in pair]
    count, _ = check(collection, told[0] + told[1])
    assert count == 180


def test_ctrl_c_in_the_middle(collection: Collection) -> None:
    for patience in (0.0, 0.05, 0.3):
        collection.fresh_store()
        process = collection.start("p", stderr=subprocess.PIPE)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(25)]  # twenty of them are old
        time.sleep(patience)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
        out = b"".join(lines) + rest
        assert out.endswith(b"\n")
        assert process.returncode in (130, 0)  # it may have been through already
        assert b"Traceback" not in errors
        if patience == 0:
            assert process.returncode == 130
        records = whole_lines(out)
        count, recovered = check(collection, records)
        assert recovered == ""
        # What was computed is kept, printed or not.
        assert count >= len({record["path"] for record in records} | set(collection.before))


def test_ctrl_c_while_waiting_for_the_next_path(collection: Collection) -> None:
    collection.fresh_store()
    process = collection.start("-", stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"p/299.png\n")
    process.stdin.flush()
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest) == (130, b"")
    assert b"Traceback" not in errors
    check(collection, whole_lines(line))


def test_a_record_comes_before_the_next_path_is_given(collection: Collection) -> None:
    collection.fresh_store()
    process = collection.start("-")
    assert process.stdin is not None
    assert process.stdout is not None
    # Unchanged, new, changed, and renamed ones.
    for path in ("p/003.png", "p/200.png", "p/041.png", "p/101.png", "p/201.png", "p/004.png"):
        process.stdin.write(f"{path}\n".encode())
        process.stdin.flush()
        record = json.loads(process.stdout.readline())
        assert record["path"] == path
        assert record["cached"] == (path in ("p/003.png", "p/101.png", "p/004.png"))
        with h5py.File(collection.folder / "s.h5") as file:
            assert file["paths"][record["row"]].decode() == path
            assert collection.is_right(path, file["img_emb"][record["row"]], True)
    assert finish(process) == []


def test_a_reader_that_goes_away(collection: Collection) -> None:
    collection.fresh_store()
    process = collection.start("p", stderr=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=PATIENCE)[1] == b""
    check(collection, whole_lines(line))
