"""The oracle: what a person would write with Keras alone, and weights that make it tell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format
from numpy.typing import NDArray
from PIL import Image

from cnnkit.zoo.catalog import Network

# Where each family keeps its `preprocess_input`.
MODULES = {
    "vgg16": "vgg16",
    "resnet50": "resnet",
    "resnet50v2": "resnet_v2",
    "inceptionv3": "inception_v3",
    "xception": "xception",
    "densenet121": "densenet",
    "mobilenet_0.25": "mobilenet",
    "mobilenetv3small_1.0": "mobilenet_v3",
    "nasnetmobile": "nasnet",
    "efficientnetb0": "efficientnet",
    "efficientnetv2b0": "efficientnet_v2",
    "convnexttiny": "convnext",
}


def module_of(network: Network) -> Any:
    return import_module(f"keras.applications.{MODULES[network.name]}")


def write_random_weights(network: Network, folder: Path, photos: list[Path]) -> Path:
    """Seeded weights under Keras's own file name, such that every picture gets its own answer.

    He initialisation alone would not do: batch statistics are taken from the photographs, and the
    last layer is scaled until their logits differ by 1.5 on average.
    """
    folder.mkdir(parents=True, exist_ok=True)
    side = network.recipe.height
    builder = getattr(keras.applications, network.builder)
    model = builder(weights=None, input_shape=(side, side, 3), **network.arguments)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(_random_value(variable.path, tuple(variable.shape), rng))
    pixels = module_of(network).preprocess_input(stretched(photos, side))
    _calibrate(model, pixels)
    path = folder / network.top.name
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def _calibrate(model: Any, pixels: NDArray[np.float32]) -> None:
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(pixels, training=True)
    logits = np.log(model.predict(pixels, verbose=0) + 1e-30)
    kernel, bias = model.trainable_variables[-2:]
    factor = 1.5 / (logits - logits.mean(0)).std()
    kernel.assign(kernel * factor)
    bias.assign((bias - logits.mean(0)) * factor)


def _random_value(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    name = path.rsplit("/", 1)[-1]
    if "seed" in name or "count" in name:
        return np.zeros(shape)
    if "variance" in name or "gamma" in name:
        return rng.uniform(0.8, 1.2, shape)
    if len(shape) >= 2:
        fan_in = np.prod(shape[:-1]) if "depthwise" not in path else shape[0] * shape[1]
        return rng.normal(0, np.sqrt(2 / fan_in), shape)
    return rng.normal(0, 0.05, shape)


@contextmanager
def files_from(folder: Path) -> Iterator[None]:
    """Let keras.applications take its files from a folder, whatever their hashes."""

    def local(fname: str, *_: object, **__: object) -> str:
        return str(folder / fname)

    with mock.patch("keras.src.utils.file_utils.get_file", local):
        yield


def write_class_index(folder: Path) -> None:
    """1,000 made-up classes under the class index's name."""
    index = {str(i): [f"n{i:08}", f"class_{i}"] for i in range(1000)}
    (folder / "imagenet_class_index.json").write_text(json.dumps(index))


def stretched(paths: list[Path], side: int) -> NDArray[np.float32]:
    """`load_img` as everybody calls it: both sides to size, bilinear."""
    images = [
        keras.utils.load_img(path, target_size=(side, side), interpolation="bilinear")
        for path in paths
    ]
    return np.stack([keras.utils.img_to_array(image) for image in images])


def centre_cropped(paths: list[Path], side: int, resample: Image.Resampling) -> NDArray[np.float32]:
    """The usual ImageNet evaluation: short side to side · 256/224, the centre cut out."""
    short, out = round(side * 256 / 224), []
    for path in paths:
        with Image.open(path) as stored:
            image = stored.convert("RGB")
        width, height = image.size
        scale = short / min(width, height)
        image = image.resize((round(width * scale), round(height * scale)), resample)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        out.append(np.asarray(image.crop((left, top, left + side, top + side)), np.float32))
    return np.stack(out)
