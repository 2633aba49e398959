"""Files of networks from strangers: made from an honest one, loaded, and refused."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from cnnkit.errors import WeightsError

Config = dict[str, Any]
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}


def load(path: Path) -> Any:
    from cnnkit.nets.trusted import load_model

    return load_model(path)


def refusal(path: Path) -> str:
    """What is said of a file that is not loaded; one line, with the advice at its end."""
    with pytest.raises(WeightsError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert 'model.save("NAME.keras").' in message
    assert "\n" not in message
    return message


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_config(honest: Path, path: Path, change: Callable[[Config], object]) -> Path:
    content = members(honest)
    config = json.loads(content[CONFIG])
    change(config)
    return zipped(path, content | {CONFIG: json.dumps(config).encode()})


def with_weights(honest: Path, path: Path, change: Callable[[Any], object]) -> Path:
    content = members(honest)
    file = io.BytesIO(content[WEIGHTS])
    with h5py.File(file, "r+") as weights:
        change(weights)
    return zipped(path, content | {WEIGHTS: file.getvalue()})


def layer(config: Config, name: str) -> Config:
    return next(each for each in config["config"]["layers"] if each["name"] == name)


def giant_dense(config: Config) -> None:
    layer(config, "dense")["config"]["units"] = 10**9


def set_layer(name: str, /, **values: Any) -> Callable[[Config], None]:
    return lambda config: layer(config, name).update(values)


def set_argument(name: str, /, **values: Any) -> Callable[[Config], None]:
    return lambda config: layer(config, name)["config"].update(values)


def part(module: str, name: str, /, config: Any = None, **more: Any) -> Config:
    return {"module": module, "class_name": name, "config": config or {}, **more}
