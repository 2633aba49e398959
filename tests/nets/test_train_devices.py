"""Fits in half precision, which leave no trace, and on several devices, which answer as one."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.errors import UsageError
from tests.nets.plain_fit import PLAIN, cross_entropy

pytestmark = pytest.mark.network


def test_bfloat16_leaves_no_trace() -> None:
    from tests.nets import fits

    made = fits.Made(pixels=True)
    fitting = replace(PLAIN, epochs=6, arithmetic="mixed_bfloat16", learning_rate=0.03)
    trainer = fits.trainer(made.model(), fitting)
    kept = made.kept()
    assert kept is not None
    history = trainer.fit(made.feed(fitting), kept)
    assert history[-1].loss < history[0].loss
    assert {layer.dtype_policy.name for layer in trainer.model.layers} == {"float32"}
    assert {str(weight.dtype) for weight in trainer.model.weights} == {"float32"}
    outside = np.asarray(trainer.model(made.inputs[made.pictures :], training=False))
    np.testing.assert_allclose(trainer.logits(kept), outside, rtol=1e-5, atol=1e-6)
    best = min(row.val_loss for row in history if row.val_loss is not None)
    assert cross_entropy(outside, kept.truth) == pytest.approx(best, rel=1e-5)
    # And it did compute in it.
    plain = fits.trainer(made.model(), replace(fitting, arithmetic="float32"))
    assert plain.fit(made.feed(fitting), kept)[0].loss != history[0].loss


def test_float16_wants_a_graphics_card() -> None:
    import tensorflow as tf

    from tests.nets import fits

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match="mixed_bfloat16"):
        fits.trainer(fits.Made().model(), replace(PLAIN, arithmetic="mixed_float16"))


DEVICES = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf

processors = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    processors[0], [tf.config.LogicalDeviceConfiguration()] * 3
)
from cnnkit.nets.checkpoint import load, save
from cnnkit.records import Fitting
from tests.nets import fits


def fitted(made, kind, fitting, names, moments, at=None):
    model = made.model(kind)
    for layer in model.layers:
        if layer.name == "dropout":  # whose draws each device has of its own
            layer.rate = 0.0
    trainer = fits.trainer(model, fitting, devices=names)
    if at is not None:
        trainer.restore(at)
    feed = made.feed(fitting, weights=np.array([1, 2, 0.5], np.float32))
    history = trainer.fit(feed, made.kept(), fits.keeping(moments))
    return trainer, history


def check(kind, pictures, batch, count, path):
    made = fits.Made(pictures=pictures, pixels=kind == "pixels")
    fitting = Fitting(
        epochs=3, batch_size=batch, warmup=1.0, learning_rate=0.02, weight_decay=0.1,
        clip_norm=0.05, label_smoothing=0.1, arithmetic="float32",
    )
    devices = [f"CPU:{number}" for number in range(count)]
    moments = []
    shared, mirrored = fitted(made, kind, fitting, devices, moments)
    assert type(shared._distribution).__name__ == "MirroredStrategy"
    assert all(np.isfinite(weight).all() for weight in shared.model.get_weights())
    # Each device's batch normalisation sees its own part of a batch: no two devices are as one.
    if not made.pixels:
        alone, plain = fitted(made, kind, fitting, (), [])
        for a, b in zip(plain, mirrored, strict=True):
            for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=2e-5)
        for a, b in zip(alone.model.get_weights(), shared.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    save(moments[len(moments) // 2], path)
    resumed, again = fitted(made, kind, fitting, devices, [], load(path))
    assert fits.told(again) == fits.told(mirrored)
    for a, b in zip(resumed.model.get_weights(), shared.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


for case in json.loads(sys.argv[1]):
    check(*case, Path(sys.argv[2]))
print("equal")
"""


# What, pictures, of a batch, devices: batches that do not divide, and smaller than the devices are
# many. TensorFlow allows one number of devices in a process.
@pytest.mark.parametrize(
    "cases",
    [[("linear", 23, 5, 2)], [("mlp", 14, 4, 3), ("pixels", 10, 4, 3)]],
    ids=["two", "three"],
)
def test_devices_that_share_a_batch_answer_as_one(cases: list[Any], tmp_path: Path) -> None:
    arguments = [json.dumps(cases), str(tmp_path / "fit.npz")]
    command = [sys.executable, "-W", "ignore", "-c", DEVICES, *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout == b"equal\n", done.stderr.decode()[-3000:]
