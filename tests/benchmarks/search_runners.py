"""Our search, and what numpy alone makes of it; the names of queries are numbers of rows.

`model` is the folder with `x.npy` (N, D), `norms.npy` and `q.npy`, and how many rows of x count:
"FOLDER:ROWS". Where as many answers are wanted as there are rows, the rows are the queries.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.search.exact import all_pairs, nearest
from cnnkit.search.vectors import Block, Matrix
from tests.benchmarks.runners import Run

Floats = NDArray[np.float32]
COUNT = 5
# The least cosine of near-duplicates.
DUPLICATE = 0.95


def load(model: str) -> tuple[Floats, Floats, Floats]:
    """Rows and norms as memory maps, and the queries."""
    folder, _, rows = model.rpartition(":")
    x, norms = (
        np.asarray(np.load(Path(folder) / f"{name}.npy", mmap_mode="r"))[: int(rows)]
        for name in ("x", "norms")
    )
    return x, norms, np.load(Path(folder) / "q.npy")


def open_runner(model: str, cores: int, kind: str, how: str) -> Run:
    """A function from numbers of queries to one answer each, one by one if that is `how`."""
    run = KINDS[kind](*load(model), cores)
    return one_by_one(run) if how == "one by one" else run


def one_by_one(run: Run) -> Run:
    """Ask each query by itself."""
    return lambda names: [run([name]) for name in names]


def _ours(x: Floats, norms: Floats, q: Floats, cores: int, product: Any = None) -> Run:
    matrix = Matrix([Block(0, x)], norms)
    given: Any = {"metric": "l2", "count": COUNT, "threads": cores, "product": product}

    def run(names: list[str]) -> list[Any]:
        if len(names) == len(x):
            return [None for _ in all_pairs(matrix, **given)]
        return list(nearest(matrix, q[: len(names)], **given))

    return run


def _fast(x: Floats, norms: Floats, q: Floats, cores: int, precision: str) -> Run:
    from cnnkit.engines.openvino_product import OpenvinoProduct

    return _ours(x, norms, q, cores, OpenvinoProduct(cores, precision))


def _reading(x: Floats, norms: Floats, q: Floats, cores: int) -> Run:
    """Nothing but reading all rows, on all cores."""
    flat, step = x.reshape(-1), 1 << 16
    cuts = [flat.size * i // cores for i in range(cores + 1)]
    pool = ThreadPoolExecutor(cores)

    def read(i: int) -> float:
        parts = (flat[at : min(at + step, cuts[i + 1])] for at in range(cuts[i], cuts[i + 1], step))
        return sum(float(np.vecdot(part, part)) for part in parts)

    return lambda names: [list(pool.map(read, range(cores))) for _ in names]


def _recipe(x: Floats, norms: Floats, q: Floats, cores: int) -> Run:
    """The one that is found everywhere."""
    return lambda names: [
        np.argsort(np.sqrt(((x - q[i]) ** 2).sum(axis=1)))[:COUNT] for i in range(len(names))
    ]


def _dot(x: Floats, norms: Floats, q: Floats, cores: int) -> Run:
    """The quick one: ‖x‖² / 2 − x·q, in float32, not exact."""
    halves = norms**2 / 2
    return lambda names: [
        np.argpartition(halves - x @ q[i], COUNT)[:COUNT] for i in range(len(names))
    ]


def _groups(x: Floats, norms: Floats, q: Floats, cores: int) -> Run:
    """Near-duplicates, as `cnnkit dedupe` finds them."""
    from cnnkit.search.duplicates import groups
    from cnnkit.tasks.products import product_for

    matrix = Matrix([Block(0, x)], norms)
    product = product_for(len(x), len(x), x.shape[1], cores)

    def run(names: list[str]) -> list[Any]:
        groups(matrix, threshold=DUPLICATE, threads=cores, product=product)
        return [None for _ in names]

    return run


KINDS: dict[str, Callable[[Floats, Floats, Floats, int], Run]] = {
    "reading": _reading,
    "recipe": _recipe,
    "dot": _dot,
    "ours": _ours,
    "groups": _groups,
    "float32": lambda x, n, q, cores: _fast(x, n, q, cores, "float32"),
    "bfloat16": lambda x, n, q, cores: _fast(x, n, q, cores, "bfloat16"),
}
