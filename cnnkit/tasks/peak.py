"""What a processor can do at most, and what a network asks of it: the yardsticks of `bench`."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Engine
from cnnkit.tasks.network import Job

# Large enough to fill every core; two products in a row, as a network's layers follow each other.
SIDE, _PRODUCTS = 2048, 2
FLOPS = 2 * _PRODUCTS * SIDE**3


def peak_work(precision: str, threads: int) -> tuple[str, Callable[[], object]]:
    """What computes it, and work of `FLOPS` operations: products of `SIDE` × `SIDE` matrices.

    Without OpenVINO it is numpy, in float32 and on as many threads as its library takes.
    """
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    matrix = noise / np.float32(SIDE**0.5)  # products of products stay finite
    if find_spec("openvino"):
        return "openvino", _products(matrix, precision, threads)
    return "numpy", lambda: matrix @ matrix @ matrix


def multiply_adds(job: Job, engine: Engine) -> int:
    """Those of every convolution and matrix product, at each place of its output; per picture."""
    from cnnkit.engines.keras_engine import KerasEngine

    if not isinstance(engine, KerasEngine):
        engine = Job.of(job.network.name, weights="none", engine="keras").open()
        engine.close()
    return sum(
        prod(weight.shape) * prod(layer.output.shape[1:-1])
        for layer in _layers(engine.model)  # type: ignore[attr-defined]
        for weight in layer.weights
        if "kernel" in weight.name
    )


def on_graphics(engine: str) -> bool:
    """Whether this engine computes on a graphics card, for which this is no yardstick."""
    if engine != "keras":
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _products(matrix: NDArray[np.float32], precision: str, threads: int) -> Callable[[], object]:
    from cnnkit.engines import openvino_engine  # noqa: F401, I001 — first: it turns telemetry off
    import openvino as ov
    from openvino import opset13

    entry = opset13.parameter(matrix.shape, np.float32)
    product = entry
    for _ in range(_PRODUCTS):
        product = opset13.matmul(product, opset13.constant(matrix), False, True)
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "ENABLE_CPU_PINNING": False,  # as the engine: beside other work, pinned threads wait
    }
    compiled = ov.Core().compile_model(ov.Model([product], [entry]), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda: request.infer([matrix])
