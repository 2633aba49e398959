"""faiss and usearch, exactly, on the same rows and queries as `search_runners`."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.runners import Run

Floats = NDArray[Any]
COUNT = 5


def open_runner(model: str, cores: int, kind: str, how: str) -> Run:
    """A function from numbers of queries to one answer each, one by one if that is `how`."""
    folder, _, rows = model.rpartition(":")
    x = np.load(Path(folder) / "x.npy", mmap_mode="r")[: int(rows)]
    q = np.load(Path(folder) / "q.npy")
    run = _faiss(x, q, cores) if kind == "faiss" else _usearch(x, q, cores)
    return (lambda names: [run([name]) for name in names]) if how == "one by one" else run


def _faiss(x: Floats, q: Floats, cores: int) -> Run:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(cores)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return lambda names: index.search(x if len(names) == len(x) else q[: len(names)], COUNT)[1]


def _usearch(x: Floats, q: Floats, cores: int) -> Run:
    search = import_module("usearch.index").search

    def run(names: list[str]) -> Floats:
        found = search(x, q[: len(names)], COUNT, "l2sq", exact=True, threads=cores)
        return np.reshape(found.keys, (len(names), COUNT))

    return run
