"""bfloat16 with less loss."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from cnnkit.engines.rounding import corrected_biases, rounded, with_biases

ov = pytest.importorskip("openvino", reason="the compiled runtime is not installed")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 8, 8, 4), np.uint8)
FLOATS = st.floats(-(2.0**127), 2.0**127, width=32, allow_subnormal=False)
WEIGHTS = RNG.normal(size=(6, 4, 3, 3)).astype(np.float32)
BIAS = RNG.normal(size=(1, 6, 1, 1)).astype(np.float32)


def graph(weights: NDArray[np.float32], bias: NDArray[np.float32], *, bias_first: bool) -> Any:
    """uint8 NHWC → one convolution, in groups if its weights are, and its bias."""
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, 8, 8, 4], np.uint8, "pixels")
    flow = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    convolve = ops.group_convolution if weights.ndim == 5 else ops.convolution
    valid: list[Any] = [[1, 1], [0, 0], [0, 0], [1, 1]]
    node = convolve(flow, ops.constant(weights), *valid)
    constant = ops.constant(bias)
    total = ops.add(constant, node) if bias_first else ops.add(node, constant)
    return ov.Model([ops.relu(total)], [pixels], "one convolution")


def run(model: Any, precision: str = "f32") -> NDArray[np.float32]:
    fixed = model.clone()
    fixed.reshape(list(PIXELS.shape))
    compiled = ov.Core().compile_model(fixed, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return np.array(compiled(PIXELS)[0], np.float32)


@given(arrays.arrays(np.float32, 5, elements=FLOATS))
def test_rounding_is_that_of_bfloat16(values: NDArray[np.float32]) -> None:
    expected = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(rounded(values), expected)


@pytest.mark.parametrize("bias_first", [False, True])
def test_the_mean_of_every_channel_is_kept(bias_first: bool) -> None:
    """Without a border, the mean of the output is a function of the mean of the input alone."""
    model = graph(WEIGHTS, BIAS + 3000, bias_first=bias_first)  # so large that ReLU does nothing
    biases = corrected_biases(ov.Core(), model, PIXELS)
    coarse = with_biases(graph(rounded(WEIGHTS), BIAS, bias_first=bias_first), biases)
    plain = run(graph(rounded(WEIGHTS), BIAS + 3000, bias_first=bias_first))
    expected = run(model).mean(axis=(0, 2, 3))
    lost = np.abs(plain.mean(axis=(0, 2, 3)) - expected)
    left = np.abs(run(coarse).mean(axis=(0, 2, 3)) - expected)
    assert lost.max() > 0.5, "rounding costs nothing here: the test says nothing"
    # What is left: at the border a pixel is seen by fewer places of the kernel.
    assert left.max() < lost.max() / 2


def test_groups_are_told_apart() -> None:
    """Two groups of two channels are one convolution whose other weights are zero."""
    grouped = RNG.normal(size=(2, 3, 2, 3, 3)).astype(np.float32)
    dense = np.zeros((6, 4, 3, 3), np.float32)
    dense[:3, :2], dense[3:, 2:] = grouped[0], grouped[1]
    both = [
        corrected_biases(ov.Core(), graph(weights, BIAS, bias_first=False), PIXELS)
        for weights in (grouped, dense)
    ]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)
    assert not np.allclose(both[0], BIAS.reshape(-1))


def test_its_own_biases_leave_a_graph_as_it_was() -> None:
    model = graph(WEIGHTS, BIAS, bias_first=False)
    same = with_biases(model, BIAS.reshape(-1))
    assert np.array_equal(run(same), run(model))
    other = with_biases(model, BIAS.reshape(-1) + 1)
    assert not np.allclose(run(other), run(model)), "the copy is what is changed"


def test_what_has_no_constant_bias_is_left_alone() -> None:
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, 8, 8, 4], np.uint8, "pixels")
    model = ov.Model([ops.relu(ops.convert(pixels, np.float32))], [pixels], "none")
    biases = corrected_biases(ov.Core(), model, PIXELS)
    assert biases.shape == (0,)
    assert np.array_equal(run(with_biases(model, biases)), PIXELS)


@pytest.mark.real
@pytest.mark.network
def test_half_the_loss_on_photographs_is_taken_back(
    photos: Path, keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnkit.engines.base import SCORES, Engine, Source, open_engine
    from cnnkit.engines.fidelity import compare
    from cnnkit.errors import UsageError
    from cnnkit.zoo.catalog import find
    from cnnkit.zoo.weights import path_of
    from tests.plain_keras import stretched

    network = find("mobilenet_0.75")
    layers = (SCORES, network.embedding)
    source = Source(network, network.recipe, path_of(network.top), 0, layers)
    pixels = stretched(sorted(photos.iterdir())[:64], 224).astype(np.uint8)

    def opened(precision: Any) -> Engine:
        return open_engine("openvino", source, precision=precision, threads=2)

    expected = opened("float32").predict(pixels)
    try:
        corrected = compare(expected, opened("bfloat16").predict(pixels))
    except UsageError:
        pytest.skip("this processor does not compute in bfloat16")
    monkeypatch.setattr("cnnkit.engines.openvino_engine.with_biases", lambda model, _: model)
    plain = compare(expected, opened("bfloat16").predict(pixels))
    assert 1 - corrected.median_cosine < (1 - plain.median_cosine) / 2
    assert corrected.median_cosine >= 0.9993
