"""Whole processes on an embedding store: ``python -m tests.benchmarks.store_speed [--rows N]``.

`cnnkit similar` of a stored picture beside the usual script (load everything, `np.linalg.norm`,
`argsort`), in alternating rounds on one file; and `cnnkit extract-features` over an unchanged
folder beside one that only asks for each file's time. Figures are medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cnnkit.outputs.store import layout
from cnnkit.outputs.store.making import made_anew
from cnnkit.outputs.store.rows import Facts, described
from cnnkit.records import Stamp

QUERY = 57
RECIPE = """
import sys, h5py, numpy as np
X = h5py.File(sys.argv[1])["img_emb"][:]
distances = np.linalg.norm(X - X[int(sys.argv[2])], axis=1)
print(*np.argsort(distances)[1:6])
"""
# Runs the program, and says at the end how much memory was its own.
WATCHED = """
import sys
from cnnkit.cli import main
try:
    main(sys.argv[1:])
finally:
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Private"))
    print(own, file=sys.stderr)
"""
BANDWIDTH = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
X = np.memmap(sys.argv[1], np.float32, "r")[2048:]
X = X[: len(X) // 4 * 4].view(np.int64)
halves = np.array_split(X, int(sys.argv[2]))
with ThreadPoolExecutor(len(halves)) as pool:
    best = 1e9
    for _ in range(7):
        start = time.perf_counter()
        list(pool.map(np.max, halves))
        best = min(best, time.perf_counter() - start)
print(X.nbytes / best / 1e9)
"""


def write_store(path: Path, rows: int, features: int) -> None:
    """Gaussian clouds around 1,000 centres under made-up paths."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, features), dtype=np.float32)
    stamp = Stamp("resnet50", "0" * 64, "avg_pool", "none", 1, "", "float32", "float32", features)
    with made_anew(path, stamp) as pour:
        for first in range(0, rows, 1000):
            count = min(1000, rows - first)
            noise = rng.standard_normal((count, features), dtype=np.float32)
            vectors = centres[rng.integers(0, 1000, count)] + noise
            paths = [picture(row) for row in range(first, first + count)]
            facts = [Facts(f"{row:064x}", 1, 1) for row in range(first, first + count)]
            files = [described(*each) for each in zip(paths, facts, vectors, strict=True)]
            pour.add(vectors, paths, np.array(files, layout.FILE))


def picture(row: int) -> str:
    return f"photos/{row % 50}/{row:07d}.jpg"


def compare(store: Path, rounds: int) -> tuple[float, float, int]:
    """Median seconds of ours and of the recipe, and our largest own memory in KiB."""
    query = ["similar", "--store", str(store), "--format", "jsonl", picture(QUERY)]
    ours = [sys.executable, "-m", "cnnkit", *query]
    recipe = [sys.executable, "-c", RECIPE, str(store), str(QUERY)]
    mine = [each["row"] for each in json.loads(_run(ours).stdout)["neighbours"]]
    theirs = [int(row) for row in _run(recipe).stdout.split()]
    assert mine == theirs, (mine, theirs)
    own = int(_run([sys.executable, "-c", WATCHED, *query]).stderr.split()[-1])
    mine_s, theirs_s = _alternated([lambda: _run(ours), lambda: _run(recipe)], rounds)
    return mine_s, theirs_s, own


def scan_share(store: Path) -> tuple[float, float]:
    """GB/s that the memory gives, and that a search of one query in this process reads."""
    from cnnkit.search.exact import nearest
    from cnnkit.tasks.collection import Collection
    from cnnkit.tasks.cores import available_cores

    threads = available_cores()
    best = float(_run([sys.executable, "-c", BANDWIDTH, str(store), str(threads)]).stdout)
    matrix = Collection(store).matrix
    query = matrix.gather([QUERY])
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        list(nearest(matrix, query, metric="l2", count=5, threads=threads))
        seconds.append(time.perf_counter() - start)
    read = matrix.rows * matrix.features * 4 / statistics.median(seconds[2:]) / 1e9
    return best, read


def extract_again(folder: Path, files: int, rounds: int) -> tuple[float, float, float]:
    """Median seconds over an unchanged folder: ours, ours with --rehash, and stat alone."""
    pictures = folder / "pictures"
    rng = np.random.default_rng(0)
    from PIL import Image

    for i in range(files):
        if not i % 1000:
            (pictures / f"{i // 1000}").mkdir(parents=True)
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{i // 1000}" / f"{i}.png")
    command = [sys.executable, "-m", "cnnkit", "extract-features", str(pictures)]
    command += ["--store", str(folder / "again.h5"), "-o", os.devnull, "--format", "jsonl"]
    _run([*command, "--model", "patternnet", "--precision", "float32"])
    stat = "import os, sys\nfor d, _, names in os.walk(sys.argv[1]):\n"
    stat += "    for n in names: os.stat(os.path.join(d, n))"
    alone = [sys.executable, "-c", stat, str(pictures)]
    runs = (command, [*command, "--rehash"], alone)
    again, rehashed, only = _alternated([lambda c=c: _run(c) for c in runs], rounds)  # type: ignore[misc]
    return again, rehashed, only


def _alternated(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, row in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            row.append(time.perf_counter() - start)
    return [statistics.median(row) for row in seconds]


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, check=True, capture_output=True, text=True)


def main(arguments: list[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.store_speed")
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args(arguments)
    print("| one stored query, whole process | cnnkit | the usual script | ratio | own memory |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            store = Path(folder) / f"{rows}.h5"
            write_store(store, rows, given.features)
            ours, recipe, own = compare(store, given.rounds)
            print(
                f"| {rows:,} × {given.features:,} | {ours:.3f} s | {recipe:.3f} s "
                f"| {recipe / ours:.1f} | {own / 1024:.0f} MiB |"
            )
        best, read = scan_share(store)
        print(f"\nThe memory gives {best:.1f} GB/s; a search reads {read:.1f}: {read / best:.2f}.")
        if given.files:
            again, rehashed, only = extract_again(Path(folder), given.files, 3)
            print(
                f"\n{given.files:,} unchanged pictures again: {again:.2f} s, with --rehash "
                f"{rehashed:.2f} s; os.stat of each in a plain script: {only:.2f} s."
            )


if __name__ == "__main__":
    main()
