"""Images per second of `cnnkit classify` and of the recipe that every tutorial shows."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from tests.conftest import DATA

ROUNDS = 3
# One picture at a time, as people write it: load_img, img_to_array, preprocess_input, predict.
RECIPE = """
import sys, time
import numpy as np, keras
module, builder, arguments, paths = sys.argv[1], sys.argv[2], eval(sys.argv[3]), sys.argv[4:]
family = getattr(keras.applications, module)
model = getattr(keras.applications, builder)(**arguments)
start = time.perf_counter()
for path in paths:
    image = keras.utils.load_img(path, target_size=(224, 224))
    pixels = np.expand_dims(keras.utils.img_to_array(image), axis=0)
    answers = model.predict(family.preprocess_input(pixels), verbose=0)
    if arguments.get("weights") == "imagenet":
        family.decode_predictions(answers, top=5)
print(len(paths) / (time.perf_counter() - start))
"""
CASES: tuple[tuple[str, str, str, str, dict[str, object]], ...] = (
    (
        "mobilenet_0.75",
        "imagenet",
        "mobilenet",
        "MobileNet",
        {"alpha": 0.75, "weights": "imagenet"},
    ),
    ("resnet50", "none", "resnet", "ResNet50", {"weights": None}),
)


def recipe_rate(module: str, builder: str, arguments: dict[str, object], paths: list[str]) -> float:
    """Images per second of the loop alone, its start-up left out."""
    command = [sys.executable, "-c", RECIPE, module, builder, repr(arguments), *paths]
    done = subprocess.run(command, check=True, capture_output=True)
    return float(done.stdout.split()[-1])


def cnnkit_rate(model: str, weights: str, paths: list[str]) -> float:
    """Images per second from the first answer on, its start-up left out; answers are read live."""
    command = [sys.executable, "-m", "cnnkit", "classify", "-", "--format", "jsonl"]
    command += ["--model", model, "--weights", weights]
    with tempfile.TemporaryFile() as stdin:
        stdin.write("\n".join(paths).encode())
        stdin.seek(0)
        with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE) as process:
            assert process.stdout
            times = []
            for line in process.stdout:
                assert json.loads(line)["status"] == "ok"
                times.append(time.perf_counter())
    # The answers of one batch come together: count from the last of the first batch.
    first = 31
    return (len(times) - 1 - first) / (times[-1] - times[first])


def main() -> None:
    """Print one line per network."""
    os.environ["KERAS_HOME"] = str(DATA / "keras_home")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if not (DATA / "photos").is_dir():
        print(f"no photographs in {DATA}: the rate of classify is left out")
        return
    photos = sorted(map(str, Path(DATA / "photos" / "imagenet").iterdir()))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"TensorFlow {version('tensorflow')}, Keras {version('keras')}; {len(photos)} photographs"
    )
    for model, weights, module, builder, arguments in CASES:
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(cnnkit_rate(model, weights, photos))
            theirs.append(recipe_rate(module, builder, arguments, photos))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(
            f"{model}: cnnkit classify {statistics.median(ours):.1f} images/s, "
            f"one-by-one recipe {statistics.median(theirs):.1f} images/s, ratio {ratio:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
