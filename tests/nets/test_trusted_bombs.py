"""Networks from strangers that would fill the memory: refused before they take any."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.nets.stranger_files import (
    Config,
    giant_dense,
    layer,
    part,
    refusal,
    set_argument,
    set_layer,
    with_config,
)

pytestmark = pytest.mark.network


def without_shapes(change: Callable[[Config], object]) -> Callable[[Config], None]:
    """Nothing says beforehand what comes out of the changed layer, and any of it is pooled."""

    def changed(config: Config) -> None:
        for each in config["config"]["layers"]:
            each.pop("build_config", None)
        pooling = {"name": "flat", "data_format": "channels_last"}
        layer(config, "flat").update(class_name="GlobalMaxPooling2D", config=pooling)
        change(config)

    return changed


BOMBS: dict[str, tuple[Callable[[Config], object], str]] = {
    "units": (giant_dense, "an activation of (None, 1000000000) in 'dense'"),
    "filters": (
        without_shapes(set_argument("conv", filters=10**8)),
        "an activation of (None, 6, 6, 100000000) in 'conv'",
    ),
    "kernel": (
        set_argument("dense", units=10**8),
        "14,400,000,000 of them in 'dense/kernel', and model.weights.h5 holds 402",
    ),
    "built": (set_layer("dense", build_config={"input_shape": [None, 10**12]}), "cannot be built"),
    "orthogonal": (
        lambda c: layer(c, "dense")["config"].update(
            units=10**6, kernel_initializer=part("keras.initializers", "Orthogonal")
        ),
        "and model.weights.h5 holds",
    ),
    "picture": (
        without_shapes(set_argument("pixels", batch_shape=[None, 10**6, 10**6, 3])),
        "an activation of (None, 1000000, 1000000, 3) in 'pixels'",
    ),
    "upsampling": (
        without_shapes(set_layer("drop", class_name="UpSampling2D", config={"size": 10**6})),
        "an activation of (None, 6000000, 6000000, 4) in 'up_sampling2d', more than 268,435,456",
    ),
    "padding": (
        without_shapes(set_layer("drop", class_name="ZeroPadding2D", config={"padding": 10**7})),
        "in 'zero_padding2d', more than",
    ),
    "overflow": (
        without_shapes(set_argument("pixels", batch_shape=[None, 10**30, 10**30, 3])),
        "more than 268,435,456",
    ),
}


def test_bombs_take_no_memory(honest: Path, tmp_path: Path) -> None:
    """They are refused in a process of its own, whose memory is looked at before and after."""
    for name, (change, _) in BOMBS.items():
        with_config(honest, tmp_path / f"{name}.keras", change)
    script = f"""
import resource, sys, json
from pathlib import Path
from cnnkit.errors import WeightsError
from cnnkit.nets.trusted import load_model
load_model(Path({str(honest)!r}))
said, before = {{}}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in {list(BOMBS)!r}:
    try:
        load_model(Path({str(tmp_path)!r}, name + ".keras"))
    except WeightsError as error:
        said[name] = str(error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([said, grown]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=ROOT, check=True, timeout=240
    )
    said, grown = json.loads(done.stdout.splitlines()[-1])
    assert set(said) == set(BOMBS)
    for name, (_, wanted) in BOMBS.items():
        assert wanted in said[name], said[name]
    # In kilobytes; each of the bombs would be 4 GB or more.
    assert grown < 200_000


def test_no_variable_waits_for_values(honest: Path, tmp_path: Path) -> None:
    """Keras would make them, a bomb's too, when the next of its scopes ends."""
    import keras
    from keras.src.backend.common import global_state

    bomb = with_config(honest, tmp_path / "bomb.keras", set_argument("dense", units=10**8))
    assert "model.weights.h5 holds 402" in refusal(bomb)
    bomb = with_config(honest, tmp_path / "bomb.keras", giant_dense)
    assert "an activation of (None, 1000000000)" in refusal(bomb)
    with keras.StatelessScope():
        pass
    assert not global_state.get_global_attribute("uninitialized_variables")
