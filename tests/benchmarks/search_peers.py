"""faiss, usearch and imagededup on the same rows and queries as `search_runners`."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.runners import Run

Floats = NDArray[Any]
COUNT = 5
DUPLICATE = 0.95


def open_runner(model: str, cores: int, kind: str, how: str) -> Run:
    """A function from numbers of queries to one answer each, one by one if that is `how`."""
    folder, _, rows = model.rpartition(":")
    x = np.load(Path(folder) / "x.npy", mmap_mode="r")[: int(rows)]
    q = np.load(Path(folder) / "q.npy")
    run = {"faiss": _faiss, "usearch": _usearch, "imagededup": _imagededup}[kind](x, q, cores)
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


def _imagededup(x: Floats, q: Floats, cores: int) -> Run:
    """Its comparison of embeddings alone: its network cannot be had without a download."""
    methods = import_module("imagededup.methods")
    cnn = methods.CNN.__new__(methods.CNN)
    cnn.verbose, cnn.logger = False, import_module("logging").getLogger("imagededup")
    encodings = {f"{row}.jpg": vector for row, vector in enumerate(x)}

    def run(names: list[str]) -> list[Any]:
        found = cnn._find_duplicates_dict(encodings, DUPLICATE, False, num_sim_workers=0)
        return list(found)

    return run
