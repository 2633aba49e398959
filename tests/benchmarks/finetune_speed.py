"""Training beside the usual Keras script: ``python -m tests.benchmarks.finetune_speed``.

The script fits a dense layer on a frozen network, the network in the loop, as tutorials do. Ours is
the whole command from a cold store, and the epochs that it then takes. Both see the same 400
photographs of flowers and name the same 150; whole processes, one after the other. With ResNet50
the weights are random, so that only the seconds mean something.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import DATA

EPOCHS = 30
SCRIPT = """
import json, sys, time
import keras
scaled = getattr(keras.applications, sys.argv[2].lower()).preprocess_input
train, val = (
    keras.utils.image_dataset_from_directory(
        f"{sys.argv[1]}/{part}", image_size=(224, 224), batch_size=32, seed=0, verbose=False
    ).map(lambda x, y: (scaled(x), y)).prefetch(2)
    for part in ("train", "val")
)
builder, size = getattr(keras.applications, sys.argv[2]), json.loads(sys.argv[3])
base = builder(**size, include_top=False, input_shape=(224, 224, 3), pooling="avg")
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(5)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy"])
seconds = []
class Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None): self.began = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None): seconds.append(time.perf_counter() - self.began)
told = model.fit(train, validation_data=val, epochs=int(sys.argv[4]), verbose=0,
                 callbacks=[Clock()])
print(json.dumps({"seconds": seconds, "accuracy": told.history["val_accuracy"][-1]}))
"""


@dataclass(frozen=True)
class Case:
    """A network by its name here and in Keras, and its weight file in Keras; None for random."""

    model: str
    builder: str
    size: Mapping[str, float]
    file: str | None

    def arguments(self) -> dict[str, Any]:
        """What Keras's builder is given."""
        weights = self.file and str(DATA / "keras_home" / "models" / self.file)
        return {**self.size, "weights": weights}


CASES = {
    case.model: case
    for case in (
        Case("mobilenet_0.25", "MobileNet", {"alpha": 0.25}, "mobilenet_2_5_224_tf_no_top.h5"),
        Case("mobilenet_0.75", "MobileNet", {"alpha": 0.75}, "mobilenet_7_5_224_tf_no_top.h5"),
        Case("resnet50", "ResNet50", {}, None),
    )
}


def usual(case: Case, flowers: Path, epochs: int) -> tuple[float, float, float]:
    """The script's seconds in all and an epoch, and its accuracy on the validation pictures."""
    told = json.dumps(case.arguments())
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(flowers), case.builder, told, str(epochs)],
        capture_output=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    # The first epoch also traces the graph.
    return time.perf_counter() - began, statistics.median(said["seconds"][1:]), said["accuracy"]


def ours(case: Case, flowers: Path, folder: Path, epochs: int) -> tuple[float, float, float]:
    """Our command's seconds in all and an epoch, and its accuracy on the validation pictures."""
    environment = os.environ | {
        "KERAS_HOME": str(DATA / "keras_home"),
        "CNNKIT_CACHE_DIR": str(folder / "cache"),
    }
    began = time.perf_counter()
    weights = "imagenet" if case.file else "none"
    subprocess.run(
        [sys.executable, "-m", "cnnkit", "finetune", str(flowers), "-m", case.model, "-w", weights,
         "--strategy", "bottleneck", "--epochs", str(epochs), "--patience", "0", "--out",
         str(folder / "run"), "-q"],
        capture_output=True, check=True, env=environment,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    rows = [json.loads(row) for row in (folder / "run" / "history.jsonl").open()]
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return seconds, statistics.median(row["seconds"] for row in rows[1:]), metrics["accuracy"]


def main(arguments: list[str]) -> None:
    """Print both, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--model", choices=CASES, default="mobilenet_0.25")
    given = parser.parse_args(arguments)
    case, epochs = CASES[given.model], given.epochs
    flowers = DATA / "photos" / "flowers"
    with tempfile.TemporaryDirectory() as folder:
        own = ours(case, flowers, Path(folder), epochs)
    script = usual(case, flowers, epochs)
    for name, (whole, epoch, accuracy) in (("cnnkit", own), ("keras", script)):
        print(f"{name:8} {whole:8.1f} s in all {1e3 * epoch:10.1f} ms an epoch {accuracy:8.1%}")
    print(f"an epoch {script[1] / own[1]:.0f} times as fast, all {script[0] / own[0]:.1f} times")


if __name__ == "__main__":
    main(sys.argv[1:])
