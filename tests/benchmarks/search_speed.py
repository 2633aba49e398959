"""How fast neighbours are found: ``python -m tests.benchmarks.search_speed [--peers PYTHON]``.

All are measured in turn, in the same rounds, on one memory-mapped file of random clustered
vectors; figures are medians. `--full` takes all pairs of all rows, too.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnkit.search.ann import AnnIndex
from cnnkit.search.exact import nearest
from cnnkit.search.vectors import Block, Matrix
from cnnkit.tasks.cores import available_cores
from tests.benchmarks.rounds import Measured, Worker, alternate
from tests.benchmarks.runners import Runner
from tests.conftest import ROOT

Floats = NDArray[np.float32]
OURS, PEERS = "search_runners", "search_peers"
TITLES = {
    "reading": "reading the rows, nothing else",
    "recipe": "numpy, `sqrt(((x - q)**2).sum(1))`, argsort",
    "dot": "numpy, `x @ q` with norms, argpartition",
    "ours": "cnnkit, exact",
    "float32": "cnnkit, exact, OpenVINO's product in float32",
    "bfloat16": "cnnkit, exact, OpenVINO's product in bfloat16",
    "faiss": "faiss `IndexFlatL2`",
    "usearch": "usearch, `exact=True`",
    "groups": "cnnkit, groups around a kept row",
    "imagededup": "imagededup, the embeddings' part of `CNN.find_duplicates`",
}
# So many queries one by one: threads of whoever was measured before spin for a while.
ALONE = 10
ONE = ("reading", "recipe", "dot", "ours", "faiss", "usearch")
MANY = ("ours", "float32", "bfloat16", "faiss", "usearch")
OUTSIDE = ("faiss", "usearch", "imagededup")
TWINS = ("groups", "imagededup")
PAIRS = ("ours", "float32", "bfloat16", "faiss")


def main(arguments: list[str] | None = None) -> int:
    """Write the data, measure, print a table in Markdown."""
    given = _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.rows, given.features, given.queries)
        print(f"| top 5 of {given.rows} × {given.features} | seconds | of the best peer |")
        print("|---|---|---|")
        _table("one query", folder, given.rows, ONE, ALONE, given, 3 * given.rounds)
        _table(f"{given.queries} queries", folder, given.rows, MANY, given.queries, given)
        twins = min(10_000, given.rows)
        _table(f"near-duplicates of {twins}", folder, twins, TWINS, twins, given)
        some = min(given.pairs, given.rows)
        _table(f"all pairs of {some}", folder, some, PAIRS, some, given)
        if given.full:
            _table(f"all pairs of {given.rows}", folder, given.rows, PAIRS, given.rows, given, 1)
        if not given.no_index:
            _index(Path(folder), given.rows)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.search_speed")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="all pairs of all rows")
    parser.add_argument("--no-index", action="store_true", help="leave the index out")
    parser.add_argument("--slow", action="store_true", help="usearch on many queries, too")
    parser.add_argument("--peers", type=Path, default=ROOT / "out/peers/bin/python")
    given = parser.parse_args(arguments)
    given.peers = given.peers.absolute()
    return given


def write(folder: Path, rows: int, features: int, queries: int) -> None:
    """Gaussian clouds around gaussian centres, 100 rows each, and queries near some of them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, rows // 100), features), np.float32)
    shape = (rows, features)
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=shape)
    for at in range(0, rows, 10_000):
        some = x[at : at + 10_000]
        some[:] = centres[rng.integers(0, len(centres), len(some))]
        some += np.float32(0.5) * rng.standard_normal(some.shape, np.float32)
    x.flush()
    near = x[rng.integers(0, rows, queries)]
    noise = rng.standard_normal(near.shape, np.float32)
    np.save(folder / "q.npy", near + np.float32(0.2) * noise)
    np.save(folder / "norms.npy", np.sqrt(np.vecdot(x, x)))


def _table(
    title: str, folder: str, rows: int, kinds: tuple[str, ...], asked: int,
    given: argparse.Namespace, rounds: int | None = None,
) -> None:  # fmt: skip
    alone = kinds is ONE
    kinds = tuple(k for k in kinds if k != "usearch" or alone or given.slow)
    how = "one by one" if alone else "together"
    names, cores = [str(i) for i in range(asked)], available_cores()
    runners = [
        Runner(kind, TITLES[kind], PEERS if kind in OUTSIDE else OURS, (kind, how),
               outside=kind in OUTSIDE, whole=asked)
        for kind in kinds
    ]  # fmt: skip
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(runner, f"{folder}:{rows}", cores, given.peers))
            for runner in runners
        ]
        rows_measured = alternate(workers, names, rounds=rounds or given.rounds, seconds=0)
    each = 1 if alone else asked
    seconds = {row.runner.name: _median(row, each) for row in rows_measured}
    peers = [seconds[k] for k in OUTSIDE if seconds.get(k)]
    for row in rows_measured:
        took = seconds[row.runner.name]
        ratio = f"{took / min(peers):.2f}" if peers and took else ""
        print(f"| {title}: {row.runner.title} | {took or row.why_not:.4} | {ratio} |", flush=True)
    if seconds.get("reading"):
        share = seconds["reading"] / seconds["ours"]
        speed = 4e-9 * given.rows * given.features / seconds["reading"]
        print(f"| {title}: reads at {share:.0%} of {speed:.0f} GB/s | | |", flush=True)


def _median(row: Measured, queries: int) -> float:
    return queries / statistics.median(row.rates) if row.rates else 0.0


def _index(folder: Path, rows: int) -> None:
    """Building an index, its recall, one query against the exact scan, adding, removing."""
    x, norms = (np.asarray(np.load(folder / f"{n}.npy", mmap_mode="r")) for n in ("x", "norms"))
    queries, cores = np.load(folder / "q.npy")[:200], available_cores()
    matrix = Matrix([Block(0, x)], norms)
    true = list(nearest(matrix, queries, metric="l2", count=10, threads=cores))
    first, ids = rows - rows // 100, np.arange(rows, dtype=np.uint64)

    def opened(start: int, end: int) -> AnnIndex:
        part = Matrix([Block(0, x[start:end])], norms[start:end])
        return AnnIndex.open(
            folder / "index", "bench", x.shape[1], "l2", ids[start:end], part, threads=cores
        )

    _said("index: build", _seconds(lambda: opened(0, first)))
    _said(f"index: add {rows - first}, and save", _seconds(lambda: opened(0, rows)))
    _said("index: open", _seconds(lambda: opened(0, rows)))
    index = opened(0, rows)
    found = [next(index.search(query[None], 10)) for query in queries]
    shares = [np.isin(t.rows, f.rows).mean() for t, f in zip(true, found, strict=True)]
    print(f"| index: recall@10 | {np.mean(shares):.4f} | |")
    quick = [_seconds(lambda q=q: next(index.search(q[None], 10))) for q in queries]  # type: ignore[misc]
    scans = [
        _seconds(lambda q=q: next(nearest(matrix, q[None], metric="l2", count=10, threads=cores)))  # type: ignore[misc]
        for q in queries[:20]
    ]
    ratio = statistics.median(scans) / statistics.median(quick)
    _said(f"index: one query, {ratio:.0f} × faster than exact", statistics.median(quick))
    _said(f"index: remove {rows - first}, and save", _seconds(lambda: opened(rows - first, rows)))
    print(f"| index: bytes | {os.path.getsize(folder / 'index'):,} | |")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _said(what: str, seconds: float) -> None:
    print(f"| {what} | {seconds:.4g} | |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
