"""ONNX Runtime in float32 on timm's network, in batches of 8.

PyTorch writes the file with the channels first, which is what this runtime computes in; Keras's
own export turns every picture around first, and needs more than 16 GB of memory for VGG16.
"""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.benchmarks.read_ahead import batches
from tests.benchmarks.runners import NETWORKS, Run

BATCH = 8


def open_runner(model: str, cores: int) -> Run:
    """A function from files to probabilities (n, classes)."""
    session = exported(NETWORKS[model].timm, NETWORKS[model].side, cores)
    name, side = session.get_inputs()[0].name, NETWORKS[model].side

    def load(file: str) -> NDArray[np.float32]:
        with Image.open(file) as picture:
            small = picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        return np.asarray(small, np.float32).transpose(2, 0, 1) / 127.5 - 1.0

    def run(files: list[str]) -> NDArray[np.float32]:
        ready = batches(files, load, size=BATCH, threads=cores)
        return np.concatenate([session.run(None, {name: np.stack(p)})[0] for p in ready])

    return run


def exported(network: str, side: int, cores: int) -> Any:
    """A session on the network, written to a file that is gone once it has been read."""
    torch, timm = import_module("torch"), import_module("timm")
    runtime = import_module("onnxruntime")
    model = torch.nn.Sequential(timm.create_model(network, pretrained=False), torch.nn.Softmax(1))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = cores
    # Threads that spin between two batches take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "network.onnx")
        example = (torch.zeros(BATCH, 3, side, side),)
        torch.onnx.export(model.eval(), example, file, dynamo=False, opset_version=17)
        return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
