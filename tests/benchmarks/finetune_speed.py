"""Training beside the usual Keras script: ``python -m tests.benchmarks.finetune_speed``.

The script fits a dense layer on a frozen MobileNet, the network in the loop, as tutorials do. Ours
is the whole command from a cold store, and the epochs that it then takes. Both see the same 400
photographs of flowers and name the same 150; whole processes, one after the other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import DATA

EPOCHS = 30
SCRIPT = """
import json, sys, time
import keras
train, val = (
    keras.utils.image_dataset_from_directory(
        f"{sys.argv[1]}/{part}", image_size=(224, 224), batch_size=32, seed=0, verbose=False
    ).map(lambda x, y: (keras.applications.mobilenet.preprocess_input(x), y)).prefetch(2)
    for part in ("train", "val")
)
base = keras.applications.MobileNet(alpha=0.25, weights=sys.argv[2], include_top=False,
                                    input_shape=(224, 224, 3), pooling="avg")
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(5)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy"])
seconds = []
class Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None): self.began = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None): seconds.append(time.perf_counter() - self.began)
told = model.fit(train, validation_data=val, epochs=int(sys.argv[3]), verbose=0,
                 callbacks=[Clock()])
print(json.dumps({"seconds": seconds, "accuracy": told.history["val_accuracy"][-1]}))
"""


def usual(flowers: Path, epochs: int) -> tuple[float, float, float]:
    """The script's seconds in all and an epoch, and its accuracy on the validation pictures."""
    weights = DATA / "keras_home" / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(flowers), str(weights), str(epochs)],
        capture_output=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    # The first epoch also traces the graph.
    return time.perf_counter() - began, statistics.median(told["seconds"][1:]), told["accuracy"]


def ours(flowers: Path, folder: Path, epochs: int) -> tuple[float, float, float]:
    """Our command's seconds in all and an epoch, and its accuracy on the validation pictures."""
    environment = os.environ | {
        "KERAS_HOME": str(DATA / "keras_home"),
        "CNNKIT_CACHE_DIR": str(folder / "cache"),
    }
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "cnnkit", "finetune", str(flowers), "-m", "mobilenet_0.25",
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
    epochs = parser.parse_args(arguments).epochs
    flowers = DATA / "photos" / "flowers"
    with tempfile.TemporaryDirectory() as folder:
        own = ours(flowers, Path(folder), epochs)
    script = usual(flowers, epochs)
    for name, (whole, epoch, accuracy) in (("cnnkit", own), ("keras", script)):
        print(f"{name:8} {whole:8.1f} s in all {1e3 * epoch:10.1f} ms an epoch {accuracy:8.1%}")
    print(f"an epoch {script[1] / own[1]:.0f} times as fast, all {script[0] / own[0]:.1f} times")


if __name__ == "__main__":
    main(sys.argv[1:])
