"""`extract-features` as a person meets it: whole processes, what they read and what they say."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest

from cnnkit.outputs.store.reading import Reader
from tests.conftest import PATIENCE, Run, picture

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = pytest.mark.network
EXTRACT = ("extract-features", "-m", "patternnet")
PATHS = [f"p/{i}.png" for i in range(4)]
# The program; at the end it says on stderr which modules it had and which pictures it opened.
WATCHED = """
import atexit, json, os, sys
opened = []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".png"):
        opened.append(arguments[0])
sys.addaudithook(watch)
def tell():
    loaded = sorted({name.split(".")[0] for name, module in sys.modules.items() if module})
    print(json.dumps({"loaded": loaded, "opened": opened}), file=sys.stderr)
atexit.register(tell)
from cnnkit.__main__ import run
run()
"""
# The same, but at the end it says how much memory it had at most, in KiB.
WEIGHED = """
import atexit, resource, sys
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
from cnnkit.__main__ import run
run()
"""
FRAMEWORKS = {"tensorflow", "keras", "openvino", "torch", "cv2", "scipy"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with four pictures in `p`."""
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    for i, path in enumerate(PATHS):
        picture(64, 48, seed=i).save(path)
    return tmp_path


def watched(program: str, *arguments: str, stdin: bytes = b"") -> tuple[list[dict[str, Any]], Any]:
    """The records of a run of the program, and what it says on stderr in the end."""
    done = subprocess.run(
        [sys.executable, "-c", program, "extract-features", "--format", "jsonl", *arguments],
        input=stdin, capture_output=True, timeout=10 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return records(done.stdout), json.loads(done.stderr)


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def many(count: int) -> list[str]:
    """So many pictures in `many`, no two of them alike."""
    Path("many").mkdir(exist_ok=True)
    paths = [f"many/{i:05d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        picture(32, 32, seed=1000 + i).save(path)
    return paths


def swap_bytes(one: str, other: str) -> None:
    """Give a picture the pixels of another, but keep its size and time; both are BMP inside."""
    status = Path(one).stat()
    content = Path(other).read_bytes()
    assert len(content) == status.st_size
    Path(one).write_bytes(content)
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))


def unchanged_files_are_left_alone(count: int) -> None:
    paths = many(count)
    for i in (0, 1):
        picture(32, 32, seed=i).save(paths[i], "BMP")  # of equal size
    made, said = watched(WATCHED, "-m", "patternnet", "many")
    assert [record["path"] for record in made] == paths
    assert FRAMEWORKS & set(said["loaded"])
    assert set(said["opened"]) == set(paths), "the watch is blind"
    before = Reader("img_emb.h5")
    swap_bytes(paths[0], paths[1])
    stored = Path("img_emb.h5").read_bytes()
    again, said = watched(WATCHED, "many")
    assert again == [record | {"cached": True} for record in made]
    assert not FRAMEWORKS & set(said["loaded"])
    assert said["opened"] == []
    assert Path("img_emb.h5").read_bytes() == stored
    hashed, said = watched(WATCHED, "--rehash", *paths[:9])
    assert [(record["row"], record["cached"]) for record in hashed] == [
        (row, True) for row in range(9)
    ]
    assert not FRAMEWORKS & set(said["loaded"])  # what the bytes are now is in the store
    assert set(said["opened"]) == set(paths[:9])
    after = Reader("img_emb.h5")
    assert (after.vector(0) == before.vector(1)).all()
    assert (after.vector(2) == before.vector(2)).all()


def test_unchanged_files_are_not_opened_and_no_framework_is_loaded() -> None:
    unchanged_files_are_left_alone(200)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_thousand_unchanged_files() -> None:
    unchanged_files_are_left_alone(10_000)


def test_pictures_that_look_unchanged_are_replaced_by_rehash(cnnkit: Run) -> None:
    for i, path in enumerate(("p/a.bmp", "p/b.bmp")):
        picture(64, 48, seed=20 + i).save(path)
    assert cnnkit(*EXTRACT, "p/a.bmp").returncode == 0
    before = Reader("img_emb.h5").vector(0)
    swap_bytes("p/a.bmp", "p/b.bmp")
    assert cnnkit(*EXTRACT, "p/a.bmp").stdout == b"p/a.bmp\tok\t0\tTrue\t\n"
    assert (Reader("img_emb.h5").vector(0) == before).all()
    assert cnnkit(*EXTRACT, "p/a.bmp", "--rehash").stdout == b"p/a.bmp\tok\t0\tFalse\t\n"
    after = Reader("img_emb.h5")
    assert after.rows == 1
    assert abs(after.vector(0) - before).max() > 0.1


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_memory_does_not_grow_with_the_pictures() -> None:
    paths = many(3_000)
    watched(WEIGHED, "-m", "patternnet", "--store", "none.h5", *paths[:4])
    peaks = []
    for count in (500, 3_000):
        told = "".join(f"{path}\n" for path in paths[:count]).encode()
        made, peak = watched(WEIGHED, "-m", "patternnet", "--store", f"{count}.h5", "-", stdin=told)
        assert len(made) == count
        peaks.append(peak // 1024)
    print(f"peak memory: {peaks[0]} MiB for 500 pictures, {peaks[1]} MiB for 3,000")
    assert peaks[1] < 1.1 * peaks[0]


class TestWhatItPrints:
    @pytest.fixture(autouse=True)
    def stored(self, here: Path, cnnkit: Run) -> None:
        Path("p/2.png").write_text("no picture")
        done = cnnkit(*EXTRACT, "p", "--format", "text")
        assert done.returncode == 3
        told = done.stdout.decode().splitlines()
        assert told[::3] == ["p/0.png\tok\t0\tFalse\t", "p/3.png\tok\t2\tFalse\t"]
        assert len(told) == 4

    def test_jsonl(self, cnnkit: Run) -> None:
        done = cnnkit("extract-features", "p", "--format", "jsonl")
        assert done.returncode == 3
        told = records(done.stdout)
        assert told[0] == {"path": "p/0.png", "status": "ok", "row": 0, "cached": True}
        assert (told[2]["status"], told[2]["path"]) == ("error", "p/2.png")
        assert Reader("img_emb.h5").paths == ["p/0.png", "p/1.png", "p/3.png"]

    def test_tables(self, cnnkit: Run) -> None:
        for form, delimiter in (("csv", ","), ("tsv", "\t")):
            done = cnnkit("extract-features", "p", "--format", form)
            rows = list(csv.reader(io.StringIO(done.stdout.decode()), delimiter=delimiter))
            assert rows[0] == ["path", "status", "row", "cached", "error"]
            assert rows[1] == ["p/0.png", "ok", "0", "True", ""]
            assert rows[3][:4] == ["p/2.png", "error", "", ""]
            assert len(rows) == 5

    def test_print0(self, cnnkit: Run) -> None:
        done = cnnkit("extract-features", "p", "--print0")
        assert done.stdout == b"p/0.png\0p/1.png\0p/3.png\0"
        assert done.returncode == 3

    def test_a_file(self, cnnkit: Run) -> None:
        done = cnnkit("extract-features", "p", "-o", "said.csv")
        assert (done.returncode, done.stdout) == (3, b"")
        assert Path("said.csv").read_text().splitlines()[1] == "p/0.png,ok,0,True,"

    def test_what_it_prints_is_what_similar_reads(self, cnnkit: Run) -> None:
        said = cnnkit("extract-features", "p", "--format", "jsonl").stdout
        found = cnnkit("similar", "--top-n", "1", "--format", "jsonl", "-", stdin=said)
        assert [record["query"] for record in records(found.stdout)][:2] == PATHS[:2]
        nul = cnnkit("extract-features", "p", "--print0").stdout
        found = cnnkit("similar", "--top-n", "1", "--format", "jsonl", "-0", "-", stdin=nul)
        assert found.returncode == 0
        assert len(records(found.stdout)) == 3


class TestWhereTheStoreIs:
    def test_the_environment_and_the_configuration(self, cnnkit: Run) -> None:
        Path("c.toml").write_text(
            '[extract-features]\nmodel = "patternnet"\nstore = "toml.h5"\npooling = "max"\n'
        )
        assert cnnkit("--config", "c.toml", "extract-features", "p").returncode == 0
        assert Reader("toml.h5").stamp.pooling == "max"  # type: ignore[union-attr]
        named = os.environ | {"CNNKIT_STORE": "with space/named.h5"}
        done = cnnkit("--config", "c.toml", "extract-features", "p", env=named)
        assert done.returncode == 0
        assert Reader("with space/named.h5").rows == 4  # made, folder and all
        found = cnnkit("similar", "p/0.png", env=named)
        assert found.returncode == 0, found.stderr
        done = cnnkit("extract-features", "p", "--store", "toml.h5", "--format", "csv", env=named)
        assert done.stdout.splitlines()[1] == b"p/0.png,ok,0,True,"
        assert not Path("img_emb.h5").exists()

    def test_a_place_that_cannot_be_written(self, cnnkit: Run) -> None:
        Path("file").write_text("in the way")
        for store in ("/proc/no-such-place/s.h5", "file/s.h5"):
            done = cnnkit(*EXTRACT, "p", "--store", store)
            assert (done.returncode, done.stdout) == (1, b""), store
            assert store in done.stderr.decode()
            assert "cannot be written" in done.stderr.decode()
        done = cnnkit(*EXTRACT, "p", "--store", "p")
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr

    def test_what_is_no_store_is_left_as_it_is(self, cnnkit: Run) -> None:
        Path("text.h5").write_text("a shopping list that is longer than any header would be\n" * 9)
        Path("empty.h5").touch()
        with h5py.File("foreign.h5", "w") as file:
            file["weights"] = [1.0, 2.0]
        with h5py.File("bare.h5", "w") as file:
            file["img_emb"] = [[1.0, 2.0]]
        with Path("foreign.h5").open("ab") as file:
            file.write(b"what somebody is about to add")
        for name in ("text", "empty", "foreign", "bare"):
            store = Path(f"{name}.h5")
            before = store.read_bytes(), store.stat().st_mtime_ns
            done = cnnkit(*EXTRACT, "p", "--store", store)
            assert (done.returncode, done.stdout) == (1, b""), name
            assert store.name in done.stderr.decode()
            assert b"internal error" not in done.stderr
            assert before == (store.read_bytes(), store.stat().st_mtime_ns), name

    def test_nothing_to_do(self, cnnkit: Run) -> None:
        for arguments in (("-",), ()):
            done = cnnkit(*EXTRACT, *arguments)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        done = cnnkit(*EXTRACT, "--format", "csv", "-")
        assert done.stdout.decode().splitlines() == ["path,status,row,cached,error"]
        Path("hollow").mkdir()
        done = cnnkit(*EXTRACT, "hollow")
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"hollow" in done.stderr
        assert not Path("img_emb.h5").exists()


class TestWishes:
    def test_what_is_left_out_is_taken_from_the_store(self, cnnkit: Run) -> None:
        made = ("-w", "none", "--seed", "3", "--pooling", "max", "--crops", "5")
        assert cnnkit(*EXTRACT, *made, "--fit", "crop", "--dtype", "float16", "p").returncode == 0
        stamp, before = Reader("img_emb.h5").stamp, Path("img_emb.h5").read_bytes()
        done = cnnkit("extract-features", "p", "--format", "jsonl")
        assert [record["cached"] for record in records(done.stdout)] == [True] * 4
        picture(64, 48, seed=9).save("p/9.png")
        for option, value, said in (
            ("--seed", "4", "random, seed 3  |  random, seed 4"),
            ("--pooling", "avg", "max  |  avg"),
            ("--crops", "10", "5  |  10"),
            ("--fit", "pad", "crop  |  pad"),
        ):
            done = cnnkit("extract-features", option, value, "p")
            assert (done.returncode, done.stdout) == (2, b"")
            assert said in done.stderr.decode()
            assert Path("img_emb.h5").read_bytes() == before
        assert cnnkit("extract-features", "p").returncode == 0
        assert Reader("img_emb.h5").rows == 5
        assert Reader("img_emb.h5").stamp == stamp

    def test_a_layer_that_is_none(self, cnnkit: Run) -> None:
        done = cnnkit(*EXTRACT, "--layer", "conv5_bm", "p")
        assert (done.returncode, done.stdout) == (2, b"")
        assert "conv5_bn" in done.stderr.decode()
        assert not Path("img_emb.h5").exists()

    def test_prune(self, cnnkit: Run) -> None:
        shutil.copytree("p", "q")
        assert cnnkit(*EXTRACT, "p", "q").returncode == 0
        Path("p/0.png").rename("p/moved.png")
        Path("q/1.png").unlink()
        done = cnnkit("extract-features", "p/*.png", "--prune")
        assert done.returncode == 2
        assert b"--prune is about folders" in done.stderr
        done = cnnkit("extract-features", "p", "--prune", "-q")
        assert (done.returncode, done.stderr) == (0, b"")
        rest = {f"p/{name}.png" for name in ("1", "2", "3", "moved")}
        assert set(Reader("img_emb.h5").paths or ()) == rest | {f"q/{i}.png" for i in range(4)}
        done = cnnkit("extract-features", "q", "--prune")
        assert "q/1.png" not in (Reader("img_emb.h5").paths or ())
        assert "1 row" in done.stderr.decode()
