"""A training run of patternnet → the files that the package ships.

``python -m cnnkit.nets.pack_patternnet RUN FOLDER`` is the last step of `make patternnet`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras

from cnnkit.errors import InputError
from cnnkit.images.drawn import CLASSES
from cnnkit.nets.classifier import LOGITS
from cnnkit.nets.patternnet import PatternNet
from cnnkit.nets.trusted import load_model

WEIGHTS, LABELS = "patternnet.weights.h5", "labels.json"


def packed(run: Path) -> keras.Model:
    """The network that a run has trained, by itself: without its scaling, with logits at its end.

    Raises `InputError` for a run of other classes or of another network, `WeightsError` for a
    network that cannot be read.
    """
    told = json.loads((run / LABELS).read_text(encoding="utf-8"))
    labels = [told[key][1] for key in sorted(told, key=int)]
    if labels != list(CLASSES):
        raise InputError(f"{run}: expected the {len(CLASSES)} drawn classes. Received: {labels}")
    trained, model = load_model(run / "model.keras"), PatternNet(classifier_activation=None)
    names = {layer.name for layer in trained.layers}
    for layer in model.layers:
        name = LOGITS if layer.name == "predictions" else layer.name
        if layer.weights and name not in names:
            raise InputError(f"{run}: expected a run of patternnet. It has no layer {name!r}.")
        if layer.weights:
            layer.set_weights(trained.get_layer(name).get_weights())
    return model


def save_half(model: keras.Model, path: Path) -> None:
    """Write the weights as float16, in the layout that ``model.load_weights`` reads.

    Keras casts what it reads to each variable's own type, so that no loader of our own is needed.
    """
    import h5py

    full = path.with_name("full.weights.h5")
    model.save_weights(full)
    with h5py.File(full) as source, h5py.File(path, "w") as target:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                small = item.dtype == "float32"
                copied = target.create_dataset(name, data=item[()].astype("f2") if small else item)
            else:
                copied = target.require_group(name)
            copied.attrs.update(item.attrs)

        source.visititems(copy)
    full.unlink()


def main(arguments: list[str]) -> None:
    """Write both files."""
    run, folder = map(Path, arguments)
    folder.mkdir(parents=True, exist_ok=True)
    save_half(packed(run), folder / WEIGHTS)
    # The layout of ImageNet's class index: a number, then identity and name.
    index = {str(number): [name, name] for number, name in enumerate(CLASSES)}
    (folder / LABELS).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
