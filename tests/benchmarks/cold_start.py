"""One picture, the whole process: `cnnkit classify picture.jpg` and a plain Keras script."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.runners import NETWORKS
from tests.conftest import DATA, ROOT

# The same views as cnnkit's: the short side to 256, bicubic, the centre of 224 cut out.
SCRIPT = """
import sys
from importlib import import_module
import keras
import numpy as np
from PIL import Image
builder, family, weights, path, alpha = sys.argv[1:]
more = {"alpha": float(alpha)} if alpha else {}
model = getattr(keras.applications, builder)(weights=weights, **more)
image = Image.open(path).convert("RGB")
scale = 256 / min(image.size)
image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)
left, top = (image.width - 224) // 2, (image.height - 224) // 2
pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), "float32")[None]
family = import_module("keras.applications." + family)
best = family.decode_predictions(model.predict(family.preprocess_input(pixels), verbose=0))[0][0]
print(best[0], best[2])
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A network and where both take its weights from: "imagenet", or a file."""

    model: str
    builder: str
    family: str
    weights: str
    alpha: str = ""

    def ours(self, picture: str) -> list[str]:
        command = [sys.executable, "-m", "cnnkit", "classify", picture, "--format", "jsonl"]
        return [*command, "--model", self.model, "--weights", self.weights, "--top", "1"]

    def theirs(self, picture: str) -> list[str]:
        words = (self.builder, self.family, self.weights, picture, self.alpha)
        return [sys.executable, "-c", SCRIPT, *words]


@dataclass(slots=True)
class ColdStart:
    """Seconds of the whole process, one figure per round, and whether both named one class."""

    model: str
    same: bool
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)


def measure(photos: Path, rounds: int) -> list[ColdStart]:
    """Both cases: real weights of a small network, and a large network's from a file."""
    some = sorted(photos.iterdir())[:16]
    with tempfile.TemporaryDirectory() as folder:
        resnet = NETWORKS["resnet50"]
        cases = [
            Case("mobilenet_0.75", "MobileNet", "mobilenet", "imagenet", "0.75"),
            Case("resnet50", resnet.builder, resnet.family, _weights("resnet50", folder, some)),
        ]
        return [_alternated(case, str(some[0]), rounds) for case in cases]


def _weights(model: str, folder: str, photos: list[Path]) -> str:
    """Random weights that tell pictures apart, written in a process of its own."""
    script = (
        "import sys; from pathlib import Path; from tests.plain_keras import write_random_weights;"
        "from cnnkit.zoo.catalog import find; name, folder, *photos = sys.argv[1:];"
        "print(write_random_weights(find(name), Path(folder), [Path(p) for p in photos]))"
    )
    return _said([sys.executable, "-c", script, model, folder, *map(str, photos)]).splitlines()[-1]


def _alternated(case: Case, picture: str, rounds: int) -> ColdStart:
    # The first run of each fills the caches of the disk and of the engine, and shows the answer.
    mine = json.loads(_said(case.ours(picture)))["predictions"][0]["id"]
    row = ColdStart(case.model, same=mine == _said(case.theirs(picture)).split()[-2])
    for _ in range(rounds):
        row.ours.append(_seconds(case.ours(picture)))
        row.theirs.append(_seconds(case.theirs(picture)))
    return row


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    _said(command)
    return time.perf_counter() - start


def _said(command: list[str]) -> str:
    environment = os.environ | {"KERAS_HOME": str(DATA / "keras_home")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError(f"{command[1:4]} failed:\n{done.stderr}")
    return done.stdout
