"""PyTorch with timm's network and timm's own transform, in bfloat16, channels last."""

import time
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.benchmarks.read_ahead import batches
from tests.benchmarks.runners import NETWORKS, Run

BATCH_SIZES = (8, 32)


def open_runner(model: str, cores: int) -> Run:
    """A function from files to probabilities (n, classes)."""
    # Not among the project's own packages, so mypy shall not look for them either.
    torch, timm = import_module("torch"), import_module("timm")
    torch.set_num_threads(cores)
    network = timm.create_model(NETWORKS[model].timm, pretrained=False).eval()
    network = network.to(memory_format=torch.channels_last, dtype=torch.bfloat16)
    transform = timm_transform(timm, network)

    def answer(pixels: Any) -> Any:
        pixels = pixels.to(memory_format=torch.channels_last, dtype=torch.bfloat16)
        return network(pixels).float().softmax(1)

    def load(file: str) -> Any:
        with Image.open(file) as picture:
            return transform(picture.convert("RGB"))

    def run(files: list[str]) -> NDArray[np.float32]:
        ready = batches(files, load, size=size, threads=cores)
        with torch.inference_mode():
            return np.concatenate([answer(torch.stack(pictures)).numpy() for pictures in ready])

    with torch.inference_mode():
        size = better_size(lambda n: answer(torch.zeros(n, 3, *[NETWORKS[model].side] * 2)))
    return run


def timm_transform(timm: Any, network: Any) -> Any:
    """What timm does to a picture before it validates this network."""
    data = import_module("timm.data")
    return data.create_transform(**data.resolve_data_config({}, model=network))


def better_size(answer: Any) -> int:
    """The batch size at which a picture takes the least time, the best of three each."""
    costs = {}
    for size in BATCH_SIZES:
        answer(size)
        costs[size] = min(_seconds(answer, size) for _ in range(3)) / size
    return min(costs, key=costs.__getitem__)


def _seconds(answer: Any, size: int) -> float:
    start = time.perf_counter()
    answer(size)
    return time.perf_counter() - start
